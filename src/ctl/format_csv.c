/* csv: everything in double quotes; --separator between columns, --delimiter between lines. */
#include "ctl/format.h"

static void
add_cell(struct format_out *o, struct slice text)
{
    buffer_add_u8(&o->line, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"')
            buffer_add_u8(&o->line, '"');
        buffer_add_u8(&o->line, text.data[i]);
    }
    buffer_add_u8(&o->line, '"');
}

static void
csv_row(struct format_out *o, const json_t *row)
{
    struct buffer cell = {0};
    if (o->rows++ == 0 && o->has_headers) {
        for (unsigned i = 0; i < o->column_count; i++) {
            buffer_add(&o->line, &o->separator, i ? 1 : 0);
            add_cell(o, slice_str(o->columns[i]));
        }
        buffer_add_u8(&o->line, (uint8_t)o->delimiter);
    }
    size_t i;
    json_t *value;
    json_array_foreach(row, i, value)
    {
        buffer_clear(&cell);
        format_value(&cell, value);
        buffer_add(&o->line, &o->separator, i ? 1 : 0);
        add_cell(o, buffer_slice(&cell));
    }
    buffer_add_u8(&o->line, (uint8_t)o->delimiter);
    format_flush(o, &o->line);
    buffer_fini(&cell);
}

static void
csv_value(struct format_out *o, const json_t *value)
{
    struct buffer text = {0};
    format_value(&text, value);
    add_cell(o, buffer_slice(&text));
    buffer_add_u8(&o->line, (uint8_t)o->delimiter);
    format_flush(o, &o->line);
    buffer_fini(&text);
}

static void
csv_message(struct format_out *o, const char *text)
{
    add_cell(o, slice_str(text));
    buffer_add_u8(&o->line, (uint8_t)o->delimiter);
    format_flush(o, &o->line);
}

const struct format format_csv = {
    .name = "csv",
    .is_for_programs = true,
    .row = csv_row,
    .value = csv_value,
    .message = csv_message,
};
