/*
 * What the broker wants sent: basic.deliver, and the content that follows it, get-ok and return alike.
 *
 *    method frame | header frame | 7 | body | CE          a small body: all copied, in one piece
 *    method frame | header frame | 7 | → body, CE         a large one: the body and its end octet out of the
 * message
 *    ...          | 7 | → part | CE, 7 | → part | CE ...  larger than frame_max: cut, each part by reference
 */
/* exports: server_effects */
#include "broker/alarm.h"
#include "broker/message.h"
#include "server/blocked.h"
#include "server/class.h"
#include "server/firehose.h"
#include "wire/properties.h"

#include <stdlib.h>

uint64_t
delivery_tag(struct channel *ch, const struct unacked_delivery *d, bool no_ack)
{
    if (no_ack)
        return ch->unacked ? unacked_skip(ch->unacked) : ch->next_tag++;
    if (__builtin_expect(!ch->unacked, 0)) {
        ch->unacked = unacked_new(ch->next_tag);
        ack_timeout_begin(ch);
    }
    return unacked_add(ch->unacked, d);
}

struct delivery_content
delivery_content_of(struct message *m)
{
    return (struct delivery_content){message_properties(m), message_body(m), m};
}

static inline uint32_t
delivery_payload_max(const struct connection *c)
{
    return (c->frame_max ? c->frame_max : UINT32_MAX) - FRAME_OVERHEAD;
}

/* The whole content is copied behind the method. */
static inline bool
delivery_is_small(const struct connection *c, const struct delivery_content *content)
{
    return content->body.len < OUTBOUND_BY_REFERENCE && content->body.len <= delivery_payload_max(c);
}

uint8_t *
delivery_begin(struct connection *c, size_t method_max, const struct delivery_content *content)
{
    size_t size = method_max + content_header_size(content->properties);
    if (delivery_is_small(c, content))
        size += content->body.len + FRAME_OVERHEAD;
    return connection_reserve(c, size);
}

/* One body frame; `size` bytes of the body from `data` on. */
static void
delivery_body_frame(struct channel *ch, struct message *m, const uint8_t *data, uint32_t size, bool is_last)
{
    struct connection *c = ch->connection;
    if (!m) {
        uint8_t *out = connection_reserve(c, (size_t)size + FRAME_OVERHEAD);
        frame_header_put(out, AMQP_FRAME_BODY, ch->number, size);
        memcpy(out + FRAME_HEADER_SIZE, data, size);
        out[FRAME_HEADER_SIZE + size] = AMQP_FRAME_END;
        connection_commit(c, (size_t)size + FRAME_OVERHEAD);
        return;
    }
    frame_header_put(connection_reserve(c, FRAME_HEADER_SIZE), AMQP_FRAME_BODY, ch->number, size);
    connection_commit(c, FRAME_HEADER_SIZE);
    message_hold(m);
    outbound_add_message(c->out, m, data,
                         (size_t)size + is_last); /* the blob has an end octet behind its body */
    if (!is_last) {
        *connection_reserve(c, 1) = AMQP_FRAME_END;
        connection_commit(c, 1);
    }
}

void
delivery_end(struct channel *ch, uint8_t *out, size_t method_size, const struct delivery_content *content)
{
    struct connection *c = ch->connection;
    struct slice body = content->body;
    size_t n = method_size;
    n += content_header_encode(out + n, ch->number, AMQP_CLASS_BASIC, body.len, content->properties);
    if (__builtin_expect(delivery_is_small(c, content), 1)) {
        if (body.len > 0) {
            frame_header_put(out + n, AMQP_FRAME_BODY, ch->number, (uint32_t)body.len);
            memcpy(out + n + FRAME_HEADER_SIZE, body.data, body.len);
            n += FRAME_HEADER_SIZE + body.len;
            out[n++] = AMQP_FRAME_END;
        }
        connection_commit(c, n);
        return;
    }
    connection_commit(c, n);
    uint32_t max = delivery_payload_max(c);
    for (size_t at = 0; at < body.len;) {
        size_t part = body.len - at < max ? body.len - at : max;
        delivery_body_frame(ch, content->message, body.data + at, (uint32_t)part, at + part == body.len);
        at += part;
    }
}

/* ---- effects ---- */

static inline struct channel_consumer *
consumer_of(struct subscription *s)
{
    return (struct channel_consumer *)((char *)s - offsetof(struct channel_consumer, subscription));
}

static bool
delivery_has_room(struct subscription *s)
{
    struct channel_consumer *consumer = consumer_of(s);
    struct channel *ch = consumer->channel;
    bool is_shared_full = ch->global_prefetch && !s->no_ack && !consumer->is_quorum &&
                          ch->global_unacked >= ch->global_prefetch;
    if (!is_shared_full && ch->state == CHANNEL_OPEN && connection_has_room(ch->connection))
        return true;
    ch->has_stalled = true;
    return false;
}

/* Credit for a delivery from another shard: at once, unless the client does not take what it has. */
static void
delivery_credit(struct channel_consumer *consumer, const struct message *m)
{
    struct connection *c = consumer->channel->connection;
    if (connection_has_room(c)) {
        courier_taken(c->home->broker, &consumer->subscription, message_size(m));
        return;
    }
    consumer->channel->has_stalled = true;
    consumer->owed_messages++;
    consumer->owed_bytes += (uint32_t)message_size(m);
}

void
delivery_pay(struct channel_consumer *consumer)
{
    struct connection *c = consumer->channel->connection;
    while (consumer->owed_messages > 0 && connection_has_room(c)) {
        courier_taken(c->home->broker, &consumer->subscription, consumer->owed_bytes);
        consumer->owed_bytes = 0;
        consumer->owed_messages--;
    }
    if (consumer->owed_messages > 0)
        consumer->channel->has_stalled = true;
}

static void
delivery_deliver(struct subscription *s, struct message *m, uint64_t position, bool redelivered)
{
    struct channel_consumer *consumer = consumer_of(s);
    struct channel *ch = consumer->channel;
    struct unacked_delivery d = {.queue_id = s->queue_id,
                                 .position = position,
                                 .shard = s->queue_shard,
                                 .is_unlimited = consumer->is_quorum};
    if (!s->no_ack && !d.is_unlimited)
        ch->global_unacked++;
    struct amqp_basic_deliver deliver = {
        .consumer_tag = slice_of(consumer->tag, consumer->tag_size),
        .delivery_tag = delivery_tag(ch, &d, s->no_ack),
        .redelivered = redelivered,
        .exchange = message_exchange(m),
        .routing_key = message_routing_key(m),
    };
    struct delivery_content content = delivery_content_of(m);
    uint8_t *out = delivery_begin(ch->connection, amqp_size_basic_deliver(&deliver), &content);
    delivery_end(ch, out, amqp_encode_basic_deliver(out, ch->number, &deliver), &content);
    if (firehose_is_on(ch))
        firehose_deliver(ch, s->queue_id, m, redelivered);
    if (!s->local)
        delivery_credit(consumer, m);
}

static void
delivery_canceled(struct subscription *s)
{
    struct channel_consumer *consumer = consumer_of(s);
    struct channel *ch = consumer->channel;
    struct connection *c = ch->connection;
    if (ch->state != CHANNEL_CLOSING && c->flags & CONNECTION_CANCEL_NOTIFY) {
        struct amqp_basic_cancel cancel = {.consumer_tag = slice_of(consumer->tag, consumer->tag_size),
                                           .nowait = true};
        CONNECTION_SEND(c, AMQP_BASIC_CANCEL_SIZE_MAX, amqp_encode_basic_cancel(out, ch->number, &cancel));
    }
    basic_consumer_free(consumer);
}

static void
delivery_publish_room(void *server, unsigned to)
{
    struct server_shard *home = server;
    struct server_handles waiting = home->waiting_for_room.to[to];
    home->waiting_for_room.to[to] = (struct server_handles){0};
    home->waiting_for_room.count -= waiting.count;
    for (uint32_t i = 0; i < waiting.count; i++) {
        struct connection *c = connection_find(home, waiting.handles[i]);
        if (c)
            connection_unblock(c, BLOCK_ROOM);
    }
    free(waiting.handles);
}

const struct effects server_effects = {
    .has_room = delivery_has_room,
    .deliver = delivery_deliver,
    .canceled = delivery_canceled,
    .confirmed = class_confirm_answered,
    .replied = channel_replied,
    .direct_reply = direct_reply_deliver,
    .publish_room = delivery_publish_room,
    .alarm = blocked_alarm,
};
