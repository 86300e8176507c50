/*
 * The writer's half. States: 0 -> one binding -> array (two or more live) -> one binding again. An array's
 * `count` only grows; places below it that were removed hold NULL until the next copy.
 */
#include "broker/bindset.h"

#include "base/check.h"
#include "base/epoch.h"

#include <stdlib.h>

enum { BINDSET_CAPACITY_MIN = 4 };

static void
publish(struct bindset *s, uintptr_t word)
{
    atomic_store_explicit(&s->word, word, memory_order_release);
}

static struct binding *
item_at(const struct bindset_array *a, uint32_t i)
{
    return atomic_load_explicit(&a->items[i], memory_order_relaxed);
}

static uint32_t
array_count(const struct bindset_array *a)
{
    return atomic_load_explicit(&a->count, memory_order_relaxed);
}

static struct bindset_array *
array_new(uint32_t capacity)
{
    struct bindset_array *a = malloc(sizeof *a + capacity * sizeof a->items[0]);
    CHECK(a);
    a->capacity = capacity;
    a->live = 0;
    atomic_init(&a->count, 0);
    return a;
}

static void
array_append(struct bindset_array *a, struct binding *b)
{
    uint32_t n = array_count(a);
    CHECK(n < a->capacity);
    b->slot = n;
    a->live++;
    atomic_store_explicit(&a->items[n], b, memory_order_release);
    atomic_store_explicit(&a->count, n + 1, memory_order_release);
}

/* A compact copy with room for as many again; not published. */
static struct bindset_array *
array_copy(const struct bindset_array *old)
{
    uint32_t capacity = old->live * 2 > BINDSET_CAPACITY_MIN ? old->live * 2 : BINDSET_CAPACITY_MIN;
    struct bindset_array *a = array_new(capacity);
    for (uint32_t i = 0; i < array_count(old); i++)
        if (item_at(old, i))
            array_append(a, item_at(old, i));
    return a;
}

void
bindset_add(struct bindset *s, struct binding *b, struct epoch *epoch)
{
    uintptr_t word = atomic_load_explicit(&s->word, memory_order_relaxed);
    struct bindset_array *a = bindset_array_of(word);
    if (word == 0) {
        b->slot = 0;
        publish(s, (uintptr_t)b);
    } else if (!a) {
        a = array_new(BINDSET_CAPACITY_MIN);
        array_append(a, (struct binding *)word);
        array_append(a, b);
        publish(s, (uintptr_t)a | 1);
    } else if (array_count(a) < a->capacity) {
        array_append(a, b);
    } else {
        struct bindset_array *copy = array_copy(a);
        array_append(copy, b);
        publish(s, (uintptr_t)copy | 1);
        epoch_defer(epoch, free, a);
    }
}

/* The slot is only a hint: a binding of a headers exchange may be in several sets. */
static bool
array_place(const struct bindset_array *a, const struct binding *b, uint32_t *place)
{
    uint32_t n = array_count(a);
    *place = b->slot;
    if (b->slot < n && item_at(a, b->slot) == b)
        return true;
    for (uint32_t i = 0; i < n; i++) {
        *place = i;
        if (item_at(a, i) == b)
            return true;
    }
    return false;
}

/* What is left of an array with one live item. */
static struct binding *
array_last(const struct bindset_array *a)
{
    for (uint32_t i = 0; i < array_count(a); i++)
        if (item_at(a, i))
            return item_at(a, i);
    return NULL;
}

bool
bindset_remove(struct bindset *s, struct binding *b, struct epoch *epoch)
{
    uintptr_t word = atomic_load_explicit(&s->word, memory_order_relaxed);
    struct bindset_array *a = bindset_array_of(word);
    if (!a) {
        if (word != (uintptr_t)b)
            return false;
        publish(s, 0);
        return true;
    }
    uint32_t place;
    if (!array_place(a, b, &place))
        return false;
    atomic_store_explicit(&a->items[place], NULL, memory_order_release);
    a->live--;
    if (a->live == 1) {
        publish(s, (uintptr_t)array_last(a));
        epoch_defer(epoch, free, a);
    } else if (a->live < array_count(a) / 4) {
        publish(s, (uintptr_t)array_copy(a) | 1);
        epoch_defer(epoch, free, a);
    }
    return true;
}

void
bindset_fini(struct bindset *s)
{
    free(bindset_array_of(atomic_load_explicit(&s->word, memory_order_relaxed)));
    atomic_store_explicit(&s->word, 0, memory_order_relaxed);
}

uint32_t
bindset_count(const struct bindset *s)
{
    uintptr_t word = atomic_load_explicit(&s->word, memory_order_relaxed);
    const struct bindset_array *a = bindset_array_of(word);
    return a ? a->live : word != 0;
}
