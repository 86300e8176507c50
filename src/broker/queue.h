/*
 * A queue at work: its messages, its consumers, its unsettled deliveries. It lives on one shard, which alone touches it.
 *
 * Messages stand in a sparse deque by position (seqdeque.h): position = arrival order, never reused. An entry is READY
 * (to be delivered), or UNACKED (delivered or got, not settled), or gone. Ready messages at or above `cursor` were never
 * delivered; those below it came back by a requeue and wait in `returned`, lowest position first, before all others: a
 * requeued message thus keeps its original place.
 */
#ifndef LEVERET_BROKER_QUEUE_H
#define LEVERET_BROKER_QUEUE_H

#include "broker/broker.h"
#include "broker/consumer.h"
#include "broker/courier.h"
#include "broker/message.h"
#include "broker/queue_def.h"

/* Opens the runtime at first use; NULL if no such queue is declared (any more). Only on the queue's own shard. */
struct queue *queue_get(struct broker *b, uint64_t queue_id);
struct queue *queue_of(struct broker *b, const struct queue_def *def);

/* Takes the hold; *m becomes NULL. False: refused (overflow; closing): the publisher gets a nack. */
bool queue_push(struct queue *q, struct message **m);

uint32_t queue_ready_count(const struct queue *q);
uint32_t queue_unacked_count(const struct queue *q);
uint32_t queue_consumer_count(const struct queue *q);

/* Takes the first ready message. NULL: empty. The hold is the caller's. */
struct message *queue_take(struct queue *q, bool no_ack, uint64_t *position, bool *redelivered);
uint32_t queue_purge(struct queue *q);
void queue_settle(struct queue *q, uint64_t position, enum settle how);

/* Delivers what can be delivered, at most the turn's budget; true: more could be. */
bool queue_deliver(struct queue *q);
/* Puts the queue on the shard's dirty list. */
void queue_mark_dirty(struct queue *q);

/* The definition is gone: cancels the consumers, drops the messages, frees the runtime. Returns the ready messages it had. */
uint32_t queue_close(struct queue *q);

#endif
