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
    KEEP_SAME_PLACES = 8192,
    KEEP_SAME_BYTES = 2 << 20,
    KEEP_SAME_LEAST = 256, /* smaller ones are written again: an entry that refers costs nearly as much */
};

struct keep_same {
    struct message *messages[KEEP_SAME_PLACES];
    uint64_t offsets[KEEP_SAME_PLACES];
    size_t bytes;
};

static size_t
place_of(const struct message *m)
{
    return (size_t)(hash_u64((uint64_t)(uintptr_t)m) % KEEP_SAME_PLACES);
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
    size_t at = place_of(m);
    return k->same->messages[at] == m ? k->same->offsets[at] : 0;
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
    size_t at = place_of(m);
    if (k->same->messages[at]) {
        k->same->bytes -= message_size(k->same->messages[at]);
        message_drop(k->broker, &k->same->messages[at]);
    }
    message_hold(m);
    k->same->messages[at] = m;
    k->same->offsets[at] = offset;
    k->same->bytes += message_size(m);
}

void
keep_same_forget(struct keep *k)
{
    if (!k->same)
        return;
    for (size_t i = 0; i < KEEP_SAME_PLACES && !k->is_closing; i++)
        if (k->same->messages[i])
            message_drop(k->broker, &k->same->messages[i]);
    free(k->same);
    k->same = NULL;
}
