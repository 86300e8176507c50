/*
 * For the tests of keep*.c: a node without sockets in a simulated world, durable, with small sizes so that a
 * few hundred messages meet every way through the store. It may die and start again on its disk. What its
 * sessions are told is written down by number: every message has one, which is also its publish's `seq`.
 *
 * The test stands beside the node: what it asks for happens at once, as if within a turn of that shard; what
 * follows from it needs rig_run().
 */
/* exports: rig_ */
#ifndef LEVERET_DURABLE_KEEP_FIXTURE_H
#define LEVERET_DURABLE_KEEP_FIXTURE_H

#include "base/check.h"
#include "broker/broker.h"
#include "broker/courier.h"
#include "broker/queue_impl.h"
#include "durable/durable_impl.h"
#include "durable/keep_impl.h"
#include "io/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    RIG_NUMBERS = 20000,
    RIG_QUEUES = 9,
    RIG_SHARDS = 3,
    RIG_TRANSIENT_QUEUE = 8, /* not durable, on the last shard; the others are, on shard (queue % shards) */
};

/* A message as it came out of a queue. */
struct rig_got {
    uint64_t number, position;
    unsigned queue, shard;
    bool redelivered;
};

struct rig {
    struct sim *sim;
    struct io_world *machine;
    struct log log;
    struct durable_config config;
    struct broker_limits limits;
    struct node node;
    struct durable *durable;
    unsigned shards;
    uint64_t queue_ids[RIG_QUEUES];
    uint64_t next;                /* the next message's number */
    uint8_t answers[RIG_NUMBERS]; /* confirms that came of it; 128 and more: a nack among them */
    uint64_t lanes[RIG_SHARDS];   /* publish_room was told */
    struct rig_got *got;          /* of consumers and gets, in their order */
    size_t got_count, got_capacity;
    unsigned replies;
    struct op_reply reply;
    void (*on_reply)(struct rig *r); /* what a session does with an answer; may be NULL */
    bool is_full;                    /* consumers have no room */
    struct slice arguments;          /* of the queues; before the first start */
    const char *expiration;          /* of the messages that are published from now on; NULL: none */
    uint8_t priority;                /* the same; 0: none */
    unsigned errors_logged;
    char last_error[512];
};

/* Before anything else; `seed` is the world's. Sizes may be changed in rig.config before rig_start(). */
void rig_init(struct rig *r, uint64_t seed);
/* The node comes up with so many shards, and settles: old chains are gone. The first start declares. */
void rig_start(struct rig *r, unsigned shards);
/* Without waiting for anything. */
void rig_start_at_once(struct rig *r, unsigned shards);
/* False, with the reason in last_error. */
bool rig_try_start(struct rig *r, unsigned shards);
void rig_stop(struct rig *r);  /* politely */
void rig_power(struct rig *r); /* what was not synced is in doubt */
void rig_kill(struct rig *r);  /* the disk keeps everything */
void rig_fini(struct rig *r);

/* broker_check() and the order of runs, on every shard; then the world goes on for so long. */
void rig_check(struct rig *r);
void rig_run(struct rig *r, uint64_t ms);
/* Until it is so, or the test fails. */
void rig_until(struct rig *r, bool (*is_so)(struct rig *r));
bool rig_has_answers(struct rig *r); /* all publishes so far were answered */

struct broker *rig_broker(struct rig *r, unsigned queue);
struct keep *rig_keep(struct rig *r, unsigned queue);
struct queue *rig_queue(struct rig *r, unsigned queue);

/* One message to these queues (bits), from a channel on shard `from`. Returns its number. */
enum { RIG_PERSISTENT = 1, RIG_IN_TX = 2 };
uint64_t rig_publish(struct rig *r, unsigned from, unsigned queues, uint32_t size, unsigned flags);
/* Would it be taken now? */
bool rig_has_room(struct rig *r, unsigned from, unsigned queues);
/* `count` of them to one queue, from its shard. Returns the first one's number. */
uint64_t rig_fill(struct rig *r, unsigned queue, unsigned count, uint32_t size, unsigned flags);
/* The transaction `seq` of that shard's channel: publishes of it have `seq` in common. */
uint64_t rig_tx_publish(struct rig *r, unsigned from, unsigned queues, uint32_t size, uint64_t seq);
void rig_tx_ack(struct rig *r, unsigned from, const struct rig_got *g, uint64_t seq);
/* True: an answer comes for `seq`. */
bool rig_tx_end(struct rig *r, unsigned from, unsigned shard, uint64_t seq);

/* basic.get; false: empty. Waits for the answer. */
bool rig_get(struct rig *r, unsigned queue, bool no_ack, struct rig_got *got);
/* The same, without waiting: rig.replies counts. */
void rig_ask(struct rig *r, unsigned queue, bool no_ack);
void rig_settle(struct rig *r, const struct rig_got *g, enum settle how);
/* Takes all, numbers in their order; at most `most`. Each is acked. */
unsigned rig_drain(struct rig *r, unsigned queue, uint64_t *numbers, unsigned most);
/* Drains and expects exactly first..last in this order. */
void rig_expect(struct rig *r, unsigned queue, uint64_t first, uint64_t last);
/* Every `nth` of what is in it stays, beginning with the first; the others are acked. */
void rig_thin(struct rig *r, unsigned queue, unsigned nth);
/* Drains and expects first, first + step, ... last. */
void rig_expect_every(struct rig *r, unsigned queue, uint64_t first, uint64_t last, unsigned step);
void rig_consume(struct rig *r, unsigned queue, struct subscription *s, uint16_t prefetch, bool no_ack);
void rig_purge(struct rig *r, unsigned queue);
void rig_delete(struct rig *r, unsigned queue);

/* Traffic through a queue without anything else, until so many checkpoints more are through. */
void rig_turn_log_over(struct rig *r, unsigned queue, unsigned checkpoints);
/* Everything of the queue that can leave memory does. */
void rig_page_out(struct rig *r, unsigned queue);
/* Files of that folder of the store. */
unsigned rig_files(struct rig *r, const char *folder);
void rig_faults(struct rig *r, struct sim_disk_faults faults);

#endif
