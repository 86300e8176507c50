/* Tables are printed to a depth of four, and nothing more is printed once the text is long: reply texts are
 * cut at 255 bytes. */
#include "broker/erlterm.h"

#include "wire/table.h"

#include <stdio.h>
#include <stdlib.h>

enum { ERLTERM_DEPTH_MAX = 4 };

static bool
is_printable(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        bool space = c >= 8 && c <= 13;
        if (!space && c != 27 && (c < 32 || (c > 126 && c < 160)))
            return false;
    }
    return true;
}

void
erlterm_add_binary(struct buffer *out, struct slice bytes)
{
    struct slice s = slice_of(bytes.data, bytes.len < ERLTERM_TEXT_MAX ? bytes.len : ERLTERM_TEXT_MAX);
    buffer_add_str(out, "<<");
    if (s.len > 0 && is_printable(s)) {
        buffer_add_u8(out, '"');
        for (size_t i = 0; i < s.len; i++) {
            if (s.data[i] == '"' || s.data[i] == '\\')
                buffer_add_u8(out, '\\');
            buffer_add_u8(out, s.data[i]);
        }
        buffer_add_u8(out, '"');
    } else {
        for (size_t i = 0; i < s.len; i++)
            buffer_add_fmt(out, i ? ",%u" : "%u", s.data[i]);
    }
    buffer_add_str(out, ">>");
}

/* The shortest digits that read back as the same number, with a point. */
static void
add_double(struct buffer *out, double d)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    char *exponent = strchr(text, 'e');
    int mantissa = exponent ? (int)(exponent - text) : (int)strlen(text);
    bool point = memchr(text, '.', (size_t)mantissa) != NULL;
    buffer_add_fmt(out, "%.*s%s%s", mantissa, text, point ? "" : ".0", exponent ? exponent : "");
}

static void add_value(struct buffer *out, const struct table_value *v, int depth);

static void
add_list(struct buffer *out, const struct table_value *v, int depth)
{
    if (depth >= ERLTERM_DEPTH_MAX) {
        buffer_add_str(out, "[...]");
        return;
    }
    bool is_table = v->type == TABLE_TABLE;
    struct table_iter it = is_table ? table_iter_fields(v->bytes) : table_iter_items(v->bytes);
    struct slice name;
    struct table_value item;
    size_t start = out->len;
    buffer_add_u8(out, '[');
    for (bool first = true; table_iter_next(&it, &name, &item) && out->len - start < ERLTERM_TEXT_MAX;
         first = false) {
        buffer_add_str(out, first ? "{" : ",{");
        if (is_table) {
            erlterm_add_binary(out, name);
            buffer_add_u8(out, ',');
        }
        buffer_add_fmt(out, "%s,", table_type_name(item.type));
        add_value(out, &item, depth + 1);
        buffer_add_u8(out, '}');
    }
    buffer_add_u8(out, ']');
}

static void
add_value(struct buffer *out, const struct table_value *v, int depth)
{
    switch (v->type) {
    case TABLE_BOOL: buffer_add_str(out, v->boolean ? "true" : "false"); break;
    case TABLE_INT8:
    case TABLE_UINT8:
    case TABLE_INT16:
    case TABLE_UINT16:
    case TABLE_INT32:
    case TABLE_UINT32:
    case TABLE_INT64:
    case TABLE_INT64_OLD: buffer_add_fmt(out, "%lld", (long long)v->integer); break;
    case TABLE_TIMESTAMP: buffer_add_fmt(out, "%llu", (unsigned long long)v->timestamp); break;
    case TABLE_DECIMAL: buffer_add_fmt(out, "{%u,%lld}", v->scale, (long long)v->integer); break;
    case TABLE_FLOAT:
    case TABLE_DOUBLE: add_double(out, v->number); break;
    case TABLE_LONGSTR:
    case TABLE_BINARY: erlterm_add_binary(out, v->bytes); break;
    case TABLE_VOID: buffer_add_str(out, "undefined"); break;
    case TABLE_TABLE:
    case TABLE_ARRAY: add_list(out, v, depth); break;
    }
}

void
erlterm_add(struct buffer *out, const struct table_value *v)
{
    add_value(out, v, 0);
}
