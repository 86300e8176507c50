/* basic.get: a question to the queue's shard; get-ok with the message, or get-empty. */
#include "broker/message.h"
#include "server/class.h"
#include "server/firehose.h"

void
basic_get(struct channel *ch, struct slice payload)
{
    struct amqp_basic_get m;
    if (channel_decode_failed(ch, AMQP_BASIC_GET, amqp_decode_basic_get(payload, &m)) ||
        !channel_queue_name(ch, AMQP_BASIC_GET, &m.queue) ||
        !channel_may(ch, AMQP_BASIC_GET, PERMISSION_READ, "queue", m.queue))
        return;
    const struct queue_def *q = channel_queue(ch, AMQP_BASIC_GET, m.queue);
    if (!q || !quorum_may_get(ch, q))
        return;
    struct connection *c = ch->connection;
    c->flags |= CONNECTION_SETTLED;
    struct parked_op *op = channel_op(ch, AMQP_BASIC_GET, m.queue, false);
    op->no_ack = m.no_ack;
    courier_get(c->home->broker, q, channel_ref_of(ch), op->number, m.no_ack);
}

void
basic_get_replied(struct channel *ch, struct parked_op *op, struct op_reply *r)
{
    struct connection *c = ch->connection;
    if (!r->message) {
        struct amqp_basic_get_empty empty = {0};
        CONNECTION_SEND(c, AMQP_BASIC_GET_EMPTY_SIZE_MAX,
                        amqp_encode_basic_get_empty(out, ch->number, &empty));
        return;
    }
    struct unacked_delivery d = {
        .queue_id = r->queue_id, .position = r->position, .shard = r->queue_shard, .is_unlimited = true};
    struct amqp_basic_get_ok ok = {
        .delivery_tag = delivery_tag(ch, &d, op->no_ack),
        .redelivered = r->redelivered,
        .exchange = message_exchange(r->message),
        .routing_key = message_routing_key(r->message),
        .message_count = r->message_count,
    };
    struct delivery_content content = delivery_content_of(r->message);
    uint8_t *out = delivery_begin(c, AMQP_BASIC_GET_OK_SIZE_MAX, &content);
    delivery_end(ch, out, amqp_encode_basic_get_ok(out, ch->number, &ok), &content);
    if (firehose_is_on(ch))
        firehose_deliver(ch, r->queue_id, r->message, r->redelivered);
    message_drop(c->home->broker, &r->message);
}
