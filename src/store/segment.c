/*
 * What a segment holds and what of it is settled. Each sequence of a run has a bit: run.bit + (sequence -
 * run.first); it is set when the sequence is settled or never had an entry. `live` of each run, and
 * live_count, are the clear ones. Runs ascend by bit, and so do bodies.
 */
#include "store/segment.h"

#include "base/check.h"
#include "io/file.h"
#include "store/segment_impl.h"

#include <stdlib.h>

/* ---- bits ---- */

/* Bits `from`..63 of the word, as far as `count` reaches. */
static uint64_t
mask_of(uint64_t from, uint64_t count)
{
    uint64_t mask = ~UINT64_C(0) << from;
    return from + count < 64 ? mask & ((UINT64_C(1) << (from + count)) - 1) : mask;
}

uint64_t
segment_bits_set(uint64_t *words, uint64_t first, uint64_t count)
{
    uint64_t fresh = 0;
    while (count > 0) {
        uint64_t from = first % 64, taken = count < 64 - from ? count : 64 - from;
        uint64_t *word = &words[first / 64], mask = mask_of(from, taken);
        fresh += (unsigned)__builtin_popcountll(mask & ~*word);
        *word |= mask;
        first += taken;
        count -= taken;
    }
    return fresh;
}

static uint64_t
count_clear(const uint64_t *words, uint64_t first, uint64_t count)
{
    uint64_t clear = 0;
    while (count > 0) {
        uint64_t from = first % 64, taken = count < 64 - from ? count : 64 - from;
        clear += (unsigned)__builtin_popcountll(mask_of(from, taken) & ~words[first / 64]);
        first += taken;
        count -= taken;
    }
    return clear;
}

/* The first clear bit from `first` on, below `end`; `end` if there is none. */
static uint64_t
find_clear(const uint64_t *words, uint64_t first, uint64_t end)
{
    while (first < end) {
        uint64_t clear = ~words[first / 64] & mask_of(first % 64, 64);
        if (clear) {
            uint64_t found = first / 64 * 64 + (unsigned)__builtin_ctzll(clear);
            return found < end ? found : end;
        }
        first = (first / 64 + 1) * 64;
    }
    return end;
}

/* ---- the index ---- */

bool
segment_index_count(struct segment_index *ix)
{
    bool good = true;
    ix->live_count = 0;
    for (uint32_t i = 0; i < ix->run_count; i++) {
        const struct segment_run *run = &ix->runs[i];
        uint64_t span = segment_run_span(run);
        ix->live[i] = (uint32_t)(ix->dead ? count_clear(ix->dead, run->bit, span) : span);
        ix->live_count += ix->live[i];
        good &= ix->live[i] <= run->count;
    }
    return good;
}

void
segment_index_fini(struct segment_index *ix)
{
    free(ix->runs);
    free(ix->live);
    free(ix->dead);
    free(ix->bodies);
    *ix = (struct segment_index){0};
}

/* The place of the run that a caller has a copy of, perhaps from before it grew. */
static uint32_t
find_run(const struct segment *g, const struct segment_run *run)
{
    uint32_t low = 0, high = g->ix.run_count;
    while (low + 1 < high) {
        uint32_t mid = low + (high - low) / 2;
        if (g->ix.runs[mid].bit <= run->bit)
            low = mid;
        else
            high = mid;
    }
    CHECK(low < g->ix.run_count && g->ix.runs[low].bit == run->bit && g->ix.runs[low].first == run->first);
    return low;
}

/* ---- questions ---- */

uint64_t
segment_id(const struct segment *g)
{
    return g->id;
}

uint64_t
segment_size(const struct segment *g)
{
    return g->size;
}

const struct segment_run *
segment_runs(const struct segment *g, uint32_t *count)
{
    *count = g->ix.run_count;
    return g->ix.runs;
}

uint64_t
segment_live_count(const struct segment *g)
{
    return g->ix.live_count;
}

uint64_t
segment_entry_count(const struct segment *g)
{
    return g->ix.entry_count;
}

uint64_t
segment_durable_count(const struct segment *g)
{
    return g->durable_count;
}

uint64_t
segment_run_live(const struct segment *g, const struct segment_run *run)
{
    return g->ix.live[find_run(g, run)];
}

bool
segment_is_live(const struct segment *g, const struct segment_run *run, uint64_t sequence)
{
    const struct segment_run *now = &g->ix.runs[find_run(g, run)];
    if (sequence < now->first || sequence > now->last)
        return false;
    uint64_t bit = now->bit + (sequence - now->first);
    return !g->ix.dead || !(g->ix.dead[bit / 64] >> bit % 64 & 1);
}

bool
segment_next_live(const struct segment *g, const struct segment_run *run, uint64_t from, uint64_t *sequence)
{
    const struct segment_run *now = &g->ix.runs[find_run(g, run)];
    if (from < now->first)
        from = now->first;
    if (from > now->last)
        return false;
    uint64_t end = now->bit + segment_run_span(now), bit = now->bit + (from - now->first);
    if (g->ix.dead)
        bit = find_clear(g->ix.dead, bit, end);
    *sequence = now->first + (bit - now->bit);
    return bit < end;
}

bool
segment_is_dirty(const struct segment *g)
{
    return g->is_dirty;
}

/* ---- settling ---- */

/* Whether any of these bits is of an entry that is there after a restart. */
static bool
is_any_durable(const struct segment *g, uint64_t first, uint64_t count)
{
    return !g->absent || find_clear(g->absent, first, first + count) < first + count;
}

uint64_t
segment_settle(struct segment *g, const struct segment_run *run, uint64_t first, uint64_t last)
{
    uint32_t i = find_run(g, run);
    const struct segment_run *now = &g->ix.runs[i];
    first = first < now->first ? now->first : first;
    last = last > now->last ? now->last : last;
    if (first > last)
        return 0;
    if (!g->ix.dead) {
        g->ix.words = (uint32_t)segment_words(g->ix.bits);
        g->ix.dead = calloc(g->ix.words, sizeof *g->ix.dead);
        CHECK(g->ix.dead);
    }
    uint64_t bit = now->bit + (first - now->first), count = last - first + 1;
    uint64_t settled = segment_bits_set(g->ix.dead, bit, count);
    if (settled > 0 && is_any_durable(g, bit, count))
        g->is_dirty = true;
    g->ix.live[i] -= (uint32_t)settled;
    g->ix.live_count -= settled;
    return settled;
}

uint64_t
segment_lose(struct segment *g, const struct segment_run *run, uint64_t sequence)
{
    bool was_dirty = g->is_dirty;
    uint64_t lost = segment_settle(g, run, sequence, sequence);
    g->is_dirty = was_dirty;
    if (lost == 0)
        return 0;
    if (!g->lost)
        g->lost = calloc(g->ix.words, sizeof *g->lost);
    CHECK(g->lost);
    const struct segment_run *now = &g->ix.runs[find_run(g, run)];
    segment_bits_set(g->lost, now->bit + (sequence - now->first), 1);
    return lost;
}

/* ---- bodies in files of their own ---- */

bool
segment_has_bodies(const struct segment *g)
{
    return g->ix.body_count > 0;
}

bool
segment_may_expire(const struct segment *g)
{
    return g->ix.may_expire;
}

uint64_t
segment_body_of(const struct segment *g, const struct segment_run *run, uint64_t sequence)
{
    const struct segment_index *ix = &g->ix;
    uint64_t bit = run->bit + (sequence - run->first);
    uint32_t low = 0, high = ix->body_count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (ix->bodies[mid].bit < bit)
            low = mid + 1;
        else
            high = mid;
    }
    return low < ix->body_count && ix->bodies[low].bit == bit ? ix->bodies[low].id : 0;
}

void
segment_bodies(const struct segment *g,
               void (*fn)(void *arg, const struct segment_run *run, uint64_t sequence, uint64_t body_id),
               void *arg)
{
    const struct segment_index *ix = &g->ix;
    for (uint32_t i = 0, r = 0; i < ix->body_count; i++) {
        uint32_t bit = ix->bodies[i].bit;
        while (bit - ix->runs[r].bit >= segment_run_span(&ix->runs[r]))
            r++;
        fn(arg, &ix->runs[r], ix->runs[r].first + (bit - ix->runs[r].bit), ix->bodies[i].id);
    }
}

/* ---- the end ---- */

void
segment_free(struct segment *g)
{
    if (!g)
        return;
    for (struct segment_chunk *c = g->head, *next; c; c = next) {
        next = c->next;
        free(c->data);
        free(c);
    }
    if (g->filling) {
        free(g->filling->data);
        free(g->filling);
    }
    file_close(g->file);
    segment_index_fini(&g->ix);
    free(g->absent);
    free(g->lost);
    free(g);
}
