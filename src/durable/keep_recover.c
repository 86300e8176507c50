/*
 * The start of a shard: its queues get back what the store has of them.
 *
 * What lives is what was published and not settled; both are told by identity, so the order in which records
 * are found does not matter, nor that some are found twice. Segments come first: their runs, minus their ack
 * files. Then the chains of earlier boots are read twice: for what was settled, which transactions are
 * complete, and the highest sequence of each queue; and for publishes that are alive and in no segment, which
 * become messages in memory.
 *
 * A segment belongs to the shard on which its queues live, which is the same for all of them: who lived
 * together stays together (meta_queue.c). A message that a crash left in two segments (keep_compact.c) is
 * taken from the newer.
 *
 * Each old chain's last batch is written once more (doc/storage.md, recovery, 5), into the chain of the shard
 * on which its queues live now: what settles them later stands behind it in the same chain, and so is not
 * forgotten before it.
 */
#include "base/check.h"
#include "broker/meta.h"
#include "broker/queue_rank.h"
#include "durable/durable_impl.h"
#include "durable/keep_impl.h"
#include "store/chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct range {
    uint64_t first, last;
};

/* What is found of one queue. */
struct found {
    struct queue *queue;
    struct range *settled; /* sorted and merged behind the first pass */
    uint32_t settled_count, settled_capacity;
    uint64_t last;                     /* the highest sequence seen; 0: none */
    uint64_t delivered, delivered_key; /* the delivery mark that counts */
    uint64_t log_first, log_last;      /* of the messages that are only in the log */
};

struct tx_settle_found {
    uint64_t tx, queue_id;
    struct range range;
};

struct recovery {
    struct keep *keep;
    struct idmap queues;       /* struct found, by id */
    struct idmap transactions; /* complete ones */
    struct tx_settle_found *tx_settles;
    size_t tx_settle_count, tx_settle_capacity;
    struct buffer replayed;
    uint32_t replayed_records;
    bool is_second_pass;
    bool has_ours;       /* the chain that is being read has something of a queue that lives here */
    bool *chain_is_ours; /* what the first pass found of each */
    uint64_t last_id;    /* the last answer of found_get(): neighbours are mostly of one queue */
    struct found *last;
    char *why;
    size_t why_size;
};

/* ---- queues ---- */

static struct found *
found_look_up(struct recovery *r, uint64_t queue_id)
{
    struct found *f = idmap_get(&r->queues, queue_id);
    if (f)
        return f;
    struct broker *b = r->keep->broker;
    const struct queue_def *def = queue_def_find_id(b->node->meta, queue_rank_front_id(queue_id));
    if (!def || def->shard != b->index || !def->durable)
        return NULL;
    struct queue *q = queue_rank_get(queue_open(b, def), (unsigned)(queue_id >> QUEUE_RANK_SHIFT));
    if (!q)
        return NULL;
    f = calloc(1, sizeof *f);
    CHECK(f);
    f->queue = q;
    f->log_first = UINT64_MAX;
    idmap_put(&r->queues, queue_id, f);
    return f;
}

/* NULL: the queue is gone, or lives on another shard. */
static struct found *
found_get(struct recovery *r, uint64_t queue_id)
{
    if (queue_id != r->last_id) {
        r->last = found_look_up(r, queue_id);
        r->last_id = queue_id;
    }
    r->has_ours |= r->last != NULL;
    return r->last;
}

static void
found_see(struct found *f, uint64_t sequence)
{
    if (sequence > f->last)
        f->last = sequence;
}

static void
found_settle(struct found *f, struct range range)
{
    struct range *last = f->settled_count ? &f->settled[f->settled_count - 1] : NULL;
    if (last && range.first == last->last + 1) {
        last->last = range.last;
        return;
    }
    if (f->settled_count == f->settled_capacity) {
        f->settled_capacity = f->settled_capacity ? f->settled_capacity * 2 : 16;
        f->settled = realloc(f->settled, f->settled_capacity * sizeof *f->settled);
        CHECK(f->settled);
    }
    f->settled[f->settled_count++] = range;
}

static int
compare_ranges(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

static void
found_sort(struct found *f)
{
    if (f->settled_count == 0)
        return;
    qsort(f->settled, f->settled_count, sizeof *f->settled, compare_ranges);
    uint32_t n = 0;
    for (uint32_t i = 1; i < f->settled_count; i++)
        if (f->settled[i].first <= f->settled[n].last + 1)
            f->settled[n].last =
                f->settled[i].last > f->settled[n].last ? f->settled[i].last : f->settled[n].last;
        else
            f->settled[++n] = f->settled[i];
    f->settled_count = n + 1;
}

static bool
found_is_settled(const struct found *f, uint64_t sequence)
{
    uint32_t low = 0, high = f->settled_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (f->settled[middle].last < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low < f->settled_count && f->settled[low].first <= sequence;
}

/* ---- segments ---- */

/* The shard that has it, by the first queue that still exists; 0 when there is none. ERR_CORRUPT when its
 * queues live apart. */
static enum err
segment_owner(struct recovery *r, struct segment *g, unsigned *owner)
{
    const struct meta *m = r->keep->broker->node->meta;
    uint32_t count;
    const struct segment_run *runs = segment_runs(g, &count);
    bool is_known = false;
    *owner = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct queue_def *def = queue_def_find_id(m, queue_rank_front_id(runs[i].queue_id));
        if (!def)
            continue;
        if (is_known && def->shard != *owner) {
            snprintf(r->why, r->why_size,
                     "%" PRIu64 ".segment has queues of shards %u and %u, which cannot be: start with the "
                     "number of shards that the node had before, and report this",
                     segment_id(g), *owner, def->shard);
            return ERR_CORRUPT;
        }
        is_known = true;
        *owner = def->shard;
    }
    return ERR_OK;
}

/* Other runs reach over first..last of this one: what lives in them is settled here; what only fell into
 * their gaps lives here. */
static void
take_covered(struct queue_kept *kept, struct keep_segment *s, uint32_t index, uint64_t first, uint64_t last)
{
    uint32_t count;
    const struct segment_run run = segment_runs(s->segment, &count)[index];
    for (uint64_t at = first; segment_next_live(s->segment, &run, at, &at) && at <= last; at++) {
        const struct keep_run *other = keep_run_find(kept, at);
        if (other && segment_is_live(other->segment->segment, keep_run_in_segment(other), at))
            segment_settle(s->segment, &run, at, at);
        else
            keep_run_add(kept, s, index, at, at);
    }
}

/* The run becomes the queue's, but for what a newer segment has, too. */
static void
take_run(struct queue_kept *kept, struct keep_segment *s, uint32_t index)
{
    uint32_t count;
    const struct segment_run run = segment_runs(s->segment, &count)[index];
    uint64_t position = run.first, from, to;
    while (position <= run.last && keep_run_gap(kept, position, run.last, &from, &to)) {
        if (from > position)
            take_covered(kept, s, index, position, from - 1);
        keep_run_add(kept, s, index, from, to);
        position = to + 1;
    }
    if (position <= run.last)
        take_covered(kept, s, index, position, run.last);
}

static void
hold_body(void *arg, const struct segment_run *run, uint64_t sequence, uint64_t body_id)
{
    struct keep_segment *s = ((void **)arg)[1];
    if (segment_is_live(s->segment, run, sequence))
        keep_body_hold(((void **)arg)[0], body_id);
}

static void
take_segment(struct recovery *r, struct keep_segment *s)
{
    uint32_t count;
    segment_runs(s->segment, &count);
    for (uint32_t i = count; i-- > 0;) { /* the newest first: it may lie in a gap of one before it */
        const struct segment_run run = segment_runs(s->segment, &count)[i];
        struct found *f = found_get(r, run.queue_id);
        if (!f) { /* deleted, and that is on the disk */
            segment_settle(s->segment, &run, run.first, run.last);
            continue;
        }
        found_see(f, run.last);
        take_run(keep_queue(r->keep, f->queue), s, i);
    }
}

static enum err
load_segments(struct recovery *r)
{
    struct keep *k = r->keep;
    const struct manifest_view *view = durable_found(k->durable);
    for (size_t i = view->segment_count; i-- > 0;) { /* the newest first */
        const struct manifest_segment *row = &view->segments[i];
        struct segment *g;
        unsigned owner;
        enum err e = segment_load(k->store, row->id, row->acks_generation, &g, r->why, r->why_size);
        if (e != ERR_OK)
            return e;
        e = segment_owner(r, g, &owner);
        if (e != ERR_OK || owner != k->broker->index) {
            segment_free(g);
            if (e != ERR_OK)
                return e;
            continue;
        }
        struct keep_segment *s = keep_segment_add(k, g, KEEP_NAMED);
        s->acks_generation = row->acks_generation;
        list_remove(&s->node);
        list_insert_before(k->segments.next, &s->node);
        take_segment(r, s);
    }
    return ERR_OK;
}

/* ---- the first pass ---- */

static void
see_publish(struct recovery *r, const struct record *rec)
{
    for (unsigned i = 0; i < rec->target_count; i++) {
        struct record_target t = record_target_at(rec, i);
        struct found *f = found_get(r, t.queue_id);
        if (f)
            found_see(f, t.sequence);
    }
}

static void
see_settle(struct recovery *r, const struct record *rec)
{
    struct found *f = found_get(r, rec->queue_id);
    if (!f || rec->count == 0)
        return;
    struct range range = {.first = rec->first, .last = rec->first + rec->count - 1};
    found_see(f, range.last);
    if (!(rec->flags & RECORD_IN_TX)) {
        found_settle(f, range);
        return;
    }
    if (r->tx_settle_count == r->tx_settle_capacity) {
        r->tx_settle_capacity = r->tx_settle_capacity ? r->tx_settle_capacity * 2 : 16;
        r->tx_settles = realloc(r->tx_settles, r->tx_settle_capacity * sizeof *r->tx_settles);
        CHECK(r->tx_settles);
    }
    r->tx_settles[r->tx_settle_count++] =
        (struct tx_settle_found){.tx = rec->tx, .queue_id = rec->queue_id, .range = range};
}

/* A chain's first batch may be an older chain's last one. */
static void
see_delivered(struct recovery *r, const struct record *rec, const struct chain_file *file,
              const struct batch_header *h)
{
    struct found *f = found_get(r, rec->queue_id);
    uint64_t key = (uint64_t)file->boot * 2 - (h->number == 1);
    if (!f || key < f->delivered_key)
        return;
    f->delivered_key = key;
    f->delivered = rec->first;
}

static void
first_pass(struct recovery *r, const struct record *rec, const struct chain_file *f,
           const struct batch_header *h)
{
    switch (rec->type) {
    case RECORD_PUBLISH: see_publish(r, rec); break;
    case RECORD_SETTLE: see_settle(r, rec); break;
    case RECORD_DELIVERED: see_delivered(r, rec, f, h); break;
    case RECORD_TX_END: idmap_put(&r->transactions, rec->tx, r); break;
    default: break;
    }
}

static void
first_pass_end(struct recovery *r)
{
    for (size_t i = 0; i < r->tx_settle_count; i++) {
        struct tx_settle_found *t = &r->tx_settles[i];
        if (idmap_get(&r->transactions, t->tx))
            found_settle(idmap_get(&r->queues, t->queue_id), t->range);
    }
    size_t cursor = 0;
    for (struct found *f; (f = idmap_next(&r->queues, &cursor, NULL));) {
        struct queue_kept *kept = keep_queue(r->keep, f->queue);
        found_sort(f);
        for (uint32_t i = 0; i < f->settled_count; i++)
            keep_run_settle_all(r->keep, kept, f->settled[i].first, f->settled[i].last);
        keep_run_sweep(kept);
        if (r->keep->store->is_marked) /* then whatever was in memory may have been given out */
            f->delivered = f->last + 1;
        queue_recover_begin(f->queue, f->last + 1, f->delivered < f->last + 1 ? f->delivered : f->last + 1);
    }
}

/* ---- the second pass ---- */

/* What a crash took with segments that were not in the manifest yet may be more than belongs into memory:
 * then it goes into a segment again, and not through memory. The checkpoint that ends the recovery seals it.
 */
static bool
must_store(const struct keep *k, const struct record *rec)
{
    return pool_bytes_used(k->broker->pool) > k->log.resident_max &&
           (!k->open || segment_bytes_waiting(k->open->segment) <= KEEP_BEHIND_BYTES);
}

static void
second_pass(struct recovery *r, const struct record *rec)
{
    struct keep *k = r->keep;
    if (rec->type != RECORD_PUBLISH || ((rec->flags & RECORD_IN_TX) && !idmap_get(&r->transactions, rec->tx)))
        return;
    struct message *m = NULL;
    for (unsigned i = 0; i < rec->target_count; i++) {
        struct record_target t = record_target_at(rec, i);
        struct found *f = found_get(r, t.queue_id);
        if (!f || found_is_settled(f, t.sequence) || queue_has_entry(f->queue, t.sequence))
            continue;
        struct keep_run *run = keep_run_find(f->queue->kept, t.sequence);
        if (run && segment_is_live(run->segment->segment, keep_run_in_segment(run), t.sequence))
            continue;
        if (rec->message.body_file) { /* read when it is wanted; damage is told then */
            keep_body_hold(k, rec->message.body_file);
            keep_run_store_record(k, f->queue->kept, t.sequence, &rec->message, false, 0);
            continue;
        }
        if (!m)
            m = keep_entry_message(k, &rec->message);
        struct message *held = m;
        message_hold(held);
        if (must_store(k, rec)) {
            keep_run_store(k, f->queue->kept, t.sequence, held, rec->message.expires_at, false);
            message_drop(k->broker, &held);
            continue;
        }
        queue_recover_put(f->queue, t.sequence, &held, keep_expiry_deadline(k, rec->message.expires_at));
        f->log_first = t.sequence < f->log_first ? t.sequence : f->log_first;
        f->log_last = t.sequence > f->log_last ? t.sequence : f->log_last;
    }
    if (m)
        message_drop(k->broker, &m);
}

static uint64_t
count_paged(const struct queue_kept *kept)
{
    uint64_t paged = 0;
    for (uint32_t i = 0; i < kept->run_count; i++)
        paged += keep_run_live(&kept->runs[i]);
    return paged;
}

/* As far as the length of their runs tells. */
static uint64_t
estimate_paged_bytes(const struct queue_kept *kept)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < kept->run_count; i++)
        bytes += keep_run_live_bytes(&kept->runs[i]);
    return bytes;
}

static bool
may_expire(const struct queue_kept *kept)
{
    for (uint32_t i = 0; i < kept->run_count; i++)
        if (segment_may_expire(kept->runs[i].segment->segment))
            return true;
    return false;
}

static void
second_pass_end(struct recovery *r)
{
    struct keep *k = r->keep;
    struct keep_file *old = keep_mark_file(k, 0);
    size_t cursor = 0;
    uint64_t id;
    for (struct found *f; (f = idmap_next(&r->queues, &cursor, &id));) {
        struct queue *q = f->queue;
        if (f->delivered > 0) {
            q->kept->reserved = f->delivered;
            q->deliver_limit = f->delivered;
        }
        queue_recover_end(q, count_paged(q->kept), estimate_paged_bytes(q->kept), may_expire(q->kept));
        bool has_delivered = f->delivered > 0 && q->messages;
        if (f->log_last || has_delivered)
            keep_mark_recovered(k, old, id, f->log_first, f->log_last, has_delivered);
        if (!has_delivered)
            q->deliver_limit = 0;
    }
}

/* ---- chains ---- */

static bool
on_batch(void *arg, const struct chain_file *f, uint64_t offset, const struct batch_header *h,
         struct slice records)
{
    struct recovery *r = arg;
    struct record rec;
    while (records.len > 0) {
        if (record_parse(&records, &rec) != ERR_OK) {
            log_error(r->keep->broker->node->log, LOG_STORAGE,
                      "%s: a record of the batch at %" PRIu64 " is none; the rest of the batch is skipped",
                      f->path, offset);
            durable_note_damage(r->keep->durable, f);
            break;
        }
        if (r->is_second_pass)
            second_pass(r, &rec);
        else
            first_pass(r, &rec, f, h);
    }
    return true;
}

static void
on_damage(void *arg, const struct chain_file *f, uint64_t offset, bool is_tail, const char *what)
{
    struct recovery *r = arg;
    struct keep *k = r->keep;
    if (r->is_second_pass || f->chain % durable_shard_count(k->durable) != k->broker->index)
        return; /* one shard says it, once */
    if (is_tail) {
        log_info(k->broker->node->log, LOG_STORAGE, "%s: the log ends at %" PRIu64 ": %s", f->path, offset,
                 what);
        return;
    }
    log_error(k->broker->node->log, LOG_STORAGE,
              "%s: damaged at %" PRIu64 ": %s; the rest is used, and the file is kept in quarantine", f->path,
              offset, what);
    durable_note_damage(k->durable, f);
}

static bool
is_ours(struct recovery *r, const struct record *rec)
{
    if (rec->type == RECORD_SETTLE || rec->type == RECORD_DELIVERED)
        return found_get(r, rec->queue_id) != NULL;
    bool ours = rec->type == RECORD_TX_END;
    for (unsigned i = 0; rec->type == RECORD_PUBLISH && i < rec->target_count; i++)
        ours = ours || found_get(r, record_target_at(rec, i).queue_id);
    return ours;
}

/* What a chain's last batch has of our queues stands in our new chain, too: where it is settled later, so
 * that the settling is not forgotten before it. */
static void
replay(struct recovery *r, struct slice records)
{
    struct record rec;
    while (records.len > 0) {
        const uint8_t *from = records.data;
        if (record_parse(&records, &rec) != ERR_OK)
            return;
        if (!is_ours(r, &rec))
            continue;
        buffer_add(&r->replayed, from, (size_t)(records.data - from));
        r->replayed_records++;
    }
}

static enum err
walk_chains(struct recovery *r)
{
    struct keep *k = r->keep;
    const struct manifest_view *view = durable_found(k->durable);
    const struct chain_visitor visitor = {.on_batch = on_batch, .on_damage = on_damage, .arg = r};
    for (size_t i = 0; i < view->chain_count; i++) {
        if (view->chains[i].chain == STORE_CHAIN_META)
            continue;
        if (r->is_second_pass && !r->chain_is_ours[i])
            continue;
        struct chain_end end = {0};
        r->has_ours = false;
        enum err e = chain_walk(k->store, &view->chains[i], &visitor, &end, r->why, r->why_size);
        r->chain_is_ours[i] = r->has_ours;
        if (e == ERR_OK && !r->is_second_pass)
            replay(r, slice_of(end.last_records, end.last_records_size));
        free(end.last_records);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* ---- all of it ---- */

static void
note_bodies(struct keep *k)
{
    size_t count = 0, cursor = 0;
    uint64_t *ids = malloc((idmap_count(&k->bodies) + 1) * sizeof *ids), id;
    CHECK(ids);
    while (idmap_next(&k->bodies, &cursor, &id))
        ids[count++] = id;
    durable_note_bodies(k->durable, ids, count);
    free(ids);
}

static enum err
open_journal(struct recovery *r)
{
    struct keep *k = r->keep;
    struct journal_config config = {
        .store = k->store,
        .shard = k->broker->shard,
        .writer = k->writer,
        .keeper = k->keeper,
        .chain = (uint16_t)k->broker->index,
        .events = keep_journal_events(),
        .arg = k,
    };
    enum err e =
        journal_open(&config, slice_of(r->replayed.data, r->replayed.len), r->replayed_records, &k->journal);
    if (e == ERR_OK)
        e = manifest_commit(k->store->manifest);
    if (e == ERR_OK)
        k->durable_batch = journal_durable_batch(k->journal);
    else
        snprintf(r->why, r->why_size, "cannot open the log of shard %u in %s: %s", k->broker->index,
                 k->store->dir, err_text(e));
    return e;
}

static void
check_segments(struct keep *k)
{
    LIST_FOREACH (at, &k->segments) {
        struct keep_segment *s = LIST_ENTRY(at, struct keep_segment, node);
        void *both[2] = {k, s};
        segment_bodies(s->segment, hold_body, both);
        keep_segment_check(k, s);
    }
}

static enum err
recover(struct recovery *r)
{
    enum err e = load_segments(r);
    if (e == ERR_OK)
        e = walk_chains(r);
    if (e != ERR_OK)
        return e;
    first_pass_end(r);
    check_segments(r->keep);
    r->is_second_pass = true;
    e = walk_chains(r);
    if (e != ERR_OK)
        return e;
    second_pass_end(r);
    note_bodies(r->keep);
    return open_journal(r);
}

enum err
keep_recover(struct keep *k, char *why, size_t why_size)
{
    struct recovery r = {.keep = k, .why = why, .why_size = why_size};
    r.chain_is_ours = calloc(durable_found(k->durable)->chain_count + 1, sizeof *r.chain_is_ours);
    CHECK(r.chain_is_ours);
    enum err e = recover(&r);
    free(r.chain_is_ours);
    size_t cursor = 0;
    for (struct found *f; (f = idmap_next(&r.queues, &cursor, NULL));) {
        free(f->settled);
        free(f);
    }
    idmap_fini(&r.queues);
    idmap_fini(&r.transactions);
    free(r.tx_settles);
    buffer_fini(&r.replayed);
    return e;
}
