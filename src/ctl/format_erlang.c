/* erlang: a list of property lists, one row a line. Texts are binaries; that some are atoms in RabbitMQ
 * cannot be known from JSON. */
#include "ctl/format.h"

static void
erlang_row(struct format_out *o, const json_t *row)
{
    buffer_add_str(&o->line, o->rows++ ? ",\n [" : "[[");
    for (unsigned i = 0; i < o->column_count; i++) {
        buffer_add_fmt(&o->line, "%s{%s,", i ? "," : "", o->columns[i]);
        format_term(&o->line, json_array_get(row, i));
        buffer_add_u8(&o->line, '}');
    }
    buffer_add_u8(&o->line, ']');
    format_flush(o, &o->line);
}

static void
erlang_end(struct format_out *o)
{
    fputs(o->rows ? "]\n" : "[]\n", o->file);
}

static void
erlang_value(struct format_out *o, const json_t *value)
{
    format_term(&o->line, value);
    buffer_add_u8(&o->line, '\n');
    format_flush(o, &o->line);
}

static void
erlang_message(struct format_out *o, const char *text)
{
    json_t *value = json_string(text);
    erlang_value(o, value);
    json_decref(value);
}

const struct format format_erlang = {
    .name = "erlang",
    .row = erlang_row,
    .end = erlang_end,
    .value = erlang_value,
    .message = erlang_message,
};
