/*
 * A set of pointers that is emptied in no time and used again and again: what a route has visited already.
 * Zeroed is empty; one thread.
 */
#ifndef LEVERET_BROKER_PTRSET_H
#define LEVERET_BROKER_PTRSET_H

#include <stdbool.h>
#include <stdint.h>

struct ptrset {
    struct ptrset_slot {
        const void *ptr;
        uint64_t serial; /* in use only if it is the set's */
    } * slots;
    uint32_t capacity; /* 0 or a power of two */
    uint32_t count;
    uint64_t serial;
};

static inline void
ptrset_clear(struct ptrset *s)
{
    s->serial++;
    s->count = 0;
}
/* True if it was not in the set yet. */
bool ptrset_add(struct ptrset *s, const void *ptr);
void ptrset_fini(struct ptrset *s);

#endif
