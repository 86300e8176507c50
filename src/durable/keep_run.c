/*
 * The queues' runs in segments.
 *
 * Always true: a queue's runs are disjoint and sorted by their first sequence, so one search tells where a
 * sequence lies. What is appended to the open segment extends the queue's last run in it, unless another run
 * of the queue begins in between; then it starts a new one.
 *
 * What is settled is a bit in the segment. A run in which nothing lives is dropped from its queue, and a
 * segment in which nothing lives is doomed: the next chore takes it out of the manifest and deletes it.
 */
#include "base/check.h"
#include "durable/keep_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- finding ---- */

/* The first run that ends at or behind `position`; run_count when there is none. */
static uint32_t
run_search(const struct queue_kept *kept, uint64_t position)
{
    uint32_t low = 0, high = kept->run_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (kept->runs[middle].last < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct keep_run *
keep_run_find(struct queue_kept *kept, uint64_t position)
{
    uint32_t i = kept->run_hint;
    if (i >= kept->run_count || position < kept->runs[i].first || position > kept->runs[i].last) {
        i = run_search(kept, position);
        if (i == kept->run_count || position < kept->runs[i].first)
            return NULL;
        kept->run_hint = i;
    }
    return &kept->runs[i];
}

bool
keep_run_next_live(const struct queue_kept *kept, uint64_t from, uint32_t *index, uint64_t *position)
{
    for (uint32_t i = run_search(kept, from); i < kept->run_count; i++) {
        const struct keep_run *run = &kept->runs[i];
        uint64_t start = from > run->first ? from : run->first;
        if (segment_next_live(run->segment->segment, keep_run_in_segment(run), start, position) &&
            *position <= run->last) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* ---- the list of runs ---- */

static void
run_insert(struct queue_kept *kept, uint32_t at, struct keep_run run)
{
    if (kept->run_count == kept->run_capacity) {
        kept->run_capacity = kept->run_capacity ? kept->run_capacity * 2 : 2;
        kept->runs = realloc(kept->runs, kept->run_capacity * sizeof *kept->runs);
        CHECK(kept->runs);
    }
    memmove(&kept->runs[at + 1], &kept->runs[at], (kept->run_count - at) * sizeof *kept->runs);
    kept->runs[at] = run;
    kept->run_count++;
}

/* Nothing of first..last lives in any run: those that reach over it end, begin or part there. Returns the
 * place. */
static uint32_t
run_carve(struct queue_kept *kept, uint64_t first, uint64_t last)
{
    uint32_t at = run_search(kept, first);
    while (at < kept->run_count && kept->runs[at].first <= last) {
        struct keep_run *run = &kept->runs[at], before = *run;
        if (before.first >= first && before.last <= last) {
            keep_run_remove(kept, run);
            continue;
        }
        if (before.last > last)
            run->first = last + 1;
        else
            run->last = first - 1;
        if (before.first >= first)
            break;
        if (before.last > last) {
            before.last = first - 1;
            run_insert(kept, at, before);
        }
        at++;
    }
    return at;
}

void
keep_run_add(struct queue_kept *kept, struct keep_segment *s, uint32_t index, uint64_t first, uint64_t last)
{
    uint32_t at = run_carve(kept, first, last);
    CHECK(at == kept->run_count || kept->runs[at].first > last);
    run_insert(kept, at, (struct keep_run){.segment = s, .first = first, .last = last, .index = index});
}

void
keep_run_remove(struct queue_kept *kept, struct keep_run *run)
{
    uint32_t i = (uint32_t)(run - kept->runs);
    kept->run_count--;
    memmove(run, run + 1, (kept->run_count - i) * sizeof *run);
}

static bool
run_is_growing(const struct keep_run *run)
{
    uint32_t count;
    segment_runs(run->segment->segment, &count);
    return run->segment->state == KEEP_OPEN && run->index == count - 1;
}

bool
keep_run_gap(const struct queue_kept *kept, uint64_t position, uint64_t last, uint64_t *from, uint64_t *to)
{
    uint32_t i = run_search(kept, position);
    for (; i < kept->run_count && kept->runs[i].first <= position; i++)
        position = kept->runs[i].last + 1;
    if (position > last)
        return false;
    *from = position;
    *to = i < kept->run_count && kept->runs[i].first <= last ? kept->runs[i].first - 1 : last;
    return true;
}

uint64_t
keep_run_live(const struct keep_run *run)
{
    const struct segment_run *in_segment = keep_run_in_segment(run);
    if (run->first == in_segment->first && run->last == in_segment->last)
        return segment_run_live(run->segment->segment, in_segment);
    uint64_t live = 0, position = run->first;
    for (; segment_next_live(run->segment->segment, in_segment, position, &position) && position <= run->last;
         position++)
        live++;
    return live;
}

uint64_t
keep_run_live_bytes(const struct keep_run *run)
{
    const struct segment_run *in_segment = keep_run_in_segment(run);
    return in_segment->count ? in_segment->length / in_segment->count * keep_run_live(run) : 0;
}

/* Does anything live in this part of the segment's run? */
static bool
run_lives(const struct keep_run *run)
{
    uint64_t position;
    return segment_next_live(run->segment->segment, keep_run_in_segment(run), run->first, &position) &&
           position <= run->last;
}

void
keep_run_sweep(struct queue_kept *kept)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < kept->run_count; i++)
        if (run_is_growing(&kept->runs[i]) || run_lives(&kept->runs[i]))
            kept->runs[n++] = kept->runs[i];
    kept->run_count = n;
    if (n == 0) {
        free(kept->runs);
        kept->runs = NULL;
        kept->run_capacity = 0;
    }
}

/* A run that grew while it died was not dropped then (keep_run_sweep). */
void
keep_run_forget_segment(struct keep *k, const struct keep_segment *s)
{
    uint32_t count;
    const struct segment_run *runs = segment_runs(s->segment, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct queue_kept *kept = idmap_get(&k->kept, runs[i].queue_id);
        if (!kept)
            continue;
        if (kept->cursor_segment == s)
            kept->cursor_segment = NULL;
        for (uint32_t n = kept->run_count; n-- > 0;)
            if (kept->runs[n].segment == s)
                keep_run_remove(kept, &kept->runs[n]);
    }
}

/* ---- segments ---- */

struct keep_segment *
keep_segment_add(struct keep *k, struct segment *g, enum keep_segment_state state)
{
    struct keep_segment *s = calloc(1, sizeof *s);
    CHECK(s);
    s->segment = g;
    s->state = (uint8_t)state;
    list_push_back(&k->segments, &s->node);
    k->counts.segments++;
    return s;
}

void
keep_segment_free(struct keep_segment *s)
{
    list_remove(&s->node);
    segment_free(s->segment);
    free(s);
}

void
keep_segment_check(struct keep *k, struct keep_segment *s)
{
    if (segment_live_count(s->segment) > 0 || s->is_unreadable ||
        (s->state != KEEP_NAMED && s->state != KEEP_VOLATILE))
        return;
    s->state = KEEP_DOOMED;
    keep_again(k);
}

void
keep_segment_seal(struct keep *k)
{
    struct keep_segment *s = k->open;
    k->open = NULL;
    keep_same_forget(k);
    k->sealed_batch = keep_last_batch(k);
    segment_seal(s->segment);
    k->counts.bytes_stored += segment_size(s->segment);
    s->state = segment_durable_count(s->segment) > 0 ? KEEP_SEALED : KEEP_VOLATILE;
    keep_segment_check(k, s);
}

static struct keep_segment *
segment_for_append(struct keep *k)
{
    if (k->open && segment_size(k->open->segment) >= k->store->config.segment_bytes)
        keep_segment_seal(k);
    if (!k->open)
        k->open = keep_segment_add(k, segment_new(k->store, k->pager), KEEP_OPEN);
    return k->open;
}

/* ---- writing ---- */

static struct record_message
record_of(const struct message *m, uint64_t body_file)
{
    return (struct record_message){
        .exchange = message_exchange(m),
        .routing_key = message_routing_key(m),
        .properties = message_stored_properties(m),
        .body = body_file ? slice_of(NULL, 0) : message_body(m),
        .body_size = m->body_size,
        .body_file = body_file,
        .flags = message_origin(m)->flags,
    };
}

/* The run of the open segment that could be extended must not reach over another run of the queue. */
static void
break_before_overlap(const struct queue_kept *kept, struct keep_segment *s, uint64_t position)
{
    uint32_t after = run_search(kept, position);
    if (after == 0)
        return;
    uint32_t count;
    segment_runs(s->segment, &count);
    for (uint32_t i = after; i-- > 0;)
        if (kept->runs[i].segment == s && kept->runs[i].index == count - 1) {
            if (i + 1 != after || (after < kept->run_count && kept->runs[after].first <= position))
                segment_break(s->segment);
            return;
        }
}

void
keep_run_store(struct keep *k, struct queue_kept *kept, uint64_t position, struct message *m,
               uint64_t expires_at, bool is_transient)
{
    segment_for_append(k); /* before the look: another segment knows nothing of it */
    uint64_t same_as = keep_same_find(k, m);
    struct record_message record = record_of(m, keep_body_of(k, m));
    record.expires_at = expires_at;
    uint64_t offset = keep_run_store_record(k, kept, position, &record, is_transient, same_as);
    k->counts.bytes_stored += same_as ? 0 : message_size(m);
    if (!same_as)
        keep_same_note(k, m, offset);
}

uint64_t
keep_run_store_record(struct keep *k, struct queue_kept *kept, uint64_t position,
                      const struct record_message *m, bool is_transient, uint64_t same_as)
{
    struct keep_segment *s = segment_for_append(k);
    break_before_overlap(kept, s, position);
    struct record_target at = {.queue_id = kept->id, .sequence = position, .epoch = STORE_EPOCH_ALONE};
    uint64_t offset = segment_append(s->segment, at, m, is_transient, same_as);
    k->counts.messages_stored++;
    uint32_t count;
    segment_runs(s->segment, &count);
    uint32_t before = run_search(kept, position);
    struct keep_run *run = before > 0 ? &kept->runs[before - 1] : NULL;
    if (run && run->segment == s && run->index == count - 1)
        run->last = position;
    else
        keep_run_add(kept, s, count - 1, position, position);
    return offset;
}

/* ---- settling ---- */

uint64_t
keep_run_settle_range(struct keep *k, struct queue_kept *kept, struct keep_run *run, uint64_t first,
                      uint64_t last)
{
    struct keep_segment *s = run->segment;
    const struct segment_run in_segment = *keep_run_in_segment(run);
    uint64_t position = first;
    for (; segment_has_bodies(s->segment) &&
           segment_next_live(s->segment, &in_segment, position, &position) && position <= last;
         position++) {
        uint64_t body = segment_body_of(s->segment, &in_segment, position);
        if (body)
            keep_body_drop(k, body);
    }
    uint64_t settled = segment_settle(s->segment, &in_segment, first, last);
    if (k->compaction)
        keep_compact_settle(k, kept->id, first, last);
    return settled;
}

void
keep_run_settle_all(struct keep *k, struct queue_kept *kept, uint64_t first, uint64_t last)
{
    for (uint32_t i = run_search(kept, first); i < kept->run_count && kept->runs[i].first <= last; i++) {
        struct keep_run *run = &kept->runs[i];
        keep_run_settle_range(k, kept, run, first > run->first ? first : run->first,
                              last < run->last ? last : run->last);
    }
}

void
keep_run_settle(struct keep *k, struct queue_kept *kept, uint64_t position)
{
    struct keep_run *run = keep_run_find(kept, position);
    if (!run)
        return;
    struct keep_segment *s = run->segment;
    const struct segment_run *in_segment = keep_run_in_segment(run);
    uint64_t body = segment_body_of(s->segment, in_segment, position);
    uint64_t settled = segment_settle(s->segment, in_segment, position, position);
    if (k->compaction)
        keep_compact_settle(k, kept->id, position, position);
    if (settled == 0)
        return;
    if (body)
        keep_body_drop(k, body);
    if (segment_run_live(s->segment, in_segment) == 0)
        keep_run_sweep(kept);
    keep_segment_check(k, s);
}
