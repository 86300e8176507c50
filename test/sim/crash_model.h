/*
 * What the clients of a node know about the messages in its durable queues, over crashes. A message's copy in
 * a queue is described by what was told to somebody, not by what the node has in its memory:
 *
 *   is_sure       its publish was confirmed or committed, or a recovered node has shown it: it is there
 *   may_be_gone   something was sent that takes it away, and nobody knows how far that came
 *   is_gone       it must never come again
 *   was_given     it reached a client: after a crash it must come as redelivered
 *
 * A crash settles what was open: transient messages and non-durable queues are gone, open transactions never
 * were. What remains open (neither sure nor gone) is settled by looking: crash_look_*() compares a queue's
 * whole content, and what was there or not there then must stay so.
 *
 * An ack is known to be on the disk when a confirm says so: the node has answered a question about the queue
 * that was asked behind the ack, and a persistent message published to the queue afterwards is confirmed.
 *
 * A finding goes to `on_finding` if that is set, else it ends the trial.
 */
#ifndef LEVERET_TEST_SIM_CRASH_MODEL_H
#define LEVERET_TEST_SIM_CRASH_MODEL_H

#include "content.h"

enum {
    CRASH_STANDING = 6, /* durable queues cq0..cq5, there from beginning to end */
    CRASH_NEVER = 5,    /* cq5 has neither consumers nor gets, until it is looked at */
    CRASH_NO_ACK = 0,   /* cq0 alone has consumers without acks: what it holds may go at any time */
    CRASH_PURGED = 1,   /* cq1 alone is purged */
    CRASH_COMING = 6,   /* durable, too, but deleted and declared again */
    CRASH_FLEETING = 7, /* not durable */
    /* Durable ones with rules: crash_rules.c. Two are one channel's alone, the last one those' that confirm.
     */
    CRASH_RANKED,  /* has priorities */
    CRASH_TIMED,   /* a message TTL */
    CRASH_SHORT,   /* priorities and a length; nobody takes anything but who looks, in each life */
    CRASH_COUNTED, /* a quorum queue with a delivery limit */
    CRASH_FULL,    /* a length, and refuses what is more; nobody takes anything but who looks */
    CRASH_QUEUES
};
extern const char *const crash_queue_names[CRASH_QUEUES];

struct crash_copy {
    bool is_sure, may_be_gone, is_gone, was_given;
    uint32_t holder;    /* the channel that has it now, 0: none */
    uint32_t settle_tx; /* its ack is part of this transaction, 0: none */
    uint32_t taken;     /* the life of the node in which it was certainly taken out; 0: none */
    /* How often it came back, as far as its count is to tell. */
    uint16_t returns_min, returns_max;
};

struct crash_message {
    struct content content;
    uint32_t publisher; /* channel */
    uint32_t tx;        /* 0: none */
    uint32_t queues;    /* mask */
    bool is_persistent;
    uint64_t sent_at;      /* simulated milliseconds */
    uint64_t confirmed_at; /* or committed; 0: it was not */
    struct crash_copy copies[CRASH_QUEUES];
};

enum crash_tx_state { CRASH_TX_OPEN, CRASH_TX_COMMITTING, CRASH_TX_COMMITTED, CRASH_TX_VOID };
/* What looking at one queue said about a transaction that was committing when the node crashed. */
enum { CRASH_TX_SEEN = 1, CRASH_TX_MISSED = 2 };
struct crash_tx {
    enum crash_tx_state state;
    bool is_undecided;            /* the node ended while it was committing, ... */
    uint8_t shards[CRASH_QUEUES]; /* ... with the queues on these shards */
    uint8_t looks[CRASH_QUEUES];  /* by shard */
};

/* An ack that the node has handled; `next` was the next message's number then. */
struct crash_handled {
    uint64_t number, next;
};

struct crash_model {
    struct trial *t;
    struct crash_message *messages;
    uint64_t count, capacity;
    struct crash_tx *txs; /* by id, from 1 */
    uint32_t tx_count, tx_capacity;
    struct {
        struct crash_handled *items;
        size_t count, capacity;
    } handled[CRASH_QUEUES];
    bool was_asked[CRASH_QUEUES]; /* a consumer or a get was ever asked for */
    bool is_unsafe[CRASH_QUEUES]; /* one without acks was, since the queue was looked at */
    bool had_failed;              /* the store of some life has: then everything may be marked */
    bool cannot_mark;             /* the store has failed: that a message is given out is not kept */
    uint32_t owner;               /* the channel that alone uses cq.short and cq.counted */
    uint32_t life;                /* of the node, from 1 */
    uint64_t life_from;           /* the first message of this life */
    /* The queue being looked at. */
    int look_queue;
    uint8_t *found; /* by message */
    uint64_t *last; /* by publisher: 1 + the last message of its that was found */
    uint32_t last_count;
    uint64_t look_from;     /* milliseconds */
    unsigned look_priority; /* of the last message that was found */
    uint64_t *look_order;   /* all that was found */
    size_t look_count, look_capacity;
    void (*on_finding)(void *arg, const char *text);
    void *arg;
    uint64_t given[CRASH_QUEUES]; /* deliveries of each */
    uint64_t findings, deliveries, looked_at, known_gone;
};

void crash_model_init(struct crash_model *m, struct trial *t);
void crash_model_fini(struct crash_model *m);

/* ---- while the node runs ---- */

uint64_t crash_model_publish(struct crash_model *m, uint32_t publisher, uint32_t tx, const char *exchange,
                             const char *key, uint32_t queues, bool is_persistent, uint32_t body_size,
                             struct buffer *properties, struct buffer *body);
void crash_model_confirmed(struct crash_model *m, uint64_t number);
/* By a nack, from a node whose disk is well. */
void crash_model_refused(struct crash_model *m, uint64_t number);

/* A consumer or a get is asked for. */
void crash_model_asked(struct crash_model *m, int queue, bool no_ack);
struct crash_delivery {
    int queue;
    uint32_t holder; /* channel; from now on it holds the message, unless no_ack */
    bool no_ack, redelivered;
    struct slice exchange, key, properties, body;
};
/* -> its number, or UINT64_MAX after a finding. */
uint64_t crash_model_given(struct crash_model *m, const struct crash_delivery *d);
/* Acked or rejected for good; tx 0: not in a transaction. */
void crash_model_settle(struct crash_model *m, int queue, uint64_t number, uint32_t tx);
/* The node has handled that settlement. */
void crash_model_handled(struct crash_model *m, int queue, uint64_t number);
void crash_model_requeue(struct crash_model *m, int queue, uint64_t number);
/* The channel is gone with all that it held. */
void crash_model_left(struct crash_model *m, uint32_t holder);
/* A purge or a delete was asked for: whatever is in the queue may be gone. Again when it was answered. */
void crash_model_doubt(struct crash_model *m, int queue);
/* The node has purged a queue that nobody takes anything from, and to which nobody else publishes: what was
 * published before. */
void crash_model_purged(struct crash_model *m, int queue, uint64_t before);
/* The queue was deleted, and that was answered. */
void crash_model_deleted(struct crash_model *m, int queue);

uint32_t crash_model_tx(struct crash_model *m);
void crash_model_commit(struct crash_model *m, uint32_t tx);
void crash_model_committed(struct crash_model *m, uint32_t tx);
/* Rolled back, or its channel left before the commit was sent. */
void crash_model_void(struct crash_model *m, uint32_t tx);

/* ---- between ---- */

/* The node has ended, in a crash or politely; shards: where the queues lived. */
void crash_model_ended(struct crash_model *m, const uint8_t shards[CRASH_QUEUES]);

/* The whole content of one queue, in its order, while nobody else uses it. */
void crash_look_begin(struct crash_model *m, int queue);
/* A message of the queue may expire, or has. */
bool crash_model_may_expire(const struct crash_model *m, int queue);
/* -> its number, or UINT64_MAX after a finding. */
uint64_t crash_look_at(struct crash_model *m, const struct crash_delivery *d);
void crash_look_end(struct crash_model *m);
/* After all queues of interest were looked at: were the undecided transactions all or nothing on each shard?
 */
void crash_look_txs(struct crash_model *m);

#endif
