/*
 * What the arguments of some of a crashing node's queues promise, after a restart as before: the order of
 * priorities, times, lengths, counts of deliveries. A part of crash_model.h, which calls it.
 */
#ifndef LEVERET_TEST_SIM_CRASH_RULES_H
#define LEVERET_TEST_SIM_CRASH_RULES_H

#include "crash_model.h"

struct crash_rules {
    uint8_t priority_max;
    int64_t ttl_ms;      /* -1: none */
    unsigned length_max; /* 0: none. Else nobody takes anything, and if it drops one channel publishes */
    bool is_rejecting;
    bool is_quorum;
    uint64_t delivery_limit;
    bool is_single_active;
};
extern const struct crash_rules crash_rules[CRASH_QUEUES];

/* The queue's, for queue.declare; appends. */
void crash_rules_arguments(int queue, struct buffer *out);

/* The message's place in the order of what waits in the queue: higher ones first. */
unsigned crash_rules_priority(int queue, const struct crash_message *x);
/* How long it may stay there; -1: for ever. */
int64_t crash_rules_ttl(int queue, const struct crash_message *x);
/* It outlives a node. */
bool crash_rules_keep(int queue, const struct crash_message *x);

/* The properties as they were published: without the count of deliveries, which is told. The result is in
 * `scratch` when that had to be taken out. */
struct slice crash_rules_uncounted(struct slice properties, struct buffer *scratch, uint64_t *count);

/* Must it still be there at `now_ms`, as far as its time goes? */
bool crash_rules_has_time(int queue, const struct crash_message *x, uint64_t now_ms);
/* A queue that refuses could certainly take another message than this one. */
bool crash_rules_has_room(const struct crash_model *m, int queue, uint64_t number);

/* These return NULL, or what is wrong: static text. */

/* The message is given out with that count. */
const char *crash_rules_count(int queue, const struct crash_copy *c, uint64_t count);
/* It was found by a look that began at `from_ms`. */
const char *crash_rules_found_in_time(int queue, const struct crash_message *x, uint64_t from_ms);
/* The queue has `count` messages, these, in this order. */
const char *crash_rules_length(const struct crash_model *m, int queue, const uint64_t *found, size_t count);

/* The message came back: by a requeue, by a channel that left, or because a look has ended. Or perhaps it
 * did. */
void crash_rules_returned(int queue, struct crash_copy *c, bool is_certain);
/* The node has ended. */
void crash_rules_ended(int queue, struct crash_copy *c);

#endif
