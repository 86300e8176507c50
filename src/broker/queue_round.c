/*
 * Who gets the next message. Consumers stand in levels by priority; in each level those that can take a
 * message form the round, and whoever was served goes to its end. The highest level with anybody in its round
 * is served first, as in RabbitMQ: a lower one gets messages while all above are full.
 *
 * A consumer is asked when its turn comes. If it cannot take (prefetch used up, no room in its connection's
 * output, no credit from its shard) it leaves the round and comes back when that changes: consumer_wake(). So
 * a delivery costs O(1) however many consumers are full.
 */
#include "broker/queue.h"
#include "broker/queue_count.h"
#include "broker/queue_impl.h"
#include "broker/queue_rank.h"
#include "broker/queue_rules.h"

static inline bool
consumer_can_take(struct broker *b, struct consumer *c)
{
    if (c->unacked >= c->prefetch)
        return false;
    if (__builtin_expect(c->subscription != NULL, 1)) {
        if (b->effects->has_room(c->subscription))
            return true;
        c->subscription->stalled = true;
        return false;
    }
    if (c->credit_messages && c->credit_bytes > 0)
        return true;
    if (c->is_global)
        courier_ask_credit(b, c);
    return false;
}

/* The consumer whose turn it is; NULL when nobody can take anything. */
static inline struct consumer *
queue_round_next(struct queue *q)
{
    struct broker *b = q->broker;
    LIST_FOREACH (at, &q->levels) {
        struct consumer_level *level = LIST_ENTRY(at, struct consumer_level, node);
        struct list *round = &level->round;
        while (round->next != round) {
            struct consumer *c = LIST_ENTRY(round->next, struct consumer, node);
            if (consumer_can_take(b, c))
                return c;
            consumer_leave_round(c);
        }
    }
    return NULL;
}

bool
queue_round_can_take(struct queue *q)
{
    return q->round_count && queue_round_next(q);
}

/* It gets one, and goes to the end of its round. */
static inline void
queue_round_serve(struct consumer *c)
{
    struct list *round = &c->level->round;
    if (round->next != round->prev) {
        list_remove(&c->node);
        list_push_back(round, &c->node);
    }
}

/* What is delivered in its place, ours: NULL: itself. */
static inline struct message *
round_tell(const struct queue *q, const struct queue_entry *e)
{
    return __builtin_expect(q->is_quorum, 0) ? queue_count_tell(q, e) : NULL;
}

/* A delivery that nobody will settle: the message leaves the queue. */
static inline void
queue_give(struct queue *q, struct consumer *c, uint64_t position, struct queue_entry *e)
{
    struct broker *b = q->broker;
    bool redelivered = e->is_redelivered;
    struct message *told = round_tell(q, e), *m = queue_messages_shift(q, position, e);
    position = queue_rank_outside(q, position);
    if (__builtin_expect(told != NULL, 0)) {
        message_drop(b, &m);
        m = told;
    }
    if (__builtin_expect(c->subscription == NULL, 0)) {
        courier_deliver(b, c, &m, position, redelivered);
        return;
    }
    b->effects->deliver(c->subscription, m, position, redelivered);
    message_drop(b, &m);
}

static inline void
queue_lend(struct queue *q, struct consumer *c, uint64_t position, struct queue_entry *e)
{
    struct broker *b = q->broker;
    bool redelivered = e->is_redelivered;
    struct message *m = queue_messages_lend(q, position, e, (uint32_t)c->handle);
    position = queue_rank_outside(q, position);
    struct message *told = round_tell(q, e);
    c->unacked++;
    if (__builtin_expect(c->subscription == NULL, 0)) {
        if (told)
            m = told;
        else
            message_hold(m);
        courier_deliver(b, c, &m, position, redelivered);
        return;
    }
    b->effects->deliver(c->subscription, told ? told : m, position, redelivered);
    if (__builtin_expect(told != NULL, 0))
        message_drop(b, &told);
}

enum round_end { ROUND_EMPTY, ROUND_NOBODY, ROUND_LATER };

/* Gives out what is in one rank. EMPTY: nothing is left in it, or what is cannot be had now. */
static enum round_end
round_run(struct queue *q, struct queue *rank, uint32_t *budget)
{
    uint64_t position;
    struct queue_entry *e;
    while ((e = queue_messages_first(rank, &position))) {
        if ((*budget)-- == 0)
            return ROUND_LATER;
        struct queue_entry *next = seqdeque_get(&rank->messages->entries, position + 1);
        if (next)
            __builtin_prefetch(next->message);
        struct consumer *c = queue_round_next(q);
        if (!c)
            return ROUND_NOBODY;
        if (__builtin_expect(e->is_timed, 0) && queue_expiry_is_due(rank, e)) {
            queue_expiry_drop(rank, position, e); /* else limits come first */
            continue;
        }
        queue_round_serve(c);
        if (c->no_ack)
            queue_give(rank, c, position, e);
        else
            queue_lend(rank, c, position, e);
    }
    return ROUND_EMPTY;
}

bool
queue_deliver_ready(struct queue *q)
{
    uint32_t budget = q->broker->node->limits.queue_turn_messages;
    struct queue *rank = __builtin_expect(q->ranks != NULL, 0) ? queue_rank_first(q) : q;
    for (; rank; rank = queue_rank_next(rank)) {
        enum round_end end = round_run(q, rank, &budget);
        if (end != ROUND_EMPTY)
            return end == ROUND_LATER && q->round_count != 0;
        queue_messages_rest(rank);
        if (queue_ready(rank))
            return false; /* it is being read, or waits for the log: nothing overtakes it */
    }
    return false;
}

bool
queue_deliver(struct queue *q)
{
    if (q->deletion)
        return false;
    struct queue *first = __builtin_expect(q->ranks != NULL, 0) ? queue_rank_first(q) : q;
    if (__builtin_expect(first->kept != NULL, 0))
        queue_paging_prepare(first);
    if (__builtin_expect(!q->has_rules, 1))
        return queue_deliver_ready(q);
    if (queue_rules_returned(q))
        return true;
    return queue_rules_enforce(q, q->round_count && queue_deliver_ready(q));
}
