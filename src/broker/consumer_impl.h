/* Inside queue: consumers and their levels, as the files of a queue see them. */
#ifndef LEVERET_BROKER_CONSUMER_IMPL_H
#define LEVERET_BROKER_CONSUMER_IMPL_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct broker;
struct queue;
struct subscription;

/* Consumers of one priority. It is there as long as it has members. */
struct consumer_level {
    struct list node; /* in queue.levels, highest priority first */
    struct list
        round; /* members that can take a message, as far as we know; who was served goes to the end */
    struct list resting; /* members that cannot: prefetch, room or credit */
    int64_t priority;
};

struct consumer {
    struct list node; /* in its level's round or resting list; on none when canceled */
    struct queue *queue;
    struct consumer_level *level;
    struct subscription *subscription; /* the other end on this shard; NULL: on another, or canceled */
    uint64_t handle;                   /* in broker.consumers */
    uint64_t far_end;                  /* the other end's handle on its shard */
    int64_t credit_bytes;
    uint32_t credit_messages;
    uint32_t prefetch; /* UINT32_MAX: no limit */
    uint32_t unacked;
    uint16_t shard; /* of the other end */
    bool no_ack, is_exclusive, is_global, is_canceled;
    bool is_in_round;
    bool has_asked; /* is_global: a request for credit is under way */
};

/* The consumer's state changed: it joins the round if it can take a message now. */
void consumer_wake(struct consumer *c);
void consumer_leave_round(struct consumer *c);
/* One of its unsettled deliveries is settled. Frees a canceled consumer with the last one. */
void consumer_settled(struct broker *b, uint32_t slot);
/* Unlinks it from the queue; it lives on while something is unsettled. */
void consumer_detach(struct consumer *c);

#endif
