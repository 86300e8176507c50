/* Methods as one line for people: the fields that say something, and no secrets. */
#include "base/buffer.h"
#include "wire/amqp.h"
#include "wire/table.h"

#include <inttypes.h>

/* What a person must not find in a log. */
static bool
is_secret(const char *field)
{
    return strcmp(field, "response") == 0 || strcmp(field, "new_secret") == 0;
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
                table_describe_str(*s, out);
            break;
        case AMQP_TYPE_TABLE:
            if (s->len == 0)
                break;
            buffer_add_fmt(out, " %s=", f->name);
            table_describe(*s, out);
        }
    }
}
