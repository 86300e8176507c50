/*
 * The queue's end of a consumer: it joins a level, leaves and re-enters the round, and goes.
 *
 * Always true: a consumer is in its level's `round` or `resting` list until it is canceled. It then keeps its
 * place in broker.consumers as long as something that it was given is unsettled, because the entries of the
 * queue name it by that place; consumer_find() no longer knows it.
 */
#include "base/check.h"
#include "broker/queue.h"
#include "broker/queue_impl.h"
#include "broker/queue_rules.h"

#include <stdlib.h>

/* ---- levels ---- */

static struct consumer_level *
level_get(struct queue *q, int64_t priority)
{
    struct list *at = q->levels.next;
    for (; at != &q->levels; at = at->next) {
        struct consumer_level *level = LIST_ENTRY(at, struct consumer_level, node);
        if (level->priority == priority)
            return level;
        if (level->priority < priority)
            break;
    }
    struct consumer_level *level = calloc(1, sizeof *level);
    CHECK(level);
    level->priority = priority;
    list_init(&level->round);
    list_init(&level->resting);
    list_insert_before(at, &level->node);
    return level;
}

static void
level_drop_empty(struct consumer_level *level)
{
    if (!list_is_empty(&level->round) || !list_is_empty(&level->resting))
        return;
    list_remove(&level->node);
    free(level);
}

/* ---- the round ---- */

static void
consumer_enter_round(struct consumer *c)
{
    if (c->is_in_round || (c->queue->has_rules && !queue_single_may_take(c)))
        return;
    list_remove(&c->node);
    list_push_back(&c->level->round, &c->node);
    c->is_in_round = true;
    c->queue->round_count++;
    if (queue_ready_all(c->queue))
        queue_mark_dirty(c->queue);
}

void
consumer_leave_round(struct consumer *c)
{
    if (!c->is_in_round)
        return;
    list_remove(&c->node);
    list_push_back(&c->level->resting, &c->node);
    c->is_in_round = false;
    c->queue->round_count--;
}

void
consumer_wake(struct consumer *c)
{
    if (c->is_canceled || c->is_in_round || c->unacked >= c->prefetch)
        return;
    if (c->subscription ? c->subscription->stalled
                        : !c->is_global && (!c->credit_messages || c->credit_bytes <= 0))
        return;
    consumer_enter_round(c);
}

/* ---- coming and going ---- */

static void
consumer_start_credit(struct consumer *c, bool is_global)
{
    const struct broker_limits *limits = &c->queue->broker->node->limits;
    c->is_global = is_global;
    c->has_asked = false;
    c->credit_messages = is_global ? 0 : limits->remote_credit_messages;
    c->credit_bytes = is_global ? 0 : limits->remote_credit_bytes;
}

void
consumer_set_global(struct consumer *c, bool is_global)
{
    consumer_start_credit(c, is_global);
    consumer_wake(c);
}

struct consumer *
consumer_join(struct queue *q, const struct consumer_request *request)
{
    bool is_exclusive = request->exclusive && !q->is_quorum; /* those have no exclusive consumers */
    if (q->has_exclusive_consumer || (is_exclusive && q->consumer_count) ||
        (is_exclusive && q->has_rules && q->rules->settings.is_single_active))
        return NULL;
    struct broker *b = q->broker;
    struct consumer *c = calloc(1, sizeof *c);
    CHECK(c);
    c->queue = q;
    c->subscription = request->local;
    c->far_end = request->far_end;
    c->shard = request->shard;
    c->prefetch = request->prefetch_count && !request->no_ack ? request->prefetch_count : UINT32_MAX;
    c->no_ack = request->no_ack;
    c->is_exclusive = is_exclusive;
    consumer_start_credit(c, request->global_prefetch && !request->no_ack && !request->local);
    c->handle = slots_add(&b->consumers, c);
    c->level = level_get(q, request->priority);
    list_push_back(&c->level->resting, &c->node);
    q->has_exclusive_consumer = is_exclusive;
    q->consumer_count++;
    if (q->has_rules)
        queue_single_joined(c);
    consumer_enter_round(c);
    return c;
}

static void
consumer_free(struct broker *b, struct consumer *c)
{
    slots_remove(&b->consumers, c->handle);
    free(c);
}

void
consumer_detach(struct consumer *c)
{
    struct queue *q = c->queue;
    struct broker *b = q->broker;
    consumer_leave_round(c);
    list_remove(&c->node);
    level_drop_empty(c->level);
    q->consumer_count--;
    if (q->has_rules) {
        queue_lease_renew(q);
        queue_single_left(q, c);
        queue_mark_dirty(q); /* what it could have taken expires, or is too much */
    }
    if (c->is_exclusive)
        q->has_exclusive_consumer = false;
    c->is_canceled = true;
    c->subscription = NULL;
    c->level = NULL;
    c->queue = NULL;
    if (c->unacked == 0)
        consumer_free(b, c);
}

void
consumer_leave(struct consumer *c)
{
    struct queue *q = c->queue;
    consumer_detach(c);
    if (q->consumer_count == 0 && q->auto_delete)
        courier_auto_delete(q);
}

void
consumer_settled(struct broker *b, uint32_t slot)
{
    struct consumer *c = b->consumers.table[slot].item;
    CHECK(c && c->unacked);
    c->unacked--;
    if (__builtin_expect(c->is_in_round, 1))
        return;
    if (!c->is_canceled)
        consumer_wake(c);
    else if (c->unacked == 0)
        consumer_free(b, c);
}

uint64_t
consumer_handle(const struct consumer *c)
{
    return c->handle;
}

struct consumer *
consumer_find(struct broker *b, uint64_t handle)
{
    struct consumer *c = slots_get(&b->consumers, handle);
    return c && !c->is_canceled ? c : NULL;
}

static struct consumer *
consumer_find_in(const struct list *members, uint16_t shard, uint64_t far_end)
{
    LIST_FOREACH (at, members) {
        struct consumer *c = LIST_ENTRY(at, struct consumer, node);
        if (c->shard == shard && c->far_end == far_end && !c->subscription)
            return c;
    }
    return NULL;
}

struct consumer *
consumer_find_far(struct queue *q, uint16_t shard, uint64_t far_end)
{
    LIST_FOREACH (at, &q->levels) {
        struct consumer_level *level = LIST_ENTRY(at, struct consumer_level, node);
        struct consumer *c = consumer_find_in(&level->round, shard, far_end);
        if (c || (c = consumer_find_in(&level->resting, shard, far_end)))
            return c;
    }
    return NULL;
}

void
consumer_resume(struct consumer *c)
{
    if (c->subscription)
        c->subscription->stalled = false;
    consumer_wake(c);
}

void
consumer_credit(struct consumer *c, uint32_t messages, uint64_t bytes)
{
    if (c->is_global) { /* one at a time: a grant */
        c->has_asked = false;
        c->credit_messages = 1;
        c->credit_bytes = 1;
    } else {
        c->credit_messages += messages;
        c->credit_bytes += (int64_t)bytes;
    }
    consumer_wake(c);
}
