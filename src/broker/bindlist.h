/*
 * An ordered list of bindings, each with a weight, with one writer and any number of readers that never wait:
 * for exchanges that choose one of their bindings. The weights lie one behind the other: a reader draws a
 * number below their sum and gets the binding that it falls on.
 *
 * Every change makes a new list, as long as the old one: so a list has a limit, lest a client makes shard 0
 * copy for long by deleting a queue with very many bindings. (Exchanges that take every binding use
 * bindset.h, and need none.)
 */
#ifndef LEVERET_BROKER_BINDLIST_H
#define LEVERET_BROKER_BINDLIST_H

#include "broker/binding.h"

#include <stdatomic.h>
#include <stdint.h>

struct epoch;

enum { BINDLIST_MAX = 4096 };

struct bindlist_item {
    struct binding *binding;
    uint64_t end; /* the sum of the weights up to here */
};

struct bindlist_items {
    uint32_t count;
    struct bindlist_item items[];
};

/* Zeroed is empty. */
struct bindlist {
    struct bindlist_items *_Atomic items;
};

/* Writer. Before the first one for which `is_before(b, that)` holds; NULL: at the end. The weight may be 0:
 * such a one is never chosen. */
typedef bool bindlist_before(const struct binding *a, const struct binding *b);
void bindlist_add(struct bindlist *l, struct binding *b, uint64_t weight, bindlist_before *is_before,
                  struct epoch *epoch);
/* Writer. CHECKs that it is there; returns the weight that it had. */
uint64_t bindlist_remove(struct bindlist *l, const struct binding *b, struct epoch *epoch);
/* Writer. Changes a weight in its place. */
void bindlist_set_weight(struct bindlist *l, const struct binding *b, uint64_t weight, struct epoch *epoch);
/* Writer. The first with that destination, `not` excepted, and its weight; NULL: there is none. */
struct binding *bindlist_to(const struct bindlist *l, const void *destination, const struct binding * not,
                            uint64_t *weight);
/* Writer. 0, or 406 with a text if there are BINDLIST_MAX. */
uint16_t bindlist_check_room(const struct bindlist *l, char text[256]);
/* No reader is left. */
void bindlist_fini(struct bindlist *l);

/* Any reader: one version of the list, good until the end of the turn; NULL: empty. */
static inline const struct bindlist_items *
bindlist_read(const struct bindlist *l)
{
    return atomic_load_explicit(&l->items, memory_order_acquire);
}
static inline uint64_t
bindlist_sum(const struct bindlist_items *items)
{
    return items ? items->items[items->count - 1].end : 0;
}
/* `number` is below the sum. */
const struct binding *bindlist_at(const struct bindlist_items *items, uint64_t number);

#endif
