/*
 * Open addressing with linear probing over words: 0 is a slot never used, 1 a tombstone, else a pointer with
 * 16 bits of its hash on top (addresses of user space have 48 bits), so that a reader rarely touches an item
 * that is not the one.
 *
 * - Between an item and its home slot no slot is 0; an item never moves within a table. So whoever probes
 * from the home slot up to the first 0 meets every item of that chain that is there all the while.
 * - A slot only becomes 0 again when its successor is 0: nobody's chain passes through it.
 * - Items and tables are stored with release and loaded with acquire: what a reader finds is complete.
 * - The writer changes a table only while it is the published one. A reader in an older table sees the moment
 * at which that was replaced, which lies within its call.
 *
 * Used slots (items and tombstones) are at most 3/4 of a table; when an insertion would pass that, the items
 * move to a new table, which they fill to between 1/4 and 1/2. Removal never makes a new table (a walk may
 * remove), but the last one gives it up.
 *
 * A walk in pieces goes in the order of the hashes' bits read backwards. The home slot is the hash's lowest
 * bits, so the items of one slot are neighbours in that order in a table of any size, and the position (such
 * a reversed hash) means the same after a rebuild.
 */
#include "base/cmap.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>

#define CAP_MIN    8
#define FREE       ((uintptr_t)0)
#define TOMBSTONE  ((uintptr_t)1)
#define TAG_SHIFT  48
#define TAG_MASK   ((uintptr_t)0xffff << TAG_SHIFT)
#define IS_ITEM(w) ((w) > TOMBSTONE)

struct cmap_table {
    size_t cap;  /* a power of two */
    size_t used; /* items and tombstones; the writer's */
    _Atomic uintptr_t slots[];
};

static uintptr_t
word_of(uint64_t hash, const void *item)
{
    return (hash & TAG_MASK) | (uintptr_t)item;
}

static void *
item_of(uintptr_t word)
{
    return (void *)(word & ~TAG_MASK);
}

void
cmap_init(struct cmap *m, cmap_hash_fn *hash_of, void (*retire)(void *arg, void *table), void *retire_arg)
{
    CHECK(hash_of && retire);
    atomic_init(&m->table, NULL);
    atomic_init(&m->count, 0);
    m->hash_of = hash_of;
    m->retire = retire;
    m->retire_arg = retire_arg;
}

void
cmap_fini(struct cmap *m)
{
    free(atomic_load_explicit(&m->table, memory_order_relaxed));
    atomic_store_explicit(&m->table, NULL, memory_order_relaxed);
    atomic_store_explicit(&m->count, 0, memory_order_relaxed);
}

void *
cmap_find(const struct cmap *m, uint64_t hash, cmap_eq_fn *eq, const void *key)
{
    const struct cmap_table *t = atomic_load_explicit(&m->table, memory_order_acquire);
    if (!t)
        return NULL;
    for (size_t i = hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
        uintptr_t word = atomic_load_explicit(&t->slots[i], memory_order_acquire);
        if (word == FREE)
            return NULL;
        if (IS_ITEM(word) && ((word ^ hash) & TAG_MASK) == 0 && eq(item_of(word), key))
            return item_of(word);
    }
}

void
cmap_foreach(const struct cmap *m, void (*fn)(void *arg, void *item), void *arg)
{
    const struct cmap_table *t = atomic_load_explicit(&m->table, memory_order_acquire);
    for (size_t i = 0; t && i < t->cap; i++) {
        uintptr_t word = atomic_load_explicit(&t->slots[i], memory_order_acquire);
        if (IS_ITEM(word))
            fn(arg, item_of(word));
    }
}

/* The writer's own view of its table. */
static struct cmap_table *
table_of(const struct cmap *m)
{
    return atomic_load_explicit(&m->table, memory_order_relaxed);
}

static uintptr_t
slot_get(const struct cmap_table *t, size_t i)
{
    return atomic_load_explicit(&t->slots[i], memory_order_relaxed);
}

static void
slot_set(struct cmap_table *t, size_t i, uintptr_t word)
{
    atomic_store_explicit(&t->slots[i], word, memory_order_release);
}

static void
table_add(struct cmap_table *t, uint64_t hash, uintptr_t word)
{
    size_t i = hash & (t->cap - 1);
    while (IS_ITEM(slot_get(t, i)))
        i = (i + 1) & (t->cap - 1);
    t->used += slot_get(t, i) == FREE;
    slot_set(t, i, word);
}

/* Moves the items to a new table with room for more, without the tombstones. */
static void
rebuild(struct cmap *m)
{
    struct cmap_table *old = table_of(m);
    size_t cap = CAP_MIN;
    while (cap < (cmap_count(m) + 1) * 2)
        cap *= 2;
    struct cmap_table *t = calloc(1, sizeof *t + cap * sizeof t->slots[0]);
    CHECK(t);
    t->cap = cap;
    for (size_t i = 0; old && i < old->cap; i++) {
        uintptr_t word = slot_get(old, i);
        if (IS_ITEM(word))
            table_add(t, m->hash_of(item_of(word)), word);
    }
    atomic_store_explicit(&m->table, t, memory_order_release);
    if (old)
        m->retire(m->retire_arg, old);
}

void
cmap_insert(struct cmap *m, uint64_t hash, void *item)
{
    CHECK((uintptr_t)item > TOMBSTONE && ((uintptr_t)item & TAG_MASK) == 0);
    const struct cmap_table *t = table_of(m);
    size_t count = cmap_count(m);
    if (!t || (t->used + 1) * 4 > t->cap * 3 || (t->cap > CAP_MIN && count < t->cap / 16))
        rebuild(m);
    table_add(table_of(m), hash, word_of(hash, item));
    atomic_store_explicit(&m->count, count + 1, memory_order_relaxed);
}

/* Where this very item lies; false when nowhere. */
static bool
find_slot(const struct cmap *m, uint64_t hash, const void *item, size_t *at)
{
    const struct cmap_table *t = table_of(m);
    if (!t)
        return false;
    uintptr_t wanted = word_of(hash, item);
    size_t i = hash & (t->cap - 1);
    for (; slot_get(t, i) != FREE; i = (i + 1) & (t->cap - 1)) {
        if (slot_get(t, i) == wanted) {
            *at = i;
            return true;
        }
    }
    return false;
}

/* Leaves a tombstone, or, at the end of a chain, cleans up there with the tombstones before it. */
static void
clear_slot(struct cmap_table *t, size_t i)
{
    if (slot_get(t, (i + 1) & (t->cap - 1)) != FREE) {
        slot_set(t, i, TOMBSTONE);
        return;
    }
    do {
        slot_set(t, i, FREE);
        t->used--;
        i = (i - 1) & (t->cap - 1);
    } while (slot_get(t, i) == TOMBSTONE);
}

bool
cmap_remove(struct cmap *m, uint64_t hash, const void *item)
{
    struct cmap_table *t = table_of(m);
    size_t at;
    if (!find_slot(m, hash, item, &at))
        return false;
    size_t count = cmap_count(m) - 1;
    atomic_store_explicit(&m->count, count, memory_order_relaxed);
    clear_slot(t, at);
    if (count == 0) {
        atomic_store_explicit(&m->table, NULL, memory_order_release);
        m->retire(m->retire_arg, t);
    }
    return true;
}

bool
cmap_replace(struct cmap *m, uint64_t hash, const void *old, void *item)
{
    CHECK((uintptr_t)item > TOMBSTONE && ((uintptr_t)item & TAG_MASK) == 0);
    size_t at;
    if (!find_slot(m, hash, old, &at))
        return false;
    slot_set(table_of(m), at, word_of(hash, item));
    return true;
}

void *
cmap_next(const struct cmap *m, size_t *cursor)
{
    const struct cmap_table *t = table_of(m);
    while (t && *cursor < t->cap) {
        uintptr_t word = slot_get(t, (*cursor)++);
        if (IS_ITEM(word))
            return item_of(word);
    }
    return NULL;
}

bool
cmap_walk(const struct cmap *m, uint64_t *position, void (*fn)(void *arg, void *item), void *arg)
{
    const struct cmap_table *t = atomic_load_explicit(&m->table, memory_order_acquire);
    if (!t)
        return false;
    size_t mask = t->cap - 1, home = hash_reverse(*position) & mask;
    for (size_t i = home;; i = (i + 1) & mask) {
        uintptr_t word = atomic_load_explicit(&t->slots[i], memory_order_acquire);
        if (word == FREE)
            break;
        if (!IS_ITEM(word))
            continue;
        uint64_t hash = m->hash_of(item_of(word));
        if ((hash & mask) == home && hash_reverse(hash) >= *position)
            fn(arg, item_of(word));
    }
    *position = hash_walk_next(*position, t->cap);
    return *position != 0;
}
