/*
 * A consumer has two ends. The `subscription` is the channel's: it lives with its channel, on the
 * connection's shard. The `consumer` is the queue's: it lives with the queue, counts what is unsettled
 * against the prefetch limit, and stands in the queue's round. On one shard the two point to each other;
 * between shards they know each other by handles, and the subscription's end gives credit for deliveries
 * under way.
 */
#ifndef LEVERET_BROKER_CONSUMER_H
#define LEVERET_BROKER_CONSUMER_H

#include "base/list.h"
#include "base/slice.h"

struct consumer; /* the queue's end: queue.h */

struct consumer_options {
    struct slice tag;
    struct slice arguments;  /* table payload */
    uint16_t prefetch_count; /* 0: no limit; per consumer (basic.qos global=false) */
    bool no_ack;
    bool exclusive;
    bool global_prefetch; /* the channel has a shared limit: a remote consumer then gets credit one by one */
    int64_t priority;     /* x-priority */
    uint64_t connection_id; /* for exclusive queues */
};

/* What views tell of a consumer. Of a queue with x-single-active-consumer one is active, the others wait. */
enum consumer_activity { CONSUMER_UP, CONSUMER_SINGLE_ACTIVE, CONSUMER_WAITING };

/* Filled in by the courier, except where noted; the session embeds it. */
struct subscription {
    uint64_t queue_id;
    uint64_t handle;          /* in broker.subscriptions of the channel's shard */
    uint64_t consumer_handle; /* names the other end on the queue's shard */
    struct consumer *local;   /* the other end, when the queue lives on this shard; else NULL */
    uint32_t taken_messages;  /* remote: deliveries handed to the socket and not yet credited back */
    uint32_t taken_bytes;
    uint16_t queue_shard;
    bool no_ack;
    bool global_prefetch;
    bool grant_owed;  /* remote, global_prefetch: the queue waits for a grant that there was no room for */
    bool stalled;     /* has_room() said no: resume is owed */
    uint8_t activity; /* enum consumer_activity; the queue says when it changes */
};

#endif
