/*
 * pretty_table: a drawn table. Its widths are known when the last row is, so the rows are kept until then.
 * Lines are drawn with the terminal's line-drawing characters (ESC ( 0 ... ESC ( B), the header is bold: both
 * as RabbitMQ does it.
 */
#include "ctl/format.h"

#include <stdlib.h>
#include <string.h>

#define DRAW   "\033(0"
#define TEXT   "\033(B"
#define BOLD   "\033[1m"
#define NORMAL "\033[0m"

/* Characters, not bytes: what follows a first byte of UTF-8 takes no room. */
static size_t
width_of(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += (s.data[i] & 0xC0) != 0x80;
    return n;
}

static size_t
cell_width(struct buffer *cell, const json_t *value)
{
    buffer_clear(cell);
    format_value(cell, value);
    return width_of(buffer_slice(cell));
}

static void
add_times(struct buffer *out, char c, size_t n)
{
    memset(buffer_reserve(out, n), c, n);
    out->len += n;
}

static void
add_rule(struct format_out *o, const size_t *widths, char left, char between, char right)
{
    buffer_add_fmt(&o->line, DRAW "%c", left);
    for (unsigned i = 0; i < o->column_count; i++) {
        add_times(&o->line, 'q', widths[i] + 2);
        buffer_add_u8(&o->line, (uint8_t)(i + 1 < o->column_count ? between : right));
    }
    buffer_add_str(&o->line, TEXT "\n");
}

static void
add_header(struct format_out *o, const size_t *widths)
{
    buffer_add_str(&o->line, DRAW "x" TEXT);
    for (unsigned i = 0; i < o->column_count; i++) {
        buffer_add_fmt(&o->line, " " BOLD "%s" NORMAL, o->columns[i]);
        add_times(&o->line, ' ', widths[i] - width_of(slice_str(o->columns[i])));
        buffer_add_str(&o->line, " " DRAW "x" TEXT);
    }
    buffer_add_u8(&o->line, '\n');
}

static void
add_row(struct format_out *o, const size_t *widths, const json_t *row, struct buffer *cell)
{
    buffer_add_str(&o->line, DRAW "x" TEXT);
    for (unsigned i = 0; i < o->column_count; i++) {
        size_t width = cell_width(cell, json_array_get(row, i));
        buffer_add_fmt(&o->line, " %.*s", SLICE_FMT(buffer_slice(cell)));
        add_times(&o->line, ' ', widths[i] - width);
        buffer_add_str(&o->line, " " DRAW "x" TEXT);
    }
    buffer_add_u8(&o->line, '\n');
}

static void
pretty_begin(struct format_out *o)
{
    json_decref(o->kept);
    o->kept = json_array();
}

static void
pretty_row(struct format_out *o, const json_t *row)
{
    json_array_append(o->kept, (json_t *)row);
}

static void
pretty_end(struct format_out *o)
{
    size_t r, *widths = calloc(o->column_count, sizeof *widths);
    json_t *row;
    struct buffer cell = {0};
    if (!widths || json_array_size(o->kept) == 0) {
        free(widths);
        return;
    }
    for (unsigned i = 0; i < o->column_count; i++) {
        widths[i] = width_of(slice_str(o->columns[i]));
        json_array_foreach(o->kept, r, row)
        {
            size_t width = cell_width(&cell, json_array_get(row, i));
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    add_rule(o, widths, 'l', 'w', 'k');
    add_header(o, widths);
    json_array_foreach(o->kept, r, row)
    {
        add_rule(o, widths, 't', 'n', 'u');
        add_row(o, widths, row, &cell);
        format_flush(o, &o->line);
    }
    add_rule(o, widths, 'm', 'v', 'j');
    format_flush(o, &o->line);
    buffer_fini(&cell);
    free(widths);
}

static void
pretty_value(struct format_out *o, const json_t *value)
{
    format_table.value(o, value);
}

static void
pretty_message(struct format_out *o, const char *text)
{
    format_table.message(o, text);
}

const struct format format_pretty = {
    .name = "pretty_table",
    .is_text = true,
    .begin = pretty_begin,
    .row = pretty_row,
    .end = pretty_end,
    .value = pretty_value,
    .message = pretty_message,
};
