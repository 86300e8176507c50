/*
 * JSON, written by hand: a list of 100,000 queues is a million values, and a tree in between would cost more
 * than all the rest.
 */
#include "mgmt/info_value.h"

#include "base/utf8.h"
#include "wire/table.h"

#include <inttypes.h>
#include <math.h>

static bool
is_plain(uint8_t c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* One character that cannot stand as it is; returns how many bytes it was. */
static size_t
add_escaped(struct buffer *out, struct slice rest)
{
    uint8_t c = rest.data[0];
    size_t n = utf8_char_len(rest);
    if (n > 1)
        buffer_add(out, rest.data, n);
    else if (n == 0)
        buffer_add_str(out, "\\ufffd");
    else if (c == '"' || c == '\\')
        buffer_add_fmt(out, "\\%c", c);
    else
        buffer_add_fmt(out, "\\u%04x", c);
    return n ? n : 1;
}

void
info_value_string(struct buffer *out, struct slice text)
{
    buffer_add_u8(out, '"');
    for (size_t at = 0, plain; at < text.len;) {
        for (plain = at; plain < text.len && is_plain(text.data[plain]); plain++)
            ;
        buffer_add(out, text.data + at, plain - at);
        at = plain;
        if (at < text.len)
            at += add_escaped(out, slice_of(text.data + at, text.len - at));
    }
    buffer_add_u8(out, '"');
}

void
info_value_text(struct buffer *out, const char *text)
{
    info_value_string(out, slice_str(text));
}

void
info_value_number(struct buffer *out, uint64_t n)
{
    char digits[20 + 2];
    size_t at = sizeof digits;
    bool is_text = n > INT64_MAX;
    if (is_text)
        digits[--at] = '"';
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    if (is_text)
        digits[--at] = '"';
    buffer_add(out, digits + at, sizeof digits - at);
}

void
info_value_boolean(struct buffer *out, bool b)
{
    buffer_add_str(out, b ? "true" : "false");
}

void
info_value_words(struct buffer *out, struct slice words)
{
    buffer_add_u8(out, '[');
    for (bool is_first = true; words.len > 0; is_first = false) {
        const uint8_t *comma = memchr(words.data, ',', words.len);
        size_t n = comma ? (size_t)(comma - words.data) : words.len;
        if (!is_first)
            buffer_add_u8(out, ',');
        info_value_string(out, slice_trim(slice_of(words.data, n)));
        n += comma != NULL;
        words = slice_of(words.data + n, words.len - n);
    }
    buffer_add_u8(out, ']');
}

void
info_value_none(struct buffer *out)
{
    buffer_add_str(out, "\"\"");
}

/* ---- tables ---- */

static void
add_scalar(struct buffer *out, const struct table_value *v)
{
    switch (v->type) {
    case TABLE_BOOL: info_value_boolean(out, v->boolean); break;
    case TABLE_FLOAT:
    case TABLE_DOUBLE:
        if (isfinite(v->number))
            buffer_add_fmt(out, "%.17g", v->number);
        else
            buffer_add_str(out, "null");
        break;
    case TABLE_DECIMAL:
        buffer_add_fmt(out, "{\"value\":%" PRId64 ",\"scale\":%u}", v->integer, v->scale);
        break;
    case TABLE_TIMESTAMP: info_value_number(out, v->timestamp); break;
    case TABLE_LONGSTR:
    case TABLE_BINARY: info_value_string(out, v->bytes); break;
    case TABLE_TABLE:
    case TABLE_ARRAY: buffer_add_str(out, "[]"); break;
    case TABLE_VOID: buffer_add_str(out, "null"); break;
    default: buffer_add_fmt(out, "%" PRId64, v->integer);
    }
}

void
info_value_table(struct buffer *out, struct slice table)
{
    struct table_iter stack[TABLE_DEPTH_MAX] = {table_iter_fields(table)};
    size_t depth = 0;
    bool is_first = true;
    buffer_add_u8(out, '[');
    for (;;) {
        struct table_iter *it = &stack[depth];
        struct slice name;
        struct table_value v;
        if (!table_iter_next(it, &name, &v)) {
            buffer_add_u8(out, ']');
            if (depth-- == 0)
                return;
            buffer_add_u8(out, ']'); /* of the entry that it is the value of */
            is_first = false;
            continue;
        }
        buffer_add_str(out, is_first ? "[" : ",[");
        if (!it->is_array) {
            info_value_string(out, name);
            buffer_add_u8(out, ',');
        }
        info_value_text(out, table_type_name(v.type));
        buffer_add_u8(out, ',');
        is_first = (v.type == TABLE_TABLE || v.type == TABLE_ARRAY) && depth + 1 < TABLE_DEPTH_MAX;
        if (is_first) {
            stack[++depth] = v.type == TABLE_ARRAY ? table_iter_items(v.bytes) : table_iter_fields(v.bytes);
            buffer_add_u8(out, '[');
        } else {
            add_scalar(out, &v);
            buffer_add_u8(out, ']');
        }
    }
}
