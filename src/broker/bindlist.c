/*
 * The list is one block that never changes once it is published; its end sums are strictly ascending but for
 * the items of weight 0, which share the sum of the one before them.
 */
#include "broker/bindlist.h"

#include "base/check.h"
#include "base/epoch.h"
#include "broker/ptrset.h"
#include "broker/reply.h"
#include "wire/amqp.h"

#include <stdlib.h>

/* In binding.slot, which lists have no other use for. */
enum { BINDLIST_THERE = 0, BINDLIST_REMOVED = 1 };

static struct bindlist_items *
items_new(uint32_t count)
{
    struct bindlist_items *items = malloc(sizeof *items + count * sizeof items->items[0]);
    CHECK(items);
    items->count = 0;
    return items;
}

static void
items_push(struct bindlist_items *items, struct binding *b, uint64_t weight)
{
    uint64_t sum = items->count ? items->items[items->count - 1].end : 0;
    items->items[items->count++] = (struct bindlist_item){b, sum + weight};
}

static uint64_t
items_weight(const struct bindlist_items *items, uint32_t i)
{
    return items->items[i].end - (i ? items->items[i - 1].end : 0);
}

/* Writer: the present list; it is the only one who stores. */
static struct bindlist_items *
current(const struct bindlist *l)
{
    return atomic_load_explicit(&l->items, memory_order_relaxed);
}

static void
publish(struct bindlist *l, struct bindlist_items *items, struct epoch *epoch)
{
    struct bindlist_items *old = current(l);
    atomic_store_explicit(&l->items, items, memory_order_release);
    if (old)
        epoch_defer(epoch, free, old);
}

void
bindlist_add(struct bindlist *l, struct binding *b, uint64_t weight, bindlist_before *is_before,
             struct epoch *epoch)
{
    const struct bindlist_items *old = current(l);
    uint32_t count = old ? old->count : 0, i = 0;
    b->slot = BINDLIST_THERE;
    struct bindlist_items *items = items_new(count + 1);
    for (; i < count && !(is_before && is_before(b, old->items[i].binding)); i++)
        items_push(items, old->items[i].binding, items_weight(old, i));
    items_push(items, b, weight);
    for (; i < count; i++)
        items_push(items, old->items[i].binding, items_weight(old, i));
    publish(l, items, epoch);
}

void
bindlist_remove(struct binding *b)
{
    b->slot = BINDLIST_REMOVED;
}

void
bindlist_settle(struct bindlist *l, bindlist_weight *weight_of, struct epoch *epoch)
{
    const struct bindlist_items *old = current(l);
    struct bindlist_items *items = items_new(old ? old->count : 0);
    struct ptrset destinations = {0};
    for (uint32_t i = 0; old && i < old->count; i++) {
        struct binding *b = old->items[i].binding;
        if (b->slot == BINDLIST_REMOVED)
            continue;
        uint64_t weight = items_weight(old, i);
        if (weight_of)
            weight = ptrset_add(&destinations, b->destination) ? weight_of(b) : 0;
        items_push(items, b, weight);
    }
    ptrset_fini(&destinations);
    if (items->count == 0) {
        free(items);
        items = NULL;
    }
    publish(l, items, epoch);
}

bool
bindlist_has(const struct bindlist *l, const void *destination)
{
    const struct bindlist_items *items = current(l);
    for (uint32_t i = 0; items && i < items->count; i++)
        if (items->items[i].binding->destination == destination)
            return true;
    return false;
}

uint16_t
bindlist_check_room(const struct bindlist *l, char text[256])
{
    const struct bindlist_items *items = current(l);
    if (!items || items->count < BINDLIST_MAX)
        return 0;
    return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED,
                      "the exchange has %d bindings, which is the most for one of its type", BINDLIST_MAX);
}

void
bindlist_fini(struct bindlist *l)
{
    free(current(l));
    atomic_store_explicit(&l->items, NULL, memory_order_relaxed);
}

const struct binding *
bindlist_at(const struct bindlist_items *items, uint64_t number)
{
    uint32_t low = 0, high = items->count - 1; /* the first whose end is above the number */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (items->items[middle].end > number)
            high = middle;
        else
            low = middle + 1;
    }
    return items->items[low].binding;
}
