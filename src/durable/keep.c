/*
 * A shard's queue log: what the broker calls (queue_log_ops), and its life.
 *
 * A persistent message's op stands in the journal's open batch, with a hold on the message. Leaves it the
 * queue before the batch is frozen, the op goes and nothing was ever written; later, a settle op follows. Who
 * is to hear when it is durable waits for the batch (keep_wait.c).
 *
 * When the store fails, nothing is kept any more: publishers get nacks, what is in memory is still delivered.
 */
#include "durable/keep.h"

#include "base/check.h"
#include "broker/courier.h"
#include "broker/queue_rules.h"
#include "durable/durable_impl.h"
#include "durable/keep_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct queue_kept *
keep_queue(struct keep *k, struct queue *q)
{
    if (__builtin_expect(q->kept != NULL, 1))
        return q->kept;
    struct queue_kept *kept = calloc(1, sizeof *kept);
    CHECK(kept);
    kept->id = q->id;
    kept->queue = q;
    q->kept = kept;
    idmap_put(&k->kept, q->id, kept);
    return kept;
}

static void
on_again(void *arg)
{
    (void)arg; /* the turn that follows does the work */
}

void
keep_again(struct keep *k)
{
    if (!timer_is_active(&k->again))
        timer_start(k->broker->shard, &k->again, 0, on_again, k);
}

/* ---- publishing ---- */

static uint32_t
keep_publish(struct queue_log *l, struct queue *q, uint64_t position, struct message *m, uint64_t deadline,
             uint64_t tx)
{
    struct keep *k = keep_of(l);
    const struct message *origin = message_origin(m);
    struct journal_op *op;
    uint64_t body = __builtin_expect(m->body_size > STORE_BODY_INLINE_MAX, 0) ? keep_body_publish(k, m) : 0;
    uint32_t index = journal_append(k->journal, &op);
    *op = (struct journal_op){
        .type = JOURNAL_PUBLISH,
        .message_flags = origin->flags,
        .exchange_size = origin->exchange_size,
        .routing_key_size = origin->routing_key_size,
        .epoch = STORE_EPOCH_ALONE,
        .queue_id = q->id,
        .sequence = position,
        .tx = tx ? keep_tx_name(k, tx) : 0,
        .properties_size = origin->properties_size,
        .expires_at = deadline ? keep_expiry_at(k, deadline) : 0,
        .body_size = origin->body_size,
        .body_file = body,
        .bytes = origin->bytes,
        .owner = m,
    };
    message_hold(m);
    keep_mark_publish(k, keep_queue(k, q), position);
    if (__builtin_expect(tx != 0, 0))
        keep_tx_note(k, tx);
    return index;
}

static void
keep_confirm(struct queue_log *l, struct channel_ref to, uint64_t seq, uint32_t times)
{
    keep_wait_confirm(keep_of(l), to, seq, times);
}

static bool
keep_end(struct queue_log *l, uint64_t tx, struct channel_ref to, uint64_t seq)
{
    struct keep *k = keep_of(l);
    if (!keep_tx_end(k, tx))
        return false;
    if (l->is_failed) {
        courier_confirm_range(k->broker, to, seq, seq, true, 1);
        return true;
    }
    struct journal_op *op;
    journal_append(k->journal, &op);
    op->type = JOURNAL_TX_END;
    op->tx = keep_tx_name(k, tx);
    keep_wait_confirm(k, to, seq, 1);
    return true;
}

/* ---- settling ---- */

static void
log_settle(struct keep *k, uint64_t queue_id, uint64_t first, uint64_t count, uint64_t tx)
{
    struct journal_op *op = journal_last_op(k->journal);
    tx = tx ? keep_tx_name(k, tx) : 0;
    if (op && op->type == JOURNAL_SETTLE && op->queue_id == queue_id && op->tx == tx &&
        op->sequence + op->count == first && count <= UINT32_MAX - op->count) {
        op->count += (uint32_t)count;
        return;
    }
    CHECK(count <= UINT32_MAX);
    journal_append(k->journal, &op);
    op->type = JOURNAL_SETTLE;
    op->epoch = STORE_EPOCH_ALONE;
    op->queue_id = queue_id;
    op->sequence = first;
    op->count = (uint32_t)count;
    op->tx = tx;
}

/* It was never written, and never will be. */
static bool
elide(struct keep *k, const struct queue *q, uint64_t position, uint32_t index)
{
    struct journal_op *op = journal_open_op(k->journal, index);
    if (!op || op->type != JOURNAL_PUBLISH || op->queue_id != q->id || op->sequence != position || op->tx)
        return false;
    op->type = JOURNAL_NOTHING;
    return true;
}

void
keep_settle_stored(struct keep *k, struct queue *q, uint64_t position, const struct message *m,
                   bool is_stored)
{
    if (__builtin_expect(m->body_size > STORE_BODY_INLINE_MAX, 0)) {
        uint64_t body = keep_body_of(k, m);
        keep_body_exit(k, m);
        if (body && !is_stored)
            keep_body_drop(k, body);
    }
    if (is_stored)
        keep_run_settle(k, keep_queue(k, q), position);
}

static void
keep_settle(struct queue_log *l, struct queue *q, uint64_t position, const struct queue_entry *e, uint64_t tx)
{
    struct keep *k = keep_of(l);
    if (e->is_logged && tx && !l->is_failed) {
        log_settle(k, q->id, position, 1, tx);
        keep_tx_settle(k, q, position, e, tx);
        return;
    }
    if (tx && e->is_logged)
        keep_tx_note(k, tx); /* its end is refused */
    if (e->is_logged && !l->is_failed && (e->is_stored || !elide(k, q, position, e->op)))
        log_settle(k, q->id, position, 1, 0);
    keep_settle_stored(k, q, position, e->message, e->is_stored);
}

static uint64_t
keep_settle_paged(struct queue_log *l, struct queue *q, uint64_t from)
{
    struct keep *k = keep_of(l);
    struct queue_kept *kept = keep_queue(k, q);
    uint64_t settled = 0;
    for (uint32_t i = 0; i < kept->run_count; i++) {
        struct keep_run *run = &kept->runs[i];
        if (run->last < from)
            continue;
        uint64_t first = from > run->first ? from : run->first;
        if (!l->is_failed)
            log_settle(k, q->id, first, run->last - first + 1, 0);
        settled += keep_run_settle_range(k, kept, run, first, run->last);
        keep_segment_check(k, run->segment);
    }
    keep_run_sweep(kept);
    return settled;
}

/* An entry of a queue that goes, and its message with it. */
static bool
forget_body(void *arg, struct queue *q, uint64_t position, const struct queue_entry *e)
{
    struct keep *k = arg;
    if (!e->is_logged) /* it may share a body, and holds none */
        return true;
    uint64_t body = keep_body_of(k, e->message);
    keep_body_exit(k, e->message);
    if (body && !e->is_stored)
        keep_body_drop(k, body);
    return true;
}

static void
keep_forget(struct queue_log *l, struct queue *q)
{
    struct keep *k = keep_of(l);
    struct queue_kept *kept = q->kept;
    keep_tx_forget(k, q);
    if (idmap_count(&k->larges) > 0)
        queue_each_entry(q, forget_body, k);
    for (uint32_t i = 0; i < kept->run_count; i++) {
        struct keep_run *run = &kept->runs[i];
        keep_run_settle_range(k, kept, run, run->first, run->last);
        keep_segment_check(k, run->segment);
    }
    keep_mark_forget(kept);
    idmap_remove(&k->kept, kept->id);
    free(kept->runs);
    free(kept);
    q->kept = NULL;
}

/* ---- deliveries ---- */

static void
log_delivered(struct keep *k, struct queue_kept *kept, uint64_t below)
{
    struct journal_op *op;
    journal_append(k->journal, &op);
    op->type = JOURNAL_DELIVERED;
    op->epoch = STORE_EPOCH_ALONE;
    op->queue_id = kept->id;
    op->sequence = below;
    kept->reserved = below;
    keep_mark_delivered(k, kept);
}

static void
keep_reserve(struct queue_log *l, struct queue *q)
{
    struct keep *k = keep_of(l);
    /* What comes later is not in this batch: of a quorum queue it may not be given out with it. */
    uint64_t below = q->is_quorum ? queue_next_position(q) : q->cursor + KEEP_RESERVE;
    if (l->is_failed || k->is_unmarked) { /* the mark says so for all; the next turn tells */
        keep_wait_limit(k, q->id, UINT64_MAX, 0);
        k->has_free_limits = true;
        keep_again(k);
        return;
    }
    log_delivered(k, keep_queue(k, q), below);
    keep_wait_limit(k, q->id, below, journal_batch(k->journal));
}

void
keep_delivered_again(struct keep *k, struct queue_kept *kept)
{
    if (!k->log.is_failed)
        log_delivered(k, kept, kept->reserved);
}

/* ---- paging ---- */

static enum queue_paged
keep_page_out(struct queue_log *l, struct queue *q, uint64_t position, const struct queue_entry *e)
{
    struct keep *k = keep_of(l);
    struct queue_kept *kept = keep_queue(k, q);
    if (idmap_count(&k->transactions) > 0 || k->pager_bytes > KEEP_BEHIND_BYTES)
        return QUEUE_PAGING_STOPS;
    if (e->is_logged && keep_mark_is_under_way(k, kept, position))
        return QUEUE_PAGING_STOPS; /* its memory would not be free, and it may be consumed until it is */
    bool is_large = e->message->body_size > STORE_BODY_INLINE_MAX;
    if (is_large) { /* one that is not kept may share a body with others that are, but holds none */
        uint64_t body = e->is_logged ? keep_body_of(k, e->message) : 0;
        if (!body || !keep_body_is_durable(k, body))
            return QUEUE_STAYS;
    }
    if (!e->is_stored)
        keep_run_store(k, kept, position, e->message, keep_expiry_at(k, queue_expiry_of(e)), !e->is_logged);
    if (is_large)
        keep_body_exit(k, e->message);
    return QUEUE_PAGED;
}

static bool
keep_paged_next(struct queue_log *l, struct queue *q, uint64_t from, uint64_t *position)
{
    struct queue_kept *kept = q->kept;
    uint32_t index;
    uint64_t at = from;
    while (kept && keep_run_next_live(kept, at, &index, position)) {
        if (!queue_has_entry(q, *position))
            return true;
        at = *position + 1;
    }
    return false;
}

static void
keep_page_in(struct queue_log *l, struct queue *q, uint64_t from, size_t bytes)
{
    keep_read_start(keep_of(l), q, from, bytes);
}

static const struct queue_log_ops keep_ops = {
    .publish = keep_publish,
    .confirm = keep_confirm,
    .settle = keep_settle,
    .settle_paged = keep_settle_paged,
    .tx_end = keep_end,
    .reserve = keep_reserve,
    .page_out = keep_page_out,
    .paged_next = keep_paged_next,
    .page_in = keep_page_in,
    .forget = keep_forget,
};

/* ---- what the journal tells ---- */

static void
on_durable(void *arg, uint64_t batch)
{
    struct keep *k = arg;
    k->durable_batch = batch;
    keep_tx_durable(k);
    keep_wait_durable(k, batch);
}

static void
on_frozen(void *arg, uint64_t batch, uint32_t file)
{
    keep_mark_frozen(arg, batch, file);
}

static void
on_released(void *arg, void *owner)
{
    struct keep *k = arg;
    struct message *m = owner;
    if (!k->is_closing) /* then messages go with the pools */
        message_drop(k->broker, &m);
}

static void
on_space(void *arg, bool is_short)
{
    struct keep *k = arg;
    alarm_raise(k->broker, ALARM_STORE, is_short);
    if (k->is_marking || k->has_mark || (!is_short && !k->is_unmarked))
        return; /* on a full disk even the mark may find no room: then it follows when there is some */
    k->is_marking = true;
    worker_submit(k->keeper, &k->mark_job);
}

static void
run_mark(void *arg)
{
    struct keep *k = arg;
    k->has_mark = store_mark(k->store) == ERR_OK;
}

/* Consumers go on while the disk is full: their acks make room. */
static void
on_marked(void *arg)
{
    struct keep *k = arg;
    k->is_marking = false;
    k->is_unmarked = true;
    keep_wait_limits_end(k);
}

static void
on_held(void *arg, uint32_t file, uint64_t offset)
{
    struct keep *k = arg;
    durable_on_held(k->durable, k->broker, file, offset);
}

static void
on_failed(void *arg, enum err e)
{
    struct keep *k = arg;
    alarm_raise(k->broker, ALARM_FAILED, true);
    k->log.is_failed = true;
    log_critical(k->broker->node->log, LOG_STORAGE,
                 "shard %u keeps nothing any more (%s): persistent messages are refused until a restart on a "
                 "disk that works",
                 k->broker->index, err_text(e));
    keep_tx_failed(k);
    keep_wait_failed(k);
    keep_again(k); /* what it told goes out with a turn */
}

/* ---- life ---- */

static const struct journal_events keep_events = {
    .on_durable = on_durable,
    .on_frozen = on_frozen,
    .on_released = on_released,
    .on_space = on_space,
    .on_held = on_held,
    .on_failed = on_failed,
};

const struct journal_events *
keep_journal_events(void)
{
    return &keep_events;
}

static struct worker *
make_worker(const struct keep *k, const char *what)
{
    char name[16];
    snprintf(name, sizeof name, "%s-%u", what, k->broker->index);
    return worker_new(k->store->world, name);
}

struct keep *
keep_open(struct durable *d, struct broker *b, char *why, size_t why_size)
{
    struct keep *k = calloc(1, sizeof *k);
    CHECK(k);
    k->log.ops = &keep_ops;
    durable_memory(d, &k->log.resident_max, &k->log.pressure_max);
    k->durable = d;
    k->store = durable_store(d);
    k->broker = b;
    list_init(&k->files);
    list_init(&k->segments);
    list_init(&k->reads);
    list_init(&k->ended);
    k->writer = make_worker(k, "journal");
    k->pager = make_worker(k, "pager");
    k->keeper = make_worker(k, "keeper");
    k->mark_job = (struct worker_job){.run = run_mark, .done = on_marked, .arg = k, .shard = b->shard};
    b->log = &k->log;
    enum err e = keep_recover(k, why, why_size);
    if (e != ERR_OK)
        k->log.is_failed = true;
    return k;
}

/* The pager does not tell how far it is: a turn looks again soon. */
static void
watch_pace(struct keep *k)
{
    k->pager_bytes = 0;
    for (struct list *at = k->segments.prev; at != &k->segments; at = at->prev) {
        const struct keep_segment *s = LIST_ENTRY(at, struct keep_segment, node);
        if (s->state == KEEP_NAMED) /* older ones are written, too */
            break;
        k->pager_bytes += segment_bytes_waiting(s->segment);
    }
    uint64_t waiting = journal_bytes_waiting(k->journal) + k->pager_bytes;
    bool is_paging_late = k->log.is_paging_late && !list_is_empty(&k->broker->deep);
    k->log.is_behind = waiting > KEEP_BEHIND_BYTES || is_paging_late;
    if (k->log.is_behind && !timer_is_active(&k->pace))
        timer_start(k->broker->shard, &k->pace, KEEP_PACE_MS, on_again, k);
}

void
keep_turn(struct keep *k)
{
    if (!k->journal)
        return;
    if (k->has_free_limits) {
        k->has_free_limits = false;
        keep_wait_limits_end(k);
    }
    keep_checkpoint_turn(k);
    keep_compact_turn(k);
    keep_space_turn(k);
    if (k->same && k->checkpoint == KEEP_IDLE && list_is_empty(&k->broker->deep))
        keep_same_forget(k);
    watch_pace(k);
    journal_turn(k->journal);
}

/* A clean stop knows exactly what was given out. */
void
keep_stop(struct keep *k)
{
    if (!k->journal || k->log.is_failed)
        return;
    size_t cursor = 0;
    for (struct queue_kept *kept; (kept = idmap_next(&k->kept, &cursor, NULL));) {
        uint64_t below = kept->queue->cursor;
        if (kept->queue->redelivered_below > below)
            below = kept->queue->redelivered_below;
        if (kept->reserved > below)
            log_delivered(k, kept, below);
    }
}

/* What this boot's messages cost the disk. Log files are written through beforehand: that is not in it. */
static void
say_written(const struct keep *k)
{
    struct journal_counts c = journal_counts(k->journal);
    if (c.batches > 0)
        log_info(k->broker->node->log, LOG_STORAGE,
                 "shard %u wrote %" PRIu64 " bytes of log in %" PRIu64 " batches (%" PRIu64
                 " messages were gone before they had to be written) and %" PRIu64 " bytes of segments",
                 k->broker->index, c.written_bytes, c.batches, c.elided_ops,
                 k->counts.bytes_stored + (k->open ? segment_size(k->open->segment) : 0));
}

void
keep_close(struct keep *k)
{
    k->is_closing = true;
    worker_free(k->writer);
    worker_free(k->pager);
    worker_free(k->keeper);
    keep_tx_free(k);
    keep_same_forget(k);
    keep_checkpoint_free(k);
    keep_compact_free(k);
    keep_read_free(k);
    if (k->journal) {
        say_written(k);
        journal_free(k->journal);
    }
    keep_mark_free(k); /* before what the marks name */
    size_t cursor = 0;
    for (struct queue_kept *kept; (kept = idmap_next(&k->kept, &cursor, NULL));) {
        free(kept->runs);
        free(kept);
    }
    idmap_fini(&k->kept);
    keep_wait_free(k);
    keep_body_free(k);
    while (!list_is_empty(&k->segments))
        keep_segment_free(LIST_ENTRY(k->segments.next, struct keep_segment, node));
    k->broker->log = NULL;
    free(k);
}

bool
keep_has_settled(const struct keep *k)
{
    return k->has_settled;
}

struct keep_counts
keep_counts(const struct keep *k)
{
    return k->counts;
}

struct journal *
keep_journal(struct keep *k)
{
    return k->journal;
}
