/*
 * Inside deadletter: the message that goes on. It has the body of the one that died, the dead-letter
 * exchange, and properties that tell its story:
 *
 *   x-death                      an array of tables, the latest death first: count, reason, queue, time (of
 * the first one), exchange, routing-keys, original-expiration; one for each (queue, reason)
 *   x-first-death-{reason, queue, exchange}   never changed again
 *   x-last-death-{reason, queue, exchange}    of the latest (RabbitMQ from 3.13)
 *
 * `expiration` is taken off, so that it does not expire again; CC is taken off when the queue names a routing
 * key.
 */
/* exports: deadletter_ */
#ifndef LEVERET_BROKER_DEADLETTER_MESSAGE_H
#define LEVERET_BROKER_DEADLETTER_MESSAGE_H

#include "base/buffer.h"
#include "base/slice.h"
#include "broker/deadletter.h"
#include "broker/message.h"

enum {
    DEADLETTER_DEATHS_MAX = 256, /* in x-death: of more, the oldest are left out */
    DEADLETTER_DEATHS_BYTES_MAX = 1 << 20,
    DEADLETTER_FIELDS = 7,
    DEADLETTER_LAST = 4, /* of those: the first of x-last-death- */
    DEADLETTER_ASKED = 5,
};

struct deadletter_death {
    struct slice queue;
    enum deadletter_reason reason;
    uint64_t time_s;                 /* since 1970 */
    const struct slice *routing_key; /* of the queue's settings; NULL: the message keeps its keys */
};

/* Fields of the headers that we write, in the order of their names. */
struct deadletter_fields {
    struct buffer bytes;
    uint32_t at[DEADLETTER_FIELDS];
    unsigned count;
};

/* What a death tells, whoever died: messages that die together mostly tell the same, and then it is not
 * written anew. */
struct deadletter_story {
    uint64_t time_s; /* these, and `from`, it was written for */
    enum deadletter_reason reason;
    bool has_expiration;
    struct buffer from; /* queue, exchange, routing key, expiration, CC */
    uint32_t from_sizes[DEADLETTER_ASKED];
    struct buffer death, sorted; /* an item of x-death: as the first one is written, and as later ones are */
    struct deadletter_fields first; /* of a message that had not died before */
};

/*
 * Which queues must not get it: where it was before, if nothing but time and limits has moved the message
 * since: it would go round for ever. A rejection anywhere on the way means that somebody wanted it so.
 */
struct deadletter_cycle {
    struct slice queues[DEADLETTER_DEATHS_MAX];
    unsigned count;
    bool is_ended; /* at a rejection */
};

struct deadletter_letter {
    struct buffer properties;
    struct message_facts facts; /* of those */
    struct slice *keys;         /* where it is routed by */
    unsigned key_count, key_cap;
    struct deadletter_cycle cycle;

    struct deadletter_story story;  /* of this one, for the next one */
    struct deadletter_fields later; /* of this one, if it has died before */
    struct buffer headers, others, scratch;
};

/* What to publish. `l` is zero, or what was written before. Its keys and cycle are good while `m`, the
 * caller's, and the death's names are. Free it with deadletter_letter_fini(). */
void deadletter_letter_write(struct deadletter_letter *l, const struct message *m,
                             const struct deadletter_death *death);
void deadletter_letter_fini(struct deadletter_letter *l);

bool deadletter_is_cycle(const struct deadletter_cycle *c, struct slice queue);

#endif
