/*
 * Operations at the queue's shard, and their answers. A function here gets the queue, or NULL when there is
 * none; an answer goes to the channel's shard, wherever that is.
 *
 * A queue whose deletion is under way answers as if it were gone already, as RabbitMQ's does: the client that
 * deleted it and everybody after see one order of events. Should the deletion fail (it was refused in the
 * metadata), nothing has been lost: pushes were taken all the time.
 */
#include "base/check.h"
#include "broker/courier_impl.h"
#include "broker/queue_impl.h"
#include "broker/queue_rules.h"
#include "broker/vhost.h"
#include "wire/amqp_methods.h"

#include <stdio.h>
#include <stdlib.h>

void
courier_reply_init(struct op_reply *r, const struct courier_op *op, const struct broker *b)
{
    r->to = op->from;
    r->op = op->number;
    r->code = 0;
    r->refusal = OP_REFUSED;
    r->text[0] = 0;
    r->queue_id = op->queue_id;
    r->queue_shard = (uint16_t)b->index;
    r->message_count = r->consumer_count = 0;
    r->message = NULL;
    r->position = 0;
    r->redelivered = r->no_ack = false;
    r->subscription = r->consumer = 0;
    r->activity = CONSUMER_UP;
    r->delivery_count = 0;
}

void
courier_reply(struct broker *b, struct op_reply *r)
{
    if (r->to.shard == b->index) {
        b->effects->replied(b->server, r);
        return;
    }
    if (r->message)
        r->message = message_hand_over(b, &r->message);
    struct op_reply *travelling = malloc(sizeof *travelling);
    CHECK(travelling);
    *travelling = *r;
    courier_post(b, r->to.shard, &(struct mail){.type = MAIL_REPLY, .p = travelling});
}

void
courier_on_reply(struct broker *b, struct op_reply *r)
{
    struct subscription *s = r->subscription ? slots_get(&b->subscriptions, r->subscription) : NULL;
    if (s && r->consumer) {
        s->consumer_handle = r->consumer;
        s->activity = r->activity;
    } else if (s) /* canceled, or the consume was refused */
        slots_remove(&b->subscriptions, r->subscription);
    b->effects->replied(b->server, r);
    free(r);
}

void
courier_reply_error(struct broker *b, struct op_reply *r, uint16_t code, const char *what)
{
    const struct queue_def *def = queue_def_find_id(b->node->meta, r->queue_id);
    r->code = code;
    if (!def)
        snprintf(r->text, sizeof r->text, "no such queue: it has just been deleted");
    else if (code == AMQP_REPLY_NOT_FOUND)
        snprintf(r->text, sizeof r->text, "no queue '%s' in vhost '%s'", def->name, def->vhost->name);
    else
        snprintf(r->text, sizeof r->text, "queue '%s' in vhost '%s' %s", def->name, def->vhost->name, what);
}

bool
courier_op_is_lost(struct broker *b, struct queue *q, const struct courier_op *op)
{
    if (q && !queue_is_deleting(q))
        return false;
    struct op_reply r;
    courier_reply_init(&r, op, b);
    courier_reply_error(b, &r, AMQP_REPLY_NOT_FOUND, "");
    courier_reply(b, &r);
    return true;
}

void
courier_op_counts(struct broker *b, struct queue *q, const struct courier_op *op)
{
    if (courier_op_is_lost(b, q, op))
        return;
    if (q->has_rules) {
        if (!q->is_quorum)
            queue_lease_renew(q);
        queue_rules_look(q);
    }
    struct op_reply r;
    courier_reply_init(&r, op, b);
    r.message_count = queue_ready_count(q);
    r.consumer_count = queue_consumer_count(q);
    courier_reply(b, &r);
}

void
courier_op_purge(struct broker *b, struct queue *q, const struct courier_op *op)
{
    if (courier_op_is_lost(b, q, op))
        return;
    struct op_reply r;
    courier_reply_init(&r, op, b);
    r.message_count = queue_purge(q);
    courier_reply(b, &r);
}

void
courier_op_consume(struct broker *b, struct queue *q, const struct courier_op *op,
                   const struct consumer_request *want)
{
    struct op_reply r;
    courier_reply_init(&r, op, b);
    struct consumer *c = NULL;
    if (!q || queue_is_deleting(q))
        courier_reply_error(b, &r, AMQP_REPLY_NOT_FOUND, "");
    else if (!(c = consumer_join(q, want)))
        courier_reply_error(b, &r, AMQP_REPLY_ACCESS_REFUSED, "in exclusive use");
    r.subscription = want->far_end;
    r.consumer = c ? consumer_handle(c) : 0;
    r.activity = c ? (uint8_t)queue_single_activity(c) : 0;
    if (want->local && c) {
        want->local->local = c;
        want->local->consumer_handle = r.consumer;
        want->local->activity = r.activity;
    } else if (want->local)
        slots_remove(&b->subscriptions, want->far_end);
    courier_reply(b, &r);
}

void
courier_op_cancel(struct broker *b, const struct courier_op *op, struct courier_end end)
{
    struct op_reply r;
    courier_reply_init(&r, op, b);
    r.subscription = end.subscription;
    courier_end_consumer(b, op->queue_id, op->from.shard, end);
    if (op->from.shard == b->index)
        slots_remove(&b->subscriptions, end.subscription);
    courier_reply(b, &r);
}
