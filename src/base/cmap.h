/*
 * A hash table of pointers with one writing thread and any number of readers that never lock and never wait.
 *
 * A reader holds what it found, and the table that it found it in, until its next quiescent state (epoch.h).
 * So the writer frees neither an item that it removed nor a table that it outgrew before all readers passed
 * one: tables go through the `retire` callback, items are the caller's business.
 */
#ifndef LEVERET_BASE_CMAP_H
#define LEVERET_BASE_CMAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cmap_table;

typedef uint64_t cmap_hash_fn(const void *item);
typedef bool cmap_eq_fn(const void *item, const void *key);

/* An empty map holds no memory. About 11 to 21 bytes an item. */
struct cmap {
    struct cmap_table *_Atomic table;
    atomic_size_t count;
    cmap_hash_fn *hash_of;                  /* the hash that the item was inserted with */
    void (*retire)(void *arg, void *table); /* takes over `table`: free() it when no reader can be in it */
    void *retire_arg;
};

void cmap_init(struct cmap *m, cmap_hash_fn *hash_of, void (*retire)(void *arg, void *table),
               void *retire_arg);

/* Frees the table at once: no reader may be left. The items are not touched. */
void cmap_fini(struct cmap *m);

/* Any thread. An item with this hash for which `eq` holds, or NULL. */
void *cmap_find(const struct cmap *m, uint64_t hash, cmap_eq_fn *eq, const void *key);

/* Any thread. Calls `fn` for every item; one that comes or goes meanwhile is seen or not. */
void cmap_foreach(const struct cmap *m, void (*fn)(void *arg, void *item), void *arg);

/* Any thread. */
static inline size_t
cmap_count(const struct cmap *m)
{
    return atomic_load_explicit(&m->count, memory_order_relaxed);
}

/* Writer. The item becomes visible complete. Does not look for an equal one: that is the caller's to do. */
void cmap_insert(struct cmap *m, uint64_t hash, void *item);

/* Writer. Removes this very item (not an equal one); false when it is not there. */
bool cmap_remove(struct cmap *m, uint64_t hash, const void *item);

/* Writer. Puts `item` in the place of `old` in one step: readers see one of the two. False when `old` is not
 * there. */
bool cmap_replace(struct cmap *m, uint64_t hash, const void *old, void *item);

/*
 * Writer. Walks the map in no particular order: `*cursor` starts at 0; NULL ends the walk. Items may be
 * removed and replaced during a walk, not inserted.
 */
void *cmap_next(const struct cmap *m, size_t *cursor);

/*
 * Any thread. Walks the map in pieces that may lie in different turns: `*position` starts at 0; each call
 * shows the items of one place of the table to `fn` (often none) and moves the position behind it; false:
 * that was the last place. Whatever is inserted, removed and rebuilt meanwhile, an item that is there from
 * the first call to the last is shown exactly once.
 */
bool cmap_walk(const struct cmap *m, uint64_t *position, void (*fn)(void *arg, void *item), void *arg);

#endif
