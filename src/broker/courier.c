/*
 * The sender's side of the courier: what the session layer calls. Each function decides once where the queue
 * lives. Here: the operation happens before it returns. There: it becomes a mail (courier_mail.c has them
 * all).
 */
#include "broker/courier.h"

#include "base/check.h"
#include "broker/courier_impl.h"
#include "broker/message.h"
#include "broker/queue.h"
#include "broker/queue_log.h"
#include "broker/queue_rules.h"
#include "broker/recent_history.h"

#include <stdlib.h>

/* Charged for a message beside its bytes, so that tiny ones cannot overfill the rings. */
enum { COURIER_MESSAGE_COST = 48 };

/* ---- publishing ---- */

bool
courier_can_publish(struct broker *b, const struct route *route, unsigned *to)
{
    if (__builtin_expect(route->only_shard == b->index, 1))
        return true;
    if (route->history_count > 0 && !courier_has_room(b, *to = 0))
        return false;
    if (route->count == 0)
        return true;
    if (route->only_shard != ROUTE_MANY_SHARDS) {
        *to = route->only_shard;
        return courier_has_room(b, route->only_shard);
    }
    for (uint32_t i = 0; i < route->count; i++)
        if (!courier_has_room(b, *to = route->targets[i].shard))
            return false;
    return true;
}

/* One queue of this shard; takes the hold. A queue that is gone counts as done, as in RabbitMQ. */
static inline enum queue_pushed
publish_here(struct broker *b, const struct route_target *target, struct message **m, uint64_t tx)
{
    struct queue *q = queue_of(b, target->queue);
    if (__builtin_expect(q != NULL, 1))
        return queue_push(q, m, tx);
    message_drop(b, m);
    return QUEUE_TAKEN;
}

/* What became of it in several queues, by outcome. */
struct pushed_counts {
    uint32_t of[QUEUE_LOGGED + 1];
};

/* The result for the publisher: `remote` answers will come from other shards, those of this shard's log are
 * asked for here. A refusal beside others that are still out becomes one answer more: the publisher hears the
 * outcome in one way only. */
static enum publish_result
publish_result(struct broker *b, const struct pushed_counts *here, uint32_t remote, struct channel_ref from,
               uint64_t seq, unsigned *pending)
{
    uint32_t logged = seq ? here->of[QUEUE_LOGGED] : 0, refused = here->of[QUEUE_REFUSED];
    if (logged)
        b->log->ops->confirm(b->log, from, seq, logged);
    if (remote + logged == 0)
        return refused ? PUBLISH_REJECTED : PUBLISH_DONE;
    *pending = remote + logged;
    if (refused && seq) {
        (*pending)++;
        courier_confirm(b, from, seq, true, 1);
    }
    return PUBLISH_PENDING;
}

/* Of one queue of this shard. */
static __attribute__((noinline)) enum publish_result
publish_result_of(struct broker *b, enum queue_pushed how, struct channel_ref from, uint64_t seq,
                  unsigned *pending)
{
    struct pushed_counts one = {0};
    one.of[how] = 1;
    return publish_result(b, &one, 0, from, seq, pending);
}

static struct pushed_counts
publish_here_many(struct broker *b, const struct route *route, struct message **m, uint64_t tx)
{
    struct pushed_counts counts = {0};
    for (uint32_t i = 0; i < route->count; i++) {
        struct message *held = *m;
        message_hold(held);
        counts.of[publish_here(b, &route->targets[i], &held, tx)]++;
    }
    message_drop(b, m);
    return counts;
}

static void
publish_there(struct broker *b, unsigned to, struct mail *mail, struct message *m, struct channel_ref from,
              uint64_t seq, bool in_tx)
{
    mail->p = m;
    mail->d = seq;
    mail_put_channel(mail, from, in_tx ? COURIER_IN_TX : 0);
    courier_post_data(b, to, mail, message_size(m) + COURIER_MESSAGE_COST);
}

/* The route's foreign shards, each once, with the number of their queues in lane.gathered_count. Queues of
 * this shard are served on the way. */
static unsigned
publish_gather(struct broker *b, const struct route *route, struct message *m,
               uint8_t shards[SHARDS_COUNT_MAX], uint64_t tx, struct pushed_counts *here)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < route->count; i++) {
        const struct route_target *target = &route->targets[i];
        if (target->shard == b->index) {
            struct message *held = m;
            message_hold(held);
            here->of[publish_here(b, target, &held, tx)]++;
        } else if (b->courier->lanes[target->shard].gathered_count++ == 0)
            shards[n++] = (uint8_t)target->shard;
    }
    return n;
}

/* One mail to a shard with one queue of the route. */
static void
publish_one_there(struct broker *b, const struct route *route, unsigned to, struct message **m,
                  struct channel_ref from, uint64_t seq, bool in_tx)
{
    uint32_t i = 0;
    while (route->targets[i].shard != to)
        i++;
    b->courier->lanes[to].gathered_count = 0;
    struct mail mail = {.type = MAIL_PUBLISH, .a = route->targets[i].queue_id};
    publish_there(b, to, &mail, message_hand_over(b, m), from, seq, in_tx);
}

static enum publish_result
publish_across(struct broker *b, const struct route *route, struct message **m, struct channel_ref from,
               uint64_t seq, bool in_tx, unsigned *pending)
{
    struct courier_lane *lanes = b->courier->lanes;
    uint8_t shards[SHARDS_COUNT_MAX];
    struct pushed_counts here = {0};
    uint32_t remote = 0;
    unsigned n = publish_gather(b, route, *m, shards, in_tx ? courier_tx_id(from, seq) : 0, &here);
    for (unsigned i = 0; i < n; i++) {
        struct courier_lane *lane = &lanes[shards[i]];
        remote += lane->gathered_count;
        struct message *held = *m;
        if (i + 1 < n)
            message_hold(held);
        else
            *m = NULL; /* the last one gets the caller's hold */
        if (lane->gathered_count == 1)
            publish_one_there(b, route, shards[i], &held, from, seq, in_tx);
        else
            lane->gathered = message_hand_over_with(b, &held, lane->gathered_count, &lane->gathered_ids);
    }
    if (*m)
        message_drop(b, m);
    for (uint32_t i = 0; i < route->count; i++) {
        struct courier_lane *lane = &lanes[route->targets[i].shard];
        if (lane->gathered_count && --lane->gathered_count == 0) {
            *lane->gathered_ids = route->targets[i].queue_id;
            struct mail mail = {.type = MAIL_PUBLISH_MANY};
            publish_there(b, route->targets[i].shard, &mail, lane->gathered, from, seq, in_tx);
        } else if (lane->gathered_count)
            *lane->gathered_ids++ = route->targets[i].queue_id;
    }
    return publish_result(b, &here, remote, from, seq, pending);
}

enum publish_result
courier_publish(struct broker *b, const struct route *route, struct message **m, struct channel_ref from,
                uint64_t seq, bool in_tx, unsigned *pending)
{
    *pending = 0;
    if (__builtin_expect(route->only_shard == b->index && route->count == 1, 1)) {
        enum queue_pushed how = publish_here(b, &route->targets[0], m, in_tx ? courier_tx_id(from, seq) : 0);
        return __builtin_expect(how == QUEUE_TAKEN, 1) ? PUBLISH_DONE
                                                       : publish_result_of(b, how, from, seq, pending);
    }
    if (__builtin_expect(route->history_count > 0, 0))
        recent_history_keep(b, route, *m);
    if (route->only_shard == b->index || route->count == 0) {
        struct pushed_counts all = publish_here_many(b, route, m, in_tx ? courier_tx_id(from, seq) : 0);
        return publish_result(b, &all, 0, from, seq, pending);
    }
    if (route->count == 1 && route->only_shard != ROUTE_MANY_SHARDS) {
        publish_one_there(b, route, route->only_shard, m, from, seq, in_tx);
        *pending = 1;
        return PUBLISH_PENDING;
    }
    return publish_across(b, route, m, from, seq, in_tx, pending);
}

void
courier_keep_history(struct broker *b, uint64_t exchange_id, struct message **m)
{
    if (b->index == 0) {
        recent_history_store(meta_histories(b->node->meta), b, exchange_id, m);
        return;
    }
    struct message *there = message_hand_over(b, m);
    uint32_t bytes = (uint32_t)(message_size(there) + COURIER_MESSAGE_COST);
    b->courier->lanes[0].window -= bytes;
    courier_post(b, 0, &(struct mail){.type = MAIL_HISTORY, .a = exchange_id, .u32 = bytes, .p = there});
}

void
courier_direct_reply(struct broker *b, struct channel_ref to, uint64_t key, struct message **m)
{
    if (to.shard == b->index) {
        b->effects->direct_reply(b->server, to, key, *m);
        message_drop(b, m);
        return;
    }
    struct message *there = message_hand_over(b, m);
    struct mail mail = {.type = MAIL_DIRECT_REPLY, .a = key, .p = there};
    mail_put_channel(&mail, to, 0);
    courier_post_data(b, to.shard, &mail, message_size(there) + COURIER_MESSAGE_COST);
}

/* ---- questions ---- */

static struct courier_op
op_of(uint64_t queue_id, struct channel_ref from, uint32_t number, unsigned flags)
{
    return (struct courier_op){
        .from = from, .number = number, .flags = (uint16_t)flags, .queue_id = queue_id};
}

static void
op_post(struct broker *b, unsigned to, enum courier_mail type, const struct courier_op *op, void *p)
{
    struct mail m = {.type = (uint16_t)type, .a = op->queue_id, .u32 = op->number, .p = p};
    mail_put_channel(&m, op->from, op->flags);
    courier_post_fenced(b, to, &m);
}

void
courier_counts(struct broker *b, const struct queue_def *q, struct channel_ref from, uint32_t number)
{
    struct courier_op op = op_of(q->id, from, number, 0);
    if (q->shard == b->index)
        courier_op_counts(b, queue_of(b, q), &op);
    else
        op_post(b, q->shard, MAIL_COUNTS, &op, NULL);
}

void
courier_purge(struct broker *b, const struct queue_def *q, struct channel_ref from, uint32_t number)
{
    struct courier_op op = op_of(q->id, from, number, 0);
    if (q->shard == b->index)
        courier_op_purge(b, queue_of(b, q), &op);
    else
        op_post(b, q->shard, MAIL_PURGE, &op, NULL);
}

void
courier_get(struct broker *b, const struct queue_def *q, struct channel_ref from, uint32_t number,
            bool no_ack)
{
    struct courier_op op = op_of(q->id, from, number, no_ack);
    if (q->shard == b->index)
        courier_op_get(b, queue_of(b, q), &op);
    else
        op_post(b, q->shard, MAIL_GET, &op, NULL);
}

void
courier_delete(struct broker *b, const struct queue_def *q, struct channel_ref from, uint32_t number,
               bool if_unused, bool if_empty, struct slice actor)
{
    unsigned flags = (if_unused ? COURIER_IF_UNUSED : 0u) | (if_empty ? COURIER_IF_EMPTY : 0u);
    struct courier_op op = op_of(q->id, from, number, flags);
    if (q->shard == b->index) {
        op.actor = actor;
        courier_op_delete(b, queue_of(b, q), &op);
        return;
    }
    struct courier_actor *travelling = malloc(sizeof *travelling + actor.len);
    CHECK(travelling);
    travelling->size = (uint32_t)actor.len;
    if (actor.len > 0)
        memcpy(travelling->name, actor.data, actor.len);
    op_post(b, q->shard, MAIL_DELETE, &op, travelling);
}

void
courier_delete_id(struct broker *b, uint64_t queue_id, unsigned shard, struct channel_ref from,
                  uint32_t number)
{
    struct courier_op op = op_of(queue_id, from, number, 0);
    if (shard == b->index)
        courier_op_delete(b, queue_get(b, queue_id), &op);
    else
        op_post(b, shard, MAIL_DELETE, &op, NULL);
}

void
courier_consume(struct broker *b, const struct queue_def *q, struct subscription *s,
                const struct consumer_options *options, struct channel_ref from, uint32_t number)
{
    *s = (struct subscription){.queue_id = q->id,
                               .queue_shard = q->shard,
                               .no_ack = options->no_ack,
                               .global_prefetch = options->global_prefetch && !options->no_ack};
    s->handle = slots_add(&b->subscriptions, s);
    struct courier_op op = op_of(q->id, from, number, 0);
    struct consumer_request want = {.far_end = s->handle,
                                    .shard = (uint16_t)b->index,
                                    .prefetch_count = options->prefetch_count,
                                    .priority = options->priority,
                                    .no_ack = options->no_ack,
                                    .exclusive = options->exclusive,
                                    .global_prefetch = options->global_prefetch};
    if (q->shard == b->index) {
        want.local = s;
        courier_op_consume(b, queue_of(b, q), &op, &want);
        return;
    }
    struct consumer_request *travelling = malloc(sizeof *travelling);
    CHECK(travelling);
    *travelling = want;
    op_post(b, q->shard, MAIL_CONSUME, &op, travelling);
}

void
courier_cancel(struct broker *b, struct subscription *s, struct channel_ref from, uint32_t number)
{
    struct courier_op op = op_of(s->queue_id, from, number, 0);
    struct courier_end end = {.subscription = s->handle, .consumer = s->consumer_handle};
    if (s->queue_shard == b->index) {
        courier_op_cancel(b, &op, end);
        return;
    }
    struct courier_end *travelling = malloc(sizeof *travelling);
    CHECK(travelling);
    *travelling = end;
    op_post(b, s->queue_shard, MAIL_CANCEL, &op, travelling);
}

/* ---- no answer ---- */

void
courier_forget(struct broker *b, struct subscription *s)
{
    if (!slots_remove(&b->subscriptions, s->handle))
        return;
    if (s->local)
        consumer_leave(s->local);
    else {
        struct mail m = {.type = MAIL_FORGET, .a = s->queue_id, .b = s->consumer_handle, .c = s->handle};
        courier_post_fenced(b, s->queue_shard, &m);
    }
    s->local = NULL;
}

void
courier_queue_declared(struct broker *b, const struct queue_def *q)
{
    if (queue_lease_has(q))
        courier_post(b, q->shard, &(struct mail){.type = MAIL_QUEUE_MADE, .a = q->id});
}

void
courier_queue_gone(struct broker *b, unsigned shard, uint64_t queue_id)
{
    courier_post(b, shard, &(struct mail){.type = MAIL_QUEUE_GONE, .a = queue_id});
}
