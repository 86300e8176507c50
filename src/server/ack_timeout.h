/*
 * The time that a client has to acknowledge a delivery. A channel whose oldest delivery is outstanding for
 * longer is closed with 406, as RabbitMQ does it: the limit is consumer_timeout_ms, or that of the delivery's
 * queue.
 */
#ifndef LEVERET_SERVER_ACK_TIMEOUT_H
#define LEVERET_SERVER_ACK_TIMEOUT_H

#include "base/list.h"

struct ack_marks;
struct channel;

/* In a channel's struct unacked; all zero before ack_timeout_begin(). */
struct ack_timeout {
    struct list node; /* in the shard's list */
    struct channel *channel;
    struct ack_marks *marks; /* NULL: nothing is outstanding for long */
};

/* The channel has its first delivery that is to be acknowledged. */
void ack_timeout_begin(struct channel *ch);
/* Nothing is outstanding any more, and never will be. */
void ack_timeout_end(struct ack_timeout *t);

#endif
