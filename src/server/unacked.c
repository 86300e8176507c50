/*
 * A seqdeque whose sequences are the delivery tags: an ack of one tag and one of all tags up to it cost
 * nothing to find. A deque cannot take entries in again before its first one; so the rare rollback of a
 * transaction builds it anew.
 */
#include "server/unacked.h"

#include "base/check.h"

#include <stdlib.h>

struct unacked *
unacked_new(uint64_t first)
{
    struct unacked *u = calloc(1, sizeof *u);
    CHECK(u);
    seqdeque_init(&u->deliveries, sizeof(struct unacked_delivery), first);
    return u;
}

void
unacked_free(struct unacked *u)
{
    if (!u)
        return;
    ack_timeout_end(&u->timeout);
    seqdeque_fini(&u->deliveries);
    free(u);
}

uint64_t
unacked_add(struct unacked *u, const struct unacked_delivery *d)
{
    void *entry;
    uint64_t tag = seqdeque_push_back(&u->deliveries, &entry);
    *(struct unacked_delivery *)entry = *d;
    return tag;
}

uint64_t
unacked_skip(struct unacked *u)
{
    return seqdeque_skip(&u->deliveries);
}

bool
unacked_has(const struct unacked *u, uint64_t tag)
{
    return u && seqdeque_get(&u->deliveries, tag) != NULL;
}

bool
unacked_take(struct unacked *u, uint64_t tag, struct unacked_delivery *out)
{
    struct unacked_delivery *d = u ? seqdeque_get(&u->deliveries, tag) : NULL;
    if (!d)
        return false;
    *out = *d;
    seqdeque_remove_known(&u->deliveries, tag);
    return true;
}

bool
unacked_take_first(struct unacked *u, uint64_t up_to, uint64_t *tag, struct unacked_delivery *out)
{
    uint64_t first;
    struct unacked_delivery *d = u ? seqdeque_first(&u->deliveries, &first) : NULL;
    if (!d || first > up_to)
        return false;
    *out = *d;
    *tag = first;
    seqdeque_remove_known(&u->deliveries, first);
    return true;
}

static int
unacked_compare(const void *a, const void *b)
{
    const struct unacked_tagged *x = a, *y = b;
    return x->tag < y->tag ? -1 : x->tag > y->tag;
}

/* Tags between are used up without an entry. */
static void
unacked_append_at(struct seqdeque *d, uint64_t tag, const struct unacked_delivery *delivery)
{
    while (seqdeque_next_sequence(d) < tag)
        seqdeque_skip(d);
    void *entry;
    seqdeque_push_back(d, &entry);
    *(struct unacked_delivery *)entry = *delivery;
}

void
unacked_put_back(struct unacked *u, struct unacked_tagged *entries, size_t count)
{
    if (count == 0)
        return;
    qsort(entries, count, sizeof *entries, unacked_compare);
    struct seqdeque old = u->deliveries, *d = &u->deliveries;
    uint64_t tag = 0;
    struct unacked_delivery *left = seqdeque_first(&old, &tag);
    seqdeque_init(d, sizeof(struct unacked_delivery), left && tag < entries[0].tag ? tag : entries[0].tag);
    for (size_t i = 0; i < count || left;) {
        if (left && (i == count || tag < entries[i].tag)) {
            unacked_append_at(d, tag, left);
            left = seqdeque_next(&old, &tag);
        } else {
            unacked_append_at(d, entries[i].tag, &entries[i].delivery);
            i++;
        }
    }
    while (seqdeque_next_sequence(d) < seqdeque_next_sequence(&old))
        seqdeque_skip(d);
    seqdeque_fini(&old);
}
