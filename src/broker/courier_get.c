/*
 * basic.get. Mostly it answers at once. Where the first message is on disk, or may not be given out before
 * the log knows (queue_paging.c), the operation waits with the queue, in order, until that has changed. So
 * does an operator's look at a message, which leaves it where it is.
 */
#include "base/check.h"
#include "broker/courier_impl.h"
#include "broker/message.h"
#include "broker/queue_count.h"
#include "broker/queue_impl.h"
#include "broker/queue_rules.h"

#include <stdlib.h>

struct courier_waiting {
    struct courier_waiting *next;
    struct courier_op op;
};

/* False: there is something, but not yet. */
static bool
get_now(struct broker *b, struct queue *q, const struct courier_op *op)
{
    struct op_reply r;
    courier_reply_init(&r, op, b);
    r.no_ack = op->flags != 0;
    r.message = queue_take(q, r.no_ack, &r.position, &r.redelivered);
    if (!r.message && queue_ready_all(q))
        return false;
    r.message_count = queue_ready_count(q);
    r.consumer_count = queue_consumer_count(q);
    courier_reply(b, &r);
    return true;
}

/* False: it is being read. */
static bool
peek_now(struct broker *b, struct queue *q, const struct courier_op *op)
{
    struct op_reply r;
    struct queue_entry *e;
    enum queue_peeked how = queue_peek(q, op->peek, &e);
    if (how == QUEUE_PEEKED_LATER)
        return false;
    courier_reply_init(&r, op, b);
    r.message_count = queue_ready_count(q);
    if (how == QUEUE_PEEKED) {
        r.message = e->message;
        message_hold(r.message);
        r.delivery_count = q->is_quorum ? queue_count_of(e) : 0;
    }
    courier_reply(b, &r);
    return true;
}

static bool
answer_now(struct broker *b, struct queue *q, const struct courier_op *op)
{
    return op->peek ? peek_now(b, q, op) : get_now(b, q, op);
}

static void
answer_or_wait(struct broker *b, struct queue *q, const struct courier_op *op)
{
    if (!q->waiting && answer_now(b, q, op))
        return;
    struct courier_waiting *w = malloc(sizeof *w), **end = &q->waiting;
    CHECK(w);
    *w = (struct courier_waiting){.op = *op};
    while (*end)
        end = &(*end)->next;
    *end = w;
}

void
courier_op_get(struct broker *b, struct queue *q, const struct courier_op *op)
{
    if (courier_op_is_lost(b, q, op))
        return;
    if (q->has_rules)
        queue_lease_renew(q);
    answer_or_wait(b, q, op);
}

void
courier_peek(struct broker *b, uint64_t queue_id, uint32_t n, struct channel_ref from, uint32_t number)
{
    struct courier_op op = {.from = from, .number = number, .queue_id = queue_id, .peek = n};
    struct queue *q = queue_get(b, queue_id);
    if (!courier_op_is_lost(b, q, &op))
        answer_or_wait(b, q, &op);
}

/* An answer may make the session do what was parked behind it, a purge of this queue for one, which comes
 * here again: the first of the waiting ones is ours until it is answered. */
void
courier_waiting_retry(struct queue *q)
{
    if (q->is_retrying)
        return;
    q->is_retrying = true;
    for (struct courier_waiting *w; (w = q->waiting) && answer_now(q->broker, q, &w->op);) {
        q->waiting = w->next;
        free(w);
    }
    q->is_retrying = false;
}

void
courier_waiting_lost(struct queue *q)
{
    for (struct courier_waiting *w; (w = q->waiting);) {
        q->waiting = w->next;
        courier_op_is_lost(q->broker, NULL, &w->op);
        free(w);
    }
}

void
courier_waiting_free(struct queue *q)
{
    for (struct courier_waiting *w; (w = q->waiting);) {
        q->waiting = w->next;
        free(w);
    }
}
