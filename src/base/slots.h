/*
 * A table of things that are referred to from far away by a handle (generation, index). A handle goes stale
 * when its thing is removed and then finds nothing, even when the place has been taken again.
 */
#ifndef LEVERET_BASE_SLOTS_H
#define LEVERET_BASE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slots_slot {
    void *item;          /* NULL: free */
    uint32_t generation; /* of the thing in it, or of the next one; never 0 */
    uint32_t next_free;  /* index, when free */
};

/* Zeroed is empty. 16 bytes a slot; slots are used again, and the table does not shrink. */
struct slots {
    struct slots_slot *table;
    uint32_t cap, used; /* used: slots that ever held something */
    uint32_t count;
    uint32_t first_free; /* meaningful when count < used */
};

static inline void
slots_init(struct slots *s)
{
    *s = (struct slots){0};
}

/* Frees the table, not the items. */
void slots_fini(struct slots *s);

/* `item` is not NULL. The handle is never 0: generation in the upper 32 bits, index in the lower. */
uint64_t slots_add(struct slots *s, void *item);

/* NULL when the handle is stale (or never was one). */
static inline void *
slots_get(const struct slots *s, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    if (index >= s->used || s->table[index].generation != handle >> 32)
        return NULL;
    return s->table[index].item;
}

/* Returns the item, or NULL when the handle is stale. */
void *slots_remove(struct slots *s, uint64_t handle);

/* Puts `item` in the place of what the handle stands for and returns that; NULL, and no change, when stale.
 */
void *slots_replace(struct slots *s, uint64_t handle, void *item);

static inline size_t
slots_count(const struct slots *s)
{
    return s->count;
}

/*
 * Walks the items by index: `*cursor` starts at 0; NULL ends the walk. `handle` may be NULL. Items may be
 * added and removed during a walk; one added may or may not be seen.
 */
void *slots_next(const struct slots *s, size_t *cursor, uint64_t *handle);

#endif
