/* Methods and tables as text: one direction only, for logs, tools and failing tests. Nothing parses it. */
#include "wire/describe.h"

#include "base/buffer.h"
#include "base/utf8.h"
#include "wire/amqp.h"
#include "wire/table.h"

#include <inttypes.h>

/* What a person must not find in a log. */
static bool
is_secret(const char *field)
{
    return strcmp(field, "response") == 0 || strcmp(field, "new_secret") == 0;
}

void
describe_str(struct buffer *out, struct slice text)
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
    case TABLE_BINARY: describe_str(out, v->bytes); break;
    case TABLE_VOID: buffer_add_str(out, "void"); break;
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
            describe_str(out, name);
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

static void
describe_number(struct buffer *out, const char *name, uint64_t value)
{
    if (value)
        buffer_add_fmt(out, " %s=%" PRIu64, name, value);
}

void
amqp_method_describe(const struct amqp_method *method, const void *fields, struct buffer *out)
{
    buffer_add_str(out, method->name);
    for (size_t i = 0; i < method->field_count; i++) {
        const struct amqp_field *f = &method->fields[i];
        const void *at = (const char *)fields + f->offset;
        const struct slice *s = at;
        switch (f->type) {
        case AMQP_TYPE_BIT:
            if (*(const bool *)at)
                buffer_add_fmt(out, " %s=true", f->name);
            break;
        case AMQP_TYPE_OCTET: describe_number(out, f->name, *(const uint8_t *)at); break;
        case AMQP_TYPE_SHORT: describe_number(out, f->name, *(const uint16_t *)at); break;
        case AMQP_TYPE_LONG: describe_number(out, f->name, *(const uint32_t *)at); break;
        case AMQP_TYPE_LONGLONG:
        case AMQP_TYPE_TIMESTAMP: describe_number(out, f->name, *(const uint64_t *)at); break;
        case AMQP_TYPE_SHORTSTR:
        case AMQP_TYPE_LONGSTR:
            if (s->len == 0)
                break;
            buffer_add_fmt(out, " %s=", f->name);
            if (is_secret(f->name))
                buffer_add_str(out, "***");
            else
                describe_str(out, *s);
            break;
        case AMQP_TYPE_TABLE:
            if (s->len == 0)
                break;
            buffer_add_fmt(out, " %s=", f->name);
            table_describe(*s, out);
        }
    }
}
