/*
 * What the files of the courier share: courier.c (the sender's side), courier_ops.c and courier_delete.c
 * (operations at the queue's shard), courier_deliver.c (consumers on other shards), courier_lane.c (windows,
 * fences, batches), courier_mail.c (mail to function and back).
 */
#ifndef LEVERET_BROKER_COURIER_IMPL_H
#define LEVERET_BROKER_COURIER_IMPL_H

#include "base/hash.h"
#include "base/list.h"
#include "broker/courier.h"
#include "broker/meta.h"
#include "broker/queue.h"

/*
 * Every kind of mail and the fields of `struct mail` it uses. A channel is packed in (b, c): c has the serial
 * in its upper half, then the channel number, then 16 bits of flags. (F) behind a fence: d is the number of
 * data mails that go before it.
 */
enum courier_mail {
    /* data lane; u32: bytes charged to the window */
    MAIL_PUBLISH = MAIL_COURIER, /* a: queue, b c: channel, d: seq, p: message */
    MAIL_PUBLISH_MANY,           /* b c: channel, d: seq, p: reference with the queues' ids */
    MAIL_DIRECT_REPLY,           /* a: key, b c: channel, p: message */
    /* reserved lane */
    MAIL_WINDOW,     /* u32: bytes that were handled */
    MAIL_RETURN,     /* p: message_batch */
    MAIL_CONFIRM,    /* a: first, b c: channel (flags: nack), d: last, u32: times */
    MAIL_SETTLE,     /* a: queue, b: first, c: last, d: transaction, u32: enum settle or COURIER_PUT_BACK */
    MAIL_COUNTS,     /* (F) a: queue, b c: channel, u32: op */
    MAIL_PURGE,      /* (F) likewise */
    MAIL_GET,        /* (F) likewise, flags: no_ack */
    MAIL_DELETE,     /* (F) likewise, flags: COURIER_IF_*, p: courier_actor or NULL */
    MAIL_CONSUME,    /* (F) likewise, p: consumer_request */
    MAIL_CANCEL,     /* (F) likewise, p: courier_end */
    MAIL_TX_END,     /* (F) b c: channel, a: seq */
    MAIL_FENCE,      /* (F) of shard 0; p: meta_request, which stays there */
    MAIL_FENCED,     /* to shard 0: p: likewise */
    MAIL_FORGET,     /* a: queue, b: consumer, c: subscription */
    MAIL_LIMIT,      /* a: queue, b: consumer, c: subscription, u32: the channel has a shared limit */
    MAIL_REPLY,      /* p: op_reply */
    MAIL_DELIVER,    /* a: subscription, b: position, c: queue, u32: DELIVER_*, p: message */
    MAIL_CREDIT,     /* a: consumer, b: bytes, u32: messages; or a grant */
    MAIL_ASK,        /* a: subscription: may I have credit for one? */
    MAIL_CANCELED,   /* a: subscription */
    MAIL_ACTIVATED,  /* a: subscription: it is the single active one now */
    MAIL_QUEUE_GONE, /* a: queue */
    MAIL_QUEUE_MADE, /* a: queue; it expires */
    MAIL_ALARM,      /* u32: struct broker.alarms */
    MAIL_CLAIM,      /* to shard 0: a: enum alarm_source, u32: raised */
    MAIL_HISTORY,    /* to shard 0: a: exchange, u32: bytes charged to the window, p: message */
    MAIL_DURABLE,    /* durability's own */
    MAIL_COURIER_END
};

enum { COURIER_PUT_BACK = SETTLE_REJECT + 1 }; /* a fourth enum settle: the client never saw it */
enum { DELIVER_REDELIVERED = 1, DELIVER_NO_ACK = 2 };
enum { COURIER_IN_TX = 1 }; /* flag of a channel in a publish */
enum { COURIER_IF_UNUSED = 1, COURIER_IF_EMPTY = 2 };

/* Names both ends of a consumer. */
struct courier_end {
    uint64_t subscription, consumer;
};

/* One operation, as its queue's shard sees it. */
struct courier_op {
    struct channel_ref from;
    uint32_t number;
    uint16_t flags;
    uint32_t peek; /* the how-manieth message it asks for; 0: it is no look at one */
    uint64_t queue_id;
    struct slice actor; /* of a deletion; borrowed */
};

/* Who deletes. */
struct courier_actor {
    uint32_t size;
    uint8_t name[];
};

enum { MESSAGE_BATCH = 62 };
/* Messages on their way home: half a KiB of malloc, freed there. */
struct message_batch {
    uint64_t count;
    struct message *messages[MESSAGE_BATCH];
};

/* Settles of one kind at consecutive positions of one queue; queue_id 0: none. */
struct settle_run {
    uint64_t queue_id, first, last, tx;
    uint32_t how;
};

/* Consecutive publishes of one channel with the same outcome, each `times` times; times 0: none. */
struct confirm_run {
    struct channel_ref to;
    uint64_t first, last;
    uint32_t times;
    bool nack;
};

/* Everything towards one shard and from it. */
struct courier_lane {
    int64_t window;        /* message bytes that may still be sent; the last mail may overdraw it */
    uint64_t posted;       /* data mails sent, those in `overflow` included */
    struct mail *overflow; /* data mails that the ring had no room for: [overflow_first, overflow_count) */
    uint32_t overflow_first, overflow_count, overflow_cap;
    bool is_wanted; /* a publish was refused: effects.publish_room is owed */
    struct settle_run settles;
    struct confirm_run confirms;
    struct message_batch *returns;
    struct message *gathered; /* inside courier_publish(): the reference being filled */
    uint64_t *gathered_ids;
    uint32_t gathered_count;
    /* from it */
    uint64_t handled;       /* data mails */
    uint32_t handled_bytes; /* not yet given back to its window */
    struct list held;       /* struct held_mail: wait for a fence, or behind one that does */
};

struct courier {
    struct list deletions; /* struct queue_deletion */
    uint64_t last_id;      /* courier_queue()'s memory */
    struct queue *last;
    uint64_t touched[SHARDS_COUNT_MAX / 64]; /* lanes with something gathered */
    unsigned count;
    struct courier_lane lanes[];
};

static inline void
courier_touch(struct broker *b, unsigned to)
{
    b->courier->touched[to / 64] |= (uint64_t)1 << to % 64;
}

static inline void
mail_put_channel(struct mail *m, struct channel_ref ref, uint16_t flags)
{
    m->b = ref.connection;
    m->c = (uint64_t)ref.serial << 32 | (uint64_t)ref.channel << 16 | flags;
}

static inline struct channel_ref
mail_channel(const struct mail *m, uint16_t shard)
{
    return (struct channel_ref){.connection = m->b,
                                .shard = shard,
                                .channel = (uint16_t)(m->c >> 16),
                                .serial = (uint32_t)(m->c >> 32)};
}

/* The same number wherever it is asked; never 0. */
static inline uint64_t
courier_tx_id(struct channel_ref from, uint64_t seq)
{
    return hash_combine(hash_combine(from.connection ^ (uint64_t)from.shard << 48,
                                     (uint64_t)from.serial << 32 | from.channel),
                        seq) |
           1;
}

/* courier_lane.c */

/* Takes what the mail carries; never fails. `bytes` are charged to the window. */
void courier_post_data(struct broker *b, unsigned to, struct mail *m, size_t bytes);
/* Reserved lane, at once. */
void courier_post(struct broker *b, unsigned to, const struct mail *m);
/* Reserved lane, behind what was gathered for that shard, and behind the data mails so far: d is set. */
void courier_post_fenced(struct broker *b, unsigned to, struct mail *m);
/* The outcome of publish `seq` for `times` queues; goes out when the turn ends. */
void courier_confirm(struct broker *b, struct channel_ref to, uint64_t seq, bool nack, uint32_t times);
/* Whoever published `first`..`last` here, a channel or dead letters, hears of one answer. */
void courier_tell(struct broker *b, struct channel_ref to, uint64_t first, uint64_t last, bool nack);
void courier_on_tx_end(struct broker *b, struct channel_ref from, uint64_t seq);
/* A blob or reference of another shard that nobody here holds any more. */
void courier_return(struct broker *b, struct message *m);
/* A data mail of `from` was handled: credit, and whoever waits behind the fence. */
void courier_data_handled(struct broker *b, unsigned from, uint32_t bytes);
/* True: the mail waits for its fence and comes to courier_handle() later. */
bool courier_hold(struct broker *b, const struct mail *m, uint64_t fence);
/* So much of its window was used beside the data lane. */
void courier_window_used(struct broker *b, unsigned from, uint32_t bytes);
void courier_on_window(struct broker *b, unsigned from, uint32_t bytes);

/* courier_mail.c: what a held mail does when its time has come. */
void courier_handle(struct broker *b, const struct mail *m);

/* courier_ops.c */

void courier_op_counts(struct broker *b, struct queue *q, const struct courier_op *op);
void courier_op_purge(struct broker *b, struct queue *q, const struct courier_op *op);
void courier_op_get(struct broker *b, struct queue *q, const struct courier_op *op);
void courier_op_consume(struct broker *b, struct queue *q, const struct courier_op *op,
                        const struct consumer_request *want);
void courier_op_cancel(struct broker *b, const struct courier_op *op, struct courier_end end);
/* Starts an answer: code 0, everything else empty. */
void courier_reply_init(struct op_reply *r, const struct courier_op *op, const struct broker *b);
/* Calls effects.replied(), here or on the channel's shard; the message in it is the queue's hold. */
void courier_reply(struct broker *b, struct op_reply *r);
/* Mail of an answer, on the channel's shard. Frees it. */
void courier_on_reply(struct broker *b, struct op_reply *r);
/* Answers for a queue that is not to be found, and says so. */
bool courier_op_is_lost(struct broker *b, struct queue *q, const struct courier_op *op);
/* "queue 'q' in vhost '/' <what>" */
void courier_reply_error(struct broker *b, struct op_reply *r, uint16_t code, const char *what);

/* courier_delete.c */

void courier_op_delete(struct broker *b, struct queue *q, const struct courier_op *op);
void courier_deletions_free(struct courier *c);

/* courier_deliver.c */

/* The runtime if there is one. Acks and publishes come in runs for one queue: the last one is remembered. */
static inline struct queue *
courier_queue(struct broker *b, uint64_t queue_id)
{
    struct courier *c = b->courier;
    if (__builtin_expect(c->last_id == queue_id, 1))
        return c->last;
    struct queue *q = queue_find(b, queue_id);
    if (q) {
        c->last_id = queue_id;
        c->last = q;
    }
    return q;
}

void courier_on_deliver(struct broker *b, const struct mail *m);
void courier_on_ask(struct broker *b, uint64_t subscription);
void courier_on_canceled(struct broker *b, uint64_t subscription);
void courier_on_activated(struct broker *b, uint64_t subscription);
void courier_on_settle(struct broker *b, uint64_t queue_id, uint64_t first, uint64_t last, uint32_t how,
                       uint64_t tx);
/* The consumer leaves, whether or not its channel knew its handle yet (0). */
void courier_end_consumer(struct broker *b, uint64_t queue_id, uint16_t shard, struct courier_end end);
void courier_on_limit(struct broker *b, const struct mail *m);
/* The runtime is going: forget what was remembered of it. */
void courier_queue_closed(struct broker *b, const struct queue *q);

#endif
