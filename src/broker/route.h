/*
 * Routing: (exchange, routing key, properties) -> the queues that get the message, each once.
 *
 * A route is found in the shard's cache while the exchange's generation is unchanged; otherwise it is
 * computed from the tables that all shards share: direct, fanout, topic, headers, ..., then
 * exchange-to-exchange bindings with cycles cut, then, if no queue was found, the alternate exchange (each
 * exchange is visited once). A route is valid for the present turn only: look it up anew (cheap) in the next
 * one.
 *
 * As in RabbitMQ an exchange's alternate is used when the exchange itself has no matching binding, to a queue
 * or to an exchange, whatever comes of those further on.
 */
#ifndef LEVERET_BROKER_ROUTE_H
#define LEVERET_BROKER_ROUTE_H

#include "base/slice.h"
#include "broker/broker.h"
#include "broker/exchange.h"
#include "broker/queue_def.h"

struct route_target {
    const struct queue_def *queue;
    uint64_t queue_id;
    uint16_t shard;
};

struct route {
    uint32_t count;
    uint16_t only_shard; /* the shard of all targets, or ROUTE_MANY_SHARDS; that, too, with histories */
    uint16_t history_count;
    struct route_target targets[]; /* behind them: the histories */
};
#define ROUTE_MANY_SHARDS UINT16_MAX

/* The ids of exchanges that it leads through and that keep what they see (recent_history.h). */
static inline const uint64_t *
route_histories(const struct route *r)
{
    return (const uint64_t *)(r->targets + r->count);
}

struct route_cache *route_cache_new(size_t entries_max);
void route_cache_free(struct route_cache *c);
/* The turn ends: frees the routes that were dropped or were not cacheable during it. broker_turn() calls
 * this. */
void route_cache_turn(struct route_cache *c);

/* `properties` is the message's run (wire/properties.h; empty: not known yet); only exchanges that are
 * is_by_message look at it. Never NULL; count 0 is "unroutable". */
const struct route *route_find(struct broker *b, const struct exchange *x, struct slice routing_key,
                               struct slice properties);
/* The union over several routing keys (CC, BCC). */
const struct route *route_find_many(struct broker *b, const struct exchange *x,
                                    const struct slice *routing_keys, unsigned n, struct slice properties);

/* A one-entry cache in front, for a channel that publishes to the same place again and again. Zero it to
 * start. */
struct route_memo {
    const struct exchange *exchange;
    uint64_t generation;
    const struct route *route; /* owned by the shard's cache, pinned while memoized */
    uint8_t routing_key_size;
    uint8_t routing_key[63]; /* longer keys are not memoized */
};
/* route_find() without properties. NULL: routes from this exchange may depend on them, use route_find(). */
const struct route *route_find_memo(struct broker *b, struct route_memo *memo, const struct exchange *x,
                                    struct slice routing_key);
void route_memo_clear(struct broker *b, struct route_memo *memo);

#endif
