/*
 * What the exchange types have in common: bindings are added and removed by the writer, and any shard
 * asks at the same time which of them match. A reader sees a binding that comes or goes meanwhile, or does
 * not; it sees all others exactly once or, where that is cheaper, several times: the caller makes the
 * destinations unique (route.c).
 */
#ifndef LEVERET_BROKER_ROUTER_H
#define LEVERET_BROKER_ROUTER_H

#include "base/slice.h"
#include "broker/binding.h"
#include "broker/exchange.h"

struct epoch;

/* A message as routers see it. */
struct router_query {
    const struct slice *keys; /* the routing key, and those of CC and BCC */
    unsigned key_count;
    struct slice properties; /* the run (wire/properties.h); empty: nothing is known of the message */
};

/* A reader's own memory, kept between calls: one for each shard. Zeroed to start. */
struct router_scratch {
    const struct binding **found; /* the answer */
    uint32_t found_count, found_capacity;
    struct topic_scratch *topic;
    struct headers_scratch *headers;
    uint64_t random; /* of exchanges that choose at random: the last number drawn */
    uint64_t work;   /* bindings that were looked at, nodes that were passed: only ever grows */
};
void router_scratch_fini(struct router_scratch *s);
void router_scratch_grow(struct router_scratch *s);

static inline void
router_found(struct router_scratch *s, const struct binding *b)
{
    if (__builtin_expect(s->found_count == s->found_capacity, 0))
        router_scratch_grow(s);
    s->found[s->found_count++] = b;
}

/* A binding that is to be made. */
struct router_binding {
    struct slice routing_key, arguments;
    bool to_exchange;
};

struct router_ops {
    /* `epoch` takes what readers may still look at. */
    void *(*create)(struct epoch *epoch, struct slice arguments);
    /* No reader is left and no binding is in it. */
    void (*destroy)(void *router);
    /* 0, or 406 with RabbitMQ's text if an exchange with such arguments cannot be. May be NULL: all are fine.
     */
    uint16_t (*check_arguments)(struct slice arguments, char text[256]);
    /* The same of a binding. */
    uint16_t (*check)(const struct router_binding *binding, char text[256]);
    /* The same of one binding more. May be NULL: there is always room. */
    uint16_t (*check_room)(const void *router, char text[256]);
    /* Writer: the caller has made sure that it is not in it, or is. After remove, `b` is freed through the
     * epoch only. */
    void (*add)(void *router, struct binding *b);
    void (*remove)(void *router, struct binding *b);
    /* Appends what matches to s->found. */
    void (*route)(const void *router, const struct router_query *query, struct router_scratch *s);
};

extern const struct router_ops exchange_direct_ops, exchange_fanout_ops, exchange_topic_ops,
    exchange_headers_ops, exchange_consistent_hash_ops, exchange_modulus_hash_ops, exchange_random_ops,
    exchange_local_random_ops, exchange_recent_history_ops;
const struct router_ops *router_ops_of(enum exchange_type type);
/* Do the routes of such an exchange depend on more than the routing key? Then they are not cached by it. */
bool router_is_by_message(enum exchange_type type, struct slice arguments);

void exchange_topic_scratch_free(struct topic_scratch *s);
void exchange_headers_scratch_free(struct headers_scratch *s);

#endif
