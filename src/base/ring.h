/*
 * A bounded ring of fixed-size cells between exactly one producer and one consumer, which may be threads of
 * their own. The producer writes cells and makes a whole batch visible with one ring_publish(); the consumer
 * reads what is visible in place and gives it back with one ring_consume(). Neither side ever waits.
 */
#ifndef LEVERET_BASE_RING_H
#define LEVERET_BASE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Indices only grow; a cell is index & mask. Each side has a cache line that only it writes. */
struct ring {
    uint8_t *cells; /* allocated by the first ring_reserve() */
    uint32_t cell_size;
    uint32_t mask;

    _Alignas(64) _Atomic uint64_t tail; /* written by the producer: cells before it are visible */
    uint64_t tail_next;                 /* producer's own: cells written, not all published */
    uint64_t head_cached;               /* producer's last look at head */

    _Alignas(64) _Atomic uint64_t head; /* written by the consumer: cells before it are free */
    uint64_t tail_cached;               /* consumer's last look at tail */
};

/* `capacity` is a power of two. No memory is taken before the first cell is written. */
void ring_init(struct ring *r, size_t cell_size, size_t capacity);
/* Both sides have stopped. Cells that were not consumed are forgotten. */
void ring_fini(struct ring *r);

/* Producer: the next free cell to write into, or NULL when the ring is full. It counts after ring_commit().
 */
void *ring_reserve(struct ring *r);
void ring_commit(struct ring *r);
/* Producer: makes every committed cell visible. True when there was something new to show. */
bool ring_publish(struct ring *r);
/* Producer: cells that could be written now (looks at the consumer's index). */
size_t ring_room(struct ring *r);

/* Consumer: how many cells are visible (looks at the producer's index when none is known). */
size_t ring_readable(struct ring *r);
/* Consumer: the i-th visible cell, i < ring_readable(). */
void *ring_at(struct ring *r, size_t i);
/* Consumer: gives the first n visible cells back. */
void ring_consume(struct ring *r, size_t n);

#endif
