/*
 * json: an array with one object a line, keys in the columns' order. json_stream: one object a line and
 * nothing around them.
 */
#include "ctl/format.h"

#include <stdlib.h>

static void
add_object(struct format_out *o, const json_t *row)
{
    buffer_add_u8(&o->line, '{');
    for (unsigned i = 0; i < o->column_count; i++) {
        json_t *name = json_string(o->columns[i]);
        buffer_add_str(&o->line, i ? "," : "");
        format_json_value(&o->line, name);
        buffer_add_u8(&o->line, ':');
        const json_t *value = json_array_get(row, i);
        if (!value || json_is_null(value)) /* RabbitMQ's empty atom */
            buffer_add_str(&o->line, "\"\"");
        else
            format_json_value(&o->line, value);
        json_decref(name);
    }
    buffer_add_str(&o->line, "}\n");
    format_flush(o, &o->line);
}

static void
json_row(struct format_out *o, const json_t *row)
{
    fputs(o->rows++ ? "," : "[\n", o->file);
    add_object(o, row);
}

static void
json_end(struct format_out *o)
{
    if (o->rows)
        fputs("]\n", o->file);
    else
        fputs(o->is_streamed ? "[\n]\n" : "[]\n", o->file);
}

static void
json_stream_row(struct format_out *o, const json_t *row)
{
    o->rows++;
    add_object(o, row);
}

static void
json_value(struct format_out *o, const json_t *value)
{
    format_json_value(&o->line, value);
    buffer_add_u8(&o->line, '\n');
    format_flush(o, &o->line);
}

static void
json_message(struct format_out *o, const char *text)
{
    json_t *value = json_pack("{s:s}", "message", text);
    json_value(o, value);
    json_decref(value);
}

const struct format format_json = {
    .name = "json",
    .is_for_programs = true,
    .row = json_row,
    .end = json_end,
    .value = json_value,
    .message = json_message,
};

const struct format format_json_stream = {
    .name = "json_stream",
    .is_for_programs = true,
    .row = json_stream_row,
    .value = json_value,
    .message = json_message,
};
