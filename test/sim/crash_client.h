/*
 * One client of a node that may crash: a connection with one channel, in confirm mode or transactional, which
 * publishes, consumes, gets and settles at random, and tells the model what it has been told.
 */
#ifndef LEVERET_TEST_SIM_CRASH_CLIENT_H
#define LEVERET_TEST_SIM_CRASH_CLIENT_H

#include "crash_model.h"

enum { CRASH_ASKS_MAX = 32, CRASH_CONSUMERS_MAX = 3 };

/* What all clients of a node share. */
struct crash_place {
    struct trial *t;
    struct crash_model *model;
    uint32_t channels;   /* made so far: their numbers are publishers and holders */
    bool is_faulty;      /* the disk fails: refusals are no surprise */
    bool is_ending;      /* the node stops: so are goodbyes */
    bool has_coming;     /* the queue `coming` is there ... */
    bool is_coming_due;  /* ... unless this is set: a declare or delete is not answered */
    bool is_ruled;       /* most of what happens is with the queues that have rules */
    bool is_deep;        /* large bodies, half of them to cq4 and cq5: more than a queue keeps in memory */
    unsigned bodies_max; /* one body in so many is longer than a log keeps inline; 0: none */
    uint64_t confirms, nacks, commits, blocks;
};

struct crash_ask {
    uint32_t method;
    int queue;       /* -1: none */
    size_t settles;  /* made before it was asked */
    uint64_t before; /* the number of the message that comes next */
    uint32_t tx;     /* commit */
    bool no_ack;
};
struct crash_held {
    uint64_t tag, number;
    int queue;
};
struct crash_settle {
    uint64_t number;
    int queue;
    bool is_handled;
};

struct crash_client {
    struct crash_place *place;
    struct sim_session *session; /* NULL: away */
    uint32_t channel;
    bool is_tx, is_owner /* of `coming`, cq.short, cq.counted; never leaves */, is_open, is_over, is_blocked;
    uint64_t *sent; /* numbers by confirm tag - 1 */
    uint8_t *answered;
    size_t sent_count, sent_capacity, unanswered;
    struct crash_ask asks[CRASH_ASKS_MAX];
    unsigned ask_first, ask_count;
    int consumers[CRASH_CONSUMERS_MAX]; /* queue, or -1 */
    bool consumers_no_ack[CRASH_CONSUMERS_MAX];
    struct crash_held *held; /* by tag */
    size_t held_count, held_capacity;
    struct crash_held *in_tx; /* acked in the open transaction */
    size_t in_tx_count, in_tx_capacity;
    struct crash_settle *settles;
    size_t settle_count, settle_capacity;
    uint32_t tx;
};

void crash_client_connect(struct crash_client *c, struct crash_place *place, bool is_tx, bool is_owner);
/* Does something, if it can. */
void crash_client_act(struct crash_client *c);
/* The owner: publishes to the quorum queue, and consumes from it. */
void crash_client_hurry(struct crash_client *c);
/* Then it should stay: nobody would know when the purge happens. */
bool crash_client_is_purging(const struct crash_client *c);
/* Its connection is over, from whichever side; the model knows. Can connect again. */
void crash_client_leave(struct crash_client *c);
/* Nothing that it asked or published waits for an answer. */
bool crash_client_is_answered(const struct crash_client *c);

#endif
