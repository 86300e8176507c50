/*
 * basic.ack, nack, reject, recover. A tag must be one that is unacked on this channel, with `multiple` too:
 * RabbitMQ refuses a multiple ack up to a tag that was acked before. Tag 0 with `multiple` is everything.
 */
/* exports: basic_nack basic_recover basic_reject basic_requeue_all */
#include "server/class.h"

/* Of a delivery to a consumer: room under the channel's shared limit. */
static void
basic_uncount(struct channel *ch, bool is_unlimited)
{
    if (!is_unlimited && ch->global_unacked > 0)
        ch->global_unacked--;
}

static void
basic_settle(struct channel *ch, uint32_t method, uint64_t tag, const struct unacked_delivery *d,
             enum settle how)
{
    struct broker *b = ch->connection->home->broker;
    if (!ch->tx) {
        basic_uncount(ch, d->is_unlimited);
        courier_settle(b, d->shard, d->queue_id, d->position, how);
        return;
    }
    struct tx_settle s = {.queue_id = d->queue_id,
                          .position = d->position,
                          .delivery_tag = tag,
                          .cookie = d->is_unlimited,
                          .queue_shard = d->shard,
                          .how = (uint8_t)how};
    if (!tx_add_settle(b, ch->tx, &s)) {
        courier_settle(b, d->shard, d->queue_id, d->position, SETTLE_REQUEUE);
        channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, method,
                     "transaction is larger than the limit (%u bytes)", b->node->limits.tx_bytes_max);
    }
}

static void
basic_settle_tags(struct channel *ch, uint32_t method, uint64_t tag, bool multiple, enum settle how)
{
    struct unacked_delivery d;
    bool is_known = multiple ? tag == 0 || unacked_has(ch->unacked, tag) : unacked_take(ch->unacked, tag, &d);
    if (!is_known) {
        channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, method, "unknown delivery tag %llu",
                     (unsigned long long)tag);
        return;
    }
    if (!multiple) {
        basic_settle(ch, method, tag, &d, how);
    } else {
        uint64_t up_to = tag == 0 ? UINT64_MAX : tag, at;
        while (channel_is_open(ch) && unacked_take_first(ch->unacked, up_to, &at, &d))
            basic_settle(ch, method, at, &d, how);
    }
    if (ch->global_prefetch && channel_is_open(ch))
        basic_consumer_resume_all(ch);
}

void
basic_ack(struct channel *ch, struct slice payload)
{
    struct amqp_basic_ack m;
    if (!channel_decode_failed(ch, AMQP_BASIC_ACK, amqp_decode_basic_ack(payload, &m)))
        basic_settle_tags(ch, AMQP_BASIC_ACK, m.delivery_tag, m.multiple, SETTLE_ACK);
}

void
basic_nack(struct channel *ch, struct slice payload)
{
    struct amqp_basic_nack m;
    if (!channel_decode_failed(ch, AMQP_BASIC_NACK, amqp_decode_basic_nack(payload, &m)))
        basic_settle_tags(ch, AMQP_BASIC_NACK, m.delivery_tag, m.multiple,
                          m.requeue ? SETTLE_REQUEUE : SETTLE_REJECT);
}

void
basic_reject(struct channel *ch, struct slice payload)
{
    struct amqp_basic_reject m;
    if (!channel_decode_failed(ch, AMQP_BASIC_REJECT, amqp_decode_basic_reject(payload, &m)))
        basic_settle_tags(ch, AMQP_BASIC_REJECT, m.delivery_tag, false,
                          m.requeue ? SETTLE_REQUEUE : SETTLE_REJECT);
}

void
basic_requeue_all(struct channel *ch)
{
    struct broker *b = ch->connection->home->broker;
    struct unacked_delivery d;
    uint64_t tag;
    while (unacked_take_first(ch->unacked, UINT64_MAX, &tag, &d)) {
        basic_uncount(ch, d.is_unlimited);
        courier_settle(b, d.shard, d.queue_id, d.position, SETTLE_REQUEUE);
    }
}

void
basic_recover(struct channel *ch, uint32_t method, struct slice payload)
{
    struct amqp_basic_recover m; /* recover-async has the same fields */
    if (channel_decode_failed(ch, method, amqp_decode_basic_recover(payload, &m)))
        return;
    if (!m.requeue) {
        channel_fail(ch, AMQP_REPLY_NOT_IMPLEMENTED, method, "requeue=false");
        return;
    }
    basic_requeue_all(ch);
    if (method == AMQP_BASIC_RECOVER)
        CONNECTION_SEND(ch->connection, AMQP_BASIC_RECOVER_OK_SIZE_MAX,
                        amqp_encode_basic_recover_ok(out, ch->number));
    basic_consumer_resume_all(ch);
}
