/*
 * The broker's side of a shard, and what all shards of a node share.
 *
 * `struct node` is the node: its declared things (meta.h), written by shard 0 only and read by all without
 * locks, and its alarms. `struct broker` is one shard's part of it: the message pool, the queues that live
 * here, the subscriptions of the connections that live here, the route cache. Only its own shard touches a
 * `struct broker`.
 *
 * The broker decides and never does I/O: what should happen on a socket goes out through `struct effects`
 * (effects.h), what another shard must do goes out through the courier (courier.h).
 */
#ifndef LEVERET_BROKER_BROKER_H
#define LEVERET_BROKER_BROKER_H

#include "base/epoch.h"
#include "base/idmap.h"
#include "base/list.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/slots.h"
#include "base/wheel.h"
#include "broker/alarm.h"
#include "broker/limits.h"
#include "io/shard.h"

struct durability;
struct effects;
struct inside;
struct meta;
struct queue_log;
struct route_cache;
struct courier;
struct deadletters;
struct vhost_defaults;

struct node {
    struct shards *shards;
    struct meta *meta;
    struct epoch *epoch;
    struct log *log;
    const char *name; /* rabbit@host */
    const char *cluster_name;
    const char *event_vhost;                     /* where the event exchange is; NULL: in "/" */
    struct event_watch *event_watch;             /* who is told of events; NULL: nobody */
    const struct vhost_defaults *vhost_defaults; /* vhost_defaults.h; NULL: none */
    const struct durability *durability;         /* durability.h; NULL: everything is in memory only */
    void *durability_arg;
    struct alarm_watch *memory_watch; /* shard 0's, as the next: alarm.h; NULL: nobody watches */
    struct alarm_disk *disk_watch;
    struct broker_limits limits;
    struct broker *brokers[SHARDS_COUNT_MAX]; /* by shard; broker_new() and broker_free() set their own */
};

struct broker {
    struct node *node;
    struct shard *shard;
    unsigned index;             /* of the shard */
    struct pool *pool;          /* message blobs */
    struct list dirty;          /* queues that may have something to deliver this turn */
    struct slots subscriptions; /* of this shard's channels, for deliveries from other shards */
    struct slots consumers; /* of this shard's queues; a canceled one stays while something is unsettled */
    struct idmap queues;    /* runtimes on this shard, by queue id */
    struct list deep;       /* queues with more in memory than their window: paging.h */
    struct queue_log *log;  /* where messages are kept; NULL: only in memory */
    struct list resting;    /* queues that were found empty: they give their memory back if they stay so */
    struct wheel_timer rest_timer;
    struct wheel_timer trim_timer;    /* runs while the pool holds memory */
    struct wheel_timer collect_timer; /* shard 0: runs while something that was deleted waits to be freed */
    unsigned alarms;                  /* what is raised on the node, as this shard knows it: alarm.h */
    unsigned alarms_told;             /* shard 0: the last state it told all shards */
    unsigned alarms_forced;           /* shard 0: alarm_force() */
    unsigned alarm_claims[ALARM_SOURCES]; /* shard 0: how many hold up each alarm, by alarm_raise() */
    struct route_cache *routes;
    uint64_t route_work; /* what routing cost, in bindings and further keys looked at, and queues found: only
                            ever grows */
    struct courier *courier;
    struct deadletters *deadletters;
    struct inside *inside; /* what the broker itself publishes */
    const struct effects *effects;
    void *server;           /* given back with effects that name no subscription */
    uint64_t now_ms;        /* without a shard: the clock, by hand */
    bool has_backlog;       /* set when a publish met a queue far ahead of its consumers, or a slow disk */
    uint64_t queues_opened; /* runtimes on this shard, now */
    uint64_t messages_ready, messages_unacked; /* over all queues of this shard */
};

/* Milliseconds of the shard's monotonic clock; the same all through a turn. */
static inline uint64_t
broker_now_ms(const struct broker *b)
{
    return b->shard ? shard_now_ms(b->shard) : b->now_ms;
}

/* One per shard, made on the shard's own thread. Its last step: what was kept for this shard is taken up. */
struct broker *broker_new(struct node *node, struct shard *shard, const struct effects *effects,
                          void *server);
/*
 * After shards_join() and only then, from one thread: other shards read this one's messages until they have
 * stopped. Touches neither the shard nor any effect: what is left goes with the pool. Undelivered mail may be
 * discarded (shards_free) before or afterwards.
 */
void broker_free(struct broker *b);

/* The end of a turn: deliver from dirty queues within their budgets. True: work is left, do not sleep. */
bool broker_turn(struct broker *b);
/*
 * Posts what was gathered for other shards (settles, confirms, credit, returned messages). broker_turn() ends
 * with it; call it again when the output of the turn has been flushed, as the last thing of on_turn, so that
 * a shard does not fall asleep on other shards' memory.
 */
void broker_flush(struct broker *b);
/* The shard stops cleanly: the last call on it. */
void broker_stop(struct broker *b);

/* Walks everything and CHECKs counts, lists and holds. For tests and the simulation; slow. */
void broker_check(const struct broker *b);
/* No message, no consumer, nothing waiting to be delivered or answered: what a test expects at its end. */
bool broker_is_idle(const struct broker *b);

#endif
