/*
 * `now` counts epochs. What is deferred in epoch e may still be held by a reader that has not passed a
 * quiescent state since; the writer then moves to e + 1, and a reader that stores a value above e has passed
 * one after the thing was unpublished. A sleeping reader has the value ASLEEP, above all others.
 *
 * Waking is the delicate moment: a writer that still sees ASLEEP must be sure that this reader will not find
 * the old pointer. Both sides use the total order of seq_cst operations: the writer moves `now` on and then
 * looks at the reader; the reader stores its value and then looks at `now` again. One of them sees the other.
 */
#include "base/epoch.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define ASLEEP UINT64_MAX

enum { EPOCH_KEPT_MAX = 4096 }; /* places that stay when all is run */

void
epoch_init(struct epoch *e, unsigned readers)
{
    *e = (struct epoch){.reader_count = readers};
    atomic_init(&e->now, 1);
    e->readers = aligned_alloc(64, sizeof *e->readers * (readers ? readers : 1));
    CHECK(e->readers);
    for (unsigned i = 0; i < readers; i++)
        atomic_init(&e->readers[i].seen, ASLEEP);
}

static void
run_below(struct epoch *e, uint64_t limit, size_t most)
{
    for (; most > 0 && e->count > 0 && e->deferred[e->first].epoch < limit; most--) {
        struct epoch_deferred d = e->deferred[e->first];
        e->first++;
        e->count--;
        d.fn(d.ptr);
    }
    if (e->count > 0)
        return;
    e->first = 0;
    if (e->capacity > EPOCH_KEPT_MAX) { /* a burst is over: its memory goes back */
        free(e->deferred);
        e->deferred = NULL;
        e->capacity = 0;
    }
}

void
epoch_fini(struct epoch *e)
{
    run_below(e, UINT64_MAX, SIZE_MAX);
    free(e->deferred);
    free(e->readers);
    *e = (struct epoch){0};
}

void
epoch_defer(struct epoch *e, void (*fn)(void *ptr), void *ptr)
{
    if (e->first + e->count == e->capacity && e->first > e->capacity / 2) {
        memmove(e->deferred, e->deferred + e->first, e->count * sizeof *e->deferred);
        e->first = 0;
    }
    if (e->first + e->count == e->capacity) {
        e->capacity = e->capacity ? e->capacity * 2 : 64;
        e->deferred = realloc(e->deferred, e->capacity * sizeof *e->deferred);
        CHECK(e->deferred);
    }
    uint64_t now = atomic_load_explicit(&e->now, memory_order_relaxed);
    e->deferred[e->first + e->count++] = (struct epoch_deferred){.epoch = now, .fn = fn, .ptr = ptr};
}

void
epoch_retire(void *epoch, void *ptr)
{
    epoch_defer(epoch, free, ptr);
}

size_t
epoch_collect(struct epoch *e)
{
    if (e->count == 0)
        return 0;
    uint64_t now = atomic_load_explicit(&e->now, memory_order_relaxed);
    if (e->deferred[e->first + e->count - 1].epoch == now)
        atomic_store(&e->now, now + 1);
    uint64_t passed = ASLEEP;
    for (unsigned i = 0; i < e->reader_count; i++) {
        uint64_t seen = atomic_load(&e->readers[i].seen);
        passed = seen < passed ? seen : passed;
    }
    run_below(e, passed, EPOCH_COLLECT_MAX);
    return e->count;
}

void
epoch_quiesce(struct epoch *e, unsigned i)
{
    uint64_t now = atomic_load_explicit(&e->now, memory_order_acquire);
    if (atomic_load_explicit(&e->readers[i].seen, memory_order_relaxed) != now)
        atomic_store_explicit(&e->readers[i].seen, now, memory_order_release);
}

void
epoch_sleep(struct epoch *e, unsigned i)
{
    atomic_store_explicit(&e->readers[i].seen, ASLEEP, memory_order_release);
}

void
epoch_wake(struct epoch *e, unsigned i)
{
    if (atomic_load_explicit(&e->readers[i].seen, memory_order_relaxed) != ASLEEP)
        return;
    uint64_t now = atomic_load(&e->now);
    for (;;) {
        atomic_store(&e->readers[i].seen, now);
        uint64_t again = atomic_load(&e->now);
        if (again == now)
            return;
        now = again;
    }
}
