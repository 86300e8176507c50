/*
 * A message that stands in several queues is written into the open segment once; where another of them has it
 * paged out or copied, an entry refers to the first. What was written lately is remembered, and held so that
 * its address means the same message: at most KEEP_SAME_BYTES of it, and nothing once the segment is sealed
 * or the shard rests.
 */
#include "base/check.h"
#include "durable/keep_impl.h"

#include <stdlib.h>

enum {
    KEEP_SAME_BYTES = 2 << 20,
    KEEP_SAME_LEAST = 256, /* smaller ones are written again: an entry that refers costs nearly as much */
};

struct keep_same_item {
    struct message *message;
    uint64_t offset;
};
struct keep_same {
    struct idmap places; /* in items, from 1; by message */
    struct keep_same_item *items;
    size_t count, capacity, bytes;
};

static uint64_t
key_of(const struct message *m)
{
    return (uint64_t)(uintptr_t)m;
}

static bool
is_shared(const struct message *m)
{
    return m->refs > 1 && m->body_size >= KEEP_SAME_LEAST && m->body_size <= KEEP_SAME_BYTES / 16;
}

uint64_t
keep_same_find(const struct keep *k, const struct message *m)
{
    if (!k->same || !is_shared(m))
        return 0;
    uintptr_t place = (uintptr_t)idmap_get(&k->same->places, key_of(m));
    return place ? k->same->items[place - 1].offset : 0;
}

void
keep_same_note(struct keep *k, struct message *m, uint64_t offset)
{
    if (!is_shared(m))
        return;
    if (k->same && k->same->bytes > KEEP_SAME_BYTES)
        keep_same_forget(k);
    if (!k->same) {
        k->same = calloc(1, sizeof *k->same);
        CHECK(k->same);
    }
    struct keep_same *same = k->same;
    uintptr_t place = (uintptr_t)idmap_get(&same->places, key_of(m));
    if (place) {
        same->items[place - 1].offset = offset;
        return;
    }
    if (same->count == same->capacity) {
        same->capacity = same->capacity ? same->capacity * 2 : 64;
        same->items = realloc(same->items, same->capacity * sizeof *same->items);
        CHECK(same->items);
    }
    message_hold(m);
    same->items[same->count++] = (struct keep_same_item){.message = m, .offset = offset};
    same->bytes += message_size(m);
    idmap_put(&same->places, key_of(m), (void *)(uintptr_t)same->count);
}

void
keep_same_forget(struct keep *k)
{
    struct keep_same *same = k->same;
    if (!same)
        return;
    for (size_t i = 0; i < same->count && !k->is_closing; i++)
        message_drop(k->broker, &same->items[i].message);
    idmap_fini(&same->places);
    free(same->items);
    free(same);
    k->same = NULL;
}
