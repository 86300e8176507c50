/*
 * Limits of the broker model: one table, with the defaults. The configuration may change them (config_keys.h
 * repeats the defaults as text; setup_limits_test holds the two together), tests and simulations start from
 * them.
 */
/* exports: broker_limits_default */
#ifndef LEVERET_BROKER_LIMITS_H
#define LEVERET_BROKER_LIMITS_H

#include <stdint.h>

#define BROKER_LIMIT_TABLE(X)                                                                                \
    X(message_size_max, 134217728, "bytes of body; 406 above")                                               \
    X(tx_bytes_max, 268435456, "what one open transaction may hold")                                         \
    X(remote_credit_messages, 2000, "deliveries under way to a consumer on another shard")                   \
    X(remote_credit_bytes, 4194304, "the same in bytes")                                                     \
    X(publish_window_bytes, 16777216, "message bytes under way from one shard to another")                   \
    X(backlog_messages, 30000, "ready ones of a queue with consumers at which its publishers are paced")     \
    X(backlog_bytes, 67108864, "the same by the size of the message that is coming")                         \
    X(queue_turn_messages, 4000, "deliveries of one queue before the next queue has its turn")               \
    X(route_cache_entries, 65536, "routes that a shard remembers")                                           \
    X(consumers_per_channel_max, 0, "0: no limit")                                                           \
    X(vhosts_max, 0, "0: no limit; so the next ones")                                                        \
    X(queues_max, 0, "of all vhosts")                                                                        \
    X(exchanges_max, 0, "of all vhosts, those that every vhost has included")

struct broker_limits {
#define X(name, value, what) uint32_t name;
    BROKER_LIMIT_TABLE(X)
#undef X
};

static inline struct broker_limits
broker_limits_default(void)
{
    return (struct broker_limits){
#define X(name, value, what) .name = value,
        BROKER_LIMIT_TABLE(X)
#undef X
    };
}

#endif
