/*
 * Quiescent-state reclamation: one writer replaces things that N readers look at without locks, and frees
 * the old ones once every reader has passed a point at which it held none. A reader passes one with every
 * epoch_quiesce() and is outside altogether while it sleeps.
 */
#ifndef LEVERET_BASE_EPOCH_H
#define LEVERET_BASE_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct epoch_reader {
    _Alignas(64) _Atomic uint64_t seen; /* the epoch at its last quiescent state; EPOCH_ASLEEP outside */
};

struct epoch_deferred {
    uint64_t epoch;
    void (*fn)(void *ptr);
    void *ptr;
};

struct epoch {
    struct epoch_reader *readers;
    unsigned reader_count;
    _Atomic uint64_t now;
    struct epoch_deferred *deferred; /* the writer's: a FIFO from `first` on */
    size_t first, count, capacity;
};

/* Every reader starts asleep. */
void epoch_init(struct epoch *e, unsigned readers);
/* All readers have stopped: runs everything that is still deferred. */
void epoch_fini(struct epoch *e);

/* Writer, after `ptr` can no longer be reached by readers that come later: fn(ptr) once all others passed. */
void epoch_defer(struct epoch *e, void (*fn)(void *ptr), void *ptr);
/* The same with free() for `fn`, in the shape that a cmap's `retire` has: `epoch` is its argument. */
void epoch_retire(void *epoch, void *ptr);
enum { EPOCH_COLLECT_MAX = 1024 }; /* that one call runs: large deletions must not stop a turn */
/* Writer: runs what every awake reader has passed, EPOCH_COLLECT_MAX at most. Returns how many are still
 * waiting. */
size_t epoch_collect(struct epoch *e);

/* Reader i holds no pointer at this moment. Costs a load, and a store when the writer has moved on. */
void epoch_quiesce(struct epoch *e, unsigned i);
/* Reader i holds no pointer, and takes none before epoch_wake(). Both may be repeated. */
void epoch_sleep(struct epoch *e, unsigned i);
void epoch_wake(struct epoch *e, unsigned i);

#endif
