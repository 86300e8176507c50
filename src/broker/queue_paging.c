/*
 * Messages that are not in memory, and those that may not be given out yet.
 *
 *   positions  |cursor ... window ... | paged out, paged out, ... | what came last |next
 *
 * When a shard's messages take more memory than they may, queues that hold more than their window are paged
 * out: from behind the window on, oldest first, each message is handed to the log and its entry goes. What
 * comes in behind it stands in memory until its turn to be paged out. As the cursor comes near the first
 * position that is paged out, the log reads ahead: entries come back at their positions.
 *
 * A message that the log has is given out only below deliver_limit: the log must first know that this may
 * happen, so that after a crash it is told to be redelivered. It is asked long before the limit is reached;
 * only the first delivery waits.
 */
#include "base/check.h"
#include "broker/courier_impl.h"
#include "broker/message.h"
#include "broker/queue_count.h"
#include "broker/queue_impl.h"
#include "broker/queue_rank.h"
#include "broker/queue_rules.h"

enum {
    PAGING_TURN_BYTES = 4 << 20,  /* most that is paged out in one turn */
    PAGING_SLICE_BYTES = 1 << 18, /* of one queue before the next: those with the same messages keep step */
    PAGING_TURN_QUEUES = 64,      /* most queues that are looked at in one turn */
    PAGING_READ_BYTES = 1 << 20,  /* of one read-ahead */
    PAGING_READ_BYTES_LOW = 1 << 16, /* the same when memory is short */
    PAGING_READS_AHEAD =
        2, /* the next one starts when so many are left in memory, or half of one if that is short */
    PAGING_RESERVE_LOW = 4096, /* positions left below the limit at which a higher one is asked for */
};

/* ---- giving out ---- */

static void
paging_reserve(struct queue *q)
{
    if (q->is_reserving || (q->is_quorum && q->deliver_limit >= queue_next_position(q)))
        return; /* a quorum queue has no more to reserve than what it was given */
    q->is_reserving = true;
    q->broker->log->ops->reserve(q->broker->log, q);
}

static void
paging_read(struct queue *q, uint64_t from)
{
    struct queue_log *l = q->broker->log;
    if (q->messages->is_paging_in)
        return;
    q->messages->is_paging_in = true;
    bool is_short = pool_bytes_used(q->broker->pool) > l->resident_max;
    l->ops->page_in(l, q, from, is_short ? PAGING_READ_BYTES_LOW : PAGING_READ_BYTES);
}

/* The first position at or behind the cursor that is paged out. What was found is where the next search
 * starts. */
static bool
paging_next(struct queue *q, uint64_t *position)
{
    struct queue_log *l = q->broker->log;
    uint64_t from = q->cursor > q->messages->paged_from ? q->cursor : q->messages->paged_from;
    if (!q->paged || !l->ops->paged_next(l, q, from, position))
        return false;
    q->messages->paged_from = *position;
    return true;
}

/* The cursor stands where no entry is: it moves over holes to the next message. NULL: that is paged out, or
 * there is none. */
static struct queue_entry *
paging_seek(struct queue *q, uint64_t *position)
{
    struct queue_messages *ms = q->messages;
    uint64_t end = seqdeque_next_sequence(&ms->entries), in_memory = q->cursor, paged = end;
    struct queue_entry *e = seqdeque_next(&ms->entries, &in_memory);
    if (!e)
        in_memory = end;
    if (!paging_next(q, &paged))
        paged = end;
    uint64_t to = paged < in_memory ? paged : in_memory;
    CHECK(q->holes >= to - q->cursor);
    q->holes -= to - q->cursor;
    q->cursor = *position = to;
    if (to == end)
        return NULL;
    if (to == in_memory)
        return e;
    paging_read(q, to);
    return NULL;
}

struct queue_entry *
queue_paging_head(struct queue *q, uint64_t *position)
{
    struct queue_messages *ms = q->messages;
    if (!ms)
        return NULL;
    *position = ms->returned_count ? ms->returned[0] : q->cursor;
    struct queue_entry *e = seqdeque_get(&ms->entries, *position);
    if (!e && q->cursor != seqdeque_next_sequence(&ms->entries))
        e = paging_seek(q, position);
    return e;
}

struct queue_entry *
queue_paging_first(struct queue *q, uint64_t *position)
{
    struct queue_entry *e = queue_paging_head(q, position);
    if (!e || *position < q->deliver_limit || !(e->is_logged || e->is_stored))
        return e;
    paging_reserve(q);
    return NULL;
}

void
queue_paging_prepare(struct queue *q)
{
    struct queue_messages *ms = q->messages;
    if (!ms || !q->front->round_count)
        return;
    if (q->deliver_limit - q->cursor < PAGING_RESERVE_LOW && q->deliver_limit > q->cursor)
        paging_reserve(q);
    uint64_t paged;
    if (ms->is_paging_in || !paging_next(q, &paged))
        return;
    bool is_short = pool_bytes_used(q->broker->pool) > q->broker->log->resident_max;
    if (paged - q->cursor <= (is_short ? ms->read_count / 2 : ms->read_count * PAGING_READS_AHEAD))
        paging_read(q, paged);
}

/* ---- looking ---- */

/* The first message behind the cursor that stands at or behind `*position`. NULL: it is paged out, or
 * (`*position` is the next one to come) there is none. */
static struct queue_entry *
paging_at_or_behind(const struct queue *q, uint64_t *position)
{
    const struct seqdeque *entries = &q->messages->entries;
    uint64_t in_memory = *position, paged = seqdeque_next_sequence(entries);
    struct queue_log *l = q->broker->log;
    struct queue_entry *e = seqdeque_get(entries, in_memory);
    if (!e)
        e = seqdeque_next(entries, &in_memory);
    if (q->paged && !l->ops->paged_next(l, (struct queue *)q, *position, &paged))
        paged = seqdeque_next_sequence(entries);
    *position = e && in_memory < paged ? in_memory : paged;
    return e && in_memory < paged ? e : NULL;
}

/* The n-th of those that came back, which are so many at least: they stand before the cursor, among unacked
 * ones. */
static struct queue_entry *
paging_nth_returned(const struct queue_messages *ms, uint32_t n)
{
    uint64_t position = ms->returned[0];
    struct queue_entry *e = seqdeque_get(&ms->entries, position);
    for (;; e = seqdeque_next(&ms->entries, &position))
        if (!e->is_unacked && !e->is_leaving && --n == 0)
            return e;
}

enum queue_peeked
queue_peek(struct queue *q, uint32_t n, struct queue_entry **found)
{
    if (n == 0 || n > QUEUE_PEEK_MAX || n > queue_ready(q))
        return QUEUE_PEEKED_NOTHING;
    struct queue_messages *ms = q->messages;
    if (n <= ms->returned_count) {
        *found = paging_nth_returned(ms, n);
        return QUEUE_PEEKED;
    }
    struct queue_entry *e;
    uint64_t position = q->cursor;
    for (n -= ms->returned_count;; position++) {
        e = paging_at_or_behind(q, &position);
        if (position >= seqdeque_next_sequence(&ms->entries))
            return QUEUE_PEEKED_NOTHING;
        if (--n == 0)
            break;
    }
    if (!e) {
        paging_read(q, position);
        return QUEUE_PEEKED_LATER;
    }
    *found = e;
    return QUEUE_PEEKED;
}

/* ---- what the log tells ---- */

void
queue_set_deliver_limit(struct queue *q, uint64_t limit)
{
    q->is_reserving = false;
    if (limit > q->deliver_limit)
        q->deliver_limit = limit;
    courier_waiting_retry(q->front);
    if (q->round_count || q->has_rules)
        queue_mark_dirty(q);
}

/* Entries come back in any order, and any of them may be the first with a deadline. */
static struct queue_entry *
paging_put(struct queue *q, uint64_t position, uint64_t deadline)
{
    if (deadline) {
        queue_rules_get(q);
        queue_expiry_widen(q);
    }
    return seqdeque_put(&q->messages->entries, position);
}

/* What stands behind an entry. */
static void
paging_set(const struct queue *q, struct queue_entry *e, uint64_t deadline)
{
    queue_expiry_set(e, deadline);
    if (q->is_quorum)
        queue_count_begin(e);
}

bool
queue_paged_in(struct queue *q, uint64_t position, struct message **m, bool is_logged, uint64_t deadline)
{
    struct queue_messages *ms = q->messages;
    if (!ms || position < q->cursor || seqdeque_get(&ms->entries, position)) {
        message_drop(q->broker, m);
        return false;
    }
    struct queue_entry *e = paging_put(q, position, deadline);
    *e = (struct queue_entry){.message = *m,
                              .is_logged = is_logged,
                              .is_stored = 1,
                              .is_redelivered = position < q->redelivered_below};
    paging_set(q, e, deadline);
    ms->bytes += queue_weight(*m);
    queue_tally_page_in(q, (*m)->body_size);
    ms->read_count++;
    q->paged--;
    *m = NULL;
    return true;
}

void
queue_paging_begin(struct queue *q)
{
    if (q->messages)
        q->messages->read_count = 0;
}

void
queue_paging_done(struct queue *q)
{
    if (q->messages)
        q->messages->is_paging_in = false;
    courier_waiting_retry(q->front);
    if (q->round_count || q->has_rules)
        queue_mark_dirty(q);
}

void
queue_paged_lost(struct queue *q, uint64_t count)
{
    CHECK(q->paged >= count);
    queue_tally_lose(q, count);
    q->paged -= count;
    q->holes += count;
    queue_ready_add(q, -(int64_t)count);
}

uint64_t
queue_each_unstored(struct queue *q, uint64_t first, uint64_t last, queue_store_fn *fn, void *arg)
{
    uint64_t at = first - 1;
    for (struct queue_entry *e;
         q->messages && (e = seqdeque_next(&q->messages->entries, &at)) && at <= last;) {
        if (!e->is_logged || e->is_stored)
            continue;
        if (!fn(arg, q, at, e))
            return at;
        e->is_stored = 1;
    }
    return last + 1;
}

bool
queue_has_entry(const struct queue *q, uint64_t position)
{
    return q->messages && seqdeque_get(&q->messages->entries, position);
}

void
queue_each_entry(struct queue *q, queue_store_fn *fn, void *arg)
{
    uint64_t at;
    struct queue_entry *e = q->messages ? seqdeque_first(&q->messages->entries, &at) : NULL;
    for (; e; e = seqdeque_next(&q->messages->entries, &at))
        fn(arg, q, at, e);
}

void
queue_lower_deliver_limit(struct queue *q)
{
    if (!q->is_reserving)
        q->deliver_limit = 0;
}

/* ---- after a restart ---- */

void
queue_recover_begin(struct queue *q, uint64_t next, uint64_t redelivered_below)
{
    CHECK(!q->messages);
    q->cursor = next;
    q->redelivered_below = redelivered_below;
    queue_messages_open(q);
}

bool
queue_recover_put(struct queue *q, uint64_t position, struct message **m, uint64_t deadline)
{
    struct queue_messages *ms = q->messages;
    if (seqdeque_get(&ms->entries, position)) {
        message_drop(q->broker, m);
        return false;
    }
    struct queue_entry *e = paging_put(q, position, deadline);
    *e = (struct queue_entry){.message = *m,
                              .is_logged = 1,
                              .op = QUEUE_OP_MASK,
                              .is_redelivered = position < q->redelivered_below};
    paging_set(q, e, deadline);
    ms->bytes += queue_weight(*m);
    q->tally.persistent++;
    q->tally.persistent_bytes += (*m)->body_size;
    *m = NULL;
    if (ms->bytes > ms->window && !list_is_linked(&ms->deep))
        list_push_back(&q->broker->deep, &ms->deep);
    return true;
}

void
queue_recover_end(struct queue *q, uint64_t paged, uint64_t paged_bytes, bool may_expire)
{
    struct queue_log *l = q->broker->log;
    struct queue_messages *ms = q->messages;
    uint64_t next = seqdeque_next_sequence(&ms->entries), first = next, on_disk;
    uint64_t live = seqdeque_count(&ms->entries) + paged;
    seqdeque_first(&ms->entries, &first);
    q->paged = paged;
    q->tally.persistent += paged;
    q->tally.persistent_bytes += paged_bytes;
    q->tally.paged_bytes = paged_bytes;
    if (may_expire)
        queue_rules_get(q);
    if (paged && l->ops->paged_next(l, q, 0, &on_disk) && on_disk < first)
        first = on_disk;
    q->cursor = first;
    q->holes = next - first - live;
    queue_ready_add(q, (int64_t)live);
    queue_rank_filled(q);
    if (live == 0)
        queue_messages_close(q);
    else if (q->has_rules)
        queue_mark_dirty(q);
}

/* ---- paging out ---- */

/* What one queue gives up, at most `budget` bytes; returns what it was. */
static size_t
paging_out(struct queue *q, size_t budget, bool *stops)
{
    struct broker *b = q->broker;
    struct queue_messages *ms = q->messages;
    uint64_t average = ms->bytes / seqdeque_count(&ms->entries) + 1;
    uint64_t from = q->cursor + ms->window / average / 2;
    uint64_t at = (from > ms->page_from ? from : ms->page_from) - 1;
    size_t out = 0;
    for (struct queue_entry *e; out < budget && (e = seqdeque_next(&ms->entries, &at));) {
        enum queue_paged how = b->log->ops->page_out(b->log, q, at, e);
        *stops = how == QUEUE_PAGING_STOPS;
        if (*stops)
            break;
        if (how == QUEUE_STAYS)
            continue;
        struct message *m = e->message;
        size_t size = message_size(m);
        out += size;
        ms->bytes -= queue_weight(m);
        queue_tally_page_out(q, m->body_size);
        ms->page_from = at + 1;
        q->paged++;
        if (at < ms->paged_from)
            ms->paged_from = at;
        seqdeque_remove(&ms->entries, at);
        message_drop(b, &m);
    }
    return out;
}

/* Memory that this shard's backlogs take: of its own pool, or of those that their messages came from. */
static size_t
paging_used(const struct broker *b)
{
    size_t used = pool_bytes_used(b->pool), deep = 0;
    LIST_FOREACH (at, &b->deep)
        deep += LIST_ENTRY(at, struct queue_messages, deep)->bytes;
    return used > deep ? used : deep;
}

void
queue_paging_turn(struct broker *b)
{
    struct queue_log *l = b->log;
    size_t used = paging_used(b);
    bool stops = false;
    l->is_paging_late = false;
    if (used <= l->resident_max || l->is_failed)
        return;
    bool is_pressed = l->pressure_max && used > l->pressure_max;
    size_t budget = used - l->resident_max + (l->resident_max >> 2);
    if (budget > PAGING_TURN_BYTES)
        budget = PAGING_TURN_BYTES;
    for (unsigned i = 0; i < PAGING_TURN_QUEUES && budget > 0 && !stops && !list_is_empty(&b->deep); i++) {
        struct queue_messages *ms = LIST_ENTRY(b->deep.next, struct queue_messages, deep);
        list_remove(&ms->deep);
        if (ms->bytes <= ms->window)
            continue;
        list_push_back(&b->deep, &ms->deep);
        if (!ms->queue->durable && !is_pressed)
            continue;
        size_t slice = budget < PAGING_SLICE_BYTES ? budget : PAGING_SLICE_BYTES;
        size_t out = paging_out(ms->queue, slice, &stops);
        budget -= out < budget ? out : budget;
    }
    /* What cannot be paged out at all slows nobody: that is the memory alarm's business. */
    l->is_paging_late = used > 2 * l->resident_max && (stops || budget == 0);
}
