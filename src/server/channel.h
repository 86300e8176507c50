/*
 * A channel: a numbered session within a connection. Frames of one channel are handled in order; a method
 * that must wait for an answer (a declaration, a question to a queue on another shard) parks the channel's
 * later frames (parked.h), and the other channels go on.
 *
 *   OPEN ─► CLOSING (channel.close is sent; everything but close and close-ok is thrown away) ─► gone
 *
 * Errors: handlers call channel_fail(); the reply code's class decides there whether the channel or the
 * connection ends. If answers to earlier methods are still due, the error waits until they are sent (DOOMED).
 */
#ifndef LEVERET_SERVER_CHANNEL_H
#define LEVERET_SERVER_CHANNEL_H

#include "broker/confirm.h"
#include "broker/consumer.h"
#include "broker/courier.h"
#include "broker/meta.h"
#include "broker/replyto.h"
#include "broker/route.h"
#include "broker/tx.h"
#include "broker/user.h"
#include "server/connection.h"
#include "server/parked.h"
#include "server/unacked.h"

enum channel_state { CHANNEL_OPEN, CHANNEL_DOOMED, CHANNEL_CLOSING };

/* A name that a channel keeps. */
struct channel_name {
    uint8_t len;
    char bytes[];
};

/* The channel's end of a consumer: found by its tag. */
struct channel_consumer {
    struct subscription subscription;
    struct channel *channel;
    struct channel_consumer *next; /* with the same hash of the tag */
    uint32_t owed_messages; /* from another shard, delivered into a full output: credit comes when it has
                               drained */
    uint32_t owed_bytes;
    uint8_t tag_size;
    char tag[];
};

/* What a publishing channel remembers from one basic.publish to the next. */
struct channel_publisher {
    struct route_memo memo;
    const struct exchange *exchange; /* good in `turn` */
    uint64_t turn;
    uint64_t permission_generation; /* the answer below is good while the node's is this */
    bool may_write;
    uint8_t exchange_size;
    uint8_t properties_size; /* of the last run without anything to check; 0: none */
    uint8_t properties[39];
    char exchange_name[256];
};

/* Publisher confirms, once selected. */
struct channel_confirm {
    struct confirm confirm;
    struct list node; /* in server_shard.confirming: something is to be told at the end of the turn */
    struct channel *channel;
};

/* A publish whose frames did not come in one piece. */
struct channel_draft {
    uint8_t wants_body; /* 0: the content header is awaited */
    bool mandatory, immediate;
    bool is_whole; /* complete, and waiting for room towards another shard */
    uint8_t exchange_size, routing_key_size;
    uint64_t body_size, received;
    struct message *message; /* NULL before the header, and for a body that is too large */
    uint32_t capacity;       /* of the message, body bytes */
    uint8_t names[];
};

/* basic.consume on amq.rabbitmq.reply-to (direct_reply.c). */
struct channel_reply_consumer {
    uint64_t key;
    uint8_t tag_size;
    char tag[];
};

/* channel.close that must wait for the answers before it. */
struct channel_doom {
    uint16_t code;
    bool close_received; /* the client's own channel.close crossed ours */
    uint32_t method;
    char text[AMQP_REPLY_TEXT_SIZE];
};

struct channel {
    struct connection *connection;
    uint16_t number;
    uint8_t state;
    uint32_t serial;                 /* tells re-openings of one number apart */
    uint64_t next_tag;               /* the next delivery tag */
    uint16_t prefetch;               /* for new consumers */
    uint16_t global_prefetch;        /* shared limit; 0: none */
    uint32_t global_unacked;         /* deliveries that count towards it */
    struct idmap *consumers;         /* hash of the tag -> struct channel_consumer */
    struct channel_name *last_queue; /* declared last: stands for the empty name */
    struct unacked *unacked;
    struct channel_publisher *publisher;
    struct channel_draft *draft;
    struct parked *parked;
    struct channel_confirm *confirm;
    struct tx *tx;
    struct channel_reply_consumer *reply_consumer;
};

/* What became of a frame. */
enum verdict {
    VERDICT_DONE,
    VERDICT_NOT_YET, /* nothing happened: the same frame comes again when the connection is unblocked or has
                        moved */
};

/* ---- channel.c
 * -------------------------------------------------------------------------------------------------- */

/* NULL if it is not open. */
struct channel *channel_find(struct connection *c, uint16_t number);
struct channel *channel_new(struct connection *c, uint16_t number);
/* By the address that the broker gives back; NULL when stale. */
struct channel *channel_by_ref(struct server_shard *home, struct channel_ref ref);
struct channel_ref channel_ref_of(const struct channel *ch);
/* Consumers, unacked messages, drafts, transactions: given back; only the number is still taken. */
void channel_release(struct channel *ch);
/* Gone: the number may be opened again. */
void channel_free(struct channel *ch);
void channel_free_all(struct connection *c);
/* Output has room again: consumers that were told to wait go on. */
void channel_resume_all(struct connection *c);
/* The connection was blocked: whole drafts and parked frames are tried again. */
void channel_replay_all(struct connection *c);
/* fn for every channel; it may end any of them. */
void channel_each(struct connection *c, void (*fn)(struct channel *ch));
/* Where the rest of the open body frame may be read to; empty: nowhere. */
struct slice channel_body_room(struct connection *c);
/* So many bytes were read there. */
void channel_body_arrived(struct connection *c, size_t n);

/* Every frame with a channel number, from a running connection. */
enum verdict channel_frame(struct connection *c, const struct frame *frame);
/* A frame of an open channel that need not wait. */
enum verdict channel_handle(struct channel *ch, uint8_t type, struct slice payload);

/* The one place for errors. Formats RabbitMQ's explanation, without the code's name. */
void channel_fail(struct channel *ch, uint16_t code, uint32_t method, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void channel_fail_text(struct channel *ch, uint16_t code, uint32_t method, const char *text);
/* Whatever answers are still due. */
void channel_fail_now(struct channel *ch, uint16_t code, uint32_t method, const char *text);
/* All answers are sent: the error that waited for them. */
void channel_fail_doomed(struct channel *ch);
/* A decoder said no. True: it did. */
bool channel_decode_failed(struct channel *ch, uint32_t method, enum err err);
/* Is it an open channel still (no error meanwhile)? */
static inline bool
channel_is_open(const struct channel *ch)
{
    return ch->state == CHANNEL_OPEN;
}
/* Name of queue or exchange as it came, without CR and LF. `buf` has 255 bytes. */
struct slice channel_strip_name(struct slice name, char buf[256]);
/* Fails with 403 and RabbitMQ's text unless the user may. `what` is "queue" or "exchange". */
bool channel_may(struct channel *ch, uint32_t method, enum permission kind, const char *what,
                 struct slice name);
/* The queue of a method: "" is the last declared one. NULL: failed, 404 or 405. */
const struct queue_def *channel_queue(struct channel *ch, uint32_t method, struct slice name);
/* The name alone: false: failed, nothing was declared. */
bool channel_queue_name(struct channel *ch, uint32_t method, struct slice *name);
void channel_set_last_queue(struct channel *ch, struct slice name);

/* ---- channel_wait.c
 * ------------------------------------------------------------------------------------------------ */

/* `type` and payload of the channel's next frame: may it be handled, or must it be parked? Only with
 * ch->parked. */
bool channel_may_run(const struct channel *ch, uint8_t type, struct slice payload);
void channel_park(struct channel *ch, uint8_t type, struct slice payload);
/* The connection's parked bytes have become fewer. */
void channel_parked_relax(struct connection *c);
/* A method's answer is due. */
struct parked_op *channel_op(struct channel *ch, uint32_t method, struct slice name, bool nowait);
void channel_op_refuse(struct parked_op *op, uint16_t code, const char *text);
/* It can be answered. The op is gone when this returns, and the channel may be. */
void channel_op_done(struct channel *ch, struct parked_op *op);
void channel_replay(struct channel *ch);

/* ---- channel_ask.c
 * ------------------------------------------------------------------------------------------------- */

/* A change of declared things: op's answer comes with the change. Fills in the command's vhost and
 * connection. */
void channel_submit(struct channel *ch, struct parked_op *op, struct meta_command *cmd);
/* The op keeps the command until it is known whether it is needed. */
void channel_submit_later(struct channel *ch, struct parked_op *op, struct meta_command *cmd);
/* effects.replied */
void channel_replied(void *server, struct op_reply *r);

/* ---- one file a class
 * --------------------------------------------------------------------------------------------- */

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
    struct slice body;       /* fast path: in the read buffer */
    struct message *message; /* else: the draft's; its hold goes along */
    uint64_t body_size;
    bool mandatory, immediate;
};
/* Bytes used when method, header and body stand whole at `p` (at most `size` bytes); 0: not so, take the slow
 * path; -1: not now (VERDICT_NOT_YET). */
ssize_t basic_publish_fast(struct connection *c, const uint8_t *p, size_t size);
void basic_publish_method(struct channel *ch, struct slice payload);
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
