/*
 * Tables as text, for logs, tools and failing tests: nothing parses it. A stack instead of recursion, as in
 * table_validate(); what is nested deeper than that allows prints as `...`.
 */
#include "base/buffer.h"
#include "base/utf8.h"
#include "wire/table.h"

#include <inttypes.h>

void
table_describe_str(struct slice text, struct buffer *out)
{
    buffer_add_u8(out, '"');
    for (size_t i = 0, n; i < text.len; i += n) {
        uint8_t c = text.data[i];
        n = utf8_char_len(slice_of(text.data + i, text.len - i));
        if (n == 0 || c < ' ' || c == 0x7f) {
            buffer_add_fmt(out, "\\x%02x", c);
            n = 1;
            continue;
        }
        if (c == '"' || c == '\\')
            buffer_add_u8(out, '\\');
        buffer_add(out, text.data + i, n);
    }
    buffer_add_u8(out, '"');
}

static void
describe_scalar(struct buffer *out, const struct table_value *v)
{
    switch (v->type) {
    case TABLE_BOOL: buffer_add_str(out, v->boolean ? "true" : "false"); break;
    case TABLE_FLOAT:
    case TABLE_DOUBLE: buffer_add_fmt(out, "%.17g", v->number); break;
    case TABLE_DECIMAL: buffer_add_fmt(out, "%" PRId64 "e-%u", v->integer, v->scale); break;
    case TABLE_TIMESTAMP: buffer_add_fmt(out, "@%" PRIu64, v->timestamp); break;
    case TABLE_LONGSTR:
    case TABLE_BINARY: table_describe_str(v->bytes, out); break;
    case TABLE_VOID: buffer_add_str(out, "void"); break;
    case TABLE_TABLE:
    case TABLE_ARRAY: buffer_add_str(out, "..."); break;
    default: buffer_add_fmt(out, "%" PRId64, v->integer);
    }
}

void
table_describe(struct slice table, struct buffer *out)
{
    struct table_iter stack[TABLE_DEPTH_MAX] = {table_iter_fields(table)};
    bool first = true;
    size_t depth = 0;
    buffer_add_u8(out, '{');
    for (;;) {
        struct table_iter *it = &stack[depth];
        struct slice name;
        struct table_value v;
        if (!table_iter_next(it, &name, &v)) {
            buffer_add_u8(out, it->is_array ? ']' : '}');
            if (depth-- == 0)
                return;
            first = false;
            continue;
        }
        if (!first)
            buffer_add_str(out, ", ");
        if (!it->is_array) {
            table_describe_str(name, out);
            buffer_add_str(out, ": ");
        }
        first = (v.type == TABLE_TABLE || v.type == TABLE_ARRAY) && depth + 1 < TABLE_DEPTH_MAX;
        if (!first) {
            describe_scalar(out, &v);
            continue;
        }
        stack[++depth] = v.type == TABLE_ARRAY ? table_iter_items(v.bytes) : table_iter_fields(v.bytes);
        buffer_add_u8(out, v.type == TABLE_ARRAY ? '[' : '{');
    }
}
