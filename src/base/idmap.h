/* A map from numbers (never 0) to pointers (never NULL), for one thread. */
#ifndef LEVERET_BASE_IDMAP_H
#define LEVERET_BASE_IDMAP_H

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idmap_slot {
    uint64_t key; /* 0: free */
    void *value;
};

/* Zeroed is empty. An empty map holds no memory. */
struct idmap {
    struct idmap_slot *slots;
    uint32_t cap; /* 0 or a power of two */
    uint32_t count;
};

static inline void
idmap_init(struct idmap *m)
{
    *m = (struct idmap){0};
}

/* Frees the table, not the values; the map is empty and usable afterwards. */
void idmap_fini(struct idmap *m);

/* NULL when there is none. */
static inline void *
idmap_get(const struct idmap *m, uint64_t key)
{
    if (m->count == 0)
        return NULL;
    uint32_t mask = m->cap - 1;
    for (uint32_t i = (uint32_t)hash_u64(key) & mask;; i = (i + 1) & mask) {
        if (m->slots[i].key == key)
            return m->slots[i].value;
        if (m->slots[i].key == 0)
            return NULL;
    }
}

/* Sets the value of `key`; returns the value that it had, or NULL. */
void *idmap_put(struct idmap *m, uint64_t key, void *value);

/* Returns the value that was removed, or NULL when there was none. */
void *idmap_remove(struct idmap *m, uint64_t key);

static inline size_t
idmap_count(const struct idmap *m)
{
    return m->count;
}

/*
 * Walks the map in no particular order: `*cursor` starts at 0; NULL ends the walk. `key` may be NULL. The map
 * must not change during a walk; to empty a map one by one, start again at 0 after each removal.
 */
void *idmap_next(const struct idmap *m, size_t *cursor, uint64_t *key);

/* As cmap_walk(): in pieces, between which the map may change in any way. `fn` must not change it. */
bool idmap_walk(const struct idmap *m, uint64_t *position, void (*fn)(void *arg, void *value), void *arg);

/* Calls `fn` for every pair; `fn` must not change the map. */
void idmap_foreach(const struct idmap *m, void (*fn)(void *arg, uint64_t key, void *value), void *arg);

#endif
