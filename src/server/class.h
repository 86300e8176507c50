/*
 * What the files of AMQP's classes do for a channel: class_*.c dispatch and answer, basic_*.c are the methods
 * of class basic, delivery.c and direct_reply.c what is sent to consumers. Methods come in through
 * channel_handle().
 */
#ifndef LEVERET_SERVER_CLASS_H
#define LEVERET_SERVER_CLASS_H

#include "server/channel.h"

void class_channel_open(struct connection *c, uint16_t number, struct slice payload);
void class_channel_method(struct channel *ch, uint32_t method, struct slice payload);
void class_access_method(struct channel *ch, uint32_t method, struct slice payload);
void class_exchange_method(struct channel *ch, uint32_t method, struct slice payload);
void class_queue_method(struct channel *ch, uint32_t method, struct slice payload);
/* The ok of an op that is done. */
void class_exchange_answer(struct channel *ch, struct parked_op *op);
void class_queue_answer(struct channel *ch, struct parked_op *op);
void class_tx_answer(struct channel *ch, struct parked_op *op);
enum verdict class_basic_method(struct channel *ch, uint32_t method, struct slice payload);
void class_confirm_method(struct channel *ch, uint32_t method, struct slice payload);
void class_tx_method(struct channel *ch, uint32_t method, struct slice payload);

/* basic_publish.c */
struct publish {
    struct slice exchange, routing_key, properties;
    struct slice body;        /* fast path: in the read buffer */
    struct message **drafted; /* else: the draft's; NULL once the message is on its way */
    uint64_t body_size;
    bool mandatory, immediate;
};
/* Bytes used when method, header and body stand whole at `p` (at most `size` bytes); 0: not so, take the slow
 * path; -1: not now (VERDICT_NOT_YET). */
ssize_t basic_publish_fast(struct connection *c, const uint8_t *p, size_t size);
enum verdict basic_publish_method(struct channel *ch, struct slice payload);
enum verdict basic_publish_content(struct channel *ch, uint8_t type, struct slice payload);
/* A whole draft that waited for room. */
enum verdict basic_publish_retry(struct channel *ch);
/* Where the next `want` bytes of the draft's body go, or the first of them; empty: nowhere, or not in one
 * piece. */
struct slice basic_publish_body_room(struct channel *ch, uint32_t want);
/* So many of them were put there. */
void basic_publish_body_arrived(struct channel *ch, size_t n);
void basic_publish_draft_free(struct channel *ch);
/* One publish of a committing transaction: see tx.h. */
bool basic_publish_replay(void *arg, struct tx *tx, struct tx_publish *p);

/* basic_consume.c */
enum verdict basic_consume(struct channel *ch, struct slice payload);
void basic_cancel(struct channel *ch, struct slice payload);
void basic_consume_replied(struct channel *ch, struct parked_op *op, struct op_reply *r);
void basic_cancel_replied(struct channel *ch, struct parked_op *op);
/* amq.ctag- and 22 random characters. */
struct slice basic_make_tag(struct connection *c, char out[64]);
struct channel_consumer *basic_consumer_find(struct channel *ch, struct slice tag);
/* Forgotten by the queue, if it still knows it, and freed. */
void basic_consumer_free(struct channel_consumer *consumer);
void basic_consumer_free_all(struct channel *ch);
/* All consumers of the channel that were told to wait. */
void basic_consumer_resume_all(struct channel *ch);
/* A limit that the channel's consumers share came or went. */
void basic_consumer_share_prefetch(struct channel *ch, bool is_shared);

/* basic_get.c */
void basic_get(struct channel *ch, struct slice payload);
void basic_get_replied(struct channel *ch, struct parked_op *op, struct op_reply *r);

/* basic_ack.c: ack, nack, reject, recover */
void basic_ack(struct channel *ch, struct slice payload);
void basic_nack(struct channel *ch, struct slice payload);
void basic_reject(struct channel *ch, struct slice payload);
void basic_recover(struct channel *ch, uint32_t method, struct slice payload);
/* Puts back everything unacked. */
void basic_requeue_all(struct channel *ch);

/* delivery.c */
/* Delivery tag of something sent just now; remembered if it wants an ack. */
uint64_t delivery_tag(struct channel *ch, const struct unacked_delivery *d, bool no_ack);
/* What follows a method with content. `message` NULL: the body is copied; else large parts of it go by
 * reference. */
struct delivery_content {
    struct slice properties, body;
    struct message *message;
};
struct delivery_content delivery_content_of(struct message *m);
/* Room for a method of at most `method_max` bytes and what of the content goes with it in one piece. */
uint8_t *delivery_begin(struct connection *c, size_t method_max, const struct delivery_content *content);
/* The method stands at `out` with `method_size` bytes: the content follows, everything is committed. */
void delivery_end(struct channel *ch, uint8_t *out, size_t method_size,
                  const struct delivery_content *content);
/* Credit that was held back while the output was full. */
void delivery_pay(struct channel_consumer *consumer);

/* direct_reply.c */
/* amq.rabbitmq.reply-to or an address of one. */
bool direct_reply_is_pseudo_queue(struct slice name);
/* queue.declare of one: is there somebody? */
void direct_reply_declare(struct channel *ch, const struct amqp_queue_declare *m);
void direct_reply_on_mail(struct server_shard *home, const struct mail *m);
/* The reply-to property of a publish: the channel's own address for the pseudo-queue's name. */
bool direct_reply_address(struct channel *ch, char out[REPLYTO_ADDRESS_SIZE]);
void direct_reply_consume(struct channel *ch, const struct amqp_basic_consume *m);
bool direct_reply_cancel(struct channel *ch, struct slice tag, bool nowait);
void direct_reply_deliver(void *server, struct channel_ref to, uint64_t key, struct message *m);

void direct_reply_release(struct channel *ch);

bool quorum_is(const struct queue_def *q);
/* quorum.c: false: refused, and the channel or connection closes. */
bool quorum_may_consume(struct channel *ch, const struct queue_def *q);
bool quorum_may_get(struct channel *ch, const struct queue_def *q);
bool quorum_may_delete(struct channel *ch, const struct queue_def *q, bool if_unused, bool if_empty);

/* class_confirm.c */
void class_confirm_flush_all(struct server_shard *home);
/* The acks and nacks that are ready go out. */
void class_confirm_flush(struct channel *ch);
void class_confirm_release(struct channel *ch);

/* effects.confirmed */
void class_confirm_answered(void *server, struct channel_ref to, uint64_t first, uint64_t last, bool nack);

/* class_tx.c */
void class_tx_answered(struct channel *ch, uint64_t first, uint64_t last, bool nack);
/* A commit that waited for room. */
void class_tx_retry(struct channel *ch);
void class_tx_release(struct channel *ch);

#endif
