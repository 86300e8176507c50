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

struct message;

enum {
    DEADLETTER_DEATHS_MAX = 256, /* in x-death: of more, the oldest are left out */
};

struct deadletter_death {
    struct slice queue;
    enum deadletter_reason reason;
    uint64_t time_s;                 /* since 1970 */
    const struct slice *routing_key; /* of the queue's settings; NULL: the message keeps its keys */
};

struct deadletter_letter {
    struct buffer properties;
    struct slice *keys; /* where it is routed by: in the dead message, in the settings */
    unsigned key_count;
    struct buffer from, asked; /* what the properties were made from; scratch */
};

/* What to publish. `l` is zero, or what was written before: messages that die together mostly tell the same,
 * and then its properties stay: false. The keys are good while `m`, the caller's, is. Free it with
 * deadletter_letter_fini(). */
bool deadletter_letter_write(struct deadletter_letter *l, const struct message *m,
                             const struct deadletter_death *death);
void deadletter_letter_fini(struct deadletter_letter *l);

/*
 * Which queues must not get it: where it was before, if nothing but time and limits has moved the message
 * since: it would go round for ever. A rejection anywhere on the way means that somebody wanted it so.
 * `headers`: of the letter, this death included. Clients can write them, so they are read once, whatever the
 * number of targets.
 */
struct deadletter_cycle {
    struct slice queues[DEADLETTER_DEATHS_MAX]; /* in the headers */
    unsigned count;
};
void deadletter_cycle_init(struct deadletter_cycle *c, struct slice headers);
bool deadletter_is_cycle(const struct deadletter_cycle *c, struct slice queue);

#endif
