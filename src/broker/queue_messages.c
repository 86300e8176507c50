/*
 * What stands in a queue.
 *
 *   positions   ... 4 . 6 7 . . . 11 12 13 14 15 |next
 *                   u   r u       u  ^cursor
 *
 * Always true: a message at or behind the cursor is ready and was never given out. It has an entry, or it is
 * paged out (queue_paging.c). Positions there without a message (holes) come from a restart. Below the cursor
 * an entry is either unacked, or ready again and then in `returned`, a binary heap with the lowest position
 * on top. So the first ready message is the top of the heap, or else the first behind the cursor; and ready
 * messages are (next - cursor - holes) plus the heap, counted nowhere else.
 *
 * A queue that runs empty keeps its working part for a moment, because most fill again at once: it rests on
 * broker.resting, and broker.c's timer frees it when nothing was pushed in between.
 */
#include "base/check.h"
#include "broker/deadletter.h"
#include "broker/message.h"
#include "broker/queue.h"
#include "broker/queue_count.h"
#include "broker/queue_impl.h"
#include "broker/queue_rank.h"
#include "broker/queue_rules.h"

#include <stdlib.h>

enum { QUEUE_LOOK_EACH = 16 };

struct queue_messages *
queue_messages_open(struct queue *q)
{
    struct queue_messages *ms = calloc(1, sizeof *ms);
    CHECK(ms);
    ms->queue = q;
    ms->window = queue_rank_window(q);
    seqdeque_init(&ms->entries, q->is_quorum ? queue_count_entry_size() : sizeof(struct queue_entry),
                  q->cursor);
    q->messages = ms;
    return ms;
}

void
queue_messages_close(struct queue *q)
{
    struct queue_messages *ms = q->messages;
    if (!ms)
        return;
    struct broker *b = q->broker;
    queue_ready_add(q, -(int64_t)queue_ready(q));
    b->messages_unacked -= q->unacked;
    uint64_t position;
    for (struct queue_entry *e = seqdeque_first(&ms->entries, &position); e;
         e = seqdeque_next(&ms->entries, &position)) {
        if (e->is_unacked && e->consumer != QUEUE_NO_CONSUMER)
            consumer_settled(b, e->consumer);
        message_drop(b, &e->message);
    }
    q->unacked = q->leaving = 0;
    queue_tally_clear(&q->tally);
    q->cursor = seqdeque_next_sequence(&ms->entries);
    q->holes = q->paged = 0;
    list_remove(&ms->resting);
    list_remove(&ms->deep);
    seqdeque_fini(&ms->entries);
    free(ms->returned);
    free(ms);
    q->messages = NULL;
}

void
queue_messages_rest(struct queue *q)
{
    struct queue_messages *ms = q->messages;
    if (!ms || list_is_linked(&ms->resting) || !queue_has_nothing(q))
        return;
    ms->rested_at = seqdeque_next_sequence(&ms->entries);
    broker_rest(q->broker, &ms->resting);
}

bool
queue_rested(struct list *resting)
{
    struct queue_messages *ms = LIST_ENTRY(resting, struct queue_messages, resting);
    if (!queue_has_nothing(ms->queue)) {
        list_remove(resting); /* it works; it will rest again when it has run empty */
        return true;
    }
    if (seqdeque_next_sequence(&ms->entries) != ms->rested_at) {
        ms->rested_at = seqdeque_next_sequence(&ms->entries);
        return false;
    }
    queue_messages_close(ms->queue);
    return true;
}

/* ---- the heap of returned positions ---- */

static void
returned_push(struct queue_messages *ms, uint64_t position)
{
    if (ms->returned_count == ms->returned_cap) {
        ms->returned_cap = ms->returned_cap ? ms->returned_cap * 2 : 16;
        ms->returned = realloc(ms->returned, ms->returned_cap * sizeof *ms->returned);
        CHECK(ms->returned);
    }
    uint64_t *heap = ms->returned;
    uint32_t i = ms->returned_count++;
    for (uint32_t up; i && heap[up = (i - 1) / 2] > position; i = up)
        heap[i] = heap[up];
    heap[i] = position;
}

void
queue_returned_pop(struct queue_messages *ms)
{
    uint64_t *heap = ms->returned;
    uint32_t n = --ms->returned_count;
    uint64_t last = heap[n];
    uint32_t i = 0;
    for (uint32_t down; (down = 2 * i + 1) < n; i = down) {
        if (down + 1 < n && heap[down + 1] < heap[down])
            down++;
        if (heap[down] >= last)
            break;
        heap[i] = heap[down];
    }
    heap[i] = last;
    if (n == 0) {
        free(ms->returned);
        ms->returned = NULL;
        ms->returned_cap = 0;
    }
}

/* ---- in and out ---- */

/* More is ready than the consumers will take soon: whoever publishes should wait for them a little. */
static inline bool
queue_is_far_ahead(const struct queue *q, const struct message *m)
{
    const struct broker_limits *limits = &q->broker->node->limits;
    uint32_t ready = queue_ready_all(q);
    return ready > limits->backlog_messages || (uint64_t)ready * m->body_size > limits->backlog_bytes;
}

/* Summing up the ranks of a priority queue costs a third of a message: it is done for one of so many. */
static inline bool
is_time_to_look(const struct queue *rank)
{
    return !rank->front->ranks || seqdeque_next_sequence(&rank->messages->entries) % QUEUE_LOOK_EACH == 0;
}

/* Takes the hold. */
static inline struct queue_entry *
queue_put(struct queue *q, struct queue_messages *ms, const struct queue_entry *e)
{
    struct broker *b = q->broker;
    uint64_t bytes = ms->bytes += queue_weight(e->message);
    void *entry;
    seqdeque_push_back(&ms->entries, &entry);
    *(struct queue_entry *)entry = *e;
    if (__builtin_expect(bytes > ms->window, 0) && b->log && !list_is_linked(&ms->deep))
        list_push_back(&b->deep, &ms->deep);
    queue_ready_add(q, 1);
    if (q->front->round_count)
        queue_mark_dirty(q);
    return entry;
}

/* The log gets it first. */
static enum queue_pushed
queue_push_logged(struct queue *q, struct message *m, uint64_t deadline, uint64_t tx)
{
    struct queue_messages *ms = q->messages;
    struct queue_log *l = q->broker->log;
    if (l->is_failed) {
        message_drop(q->broker, &m);
        return QUEUE_REFUSED;
    }
    if (l->is_behind || (q->front->consumer_count && ms->bytes > l->resident_max / 2))
        q->broker->has_backlog = true; /* it can wait a little rather than be paged out and read again */
    q->tally.persistent++;
    q->tally.persistent_bytes += m->body_size;
    q->tally.disk_writes++;
    uint32_t op = l->ops->publish(l, q, seqdeque_next_sequence(&ms->entries), m, deadline, tx);
    struct queue_entry *e =
        queue_put(q, ms, &(struct queue_entry){.message = m, .is_logged = 1, .op = op & QUEUE_OP_MASK});
    if (deadline)
        queue_expiry_set(e, deadline);
    if (__builtin_expect(q->is_quorum, 0))
        queue_count_begin(e);
    return QUEUE_LOGGED;
}

static inline bool
queue_is_kept(const struct queue *q, const struct message *m)
{
    return m->flags & MESSAGE_PERSISTENT && q->durable && q->broker->log;
}

enum queue_pushed
queue_messages_push(struct queue *q, struct message *m, uint64_t deadline, uint64_t tx)
{
    if (q->front->consumer_count && is_time_to_look(q) && queue_is_far_ahead(q->front, m))
        q->broker->has_backlog = true;
    if (queue_is_kept(q, m) || (q->is_quorum && q->broker->log))
        return queue_push_logged(q, m, deadline, tx);
    struct queue_entry *e = queue_put(q, q->messages, &(struct queue_entry){.message = m});
    if (deadline)
        queue_expiry_set(e, deadline);
    if (q->is_quorum)
        queue_count_begin(e);
    return QUEUE_TAKEN;
}

enum queue_pushed
queue_push(struct queue *q, struct message **taken, uint64_t tx)
{
    struct queue_messages *ms = q->messages;
    struct message *m = *taken;
    *taken = NULL;
    if (__builtin_expect(q->has_rules || m->flags & MESSAGE_HAS_EXPIRATION, 0))
        return queue_rules_push(q, m, tx);
    if (__builtin_expect(!ms, 0))
        ms = queue_messages_open(q);
    if (__builtin_expect(q->consumer_count && queue_is_far_ahead(q, m), 0))
        q->broker->has_backlog = true;
    if (queue_is_kept(q, m))
        return queue_push_logged(q, m, QUEUE_DEADLINE_NONE, tx);
    queue_put(q, ms, &(struct queue_entry){.message = m});
    return QUEUE_TAKEN;
}

void
queue_messages_gone(struct queue *q, uint64_t position, struct queue_entry *e, uint64_t tx)
{
    struct queue_messages *ms = q->messages;
    struct message *m = e->message;
    ms->bytes -= queue_weight(m);
    if (e->is_logged || e->is_stored)
        queue_messages_leave(q, position, e, tx);
    seqdeque_remove_known(&ms->entries, position);
    message_drop(q->broker, &m);
}

void
queue_messages_leave(struct queue *q, uint64_t position, struct queue_entry *e, uint64_t tx)
{
    struct queue_log *l = q->broker->log;
    if (e->is_logged)
        queue_tally_leave(&q->tally, e->message->body_size);
    l->ops->settle(l, q, position, e, tx);
}

struct message *
queue_take(struct queue *q, bool no_ack, uint64_t *position, bool *redelivered)
{
    if (q->has_rules)
        queue_rules_look(q);
    q = queue_rank_first(q);
    struct queue_entry *e = queue_messages_first(q, position);
    if (!e || (e->is_timed && queue_expiry_is_due(q, e)))
        return NULL;
    if (q->has_rules)
        queue_mark_dirty(q); /* another one is the first now */
    *redelivered = e->is_redelivered;
    struct message *m, *told = q->is_quorum ? queue_count_tell(q, e) : NULL;
    if (no_ack) {
        m = queue_messages_shift(q, *position, e);
        queue_messages_rest(q);
    } else {
        m = queue_messages_lend(q, *position, e, QUEUE_NO_CONSUMER);
        message_hold(m);
    }
    if (told) {
        message_drop(q->broker, &m);
        m = told;
    }
    *position = queue_rank_outside(q, *position);
    return m;
}

static void
queue_drop_at(struct queue *q, uint64_t position)
{
    queue_messages_gone(q, position, seqdeque_get(&q->messages->entries, position), 0);
}

static uint32_t
purge_rank(struct queue *q)
{
    uint32_t ready = queue_ready(q);
    if (!ready)
        return 0;
    struct queue_messages *ms = q->messages;
    for (; ms->returned_count; queue_returned_pop(ms))
        queue_drop_at(q, ms->returned[0]);
    if (q->paged)
        q->broker->log->ops->settle_paged(q->broker->log, q, q->cursor);
    uint64_t at = q->cursor;
    bool more = seqdeque_get(&ms->entries, at) || seqdeque_next(&ms->entries, &at);
    for (; more; more = seqdeque_next(&ms->entries, &at))
        queue_drop_at(q, at);
    q->cursor = seqdeque_next_sequence(&ms->entries);
    q->holes = q->paged = 0;
    queue_ready_add(q, -(int64_t)ready);
    queue_tally_count(q);
    queue_messages_rest(q);
    return ready;
}

uint32_t
queue_purge(struct queue *q)
{
    if (q->has_rules)
        queue_rules_look(q);
    uint32_t purged = 0;
    unsigned at = 0;
    for (struct queue *rank; (rank = queue_rank_each(q, &at));)
        purged += purge_rank(rank);
    if (purged)
        courier_waiting_retry(q);
    return purged;
}

/* ---- settling ---- */

/* The unacked entry at this position, now off its holder's account; NULL when there is none. */
static struct queue_entry *
queue_messages_settle(struct queue *q, uint64_t position)
{
    struct queue_entry *e = q->messages ? seqdeque_get(&q->messages->entries, position) : NULL;
    if (!e || !e->is_unacked)
        return NULL;
    e->is_unacked = false;
    q->unacked--;
    q->tally.unacked_bytes -= e->message->body_size;
    q->broker->messages_unacked--;
    return e;
}

/* It is ready again. */
static void
messages_return(struct queue *q, uint64_t position)
{
    returned_push(q->messages, position);
    queue_ready_add(q, 1);
    queue_rank_filled(q);
    if (q->round_count || q->has_rules)
        queue_mark_dirty(q);
}

void
queue_messages_put_back(struct queue *q, uint64_t position, bool is_redelivered)
{
    struct queue_entry *e = queue_messages_settle(q, position);
    if (!e)
        return;
    uint32_t consumer = e->consumer;
    e->is_redelivered |= is_redelivered;
    if (is_redelivered && q->is_quorum && !queue_count_returned(q, e))
        deadletter_leave(q, position, e, DEADLETTER_DELIVERY_LIMIT, 0);
    else
        messages_return(q, position);
    if (is_redelivered)
        queue_rules_note_return(q);
    if (seqdeque_count(&q->messages->entries) == 0)
        queue_messages_rest(q);
    if (consumer != QUEUE_NO_CONSUMER)
        consumer_settled(q->broker, consumer);
}

void
queue_put_back(struct queue *q, uint64_t position)
{
    q = queue_rank_inside(q, &position);
    if (q)
        queue_messages_put_back(q, position, false);
}

void
queue_settle(struct queue *q, uint64_t position, enum settle how, uint64_t tx)
{
    if (__builtin_expect(q->ranks != NULL, 0) && !(q = queue_rank_inside(q, &position)))
        return;
    if (how == SETTLE_REQUEUE) {
        queue_messages_put_back(q, position, true);
        return;
    }
    struct queue_entry *e = queue_messages_settle(q, position);
    if (!e)
        return;
    uint32_t consumer = e->consumer;
    if (__builtin_expect(how == SETTLE_REJECT, 0))
        deadletter_leave(q, position, e, DEADLETTER_REJECTED, tx);
    else
        queue_messages_gone(q, position, e, tx);
    if (seqdeque_count(&q->messages->entries) == 0)
        queue_messages_rest(q);
    if (consumer != QUEUE_NO_CONSUMER)
        consumer_settled(q->broker, consumer);
}
