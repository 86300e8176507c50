/*
 * The producer owns tail, the consumer head; both only grow. Cells in [head, tail) belong to the consumer,
 * the others to the producer. Publishing is a release store that the consumer's acquire load meets, giving
 * back the same in the other direction. Each side keeps its last look at the other's index, so that the other
 * cache line is only fetched when the cached value no longer suffices.
 */
#include "base/ring.h"

#include "base/check.h"

#include <stdlib.h>

void
ring_init(struct ring *r, size_t cell_size, size_t capacity)
{
    CHECK(capacity > 0 && capacity <= UINT32_MAX && (capacity & (capacity - 1)) == 0);
    CHECK(cell_size > 0 && cell_size <= UINT32_MAX);
    *r = (struct ring){.cell_size = (uint32_t)cell_size, .mask = (uint32_t)(capacity - 1)};
}

void
ring_fini(struct ring *r)
{
    free(r->cells);
    r->cells = NULL;
}

static void *
cell(struct ring *r, uint64_t index)
{
    return r->cells + (size_t)(index & r->mask) * r->cell_size;
}

void *
ring_reserve(struct ring *r)
{
    if (r->tail_next - r->head_cached > r->mask) {
        r->head_cached = atomic_load_explicit(&r->head, memory_order_acquire);
        if (r->tail_next - r->head_cached > r->mask)
            return NULL;
    }
    if (!r->cells) {
        /* The consumer looks at this pointer only after it has met the first published tail. */
        r->cells = malloc(((size_t)r->mask + 1) * r->cell_size);
        CHECK(r->cells);
    }
    return cell(r, r->tail_next);
}

void
ring_commit(struct ring *r)
{
    r->tail_next++;
}

bool
ring_publish(struct ring *r)
{
    if (atomic_load_explicit(&r->tail, memory_order_relaxed) == r->tail_next)
        return false;
    atomic_store_explicit(&r->tail, r->tail_next, memory_order_release);
    return true;
}

size_t
ring_room(struct ring *r)
{
    r->head_cached = atomic_load_explicit(&r->head, memory_order_acquire);
    return (size_t)r->mask + 1 - (size_t)(r->tail_next - r->head_cached);
}

size_t
ring_readable(struct ring *r)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (head == r->tail_cached)
        r->tail_cached = atomic_load_explicit(&r->tail, memory_order_acquire);
    return (size_t)(r->tail_cached - head);
}

void *
ring_at(struct ring *r, size_t i)
{
    return cell(r, atomic_load_explicit(&r->head, memory_order_relaxed) + i);
}

void
ring_consume(struct ring *r, size_t n)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    CHECK(n <= r->tail_cached - head);
    atomic_store_explicit(&r->head, head + n, memory_order_release);
}
