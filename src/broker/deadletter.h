/*
 * The one way out of a queue that has a reason: the message was rejected, has expired, or there was no room
 * for it. Whatever a queue's dead letters are to become is decided here.
 */
#ifndef LEVERET_BROKER_DEADLETTER_H
#define LEVERET_BROKER_DEADLETTER_H

#include <stdint.h>

struct message;
struct queue;
struct queue_entry;

enum deadletter_reason {
    DEADLETTER_REJECTED,
    DEADLETTER_EXPIRED,
    DEADLETTER_MAXLEN,
    DEADLETTER_DELIVERY_LIMIT,
};
/* As x-death names it: "rejected", "expired", "maxlen", "delivery_limit". */
const char *deadletter_reason_name(enum deadletter_reason reason);

/*
 * The message at `position` leaves. The caller has taken it off the queue's order and accounts: it is neither
 * ready nor unacked any more, but its entry is still there, and so is its record in the log. It is settled
 * here, and its entry removed. A queue with a dead-letter exchange will do that only when every target has
 * committed the copy; until then the entry stays, and a crash finds the message in its old queue.
 * `tx`: the transaction that rejected it, or 0.
 */
void deadletter_leave(struct queue *q, uint64_t position, struct queue_entry *e,
                      enum deadletter_reason reason, uint64_t tx);

/* A message that the queue refused (x-overflow reject-publish-dlx), and that never was in it. Takes the hold.
 */
void deadletter_refused(struct queue *q, struct message **m);

#endif
