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
#include "broker/message.h"
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
    uint16_t prefetch_count;
    uint16_t arguments_size; /* as they were given, for views; none above CHANNEL_ARGUMENTS_MAX */
    uint8_t tag_size;
    bool is_exclusive;
    bool is_quorum;    /* of a quorum queue, which knows no shared limit */
    bool is_consuming; /* its queue has said yes */
    char tag[];        /* and the arguments behind it */
};

enum { CHANNEL_ARGUMENTS_MAX = 1024 };

static inline struct slice
channel_consumer_arguments(const struct channel_consumer *consumer)
{
    return slice_of(consumer->tag + consumer->tag_size, consumer->arguments_size);
}

/* What a publishing channel remembers from one basic.publish to the next. */
struct channel_publisher {
    struct route_memo memo;
    const struct exchange *exchange; /* good in `turn` */
    uint64_t turn;
    uint64_t permission_generation; /* the answer below is good while the node's is this */
    bool may_write;
    bool is_topic_restricted; /* there, in `turn`: routing keys must be asked for */
    uint8_t exchange_size;
    uint8_t properties_size; /* of the last run without anything to check; 0: none */
    uint8_t properties[37];
    struct message_facts facts; /* what those say */
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
    bool has_stalled;                /* a consumer was told to wait since they were last resumed */
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

/* ---- channel.c ---- */

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
/* Name of queue or exchange as it came, without CR and LF, which `buf` may be needed for. */
struct slice channel_strip_name(struct slice name, char buf[256]);
/* Fails with 403 and RabbitMQ's text unless the user may. `what` is "queue" or "exchange". */
bool channel_may(struct channel *ch, uint32_t method, enum permission kind, const char *what,
                 struct slice name);
/* Likewise for what the user does with a routing key on a topic exchange; on any other it may. */
bool channel_may_topic(struct channel *ch, uint32_t method, enum permission kind, const struct exchange *x,
                       struct slice routing_key);
/* The queue of a method: "" is the last declared one. NULL: failed, 404 or 405. */
const struct queue_def *channel_queue(struct channel *ch, uint32_t method, struct slice name);
/* The name alone: false: failed, nothing was declared. */
bool channel_queue_name(struct channel *ch, uint32_t method, struct slice *name);
void channel_set_last_queue(struct channel *ch, struct slice name);

/* ---- channel_wait.c ---- */

/* `type` and payload of the channel's next frame: may it be handled, or must it be parked? Only with
 * ch->parked. */
bool channel_may_run(const struct channel *ch, uint8_t type, struct slice payload);
void channel_park(struct channel *ch, uint8_t type, struct slice payload);
/* The connection's parked bytes have become fewer. */
void channel_parked_relax(struct connection *c);
/* A method's answer is due. */
struct parked_op *channel_op(struct channel *ch, uint32_t method, struct slice name, bool nowait);
/* What is kept for it until then counts as parked. */
void channel_op_charge(struct channel *ch, struct parked_op *op, size_t bytes);
void channel_op_refuse(struct parked_op *op, uint16_t code, const char *text);
/* It can be answered. The op is gone when this returns, and the channel may be. */
void channel_op_done(struct channel *ch, struct parked_op *op);
void channel_replay(struct channel *ch);

/* ---- channel_ask.c ---- */

/* A change of declared things: op's answer comes with the change. Fills in the command's vhost and
 * connection. */
void channel_submit(struct channel *ch, struct parked_op *op, struct meta_command *cmd);
/* The op keeps the command until it is known whether it is needed. */
void channel_submit_later(struct channel *ch, struct parked_op *op, struct meta_command *cmd);
/* effects.replied */
void channel_replied(void *server, struct op_reply *r);

#endif
