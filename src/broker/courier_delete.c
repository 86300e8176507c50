/*
 * Deleting a queue. Its own shard decides (if_unused, if_empty), submits META_QUEUE_DELETE and marks the
 * queue as deleting; shard 0 removes the definition, and tells this shard so (courier_queue_gone), as it does
 * whatever removed it: a vhost's end, a connection's. That closes the runtime. Then the command comes back,
 * and whoever asked is answered. Either of the two may be here first.
 *
 * An auto-delete queue does the same to itself, with nobody to answer.
 */
#include "base/check.h"
#include "broker/courier_impl.h"
#include "broker/queue_impl.h"
#include "broker/queue_rules.h"
#include "wire/amqp_methods.h"

#include <stdlib.h>
#include <string.h>

struct deletion_op {
    struct courier_op op;
    struct deletion_op *next;
};

/* One META_QUEUE_DELETE under way. */
struct queue_deletion {
    struct list node; /* in courier.deletions */
    uint64_t queue_id;
    struct deletion_op *ops, **ops_end; /* who waits for the answer, first come first */
    bool is_closed;                     /* the runtime went, with so many messages: */
    uint32_t ready;
};

static void
deletion_add(struct queue_deletion *d, const struct courier_op *op)
{
    struct deletion_op *waiting = malloc(sizeof *waiting);
    CHECK(waiting);
    *waiting = (struct deletion_op){.op = *op};
    *d->ops_end = waiting;
    d->ops_end = &waiting->next;
}

static void
deletion_free(struct queue_deletion *d)
{
    while (d->ops) {
        struct deletion_op *next = d->ops->next;
        free(d->ops);
        d->ops = next;
    }
    list_remove(&d->node);
    free(d);
}

void
courier_deletions_free(struct courier *c)
{
    while (!list_is_empty(&c->deletions))
        deletion_free(LIST_ENTRY(c->deletions.next, struct queue_deletion, node));
}

void
courier_deletion_closed(struct queue_deletion *d, uint32_t ready)
{
    d->is_closed = true;
    d->ready = ready;
}

/* The command came back, on the queue's shard. */
static void
deletion_done(struct broker *b, struct meta_request *request)
{
    struct queue_deletion *d = (struct queue_deletion *)(uintptr_t)request->cookie[0];
    const struct meta_result *result = &request->result;
    if (!d->is_closed) {
        struct queue *q = queue_find(b, d->queue_id);
        CHECK(q && q->deletion == d);
        if (result->code == 0)
            queue_close(q); /* which calls courier_deletion_closed() */
        else {
            q->deletion = NULL;
            queue_mark_dirty(q);
        }
    }
    /* A closed queue is gone, whoever removed it and whatever the command says of that. */
    uint16_t code = d->is_closed ? 0 : result->code;
    uint32_t ready = d->ready;
    for (struct deletion_op *waiting = d->ops; waiting; waiting = waiting->next) {
        struct op_reply r;
        courier_reply_init(&r, &waiting->op, b);
        if (code) {
            r.code = code;
            memcpy(r.text, result->text, sizeof r.text);
        }
        r.message_count = ready;
        ready = 0;
        courier_reply(b, &r);
    }
    deletion_free(d);
    meta_request_free(request);
}

static struct queue_deletion *
deletion_start(struct queue *q, struct slice actor)
{
    struct broker *b = q->broker;
    struct queue_deletion *d = calloc(1, sizeof *d);
    CHECK(d);
    d->queue_id = q->id;
    d->ops_end = &d->ops;
    list_push_back(&b->courier->deletions, &d->node);
    q->deletion = d;
    struct meta_request *request = meta_request_new(
        &(struct meta_command){.kind = META_QUEUE_DELETE, .queue_id = q->id, .actor = actor});
    request->on_done = deletion_done;
    request->cookie[0] = (uintptr_t)d;
    meta_submit(b, request);
    return d;
}

void
courier_auto_delete(struct queue *q)
{
    if (!q->deletion)
        deletion_start(q, slice_of(NULL, 0));
}

static void
deletion_refuse(struct broker *b, struct op_reply *r, enum op_refusal why, const char *what)
{
    courier_reply_error(b, r, AMQP_REPLY_PRECONDITION_FAILED, what);
    r->refusal = (uint8_t)why;
}

void
courier_op_delete(struct broker *b, struct queue *q, const struct courier_op *op)
{
    if (q && q->deletion) {
        deletion_add(q->deletion, op);
        return;
    }
    struct op_reply r;
    courier_reply_init(&r, op, b);
    if (q && q->has_rules)
        queue_rules_look(q);
    if (q && op->flags & COURIER_IF_UNUSED && queue_consumer_count(q))
        deletion_refuse(b, &r, OP_IN_USE, "in use");
    else if (q && op->flags & COURIER_IF_EMPTY && queue_ready_count(q))
        deletion_refuse(b, &r, OP_NOT_EMPTY, "not empty");
    else if (q) {
        deletion_add(deletion_start(q, op->actor), op);
        return;
    }
    courier_reply(b, &r);
}
