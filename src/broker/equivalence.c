/* One field or argument is compared at a time, in RabbitMQ's order; the first difference is told. */
#include "broker/equivalence.h"

#include "broker/erlterm.h"
#include "broker/reply.h"
#include "wire/amqp.h"
#include "wire/table.h"

#include <stdio.h>

void
equivalence_name(char out[EQUIVALENCE_NAME_MAX], const char *kind, struct slice name, struct slice vhost)
{
    snprintf(out, EQUIVALENCE_NAME_MAX, "%s '%.*s' in vhost '%.*s'", kind, SLICE_FMT(name), SLICE_FMT(vhost));
}

uint16_t
equivalence_bool(const char *field, const char *what, bool received, bool current, char text[256])
{
    if (received == current)
        return 0;
    return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED,
                      "inequivalent arg '%s' for %s: received '%s' but current is '%s'", field, what,
                      received ? "true" : "false", current ? "true" : "false");
}

/* A string as it stands, anything else as an Erlang term. */
static void
add_plain(struct buffer *out, const struct table_value *v)
{
    if (v->type == TABLE_LONGSTR || v->type == TABLE_BINARY)
        buffer_add(out, v->bytes.data, v->bytes.len < 255 ? v->bytes.len : 255);
    else
        erlterm_add(out, v);
}

/* Both are there: 'value'. One is not: the value 'value' of type 'longstr', and none. */
static void
add_value(struct buffer *out, const struct table_value *v, bool with_type)
{
    if (!v) {
        buffer_add_str(out, "none");
        return;
    }
    buffer_add_str(out, with_type ? "the value '" : "'");
    add_plain(out, v);
    if (with_type)
        buffer_add_fmt(out, "' of type '%s'", table_type_name(v->type));
    else
        buffer_add_u8(out, '\'');
}

static bool
is_classic(const char *key, const struct table_value *v)
{
    return strcmp(key, "x-queue-type") == 0 && v->type == TABLE_LONGSTR && slice_eq_str(v->bytes, "classic");
}

uint16_t
equivalence_argument(const char *key, const char *what, struct slice received, struct slice current,
                     char text[256])
{
    struct table_value received_value, current_value, *r = NULL, *c = NULL;
    if (table_find_str(received, key, &received_value))
        r = &received_value;
    if (table_find_str(current, key, &current_value))
        c = &current_value;
    if (!r && !c)
        return 0;
    if (r && c ? table_value_equivalent(r, c) : is_classic(key, r ? r : c))
        return 0;
    struct buffer out;
    buffer_init(&out);
    buffer_add_fmt(&out, "inequivalent arg '%s' for %s: received ", key, what);
    add_value(&out, r, !r || !c);
    buffer_add_str(&out, " but current is ");
    add_value(&out, c, !r || !c);
    reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED, "%.*s", SLICE_FMT(buffer_slice(&out)));
    buffer_fini(&out);
    return AMQP_REPLY_PRECONDITION_FAILED;
}
