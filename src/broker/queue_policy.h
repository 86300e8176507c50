/*
 * How a queue is to behave: its arguments, its policy and its operator policy as one, by RabbitMQ's rules for
 * who wins (the lower of two limits; else the argument; else the policy). A queue at work asks when it is
 * opened and again when it is told that something changed: queue_rules_changed(), on its own shard.
 */
#ifndef LEVERET_BROKER_QUEUE_POLICY_H
#define LEVERET_BROKER_QUEUE_POLICY_H

#include "base/slice.h"

struct queue;
struct queue_def;

enum queue_overflow { QUEUE_OVERFLOW_DROP_HEAD, QUEUE_OVERFLOW_REJECT, QUEUE_OVERFLOW_REJECT_DLX };

#define QUEUE_POLICY_NONE (-1)

struct queue_policy {
    int64_t expires_ms; /* QUEUE_POLICY_NONE: none; so for all numbers */
    int64_t message_ttl_ms;
    int64_t max_length;       /* ready messages */
    int64_t max_length_bytes; /* of their bodies */
    int64_t delivery_limit;
    int64_t consumer_timeout_ms;
    enum queue_overflow overflow;
    bool has_dead_letter_exchange; /* the name may be empty: the default exchange */
    bool has_dead_letter_routing_key;
    bool is_dead_letter_at_least_once; /* dead-letter-strategy */
    /* In the definition or in the effect: good until the end of the turn. */
    struct slice dead_letter_exchange, dead_letter_routing_key;
};

/* Of all that only this: asked for every message that leaves. On any shard. */
bool queue_policy_has_dead_letter_exchange(const struct queue_def *q);
/* On any shard. */
void queue_policy_of(const struct queue_def *q, struct queue_policy *out);

#endif
