/*
 * A copy has the original's body and one property, the headers:
 *
 *   exchange_name, routing_keys (array), properties (table), node,
 *   redelivered (0 or 1; deliver), vhost, connection, channel, user, routed_queues (array; publish)
 *
 * `properties` are the original's, the last one first, every number as a 32-bit one: so RabbitMQ does it.
 * For the default exchange routed_queues are the keys, sorted, whether or not there are such queues; this,
 * too, is RabbitMQ's.
 *
 * Headers stand in one frame, whose size the client chose: FIREHOSE_HEADERS_MAX bounds what the copy may add.
 * What does not fit of the arrays is left out, and so are the original's own headers when they are too long.
 */
#include "server/firehose.h"

#include "base/buffer.h"
#include "base/check.h"
#include "broker/inside.h"
#include "broker/message.h"
#include "broker/replyto.h"
#include "broker/route.h"
#include "server/intern.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdio.h>
#include <stdlib.h>

#define FIREHOSE_EXCHANGE "amq.rabbitmq.trace"

enum { FIREHOSE_HEADERS_MAX = 65536, FIREHOSE_KEY_MAX = 255 };

/* Where copies with that key go to, or NULL: nobody wants one, or the original is one itself. */
static const struct exchange *
find_exchange(struct channel *ch, struct slice original, struct slice key)
{
    if (slice_eq_str(original, FIREHOSE_EXCHANGE))
        return NULL;
    const struct exchange *x = exchange_find(ch->connection->vhost, slice_str(FIREHOSE_EXCHANGE));
    return x && inside_is_wanted(ch->connection->home->broker, x, key) ? x : NULL;
}

/* "publish.NAME"; what is too long for a routing key is cut off. */
static struct slice
make_key(char out[FIREHOSE_KEY_MAX + 1], const char *prefix, struct slice name)
{
    int n = snprintf(out, FIREHOSE_KEY_MAX + 1, "%s.%.*s", prefix, SLICE_FMT(name));
    return slice_of(out, n > FIREHOSE_KEY_MAX ? FIREHOSE_KEY_MAX : (size_t)n);
}

/* ---- the headers ---- */

static void
add_property(struct buffer *out, enum property property, struct slice value)
{
    const char *name = property_name(property);
    switch (property) {
    case PROPERTY_HEADERS:
        if (value.len <= FIREHOSE_HEADERS_MAX)
            table_add_table(out, name, value);
        break;
    case PROPERTY_DELIVERY_MODE:
    case PROPERTY_PRIORITY: table_add_int32(out, name, value.data[0]); break;
    case PROPERTY_TIMESTAMP: table_add_int32(out, name, (int32_t)be64_get(value.data)); break;
    default: table_add_str(out, name, value);
    }
}

static void
add_properties(struct buffer *out, struct slice run)
{
    struct slice value;
    size_t at = table_add_table_begin(out, "properties");
    for (int property = PROPERTY_CLUSTER_ID; property >= PROPERTY_CONTENT_TYPE; property--)
        if (properties_find(run, (enum property)property, &value))
            add_property(out, (enum property)property, value);
    table_end(out, at);
}

/* False: no more of them. */
static bool
add_item(struct buffer *out, size_t from, struct slice text)
{
    if (out->len - from > FIREHOSE_HEADERS_MAX)
        return false;
    table_add_str(out, NULL, text);
    return true;
}

static void
add_array(struct buffer *out, size_t at, struct slice array)
{
    struct table_value key;
    for (struct table_iter it = table_iter_items(array); table_iter_next(&it, NULL, &key);)
        if (key.type == TABLE_LONGSTR && !add_item(out, at, key.bytes))
            break;
}

static void
add_keys(struct buffer *out, const struct slice *keys, unsigned key_count, const struct message *m)
{
    size_t at = table_add_array_begin(out, "routing_keys");
    struct slice copies;
    for (unsigned i = 0; i < key_count && add_item(out, at, keys[i]); i++)
        ;
    if (key_count == 0) { /* a delivery: the message knows */
        table_add_str(out, NULL, message_routing_key(m));
        if (table_get_array(properties_headers(message_properties(m)), "CC", &copies) == ERR_OK)
            add_array(out, at, copies);
        add_array(out, at, message_hidden_keys(m));
    }
    table_end(out, at);
}

static int
compare_keys(const void *a, const void *b)
{
    const struct slice *left = a, *right = b;
    size_t len = left->len < right->len ? left->len : right->len;
    int order = len ? memcmp(left->data, right->data, len) : 0;
    return order ? order : (left->len > right->len) - (left->len < right->len);
}

static void
add_default_queues(struct buffer *out, size_t at, const struct slice *keys, unsigned key_count)
{
    struct slice *sorted = malloc(key_count * sizeof *sorted);
    CHECK(sorted);
    memcpy(sorted, keys, key_count * sizeof *sorted);
    qsort(sorted, key_count, sizeof *sorted, compare_keys);
    for (unsigned i = 0; i < key_count; i++)
        if (!(i > 0 && slice_eq(sorted[i], sorted[i - 1])) && !replyto_is_address(sorted[i]) &&
            !add_item(out, at, sorted[i]))
            break;
    free(sorted);
}

static void
add_routed_queues(struct buffer *out, const struct exchange *x, const struct route *route,
                  const struct slice *keys, unsigned key_count)
{
    size_t at = table_add_array_begin(out, "routed_queues");
    if (x->is_default)
        add_default_queues(out, at, keys, key_count);
    else
        for (uint32_t i = 0; i < route->count; i++)
            if (!add_item(out, at, queue_def_name(route->targets[i].queue)))
                break;
    table_end(out, at);
}

/* What both kinds begin with. Returns where the table begins. */
static size_t
begin_headers(struct buffer *out, const struct channel *ch, const struct message *m, const struct slice *keys,
              unsigned key_count)
{
    buffer_add_u16(out, PROPERTY_FLAG(PROPERTY_HEADERS));
    size_t at = table_begin(out);
    table_add_str(out, "exchange_name", message_exchange(m));
    add_keys(out, keys, key_count, m);
    add_properties(out, message_properties(m));
    table_add_str(out, "node", slice_str(ch->connection->home->broker->node->name));
    return at;
}

static void
add_channel(struct buffer *out, const struct channel *ch)
{
    const struct connection *c = ch->connection;
    char name[2 * NET_ADDR_TEXT_SIZE + 8];
    table_add_str(out, "vhost", slice_of(c->vhost->name, c->vhost->name_size));
    table_add_str(out, "connection", slice_str(connection_name(c, name)));
    table_add_int32(out, "channel", ch->number);
    table_add_str(out, "user", intern_slice(c->user));
}

static void
send_copy(struct channel *ch, const struct message *m, struct slice key, struct buffer *properties)
{
    struct broker *b = ch->connection->home->broker;
    struct message *copy =
        message_copy_with(b, m, slice_str(FIREHOSE_EXCHANGE), key, buffer_slice(properties),
                          (struct message_facts){0}); /* it has headers alone */
    inside_publish(b, ch->connection->vhost, &copy);
    buffer_fini(properties);
}

/* ---- the two kinds ---- */

void
firehose_publish(struct channel *ch, const struct exchange *x, const struct route *route,
                 const struct slice *keys, unsigned key_count, const struct message *m)
{
    char room[FIREHOSE_KEY_MAX + 1];
    struct slice key = make_key(room, "publish", message_exchange(m));
    if (!find_exchange(ch, message_exchange(m), key))
        return;
    struct buffer out = {0};
    size_t at = begin_headers(&out, ch, m, keys, key_count);
    add_channel(&out, ch);
    add_routed_queues(&out, x, route, keys, key_count);
    table_end(&out, at);
    send_copy(ch, m, key, &out);
}

void
firehose_deliver(struct channel *ch, uint64_t queue_id, const struct message *m, bool redelivered)
{
    char room[FIREHOSE_KEY_MAX + 1];
    const struct queue_def *q = queue_def_find_id(ch->connection->home->server->node->meta, queue_id);
    if (!q) /* deleted at this very moment */
        return;
    struct slice key = make_key(room, "deliver", queue_def_name(q));
    if (!find_exchange(ch, message_exchange(m), key))
        return;
    struct buffer out = {0};
    size_t at = begin_headers(&out, ch, m, NULL, 0);
    table_add_int32(&out, "redelivered", redelivered);
    add_channel(&out, ch);
    table_end(&out, at);
    send_copy(ch, m, key, &out);
}
