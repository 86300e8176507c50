/*
 * The broker answers by channel and number of the operation. An operator's operations have no channel: they
 * are asked for in the name of connection 0, which no client's handle is, and found again by their number in
 * the shard's list. The list is short: the control thread bounds how many requests are open.
 */
#include "server/operator.h"

#include "broker/courier.h"
#include "broker/event.h"
#include "broker/vhost.h"
#include "server/connection.h"
#include "server/server.h"

/* ---- queues ---- */

static struct channel_ref
operator_ref(struct server_shard *home, struct operator_op *op)
{
    op->number = ++home->operator_numbers;
    list_push_back(&home->operator_ops, &op->node);
    return (struct channel_ref){.shard = (uint16_t)home->index};
}

void
operator_purge(struct server_shard *home, const struct queue_def *q, struct operator_op *op)
{
    struct channel_ref ref = operator_ref(home, op);
    courier_purge(home->broker, q, ref, op->number);
}

void
operator_delete(struct server_shard *home, const struct queue_def *q, bool if_unused, bool if_empty,
                struct operator_op *op)
{
    struct channel_ref ref = operator_ref(home, op);
    courier_delete(home->broker, q, ref, op->number, if_unused, if_empty, slice_str(EVENT_BY_TOOL));
}

void
operator_peek(struct server_shard *home, uint64_t queue_id, uint32_t n, struct operator_op *op)
{
    struct channel_ref ref = operator_ref(home, op);
    courier_peek(home->broker, queue_id, n, ref, op->number);
}

bool
operator_replied(struct server_shard *home, const struct op_reply *r)
{
    if (r->to.connection != 0)
        return false;
    LIST_FOREACH (at, &home->operator_ops) {
        struct operator_op *op = LIST_ENTRY(at, struct operator_op, node);
        if (op->number == r->op) {
            list_remove(&op->node);
            op->done(op, r);
            break;
        }
    }
    return true;
}

/* ---- connections ---- */

static bool
operator_means(const struct operator_closing *closing, const struct connection *c)
{
    if (c->state != CONNECTION_RUNNING || (closing->id && c->id != closing->id))
        return false;
    if (closing->vhost.len > 0 && !slice_eq(closing->vhost, slice_of(c->vhost->name, c->vhost->name_size)))
        return false;
    return closing->user.len == 0 || slice_eq(closing->user, intern_slice(c->user));
}

bool
operator_close_connections(struct server_shard *home, struct operator_closing *closing, unsigned closes_max)
{
    unsigned closes = 0;
    for (unsigned looks = 0; looks < OPERATOR_LOOKS_PER_SLICE && closing->left > 0; looks++) {
        if (closes == closes_max || closes == OPERATOR_CLOSES_PER_SLICE)
            return false;
        struct connection *c = slots_next(&home->connections, &closing->cursor, NULL);
        if (!c)
            return true;
        if (!operator_means(closing, c))
            continue;
        connection_fail(c, AMQP_REPLY_CONNECTION_FORCED, 0, "%s", closing->reason);
        closing->closed++;
        closing->left--;
        closes++;
    }
    return closing->left == 0;
}
