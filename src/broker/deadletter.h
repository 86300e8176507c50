/*
 * The one way out of a queue that has a reason: the message was rejected, has expired, or there was no room
 * for it. Where a queue has a dead-letter exchange, a copy goes there first.
 *
 *   deadletter.c           what leaves, and when it has left
 *   deadletter_message.c   the copy, and what its headers tell
 */
#ifndef LEVERET_BROKER_DEADLETTER_H
#define LEVERET_BROKER_DEADLETTER_H

#include "broker/effects.h"

#include <stdbool.h>
#include <stdint.h>

struct broker;
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
 * ready nor unacked any more, but its entry is still there, and so is its record in the log. Without a
 * dead-letter exchange it is settled here, and its entry removed
 * (`tx`: by the transaction that rejected it, or 0). With one, that happens when every target has committed
 * the copy; until then the entry stays, is_leaving, and a crash finds the message in its old queue.
 */
void deadletter_leave(struct queue *q, uint64_t position, struct queue_entry *e,
                      enum deadletter_reason reason, uint64_t tx);
/* A message that the queue refused (x-overflow reject-publish-dlx), and that never was in it. Takes the hold.
 */
void deadletter_refused(struct queue *q, struct message **m);

/* So much is leaving that the queue's expired and surplus messages have to stay for now: it is marked dirty
 * when there is room. Never for a queue without a dead-letter exchange. */
bool deadletter_must_wait(struct queue *q);
/* The queue closes: it waits no more. */
void deadletter_forget(struct queue *q);

/* ---- the broker's ---- */

struct deadletters *deadletters_new(struct broker *b);
/* After the shards have ended. */
void deadletters_free(struct broker *b);
/* Once in a turn: sends what left. True: there is more, and nothing that it would have to wait for. */
bool deadletters_turn(struct broker *b);
bool deadletters_are_idle(const struct broker *b);
/* None is under way; some may wait to be tried again. */
bool deadletters_are_sent(const struct broker *b);

/* Is it ours, who published that? Then deadletters_confirmed() gets what effects.confirmed() would, or
 * deadletters_answered() as the channel of that number. */
#define DEADLETTER_CONNECTION UINT64_MAX
enum { DEADLETTER_ASKS = 1 };
static inline bool
deadletter_is_publisher(struct channel_ref ref)
{
    return ref.connection == DEADLETTER_CONNECTION;
}
void deadletters_confirmed(struct broker *b, uint64_t first, uint64_t last, bool nack);
void deadletters_answered(struct broker *b, uint64_t first, uint64_t last, bool nack);

#endif
