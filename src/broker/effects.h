/*
 * What the broker asks of the session layer. All are called on the shard of the channel that is meant, from
 * within a courier call or from broker_turn(); none may call back into the same queue except where it says
 * so.
 */
#ifndef LEVERET_BROKER_EFFECTS_H
#define LEVERET_BROKER_EFFECTS_H

#include "base/slice.h"

struct message;
struct subscription;

/* Names a channel from any shard. A stale one (channel or connection gone) is silently ignored by the server.
 */
struct channel_ref {
    uint64_t connection; /* the server's slot handle on `shard` */
    uint16_t shard;
    uint16_t channel; /* AMQP channel number */
    uint32_t serial;  /* tells re-openings of one channel number apart */
};

/* Why a queue is not deleted: it has consumers, it has messages; or anything else. */
enum op_refusal { OP_REFUSED, OP_IN_USE, OP_NOT_EMPTY };

/* The answer to one courier operation that asks for an answer. */
struct op_reply {
    struct channel_ref to;
    uint32_t op;     /* the caller's number of the operation */
    uint16_t code;   /* 0, or AMQP reply code */
    char text[256];  /* with code: the explanation, without the code's name */
    uint8_t refusal; /* with 406: enum op_refusal */
    uint64_t queue_id;
    uint16_t queue_shard;
    uint32_t message_count; /* ready messages (declare, get, purge, delete) */
    uint32_t consumer_count;
    /* get: */
    struct message *message; /* one hold, now the receiver's; NULL: empty */
    uint64_t position;       /* of the message in its queue, for settling */
    bool redelivered;
    bool no_ack;             /* nothing is left to settle */
    uint32_t delivery_count; /* of a peek: of quorum queues */
    /* the courier's own */
    uint64_t subscription, consumer;
    uint8_t activity; /* consume: enum consumer_activity */
};

struct effects {
    /* May this subscription be given another message now: room in its connection's output, channel prefetch
     * (global qos), channel not closing? False: the session calls courier_resume() when it may again. */
    bool (*has_room)(struct subscription *s);
    /* Send basic.deliver. The message is borrowed: the session holds it if it keeps it. */
    void (*deliver)(struct subscription *s, struct message *m, uint64_t position, bool redelivered);
    /* The queue is gone: tell the client (basic.cancel if it can take it) and forget the subscription. The
     * subscription is invalid for the broker from here on. */
    void (*canceled)(struct subscription *s);
    /* The outcome of publishes `first`..`last` of a channel in confirm mode or of a transaction's publishes:
     * one queue of each one's route has taken responsibility, or refused (nack). */
    void (*confirmed)(void *server, struct channel_ref to, uint64_t first, uint64_t last, bool nack);
    /* An operation is answered. *r is the callee's to read until it returns; a message hold in it moves. When
     * the channel is gone the callee drops the message and, unless no_ack, puts it back (courier_settle,
     * SETTLE_REQUEUE). */
    void (*replied)(void *server, struct op_reply *r);
    /* A direct reply (replyto.h) for a channel of this shard; the message is borrowed. `key` tells whether it
     * is still meant. */
    void (*direct_reply)(void *server, struct channel_ref to, uint64_t key, struct message *m);
    /* The lane to shard `to` has room again after courier_publish() had said no. */
    void (*publish_room)(void *server, unsigned to);
    /* The memory or disk alarm of the node went on or off; `reason` ("low on memory") or NULL when all are
     * off. */
    void (*alarm)(void *server, const char *reason);
};

#endif
