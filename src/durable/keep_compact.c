/*
 * Segments that are mostly dead. When the dead bytes of all segments are more than the living ones (and more
 * than two segments' worth), the worst is compacted: what lives in it is read, run by run, and appended to
 * the open segment, as if it were paged out anew. When all of that is in the manifest, the old one is doomed.
 *
 * A queue drained in order needs none of this: its segments die one after the other.
 *
 * While it goes on a message stands in both segments, and is settled in both: a crash finds the same in
 * either (keep_recover.c takes the newer). The old one's bits say only what was settled, not what was moved.
 */
#include "base/check.h"
#include "durable/keep_impl.h"

#include <stdlib.h>

enum {
    COMPACT_PIECE = 1 << 18,  /* bytes read at once */
    COMPACT_SMALL = 16,       /* a segment below this part of the full size is small */
    COMPACT_SMALL_COUNT = 32, /* more small ones than that are put together */
};

struct keep_compaction {
    struct worker_job job;
    struct keep *keep;
    struct keep_segment *from;
    uint32_t run; /* of the segment: the one being moved */
    struct segment_run copy;
    struct segment_cursor cursor;
    uint64_t first, last; /* what is to be moved of it */
    struct buffer entries;
    enum err result;
    bool is_reading, is_run_done;
    bool is_moved;   /* all of it; waits for the manifest, */
    uint64_t newest; /* which must name what was sealed until then: this segment and older ones */
};

/* ---- which ---- */

static uint64_t
dead_bytes(const struct keep_segment *s)
{
    uint64_t entries = segment_entry_count(s->segment);
    uint64_t dead = entries - segment_live_count(s->segment);
    return entries ? (uint64_t)((double)segment_size(s->segment) * (double)dead / (double)entries) : 0;
}

static bool
is_candidate(const struct keep_segment *s)
{
    return s->state == KEEP_NAMED && !s->is_unreadable && segment_live_count(s->segment) > 0;
}

static struct keep_segment *
choose(struct keep *k)
{
    uint64_t full = k->store->config.segment_bytes, dead = 0, live = 0, most = 0;
    uint32_t small_count = 0;
    struct keep_segment *worst = NULL, *small = NULL;
    LIST_FOREACH (at, &k->segments) {
        struct keep_segment *s = LIST_ENTRY(at, struct keep_segment, node);
        if (!is_candidate(s))
            continue;
        uint64_t bytes = dead_bytes(s);
        dead += bytes;
        live += segment_size(s->segment) - bytes;
        if (bytes > most) {
            most = bytes;
            worst = s;
        }
        if (segment_size(s->segment) < full / COMPACT_SMALL) {
            small_count++;
            small = small ? small : s;
        }
    }
    if (worst && dead > live && dead > 2 * full)
        return worst;
    return small_count > COMPACT_SMALL_COUNT ? small : NULL;
}

/* ---- moving ---- */

static void
take_entry(void *arg, uint64_t sequence, const struct record_message *m, bool is_transient)
{
    struct keep_compaction *c = arg;
    if (sequence >= c->first && sequence <= c->last)
        keep_entry_add(&c->entries, sequence, m, is_transient);
}

static void
run_read(void *arg)
{
    struct keep_compaction *c = arg;
    c->result = segment_read(c->from->segment, &c->copy, &c->cursor, c->first, COMPACT_PIECE, take_entry, c,
                             &c->is_run_done);
}

/* The queue's part of the run that is being moved, or NULL: nothing of it is left. */
static struct keep_run *
moving_run(struct keep_compaction *c, struct queue_kept **kept)
{
    *kept = idmap_get(&c->keep->kept, c->copy.queue_id);
    for (uint32_t i = 0; *kept && i < (*kept)->run_count; i++)
        if ((*kept)->runs[i].segment == c->from && (*kept)->runs[i].index == c->run)
            return &(*kept)->runs[i];
    return NULL;
}

static void
move_entry(struct keep_compaction *c, const struct keep_entry *e)
{
    struct queue_kept *kept;
    struct keep_run *run = moving_run(c, &kept);
    if (!run || e->sequence < run->first || e->sequence > run->last)
        return;
    bool is_live = segment_is_live(c->from->segment, &c->copy, e->sequence);
    if (e->sequence == run->last)
        keep_run_remove(kept, run);
    else
        run->first = e->sequence + 1;
    if (is_live)
        keep_run_store_record(c->keep, kept, e->sequence, &e->m, e->is_transient, 0);
}

static void
on_read_done(void *arg)
{
    struct keep_compaction *c = arg;
    struct slice in = slice_of(c->entries.data, c->entries.len);
    struct queue_kept *kept;
    c->is_reading = false;
    for (struct keep_entry e; keep_entry_next(&in, &e);)
        move_entry(c, &e);
    c->entries.len = 0;
    if (c->result != ERR_OK)
        c->from->is_unreadable = true; /* told when a consumer comes there; the file stays as it is */
    struct keep_run *left = moving_run(c, &kept);
    c->is_run_done |= !left || left->first > c->last || c->cursor.next > c->last;
    if (left && left->first <= c->last && c->result == ERR_OK && c->is_run_done)
        keep_run_remove(kept, left); /* nothing but gaps at its end */
    keep_again(c->keep);
}

static void
compact_end(struct keep *k)
{
    struct keep_compaction *c = k->compaction;
    k->compaction = NULL;
    c->from->pins--;
    buffer_fini(&c->entries);
    free(c);
}

/* It stays as it is. What was moved lives in the other segment alone from now on, and is settled here: in the
 * chore that names the other one, or a later one. */
static void
compact_abandon(struct keep *k)
{
    struct segment *from = k->compaction->from->segment;
    if (k->open)
        keep_segment_seal(k);
    uint32_t count;
    const struct segment_run *runs = segment_runs(from, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct queue_kept *kept = idmap_get(&k->kept, runs[i].queue_id);
        uint64_t at = runs[i].first;
        for (; segment_next_live(from, &runs[i], at, &at); at++) {
            struct keep_run *run = kept ? keep_run_find(kept, at) : NULL;
            if (!run || run->segment != k->compaction->from)
                segment_settle(from, &runs[i], at, at);
        }
    }
    compact_end(k);
}

/* The next run, or part of one, that a queue has something of; false: there is none. */
static bool
next_run(struct keep_compaction *c)
{
    uint32_t count;
    struct queue_kept *kept;
    for (; segment_runs(c->from->segment, &count), c->run < count; c->run++) {
        c->copy = segment_runs(c->from->segment, &count)[c->run];
        struct keep_run *run = moving_run(c, &kept);
        if (!run)
            continue;
        c->first = run->first;
        c->last = run->last;
        c->is_run_done = false;
        segment_cursor_start(&c->copy, &c->cursor);
        return true;
    }
    return false;
}

static void
compact_step(struct keep *k, struct keep_compaction *c)
{
    if (c->from->is_unreadable) {
        compact_abandon(k);
        return;
    }
    if (c->is_run_done) {
        if (!next_run(c)) {
            c->is_moved = true;
            if (k->open)
                keep_segment_seal(k);
            c->newest = segment_id(LIST_ENTRY(k->segments.prev, struct keep_segment, node)->segment);
            keep_again(k);
            return;
        }
    }
    c->is_reading = true;
    worker_submit(k->pager, &c->job);
}

/* All of it is named elsewhere, and settled there alone from now on. Should the segment stay for a while,
 * because it is being read, it must not show at a start what it has no more. */
static void
doom(struct keep_segment *from)
{
    uint32_t count;
    const struct segment_run *runs = segment_runs(from->segment, &count);
    for (uint32_t i = 0; i < count; i++)
        segment_settle(from->segment, &runs[i], runs[i].first, runs[i].last);
    from->state = KEEP_DOOMED;
}

/* What was sealed later does not count: under load there always is something. */
static bool
has_unnamed(const struct keep *k)
{
    LIST_FOREACH (at, &k->segments) {
        const struct keep_segment *s = LIST_ENTRY(at, struct keep_segment, node);
        if (s->state == KEEP_SEALED && segment_id(s->segment) <= k->compaction->newest)
            return true;
    }
    return false;
}

void
keep_compact_turn(struct keep *k)
{
    struct keep_compaction *c = k->compaction;
    if (k->log.is_failed || !k->has_settled || (c && c->is_reading))
        return;
    if (c && c->is_moved) {
        if (has_unnamed(k)) /* keep_checkpoint_turn() names them */
            return;
        doom(c->from);
        k->counts.compactions++;
        compact_end(k);
        keep_again(k);
        return;
    }
    if (c) {
        compact_step(k, c);
        return;
    }
    /* Segments change with checkpoints and chores: a look after each is enough. */
    if (k->compact_looked == k->counts.chores)
        return;
    k->compact_looked = k->counts.chores;
    struct keep_segment *s = choose(k);
    if (!s)
        return;
    c = calloc(1, sizeof *c);
    CHECK(c);
    c->keep = k;
    c->from = s;
    c->is_run_done = true;
    c->job = (struct worker_job){.run = run_read, .done = on_read_done, .arg = c, .shard = k->broker->shard};
    s->pins++;
    k->compaction = c;
    compact_step(k, c);
}

void
keep_compact_settle(struct keep *k, uint64_t queue_id, uint64_t first, uint64_t last)
{
    struct keep_compaction *c = k->compaction;
    uint32_t count;
    const struct segment_run *runs = segment_runs(c->from->segment, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (runs[i].queue_id != queue_id || runs[i].last < first || runs[i].first > last)
            continue;
        uint64_t from = first > runs[i].first ? first : runs[i].first;
        segment_settle(c->from->segment, &runs[i], from, last < runs[i].last ? last : runs[i].last);
    }
}

void
keep_compact_free(struct keep *k)
{
    if (k->compaction)
        compact_end(k);
}
