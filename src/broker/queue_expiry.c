/*
 * Messages expire. A deadline is fixed when a message comes in and stands behind its entry, in a queue whose
 * entries were widened for it:
 *
 *   plain:    | message | consumer | flags, op |
 *   widened:  | message | consumer | flags, op | deadline |
 *
 * Only the first ready message is looked at, as in RabbitMQ's classic queues. The timer is due at its
 * deadline or before: who takes the first message away leaves the timer alone, and it then finds nothing to
 * do but to be set anew. Whoever puts another message first marks the queue dirty, and the turn ends with a
 * look here.
 */
#include "base/check.h"
#include "broker/deadletter.h"
#include "broker/queue_impl.h"
#include "broker/queue_rank.h"
#include "broker/queue_rules.h"
#include "io/timer.h"
#include "wire/properties.h"

struct timed_entry {
    struct queue_entry entry;
    uint64_t deadline;
};

/* ---- deadlines ---- */

/* The session has let only digits through, perhaps behind a sign, and no more than ten years. */
static uint64_t
ttl_of_message(const struct message *m)
{
    struct slice text;
    if (!properties_find(message_properties(m), PROPERTY_EXPIRATION, &text))
        return UINT64_MAX;
    uint64_t ttl = 0;
    const uint8_t *p = text.data, *end = p + text.len;
    for (p += p < end && (*p < '0' || *p > '9'); p < end; p++)
        ttl = ttl * 10 + (uint64_t)(*p - '0');
    return ttl;
}

uint64_t
queue_expiry_deadline(const struct queue *q, const struct message *m)
{
    uint64_t ttl = UINT64_MAX;
    if (q->rules && q->rules->settings.message_ttl_ms != QUEUE_SETTING_NONE)
        ttl = (uint64_t)q->rules->settings.message_ttl_ms;
    if (m->flags & MESSAGE_HAS_EXPIRATION) {
        uint64_t own = ttl_of_message(m);
        ttl = own < ttl ? own : ttl;
    }
    if (ttl == UINT64_MAX)
        return QUEUE_DEADLINE_NONE;
    if (ttl == 0)
        return QUEUE_DEADLINE_AT_ONCE;
    uint64_t deadline = broker_now_ms(q->broker) + ttl;
    return deadline < QUEUE_DEADLINE_FIRST ? QUEUE_DEADLINE_FIRST : deadline;
}

uint64_t
queue_expiry_of(const struct queue_entry *e)
{
    return e->is_timed ? ((const struct timed_entry *)e)->deadline : QUEUE_DEADLINE_NONE;
}

void
queue_expiry_set(struct queue_entry *e, uint64_t deadline)
{
    e->is_timed = deadline != QUEUE_DEADLINE_NONE;
    if (e->is_timed)
        ((struct timed_entry *)e)->deadline = deadline;
}

void
queue_expiry_widen(struct queue *q)
{
    struct seqdeque *d = &q->messages->entries;
    if (d->entry_size < sizeof(struct timed_entry))
        seqdeque_widen(d, sizeof(struct timed_entry));
}

/* ---- expiring ---- */

bool
queue_expiry_is_due(const struct queue *q, const struct queue_entry *e)
{
    uint64_t deadline = queue_expiry_of(e);
    if (deadline == QUEUE_DEADLINE_AT_ONCE)
        return q->front->round_count == 0;
    return deadline != QUEUE_DEADLINE_NONE && deadline <= broker_now_ms(q->broker);
}

void
queue_expiry_drop(struct queue *q, uint64_t position, struct queue_entry *e)
{
    queue_messages_advance(q, position);
    deadletter_leave(q, position, e, DEADLETTER_EXPIRED, 0);
}

static void
on_due(void *arg)
{
    queue_mark_dirty(arg); /* the turn that follows looks */
}

/* `e` is the first one. */
static void
set_timer(struct queue *q, const struct queue_entry *e)
{
    struct queue_rules *r = q->rules;
    uint64_t deadline = queue_expiry_of(e), now = broker_now_ms(q->broker);
    if (deadline < QUEUE_DEADLINE_FIRST || !q->broker->shard)
        return;
    if (timer_is_active(&r->expiry) && r->expiry.deadline <= deadline)
        return;
    timer_start(q->broker->shard, &r->expiry, deadline > now ? deadline - now : 0, on_due, q);
}

/* In one rank. */
static bool
run(struct queue *q)
{
    uint64_t position;
    struct queue_entry *e;
    for (unsigned left = QUEUE_SLICE; (e = queue_paging_head(q, &position)); left--) {
        if (!queue_expiry_is_due(q, e)) {
            set_timer(q, e);
            return false;
        }
        if (left == 0)
            return true;
        if (left % QUEUE_SLICE == 0 && deadletter_must_wait(q))
            return false;
        queue_expiry_drop(q, position, e);
    }
    return false;
}

static bool
run_and_rest(struct queue *q)
{
    bool more = run(q);
    queue_messages_rest(q);
    return more;
}

bool
queue_expiry_run(struct queue *q)
{
    if (!q->ranks)
        return run_and_rest(q);
    bool more = false;
    for (struct queue *rank = queue_rank_first(q); rank && !more; rank = queue_rank_next(rank))
        more = run_and_rest(rank);
    return more;
}
