/*
 * table[0, used) holds an item or is on the free list; table[used, cap) was never touched. A slot's
 * generation counts up (past 0) whenever its item is removed, so it always differs from that of every handle
 * that went stale there, until the same slot has been used 2^32 times. The free list is last in, first out:
 * what is used often stays warm.
 */
#include "base/slots.h"

#include "base/check.h"

#include <stdlib.h>

#define SLOTS_CAP_MIN 8

void
slots_fini(struct slots *s)
{
    free(s->table);
    *s = (struct slots){0};
}

static uint64_t
handle_of(const struct slots *s, uint32_t index)
{
    return (uint64_t)s->table[index].generation << 32 | index;
}

static uint32_t
take_untouched(struct slots *s)
{
    if (s->used == s->cap) {
        CHECK(s->cap < 1u << 31);
        uint32_t cap = s->cap ? s->cap * 2 : SLOTS_CAP_MIN;
        s->table = realloc(s->table, cap * sizeof *s->table);
        CHECK(s->table);
        s->cap = cap;
    }
    s->table[s->used].generation = 1;
    return s->used++;
}

uint64_t
slots_add(struct slots *s, void *item)
{
    CHECK(item);
    uint32_t index;
    if (s->count < s->used) {
        index = s->first_free;
        s->first_free = s->table[index].next_free;
    } else {
        index = take_untouched(s);
    }
    s->table[index].item = item;
    s->count++;
    return handle_of(s, index);
}

void *
slots_remove(struct slots *s, uint64_t handle)
{
    void *item = slots_get(s, handle);
    if (!item)
        return NULL;
    uint32_t index = (uint32_t)handle;
    struct slots_slot *slot = &s->table[index];
    slot->item = NULL;
    if (++slot->generation == 0)
        slot->generation = 1;
    slot->next_free = s->first_free;
    s->first_free = index;
    s->count--;
    return item;
}

void *
slots_replace(struct slots *s, uint64_t handle, void *item)
{
    CHECK(item);
    void *before = slots_get(s, handle);
    if (before)
        s->table[(uint32_t)handle].item = item;
    return before;
}

void *
slots_next(const struct slots *s, size_t *cursor, uint64_t *handle)
{
    while (*cursor < s->used) {
        uint32_t index = (uint32_t)(*cursor)++;
        if (!s->table[index].item)
            continue;
        if (handle)
            *handle = handle_of(s, index);
        return s->table[index].item;
    }
    return NULL;
}
