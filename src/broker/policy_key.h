/*
 * The keys of policy definitions: one table for their names, what their values may be, what they are for, and
 * what an operator policy does to them. A definition is a JSON object with such keys.
 */
#ifndef LEVERET_BROKER_POLICY_KEY_H
#define LEVERET_BROKER_POLICY_KEY_H

#include "base/slice.h"

/* What a policy can be for, as bits: a key that is not for a thing has no effect on it. */
enum policy_target {
    POLICY_EXCHANGE = 1 << 0,
    POLICY_CLASSIC = 1 << 1,
    POLICY_QUORUM = 1 << 2,
    POLICY_STREAM = 1 << 3,
    POLICY_QUEUE = POLICY_CLASSIC | POLICY_QUORUM | POLICY_STREAM,
    POLICY_ANYTHING = POLICY_EXCHANGE | POLICY_QUEUE,
};

/* How an operator's value and a user's become one; NONE: an operator policy cannot have the key. */
enum policy_merge { POLICY_MERGE_NONE, POLICY_MERGE_MIN, POLICY_MERGE_LIMIT, POLICY_MERGE_OPERATOR };

#define POLICY_BROKER_QUEUES (POLICY_CLASSIC | POLICY_QUORUM)

/* X(enum, name, the test of its value (policy_key.c), targets, merge) in RabbitMQ's spelling. */
#define POLICY_KEY_TABLE(X)                                                                                  \
    X(ALTERNATE_EXCHANGE, "alternate-exchange", alternate_exchange, POLICY_EXCHANGE, NONE)                   \
    X(CONSUMER_TIMEOUT, "consumer-timeout", consumer_timeout, POLICY_BROKER_QUEUES, NONE)                    \
    X(DEAD_LETTER_EXCHANGE, "dead-letter-exchange", dead_letter_exchange, POLICY_BROKER_QUEUES, NONE)        \
    X(DEAD_LETTER_ROUTING_KEY, "dead-letter-routing-key", dead_letter_routing_key, POLICY_BROKER_QUEUES,     \
      NONE)                                                                                                  \
    X(DEAD_LETTER_STRATEGY, "dead-letter-strategy", dead_letter_strategy, POLICY_QUORUM, NONE)               \
    X(DELIVERY_LIMIT, "delivery-limit", delivery_limit, POLICY_QUORUM, LIMIT)                                \
    X(EXPIRES, "expires", expires, POLICY_BROKER_QUEUES, MIN)                                                \
    X(FEDERATION_UPSTREAM, "federation-upstream", upstream, POLICY_EXCHANGE | POLICY_BROKER_QUEUES, NONE)    \
    X(FEDERATION_UPSTREAM_PATTERN, "federation-upstream-pattern", upstream_pattern,                          \
      POLICY_EXCHANGE | POLICY_BROKER_QUEUES, NONE)                                                          \
    X(FEDERATION_UPSTREAM_SET, "federation-upstream-set", upstream_set,                                      \
      POLICY_EXCHANGE | POLICY_BROKER_QUEUES, NONE)                                                          \
    X(HA_MODE, "ha-mode", ha, POLICY_CLASSIC, OPERATOR)                                                      \
    X(HA_PARAMS, "ha-params", ha, POLICY_CLASSIC, OPERATOR)                                                  \
    X(HA_PROMOTE_ON_FAILURE, "ha-promote-on-failure", ha, POLICY_CLASSIC, NONE)                              \
    X(HA_PROMOTE_ON_SHUTDOWN, "ha-promote-on-shutdown", ha, POLICY_CLASSIC, NONE)                            \
    X(HA_SYNC_BATCH_SIZE, "ha-sync-batch-size", ha, POLICY_CLASSIC, NONE)                                    \
    X(HA_SYNC_MODE, "ha-sync-mode", ha, POLICY_CLASSIC, OPERATOR)                                            \
    X(INITIAL_CLUSTER_SIZE, "initial-cluster-size", initial_cluster_size, POLICY_STREAM, NONE)               \
    X(MAX_AGE, "max-age", max_age, POLICY_STREAM, NONE)                                                      \
    X(MAX_IN_MEMORY_BYTES, "max-in-memory-bytes", max_in_memory_bytes, POLICY_QUORUM, MIN)                   \
    X(MAX_IN_MEMORY_LENGTH, "max-in-memory-length", max_in_memory_length, POLICY_QUORUM, MIN)                \
    X(MAX_LENGTH, "max-length", max_length, POLICY_BROKER_QUEUES, MIN)                                       \
    X(MAX_LENGTH_BYTES, "max-length-bytes", max_length_bytes, POLICY_QUEUE, MIN)                             \
    X(MESSAGE_TTL, "message-ttl", message_ttl, POLICY_BROKER_QUEUES, MIN)                                    \
    X(OVERFLOW, "overflow", overflow, POLICY_BROKER_QUEUES, OPERATOR)                                        \
    X(QUEUE_LEADER_LOCATOR, "queue-leader-locator", queue_leader_locator, POLICY_QUEUE, NONE)                \
    X(QUEUE_MASTER_LOCATOR, "queue-master-locator", queue_master_locator, POLICY_CLASSIC, OPERATOR)          \
    X(QUEUE_MODE, "queue-mode", queue_mode, POLICY_CLASSIC, NONE)                                            \
    X(QUEUE_VERSION, "queue-version", queue_version, POLICY_CLASSIC, OPERATOR)                               \
    X(STREAM_FILTER_SIZE_BYTES, "stream-filter-size-bytes", stream_filter_size, POLICY_STREAM, NONE)         \
    X(STREAM_MAX_SEGMENT_SIZE_BYTES, "stream-max-segment-size-bytes", stream_segment_size, POLICY_STREAM,    \
      NONE)                                                                                                  \
    X(TARGET_GROUP_SIZE, "target-group-size", target_group_size, POLICY_QUORUM, OPERATOR)

enum policy_key {
#define X(key, name, test, targets, merge) POLICY_KEY_##key,
    POLICY_KEY_TABLE(X)
#undef X
        POLICY_KEYS
};

struct policy_key_row {
    const char *name;
    unsigned targets;
    enum policy_merge merge;
};
extern const struct policy_key_row policy_key_rows[POLICY_KEYS]; /* in the order of their names */

struct json_t;

/* One value, by its JSON type: the number, or the text, or (ha-params as a list) neither. What it points to
 * is the tree's. */
struct policy_value {
    int64_t number;
    struct slice text;
    const struct json_t *json;
};

struct policy_values {
    uint64_t set; /* bits: 1 << enum policy_key */
    struct policy_value of[POLICY_KEYS];
    struct json_t *tree; /* the definition */
};

static inline bool
policy_values_has(const struct policy_values *v, enum policy_key key)
{
    return v->set >> key & 1;
}

struct buffer;
/* Judges a definition: appends what is wrong to `wrong`, in RabbitMQ's words, or nothing. */
void policy_key_check(struct buffer *wrong, struct json_t *definition, bool is_operator);
/* Takes a definition that was judged apart, and the reference to it. */
void policy_values_init(struct policy_values *v, struct json_t *definition);
void policy_values_fini(struct policy_values *v);
/* What an operator's value makes of a user's. */
const struct policy_value *policy_key_merge(enum policy_key key, const struct policy_value *user,
                                            const struct policy_value *operators);

#endif
