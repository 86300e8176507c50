/*
 * Open addressing with linear probing: the pair of `key` lies in the first slot, from hash(key) on and round
 * the end, that was not taken. Between a pair and its home slot every slot is taken; removal moves pairs back
 * to keep that true, so there are no tombstones. At most 3/4 of the slots are taken; below 1/8 the table
 * shrinks, and at 0 it is freed.
 */
#include "base/idmap.h"

#include "base/check.h"

#include <stdlib.h>

#define IDMAP_CAP_MIN 8

void
idmap_fini(struct idmap *m)
{
    free(m->slots);
    *m = (struct idmap){0};
}

/* Where `key` is, or the free slot where it would go. The table is never full. */
static uint32_t
slot_of(const struct idmap *m, uint64_t key)
{
    uint32_t i = (uint32_t)hash_u64(key) & (m->cap - 1);
    while (m->slots[i].key != key && m->slots[i].key != 0)
        i = (i + 1) & (m->cap - 1);
    return i;
}

static void
resize(struct idmap *m, uint32_t cap)
{
    struct idmap old = *m;
    m->slots = calloc(cap, sizeof *m->slots);
    CHECK(m->slots);
    m->cap = cap;
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.slots[i].key != 0)
            m->slots[slot_of(m, old.slots[i].key)] = old.slots[i];
    free(old.slots);
}

void *
idmap_put(struct idmap *m, uint64_t key, void *value)
{
    CHECK(key != 0 && value);
    if (m->cap == 0)
        resize(m, IDMAP_CAP_MIN);
    uint32_t i = slot_of(m, key);
    if (m->slots[i].key == key) {
        void *before = m->slots[i].value;
        m->slots[i].value = value;
        return before;
    }
    if ((uint64_t)(m->count + 1) * 4 > (uint64_t)m->cap * 3) {
        CHECK(m->cap < 1u << 31);
        resize(m, m->cap * 2);
        i = slot_of(m, key);
    }
    m->slots[i] = (struct idmap_slot){.key = key, .value = value};
    m->count++;
    return NULL;
}

/* Fills the hole at `i` with the next pair that may move there, and so on with the hole that this leaves. */
static void
close_hole(struct idmap *m, uint32_t i)
{
    uint32_t mask = m->cap - 1;
    for (uint32_t j = (i + 1) & mask; m->slots[j].key != 0; j = (j + 1) & mask) {
        uint32_t home = (uint32_t)hash_u64(m->slots[j].key) & mask;
        if (((j - home) & mask) >= ((j - i) & mask)) {
            m->slots[i] = m->slots[j];
            i = j;
        }
    }
    m->slots[i] = (struct idmap_slot){0};
}

void *
idmap_remove(struct idmap *m, uint64_t key)
{
    if (m->count == 0 || key == 0)
        return NULL;
    uint32_t i = slot_of(m, key);
    if (m->slots[i].key == 0)
        return NULL;
    void *value = m->slots[i].value;
    close_hole(m, i);
    m->count--;
    if (m->count == 0)
        idmap_fini(m);
    else if (m->cap > IDMAP_CAP_MIN && m->count < m->cap / 8)
        resize(m, m->cap / 2);
    return value;
}

void *
idmap_next(const struct idmap *m, size_t *cursor, uint64_t *key)
{
    while (*cursor < m->cap) {
        const struct idmap_slot *s = &m->slots[(*cursor)++];
        if (s->key == 0)
            continue;
        if (key)
            *key = s->key;
        return s->value;
    }
    return NULL;
}

void
idmap_foreach(const struct idmap *m, void (*fn)(void *arg, uint64_t key, void *value), void *arg)
{
    uint64_t key;
    size_t cursor = 0;
    for (void *value; (value = idmap_next(m, &cursor, &key));)
        fn(arg, key, value);
}

bool
idmap_walk(const struct idmap *m, uint64_t *position, void (*fn)(void *arg, void *value), void *arg)
{
    if (m->count == 0)
        return false;
    uint32_t mask = m->cap - 1, home = (uint32_t)hash_reverse(*position) & mask;
    for (uint32_t i = home; m->slots[i].key != 0; i = (i + 1) & mask) {
        uint64_t hash = hash_u64(m->slots[i].key);
        if (((uint32_t)hash & mask) == home && hash_reverse(hash) >= *position)
            fn(arg, m->slots[i].value);
    }
    *position = hash_walk_next(*position, m->cap);
    return *position != 0;
}
