/*
 * table: a header row and rows, with a tab between columns. The header comes with the first row; a list that
 * RabbitMQ gathers before it prints (users, policies) shows an empty line when it is empty, one that it
 * streams (queues) nothing.
 *
 * string: the same without a header.
 */
#include "ctl/format.h"

static void
table_row(struct format_out *o, const json_t *row)
{
    if (o->rows++ == 0 && o->has_headers && o->format != &format_string) {
        for (unsigned i = 0; i < o->column_count; i++)
            buffer_add_fmt(&o->line, "%s%s", i ? "\t" : "", o->columns[i]);
        buffer_add_u8(&o->line, '\n');
    }
    size_t i;
    json_t *value;
    json_array_foreach(row, i, value)
    {
        buffer_add_str(&o->line, i ? "\t" : "");
        format_value(&o->line, value);
    }
    buffer_add_u8(&o->line, '\n');
    format_flush(o, &o->line);
}

static void
table_end(struct format_out *o)
{
    if (o->rows == 0 && !o->is_streamed)
        fputs("\n", o->file);
}

static void
table_value(struct format_out *o, const json_t *value)
{
    format_term(&o->line, value);
    buffer_add_u8(&o->line, '\n');
    format_flush(o, &o->line);
}

static void
table_message(struct format_out *o, const char *text)
{
    fprintf(o->file, "%s\n", text);
}

const struct format format_table = {
    .name = "table",
    .is_text = true,
    .row = table_row,
    .end = table_end,
    .value = table_value,
    .message = table_message,
};

const struct format format_string = {
    .name = "string",
    .is_text = true,
    .row = table_row,
    .end = table_end,
    .value = table_value,
    .message = table_message,
};
