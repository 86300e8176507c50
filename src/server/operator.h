/*
 * What an operator does to what lives on a shard, and no client asked for: purging and deleting a queue,
 * looking at a message, closing connections. Everything here runs on the shard itself, within a turn.
 */
#ifndef LEVERET_SERVER_OPERATOR_H
#define LEVERET_SERVER_OPERATOR_H

#include "base/list.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct op_reply;
struct queue_def;
struct server_shard;

enum { OPERATOR_CLOSES_PER_SLICE = 64, OPERATOR_LOOKS_PER_SLICE = 4096 };

/* The caller's memory, until `done`, or until the node's shards have ended. */
struct operator_op {
    void (*done)(struct operator_op *op,
                 const struct op_reply *r); /* once; may come before the call returns */
    /* ---- operator.c's ---- */
    struct list node;
    uint32_t number;
};

/* `q` from this turn; it may live on any shard. Exclusive queues, too. Answers as queue.purge and
 * queue.delete: r->message_count, or 406 "queue 'q' in vhost '/' in use", "... not empty". */
void operator_purge(struct server_shard *home, const struct queue_def *q, struct operator_op *op);
void operator_delete(struct server_shard *home, const struct queue_def *q, bool if_unused, bool if_empty,
                     struct operator_op *op);
/* On the queue's shard: courier_peek(). The hold in r->message is `done`'s. */
void operator_peek(struct server_shard *home, uint64_t queue_id, uint32_t n, struct operator_op *op);
/* An answer that is no channel's. False: nor an operator's. */
bool operator_replied(struct server_shard *home, const struct op_reply *r);

/* Which connections, and what they are told: 320 CONNECTION_FORCED with this text. Filled in by the caller,
 * counted on by the calls. */
struct operator_closing {
    struct slice vhost, user; /* empty: of any */
    uint64_t id;              /* 0: any */
    const char *reason;
    uint64_t left; /* so many more at most */
    size_t cursor; /* 0 at the start of a shard */
    uint64_t closed;
};
/*
 * Closes some of this shard's, at most `closes_max` and OPERATOR_CLOSES_PER_SLICE. True: there are no more
 * here. A connection that moves to another shard meanwhile may be missed: it moves once, so a second round
 * over all shards finds it.
 */
bool operator_close_connections(struct server_shard *home, struct operator_closing *closing,
                                unsigned closes_max);

#endif
