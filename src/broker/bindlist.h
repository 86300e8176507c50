/*
 * An ordered list of bindings, each with a weight, with one writer and any number of readers that never wait:
 * for exchanges that choose one of their bindings. The weights lie one behind the other: a reader draws a
 * number below their sum and gets the binding that it falls on.
 *
 * Every change makes a new list, as long as the old one; but what one command removes goes in one step. A
 * list has a limit, so that this stays short. (Exchanges that take every binding use bindset.h, and need
 * none.)
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
/* Writer. It is in the list, and goes with all others that were removed when the list is settled: the end of
 * a queue with thousands of bindings makes one new list, not thousands. */
void bindlist_remove(struct binding *b);
/* Writer. `weight_of`, if not NULL: of each destination the first binding has this weight, and others none.
 */
typedef uint64_t bindlist_weight(const struct binding *b);
void bindlist_settle(struct bindlist *l, bindlist_weight *weight_of, struct epoch *epoch);
/* Writer. Is there one with that destination? */
bool bindlist_has(const struct bindlist *l, const void *destination);
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
