/*
 * Consumers on other shards.
 *
 * A consumer has credit for deliveries under way: messages and bytes, given with the subscription and given
 * back as its channel's shard gets rid of them (courier_taken). So what lies between two shards, and in the
 * output of a slow socket, is bounded without asking anybody per message.
 *
 * Where the channel has a limit shared by all its consumers (basic.qos global) that is not exact enough: then
 * the queue asks for each message, the channel's shard grants one if the session has room, and asks the
 * session once more when the message comes. If the room went to another queue in between, the message goes
 * back to its place, as if it had not left, and a new grant is owed (`grant_owed`) until courier_resume().
 *
 * A delivery that finds no subscription any more goes back likewise; one that needs no ack is lost with its
 * channel.
 */
#include "base/check.h"
#include "broker/courier_impl.h"
#include "broker/queue_impl.h"

#include <stdlib.h>

/* ---- at the queue ---- */

void
courier_deliver(struct broker *b, struct consumer *c, struct message **m, uint64_t position, bool redelivered)
{
    c->credit_messages--;
    c->credit_bytes -= (int64_t)message_size(*m);
    struct message *there = message_hand_over(b, m);
    courier_post(
        b, c->shard,
        &(struct mail){.type = MAIL_DELIVER,
                       .u32 = (redelivered ? DELIVER_REDELIVERED : 0u) | (c->no_ack ? DELIVER_NO_ACK : 0u),
                       .a = c->far_end,
                       .b = position,
                       .c = c->queue->id,
                       .p = there});
}

void
courier_ask_credit(struct broker *b, struct consumer *c)
{
    if (c->has_asked)
        return;
    c->has_asked = true;
    courier_post(b, c->shard, &(struct mail){.type = MAIL_ASK, .a = c->far_end});
}

void
courier_canceled(struct broker *b, const struct consumer *c)
{
    if (!c->subscription) {
        courier_post(b, c->shard, &(struct mail){.type = MAIL_CANCELED, .a = c->far_end});
        return;
    }
    slots_remove(&b->subscriptions, c->subscription->handle);
    c->subscription->local = NULL;
    b->effects->canceled(c->subscription);
}

void
courier_activated(struct broker *b, const struct consumer *c)
{
    if (c->subscription)
        c->subscription->activity = CONSUMER_SINGLE_ACTIVE;
    else
        courier_post(b, c->shard, &(struct mail){.type = MAIL_ACTIVATED, .a = c->far_end});
}

void
courier_queue_closed(struct broker *b, const struct queue *q)
{
    if (b->courier->last == q)
        b->courier->last_id = 0;
}

void
courier_on_settle(struct broker *b, uint64_t queue_id, uint64_t first, uint64_t last, uint32_t how,
                  uint64_t tx)
{
    struct queue *q = courier_queue(b, queue_id);
    if (!q)
        return;
    for (uint64_t position = first; position <= last; position++)
        if (how == COURIER_PUT_BACK)
            queue_put_back(q, position);
        else
            queue_settle(q, position, (enum settle)how, tx);
}

/* Its channel may have been quicker than the answer that names the consumer: the handle is 0 then. */
static struct consumer *
find_end(struct broker *b, uint64_t queue_id, uint16_t shard, struct courier_end end)
{
    if (end.consumer)
        return consumer_find(b, end.consumer);
    struct queue *q = queue_find(b, queue_id);
    return q ? consumer_find_far(q, shard, end.subscription) : NULL;
}

void
courier_end_consumer(struct broker *b, uint64_t queue_id, uint16_t shard, struct courier_end end)
{
    struct consumer *c = find_end(b, queue_id, shard, end);
    if (c)
        consumer_leave(c);
}

void
courier_on_limit(struct broker *b, const struct mail *m)
{
    struct consumer *c =
        find_end(b, m->a, m->from, (struct courier_end){.subscription = m->c, .consumer = m->b});
    if (c)
        consumer_set_global(c, m->u32 != 0);
}

/* ---- at the channel ---- */

static void
deliver_put_back(struct broker *b, const struct mail *m, bool no_ack)
{
    struct message *message = m->p;
    if (!no_ack)
        courier_post(
            b, m->from,
            &(struct mail){.type = MAIL_SETTLE, .a = m->c, .b = m->b, .c = m->b, .u32 = COURIER_PUT_BACK});
    message_drop(b, &message);
}

void
courier_on_deliver(struct broker *b, const struct mail *m)
{
    struct subscription *s = slots_get(&b->subscriptions, m->a);
    if (!s) {
        deliver_put_back(b, m, (m->u32 & DELIVER_NO_ACK) != 0);
        return;
    }
    if (s->global_prefetch && !b->effects->has_room(s)) {
        s->stalled = s->grant_owed = true;
        deliver_put_back(b, m, false);
        return;
    }
    struct message *message = m->p;
    b->effects->deliver(s, message, m->b, (m->u32 & DELIVER_REDELIVERED) != 0);
    message_drop(b, &message);
}

static void
grant(struct broker *b, struct subscription *s)
{
    s->grant_owed = s->stalled = false;
    courier_post(b, s->queue_shard, &(struct mail){.type = MAIL_CREDIT, .a = s->consumer_handle, .u32 = 1});
}

void
courier_on_ask(struct broker *b, uint64_t subscription)
{
    struct subscription *s = slots_get(&b->subscriptions, subscription);
    if (!s)
        return;
    if (b->effects->has_room(s))
        grant(b, s);
    else
        s->stalled = s->grant_owed = true;
}

void
courier_on_canceled(struct broker *b, uint64_t subscription)
{
    struct subscription *s = slots_remove(&b->subscriptions, subscription);
    if (s)
        b->effects->canceled(s);
}

void
courier_on_activated(struct broker *b, uint64_t subscription)
{
    struct subscription *s = slots_get(&b->subscriptions, subscription);
    if (s)
        s->activity = CONSUMER_SINGLE_ACTIVE;
}

void
courier_resume(struct broker *b, struct subscription *s)
{
    if (s->local) {
        consumer_resume(s->local);
        return;
    }
    if (s->grant_owed && b->effects->has_room(s))
        grant(b, s);
}

void
courier_set_global_prefetch(struct broker *b, struct subscription *s, bool is_on)
{
    if (s->local || s->no_ack || s->global_prefetch == is_on)
        return;
    s->global_prefetch = is_on;
    s->grant_owed = false;
    s->taken_messages = s->taken_bytes = 0;
    courier_post_fenced(
        b, s->queue_shard,
        &(struct mail){
            .type = MAIL_LIMIT, .a = s->queue_id, .b = s->consumer_handle, .c = s->handle, .u32 = is_on});
}

void
courier_taken(struct broker *b, struct subscription *s, size_t bytes)
{
    if (s->local || s->global_prefetch)
        return; /* a shared limit: the next grant is the credit */
    const struct broker_limits *limits = &b->node->limits;
    s->taken_messages++;
    s->taken_bytes += (uint32_t)bytes;
    if (s->taken_messages < limits->remote_credit_messages / 4 + 1 &&
        s->taken_bytes < limits->remote_credit_bytes / 4)
        return;
    courier_post(
        b, s->queue_shard,
        &(struct mail){
            .type = MAIL_CREDIT, .a = s->consumer_handle, .b = s->taken_bytes, .u32 = s->taken_messages});
    s->taken_messages = s->taken_bytes = 0;
}
