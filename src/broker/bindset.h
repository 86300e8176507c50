/*
 * A set of bindings with one writer and any number of readers that never wait: all bindings of a fanout
 * exchange, those of one key of a direct exchange, of one node of a topic trie, of one header value.
 *
 * One word: nothing, one binding, or (tagged) an array that the writer appends to in place and whose removed
 * places read as NULL. When it is full or mostly empty, a copy takes its place and the old one goes through
 * the epoch. Adding and removing take constant time on average (binding.slot tells the place).
 */
#ifndef LEVERET_BROKER_BINDSET_H
#define LEVERET_BROKER_BINDSET_H

#include "broker/router.h"

#include <stdatomic.h>

struct bindset {
    _Atomic uintptr_t word;
};

struct bindset_array {
    uint32_t capacity;
    uint32_t live;          /* writer: places that are not NULL */
    _Atomic uint32_t count; /* places in use */
    struct binding *_Atomic items[];
};

static inline struct bindset_array *
bindset_array_of(uintptr_t word)
{
    return word & 1 ? (struct bindset_array *)(word & ~(uintptr_t)1) : NULL;
}

/* Zeroed is empty. */
void bindset_add(struct bindset *s, struct binding *b, struct epoch *epoch);
/* False: it was not there. */
bool bindset_remove(struct bindset *s, struct binding *b, struct epoch *epoch);
/* No reader is left. */
void bindset_fini(struct bindset *s);

/* Writer: */
uint32_t bindset_count(const struct bindset *s);
static inline bool
bindset_is_empty(const struct bindset *s)
{
    return atomic_load_explicit(&s->word, memory_order_relaxed) == 0;
}

/* Any reader. */
static inline void
bindset_collect(const struct bindset *s, struct router_scratch *out)
{
    uintptr_t word = atomic_load_explicit(&s->word, memory_order_acquire);
    if (word == 0)
        return;
    const struct bindset_array *a = bindset_array_of(word);
    if (!a) {
        router_found(out, (const struct binding *)word);
        return;
    }
    uint32_t n = atomic_load_explicit(&a->count, memory_order_acquire);
    for (uint32_t i = 0; i < n; i++) {
        const struct binding *b = atomic_load_explicit(&a->items[i], memory_order_acquire);
        if (b)
            router_found(out, b);
    }
}

#endif
