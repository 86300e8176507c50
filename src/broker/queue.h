/*
 * A queue at work: its messages, its consumers, its unsettled deliveries. It lives on one shard, which alone
 * touches it.
 *
 * Messages stand in a sparse deque by position (seqdeque.h): position = arrival order, never reused. An entry
 * is READY (to be delivered), or UNACKED (delivered or got, not settled), or gone. Ready messages at or above
 * `cursor` were never delivered; those below it came back by a requeue and wait in `returned`, lowest
 * position first, before all others: a requeued message thus keeps its original place.
 */
#ifndef LEVERET_BROKER_QUEUE_H
#define LEVERET_BROKER_QUEUE_H

#include "broker/broker.h"
#include "broker/consumer.h"
#include "broker/courier.h"
#include "broker/message.h"
#include "broker/queue_def.h"

/* Opens the runtime at first use; NULL if no such queue is declared (any more). Only on the queue's own
 * shard. */
struct queue *queue_get(struct broker *b, uint64_t queue_id);
struct queue *queue_open(struct broker *b, const struct queue_def *def);
static inline struct queue *
queue_of(struct broker *b, const struct queue_def *def)
{
    return __builtin_expect(def->runtime != NULL, 1) ? def->runtime : queue_open(b, def);
}
/* The runtime if there is one: a queue that was never used has none. */
struct queue *queue_find(struct broker *b, uint64_t queue_id);

/* What became of a message: refused (the publisher gets a nack), in the queue, or in the queue and on its way
 * into the log: only when that is through may it be confirmed (queue_log_ops.confirm). */
enum queue_pushed { QUEUE_REFUSED, QUEUE_TAKEN, QUEUE_LOGGED };
/* Takes the hold; *m becomes NULL. `tx` is the transaction's id, or 0. */
enum queue_pushed queue_push(struct queue *q, struct message **m, uint64_t tx);

uint32_t queue_ready_count(const struct queue *q);
uint32_t queue_unacked_count(const struct queue *q);
uint32_t queue_consumer_count(const struct queue *q);
/* META_QUEUE_DELETE is under way: as in RabbitMQ nothing finds the queue any more, but for what pushes to it.
 */
bool queue_is_deleting(const struct queue *q);

/* Takes the first ready message. NULL: empty, or it cannot be had now: queue_ready_count() tells, and
 * courier_waiting_retry() comes when it can. The hold is the caller's. */
struct message *queue_take(struct queue *q, bool no_ack, uint64_t *position, bool *redelivered);
uint32_t queue_purge(struct queue *q);
/* Ends a delivery. A position that is not unacked is ignored. */
void queue_settle(struct queue *q, uint64_t position, enum settle how, uint64_t tx);
/* The delivery never reached the client: back to its place, redelivered or not as it was. */
void queue_put_back(struct queue *q, uint64_t position);

/* Delivers what can be delivered, at most the turn's budget; true: more could be. */
bool queue_deliver(struct queue *q);
/* Puts the queue, or the front that it is a rank of, on the shard's dirty list. */
void queue_mark_dirty(struct queue *q);

/* Who wants to consume. `local` is the other end on this shard, or NULL: then (shard, far_end) names it. */
struct consumer_request {
    struct subscription *local;
    uint64_t far_end;
    uint16_t shard;
    uint16_t prefetch_count;
    int64_t priority;
    bool no_ack, exclusive, global_prefetch;
};
/* NULL: the queue is in exclusive use. */
struct consumer *consumer_join(struct queue *q, const struct consumer_request *request);
/* The consumer leaves; what it has not settled stays unacked. The last one takes an auto-delete queue with
 * it. */
void consumer_leave(struct consumer *c);
uint64_t consumer_handle(const struct consumer *c);
/* NULL when it has left. */
struct consumer *consumer_find(struct broker *b, uint64_t handle);
/* By the other end, while that does not know the handle yet. */
struct consumer *consumer_find_far(struct queue *q, uint16_t shard, uint64_t far_end);
/* The other end has room again, or a higher limit. */
void consumer_resume(struct consumer *c);
/* The other end's channel has a shared limit now, or none any more: credit starts anew. */
void consumer_set_global(struct consumer *c, bool is_global);
/* The other end's deliveries left: more may come. */
void consumer_credit(struct consumer *c, uint32_t messages, uint64_t bytes);

/* The definition is gone: cancels the consumers, drops the messages, frees the runtime. Returns the ready
 * messages it had. */
uint32_t queue_close(struct queue *q);
/* The node stops: frees the runtime and tells nobody. Its messages go with the pools. */
void queue_free(struct queue *q);

#endif
