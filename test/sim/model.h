/*
 * What must be true of every message, kept by a test that sees only what clients see. A message is published
 * to some of the model's queues (a mask); its copy in each of them is
 *
 *   READY     in the queue, as far as anyone can tell
 *   HELD      delivered to a channel that has not settled it
 *   SETTLING  acked, and the broker has not yet shown that it knows
 *   GONE      acked or delivered without ack: must never come again
 *
 * Two flags say how sure that is. `is_sure`: the copy exists (its publish was confirmed, or it was delivered
 * once). `may_be_gone`: something happened that may have taken it away unseen (a purge, deliveries without
 * ack in flight to a connection that died). A copy that expires, or stands in a queue with a limit, may be
 * gone at any time, and one that was surely in its queue is not delivered long after its time. At the end a
 * queue holds exactly the READY copies that are sure and not maybe gone, perhaps some of the others, and
 * nothing else.
 */
#ifndef LEVERET_TEST_SIM_MODEL_H
#define LEVERET_TEST_SIM_MODEL_H

#include "content.h"

enum { MODEL_QUEUES = 6 };

enum copy_state { COPY_READY, COPY_HELD, COPY_SETTLING, COPY_GONE };
struct copy {
    uint8_t state;
    bool is_sure, may_be_gone;
    bool was_delivered; /* to a client that was to acknowledge it: from then on `redelivered` */
    bool is_vague;      /* who holds it cannot be told any more: nothing is checked */
    bool was_fresh;     /* it came once without `redelivered` */
    uint32_t holder;    /* channel epoch */
};

enum outcome { OUTCOME_UNKNOWN, OUTCOME_IN_TX, OUTCOME_DONE, OUTCOME_ROLLED_BACK };
struct model_message {
    uint32_t publisher; /* channel epoch */
    uint8_t outcome;
    bool is_mandatory, was_returned;
    bool may_route_elsewhere; /* to queues that the model does not know */
    uint8_t queues;           /* mask */
    uint64_t done_at;         /* outcome DONE: when that was known, in simulated milliseconds */
    struct content content;
    struct copy copies[MODEL_QUEUES];
};

struct model_queue {
    char name[16];
    int64_t ttl_ms, length_max; /* its arguments; -1: none */
    uint64_t orderly_from;      /* messages from this number on must come in order and with exact flags */
    uint64_t ordered_from;      /* likewise, order only */
    unsigned shared_limits; /* consumers of channels with a shared limit: what one has no room for after all
                               goes back, and may come to another one late */
    unsigned troubles;      /* windows in which deliveries may be lost or put back unseen, now open */
};

/* What a client cannot know about its own channel: whether the broker has already ended it. Then another
 * channel may be given what this one holds, before or after this one has seen it. */
enum model_doubt { DOUBT_NONE, DOUBT_CLOSING /* acks before are good */, DOUBT_FAILING /* nothing is */ };

struct model {
    struct trial *t;
    uint8_t *doubts; /* enum model_doubt, by channel epoch */
    uint32_t doubt_count;
    struct model_message *messages; /* by number */
    uint64_t count, capacity;
    struct model_queue queues[MODEL_QUEUES];
    uint64_t *seen_elsewhere; /* hashes of (queue, message) that came fresh from queues outside the model */
    size_t seen_count, seen_capacity;
    uint64_t deliveries, redeliveries;
};

/* One delivery, as a client sees it. */
struct model_delivery {
    int queue;               /* index, or -1: one that the model does not know, */
    struct slice queue_name; /* with this name */
    uint32_t holder;         /* channel epoch */
    bool no_ack, redelivered;
    struct slice exchange, key, properties, body;
};

void model_init(struct model *m, struct trial *t);
void model_fini(struct model *m);

/* A new message with random properties and body, its number in message-id; -> its number. */
uint64_t model_publish(struct model *m, uint32_t publisher, const char *exchange, const char *key,
                       uint8_t queues, bool may_route_elsewhere, bool is_mandatory, struct buffer *properties,
                       struct buffer *body);
struct model_message *model_message(struct model *m, uint64_t number);
/* The number in a message's properties; fails if it is no message of ours, or another than was published. */
uint64_t model_identify(struct model *m, struct slice exchange, struct slice key, struct slice properties,
                        struct slice body);
/* It was routed for certain. */
void model_done(struct model *m, uint64_t number);
/* -> its number. Fails if it must not have come. */
uint64_t model_deliver(struct model *m, const struct model_delivery *d);

void model_set_doubt(struct model *m, uint32_t epoch, enum model_doubt doubt);

/* The settled copy: what the client asked for, then what became of it. Nothing happens when it is not the
 * holder's any more. */
void model_requeue(struct model *m, int queue, uint64_t number, uint32_t holder);
void model_settling(struct model *m, int queue, uint64_t number, uint32_t holder);
void model_settled(struct model *m, int queue, uint64_t number, uint32_t holder);
/* A rolled back settlement. */
void model_hold_again(struct model *m, int queue, uint64_t number, uint32_t holder);
/* The channel died with the settlement under way. */
void model_unsettled(struct model *m, int queue, uint64_t number, uint32_t holder);
/* Everything ready in the queue may be gone. */
void model_doubt_all(struct model *m, int queue);
/* From begin to end (paired) order and flags are not exact; with `lossy` ready messages may vanish. */
void model_trouble_begin(struct model *m, int queue, bool lossy);
void model_trouble_end(struct model *m, int queue, bool lossy);

/* The queue was emptied in order, `numbers` being what came out: is that all, and in order? */
void model_check_rest(struct model *m, int queue, const uint64_t *numbers, size_t count);

#endif
