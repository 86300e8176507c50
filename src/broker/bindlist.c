/*
 * The list is one block that never changes once it is published; its end sums are strictly ascending but for
 * the items of weight 0, which share the sum of the one before them.
 */
#include "broker/bindlist.h"

#include "base/check.h"
#include "base/epoch.h"
#include "broker/reply.h"
#include "wire/amqp.h"

#include <stdlib.h>

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
    struct bindlist_items *items = items_new(count + 1);
    for (; i < count && !(is_before && is_before(b, old->items[i].binding)); i++)
        items_push(items, old->items[i].binding, items_weight(old, i));
    items_push(items, b, weight);
    for (; i < count; i++)
        items_push(items, old->items[i].binding, items_weight(old, i));
    publish(l, items, epoch);
}

uint64_t
bindlist_remove(struct bindlist *l, const struct binding *b, struct epoch *epoch)
{
    const struct bindlist_items *old = current(l);
    CHECK(old);
    uint64_t weight = 0;
    struct bindlist_items *items = old->count > 1 ? items_new(old->count - 1) : NULL;
    bool is_found = false;
    for (uint32_t i = 0; i < old->count; i++) {
        if (old->items[i].binding == b) {
            is_found = true;
            weight = items_weight(old, i);
        } else {
            CHECK(items && items->count + 1 < old->count);
            items_push(items, old->items[i].binding, items_weight(old, i));
        }
    }
    CHECK(is_found);
    publish(l, items, epoch);
    return weight;
}

void
bindlist_set_weight(struct bindlist *l, const struct binding *b, uint64_t weight, struct epoch *epoch)
{
    const struct bindlist_items *old = current(l);
    CHECK(old);
    struct bindlist_items *items = items_new(old->count);
    for (uint32_t i = 0; i < old->count; i++) {
        struct binding *at = old->items[i].binding;
        items_push(items, at, at == b ? weight : items_weight(old, i));
    }
    publish(l, items, epoch);
}

struct binding *
bindlist_to(const struct bindlist *l, const void *destination, const struct binding * not, uint64_t *weight)
{
    const struct bindlist_items *items = current(l);
    for (uint32_t i = 0; items && i < items->count; i++) {
        struct binding *b = items->items[i].binding;
        if (b == not || b->destination != destination)
            continue;
        *weight = items_weight(items, i);
        return b;
    }
    return NULL;
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
