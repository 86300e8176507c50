/*
 * The courier takes an operation to the shard that owns its queue, and the answer back. The session layer
 * calls these and never asks where a queue lives: if it lives here the operation happens at once (and
 * `replied` is called before the function returns); else it goes by mail. Everything that crosses shards does
 * so here: values, held blobs, ids.
 *
 * Lanes: only publishes use the data lane, and only they can be refused. All else (acks, confirms, credit,
 * deliveries bounded by credit, questions and answers) uses the reserved lane, whose volume is bounded by
 * what is outstanding. Mail between two shards stays in order within its lane; a fence makes the two lanes
 * meet: an operation on a queue that must come after this channel's publishes (purge, get, delete, tx commit)
 * is held by the receiving shard until it has handled the data mail that was posted before it.
 *
 * A queue is named by (shard, queue id): ids are never reused, so a late operation on a deleted queue finds
 * nothing.
 */
#ifndef LEVERET_BROKER_COURIER_H
#define LEVERET_BROKER_COURIER_H

#include "broker/broker.h"
#include "broker/consumer.h"
#include "broker/effects.h"
#include "broker/queue_def.h"
#include "broker/route.h"

struct meta_request;

struct courier *courier_new(struct broker *b);
void courier_free(struct courier *c);
/* Shard hooks: mail whose type is in the courier's range, and room in a data lane. */
void courier_on_mail(struct broker *b, const struct mail *mail);
void courier_on_room(struct broker *b, unsigned to);
/* Shard 0: each other shard, of which it returns the number, calls meta_fenced() here when it has handled
 * what was published so far. */
uint32_t courier_fence_all(struct broker *b, struct meta_request *r);
/* Mail in the courier's range that was never delivered (shard_hooks.on_discard): frees what it carries. */
void courier_discard(const struct mail *mail);
/* Posts what was gathered in this turn: broker_flush(). */
void courier_flush(struct broker *b);

/* For whatever keeps messages (durability.h): its mail() on that shard gets it, in order. `m` may use u32, a,
 * b, c, d. */
void courier_post_durable(struct broker *b, unsigned to, struct mail *m);

/* ---- publishing ---- */

/* Room towards every foreign shard of this route? Ask before courier_publish(); false: park the channel until
 * effects.publish_room(*to). A route within this shard always has room. */
bool courier_can_publish(struct broker *b, const struct route *route, unsigned *to);

/* How a publish stands when the call returns. */
enum publish_result {
    PUBLISH_DONE,     /* every queue has it (or there was none) */
    PUBLISH_REJECTED, /* all answered, at least one refused: nack */
    PUBLISH_PENDING,  /* effects.confirmed() follows once for each of the route's *pending queues */
};
/* Gives the message to every queue of the route. Takes the caller's hold; *m becomes NULL. `from` and `seq`
 * come back in effects.confirmed(); seq 0: nobody waits for the outcome (it is dropped). `in_tx`: it belongs
 * to the transaction (from, seq), which courier_tx_end() completes. */
enum publish_result courier_publish(struct broker *b, const struct route *route, struct message **m,
                                    struct channel_ref from, uint64_t seq, bool in_tx, unsigned *pending);

/* The transaction (from, seq) has nothing more for that shard. True: effects.confirmed(from, seq) comes once,
 * when all of it there is kept, all or nothing. False: it has nothing there that would have to be. */
bool courier_tx_end(struct broker *b, unsigned shard, struct channel_ref from, uint64_t seq);

/* For the log: publishes first..last of the channel are kept, or cannot be (nack), by `times` > 0 queues
 * each. */
void courier_confirm_range(struct broker *b, struct channel_ref to, uint64_t first, uint64_t last, bool nack,
                           uint32_t times);

/* Room towards one shard, for what has no route (direct replies); false as courier_can_publish(). */
bool courier_has_room(struct broker *b, unsigned to);

/* The exchange's history keeps the message (recent_history.h). Takes the hold. In the order of commands that
 * this shard submits; counts in the window to shard 0, which courier_can_publish() has asked for. */
void courier_keep_history(struct broker *b, uint64_t exchange_id, struct message **m);

/* A direct reply to a channel on any shard. Takes the hold. Never refused for lack of room (counts in the
 * same window). */
void courier_direct_reply(struct broker *b, struct channel_ref to, uint64_t key, struct message **m);

/* ---- questions; each is answered by effects.replied() with `op` ---- */

void courier_counts(struct broker *b, const struct queue_def *q, struct channel_ref from, uint32_t op);
void courier_purge(struct broker *b, const struct queue_def *q, struct channel_ref from, uint32_t op);
/* `no_ack` false: the message stays with the queue until settled. */
void courier_get(struct broker *b, const struct queue_def *q, struct channel_ref from, uint32_t op,
                 bool no_ack);
/* On the queue's shard: the n-th ready message, from 1 on, which stays there. Answered with one hold in
 * r->message, or NULL when there is none, and how often it came back. */
void courier_peek(struct broker *b, uint64_t queue_id, uint32_t n, struct channel_ref from, uint32_t op);
/* Deletes through the metadata: checks if_unused / if_empty on the queue's shard, then submits
 * META_QUEUE_DELETE, then closes the queue (consumers get `canceled`), then answers. A queue that is gone
 * already answers 0. `actor`: who does it, for events; borrowed. */
void courier_delete(struct broker *b, const struct queue_def *q, struct channel_ref from, uint32_t op,
                    bool if_unused, bool if_empty, struct slice actor);
/* The same by id, for exclusive queues of a closing connection; answered likewise. */
void courier_delete_id(struct broker *b, uint64_t queue_id, unsigned shard, struct channel_ref from,
                       uint32_t op);

/* `s` is the session's, filled in as consumer.h says; it must stay until `canceled`, or until the answer to
 * courier_cancel(), or until courier_forget(). Answer: 0, or 403 ACCESS_REFUSED "queue 'q' in vhost '/' in
 * exclusive use". */
void courier_consume(struct broker *b, const struct queue_def *q, struct subscription *s,
                     const struct consumer_options *options, struct channel_ref from, uint32_t op);
/* After the answer no delivery comes any more. What was delivered and not settled stays unsettled. */
void courier_cancel(struct broker *b, struct subscription *s, struct channel_ref from, uint32_t op);

/* For the declared things, on shard 0: the queue was removed by whatever command and is no longer to be
 * found. Its shard then cancels the consumers, drops the messages and closes the runtime. Harmless when it
 * had none. */
void courier_queue_gone(struct broker *b, unsigned shard, uint64_t queue_id);

/* Likewise: the queue was made. If it expires its shard opens the runtime: its time begins. */
void courier_queue_declared(struct broker *b, const struct queue_def *q);

/* ---- no answer ---- */

/* The channel closes: the subscription is invalid from here on; deliveries still under way to it are put
 * back. */
void courier_forget(struct broker *b, struct subscription *s);
/* The subscription has room again after has_room() had said no, or its prefetch changed. */
void courier_resume(struct broker *b, struct subscription *s);
/* The channel's shared limit came or went (basic.qos global) while the subscription was there. Nothing to do
 * for one without acks. */
void courier_set_global_prefetch(struct broker *b, struct subscription *s, bool is_on);
/* A remote subscription's delivery left for the socket: returns credit in batches. Nothing to do for a local
 * one. */
void courier_taken(struct broker *b, struct subscription *s, size_t bytes);

enum settle { SETTLE_ACK, SETTLE_REQUEUE, SETTLE_REJECT };
/* Ends one delivery: (shard, queue id, position). Batched per turn when remote. */
void courier_settle(struct broker *b, unsigned shard, uint64_t queue_id, uint64_t position, enum settle how);
/* The same as a part of the transaction (from, seq). */
void courier_settle_tx(struct broker *b, unsigned shard, uint64_t queue_id, uint64_t position,
                       enum settle how, struct channel_ref from, uint64_t seq);

#endif
