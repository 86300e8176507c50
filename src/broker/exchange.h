/*
 * Exchanges as declared things. Written by meta_apply() on shard 0, read by all shards without locks: fields
 * below never change after publication, except the atomic ones and the router
 * behind `router` (router.h). Generations are drawn from one counter, so that an address and a generation
 * together name one state of one exchange for ever. A pointer found by exchange_find() is valid until the end
 * of the turn.
 */
#ifndef LEVERET_BROKER_EXCHANGE_H
#define LEVERET_BROKER_EXCHANGE_H

#include "base/list.h"
#include "base/slice.h"

#include <stdatomic.h>

struct policy_effect;
struct vhost;

enum exchange_type {
    EXCHANGE_DIRECT,
    EXCHANGE_FANOUT,
    EXCHANGE_TOPIC,
    EXCHANGE_HEADERS,
    EXCHANGE_CONSISTENT_HASH,
    EXCHANGE_MODULUS_HASH,
    EXCHANGE_RANDOM,
    EXCHANGE_LOCAL_RANDOM,
    EXCHANGE_RECENT_HISTORY,
    EXCHANGE_TYPES
};

struct exchange {
    uint64_t id;
    struct vhost *vhost;
    const char *name; /* NUL-terminated copy; "" is the default exchange */
    uint8_t name_size;
    enum exchange_type type;
    bool durable, auto_delete, internal;
    bool is_default;                       /* the nameless one: every queue is bound by its name */
    bool is_predeclared;                   /* "" and amq.*: cannot be deleted */
    bool is_by_message;                    /* its own routes need more than the routing key: router.h */
    struct slice arguments;                /* table payload, owned */
    struct slice own_alternate;            /* the alternate exchange that its arguments name, or empty */
    const struct slice *_Atomic alternate; /* that, or the one of its policy; NULL: none */
    struct policy_effect *_Atomic effect;  /* of its policies: policy_effect_of_exchange() */
    _Atomic uint64_t
        generation; /* bumped whenever a route from here may have changed, through any number of exchanges */
    void *router;   /* exchange_*.c */
    struct list bindings_from; /* writer only: bindings with this source */
    struct list bindings_to;   /* writer only: exchange-to-exchange bindings with this destination */
    _Atomic bool
        needs_message; /* one that is_by_message can be reached from here: a key alone gives no route */
    struct list
        alternate_node;      /* writer only: with the others that name the same alternate (meta_exchange.c) */
    struct list doomed_node; /* writer only: waits for its deletion */
    struct list stale_node;  /* writer only: its router is to be settled when the command ends */
    bool is_removed;         /* writer only */
    uint64_t walk;           /* writer only: the last walk over the graph that came by */
    struct exchange *walk_next; /* writer only */
};

/* NULL if there is none of that name. */
const struct exchange *exchange_find(const struct vhost *v, struct slice name);
/* "direct" -> EXCHANGE_DIRECT; false if unknown. */
bool exchange_type_parse(struct slice name, enum exchange_type *out);
const char *exchange_type_name(enum exchange_type type);

/* The name of the exchange that gets what is routed nowhere from here, or empty. */
static inline struct slice
exchange_alternate(const struct exchange *x)
{
    const struct slice *name = atomic_load_explicit(&x->alternate, memory_order_acquire);
    return name ? *name : slice_of(NULL, 0);
}

/* Routes from here may depend on more than the routing key. Once true it stays so. */
static inline bool
exchange_needs_message(const struct exchange *x)
{
    return atomic_load_explicit(&x->needs_message, memory_order_acquire);
}

static inline uint64_t
exchange_generation(const struct exchange *x)
{
    return atomic_load_explicit(&x->generation, memory_order_acquire);
}

#endif
