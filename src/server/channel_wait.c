/*
 * A channel's waiting, over the two queues of parked.h.
 *
 *   channel_op()        a method's answer is due
 *   channel_op_done()   it has come; answers are sent as far as they are there, in order; behind the last one
 * the parked frames are handled, until one of them waits again
 *
 * A declaration may run while others are under way, because shard 0 applies the commands of one shard in
 * order. It has no part in anything that is looked up before it is submitted but permissions; where it has
 * (passive, "the last declared queue") it waits like any other method.
 */
#include "base/check.h"
#include "server/class.h"

#include <stdlib.h>

/* ---- the budget ---- */

static void
parked_budget_check(struct connection *c)
{
    if (c->parked_bytes > c->home->server->config.limits.parked_bytes_max)
        connection_block(c, BLOCK_PARKED);
}

void
channel_parked_relax(struct connection *c)
{
    if (c->parked_bytes <= c->home->server->config.limits.parked_bytes_max / 2)
        connection_unblock(c, BLOCK_PARKED);
    if (c->parked_bytes == 0)
        connection_unblock(c, BLOCK_CLOSE);
}

/* ---- what may run ---- */

/* Behind class, method and ticket. */
static struct slice
payload_fields(struct slice payload)
{
    return payload.len > 6 ? slice_of(payload.data + 6, payload.len - 6) : slice_of(NULL, 0);
}

static struct slice
payload_skip_shortstr(struct slice s)
{
    size_t n = s.len ? 1u + s.data[0] : 1;
    return s.len > n ? slice_of(s.data + n, s.len - n) : slice_of(NULL, 0);
}

/* A declaration that does not depend on the answers before it. Looks at the raw payload; whoever is wrong
 * waits. */
static bool
channel_method_joins(uint32_t method, struct slice payload)
{
    struct slice at = payload_fields(payload);
    if (at.len == 0)
        return false;
    switch (method) {
    case AMQP_EXCHANGE_DECLARE:
        at = payload_skip_shortstr(payload_skip_shortstr(at));
        return at.len && !(at.data[0] & 1);
    case AMQP_QUEUE_DECLARE:
        if (direct_reply_is_pseudo_queue(at.len > at.data[0] ? slice_of(at.data + 1, at.data[0]) : at))
            return false;
        at = payload_skip_shortstr(at);
        return at.len && !(at.data[0] & 1);
    case AMQP_QUEUE_BIND:
    case AMQP_QUEUE_UNBIND: return at.len && at.data[0] != 0;
    case AMQP_EXCHANGE_BIND:
    case AMQP_EXCHANGE_UNBIND:
    case AMQP_EXCHANGE_DELETE: return true;
    default: return false;
    }
}

bool
channel_may_run(const struct channel *ch, uint8_t type, struct slice payload)
{
    const struct parked *p = ch->parked;
    if (parked_has_frames(p))
        return false;
    if (!p->first)
        return true;
    return type == AMQP_FRAME_METHOD &&
           p->ops < ch->connection->home->server->config.limits.pending_ops_max && p->is_joinable &&
           channel_method_joins(amqp_method_id(payload), payload);
}

void
channel_park(struct channel *ch, uint8_t type, struct slice payload)
{
    parked_frame_add(ch->parked, type, payload);
    ch->connection->parked_bytes += (uint32_t)parked_frame_cost(payload.len);
    parked_budget_check(ch->connection);
}

/* ---- ops ---- */

struct parked_op *
channel_op(struct channel *ch, uint32_t method, struct slice name, bool nowait)
{
    if (!ch->parked)
        ch->parked = parked_new();
    bool alone = !ch->parked->first;
    struct parked_op *op = parked_op_add(ch->parked, method, name, method == AMQP_QUEUE_DECLARE ? 255 : 0);
    op->nowait = nowait;
    bool joins = method == AMQP_EXCHANGE_DECLARE || method == AMQP_EXCHANGE_DELETE ||
                 method == AMQP_EXCHANGE_BIND || method == AMQP_EXCHANGE_UNBIND ||
                 method == AMQP_QUEUE_DECLARE || method == AMQP_QUEUE_BIND || method == AMQP_QUEUE_UNBIND;
    ch->parked->is_joinable = (alone || ch->parked->is_joinable) && joins;
    return op;
}

void
channel_op_charge(struct channel *ch, struct parked_op *op, size_t bytes)
{
    op->cost += (uint32_t)bytes;
    ch->connection->parked_bytes += (uint32_t)bytes;
    parked_budget_check(ch->connection);
}

void
channel_op_refuse(struct parked_op *op, uint16_t code, const char *text)
{
    op->code = code;
    free(op->text);
    op->text = strdup(text);
    CHECK(op->text);
}

/* Sends the answer; the channel may be gone or closing afterwards. */
static void
channel_op_answer(struct channel *ch, struct parked_op *op)
{
    if (op->code) {
        channel_fail_now(ch, op->code, op->method, op->text);
        return;
    }
    switch (AMQP_CLASS_ID(op->method)) {
    case AMQP_CLASS_EXCHANGE: class_exchange_answer(ch, op); break;
    case AMQP_CLASS_QUEUE: class_queue_answer(ch, op); break;
    case AMQP_CLASS_TX: class_tx_answer(ch, op); break;
    default: break; /* basic.*: answered where the reply came in */
    }
}

void
channel_op_done(struct channel *ch, struct parked_op *op)
{
    struct connection *c = ch->connection;
    uint16_t number = ch->number;
    uint32_t serial = ch->serial;
    op->is_done = true;
    while (ch->parked && ch->parked->first && ch->parked->first->is_done) {
        struct parked_op *first = parked_op_shift(ch->parked);
        c->parked_bytes -= first->cost;
        channel_op_answer(ch, first);
        parked_op_free(first);
        channel_parked_relax(c);
        ch = c->state == CONNECTION_DEAD ? NULL : channel_find(c, number);
        if (!ch || ch->serial != serial || ch->state == CHANNEL_CLOSING)
            return;
    }
    if (ch->parked && ch->parked->first)
        return;
    if (ch->state == CHANNEL_DOOMED)
        channel_fail_doomed(ch);
    else
        channel_replay(ch);
}

/* ---- replay ---- */

void
channel_replay(struct channel *ch)
{
    struct connection *c = ch->connection;
    struct parked *p = ch->parked;
    if (!p || p->is_replaying)
        return;
    p->is_replaying = true;
    uint8_t type;
    struct slice payload;
    uint64_t work_end = connection_work_end(c);
    while (!(c->blocked & BLOCK_ROOM) && !(c->flags & CONNECTION_MOVING) && !p->is_orphan &&
           c->home->broker->route_work < work_end && ch->state == CHANNEL_OPEN &&
           c->state == CONNECTION_RUNNING && parked_frame_peek(p, &type, &payload)) {
        if (p->first && !(p->is_joinable && type == AMQP_FRAME_METHOD &&
                          channel_method_joins(amqp_method_id(payload), payload)))
            break;
        if (channel_handle(ch, type, payload) == VERDICT_NOT_YET)
            break;
        if (p->is_orphan || ch->state == CHANNEL_CLOSING)
            break;
        c->parked_bytes -= (uint32_t)parked_frame_drop(p);
    }
    p->is_replaying = false;
    if (p->is_orphan) {
        parked_free(p);
        return;
    }
    if (c->flags & CONNECTION_MOVING || c->home->broker->route_work >= work_end)
        server_again(c->home, c);
    channel_parked_relax(c);
    if (parked_is_empty(p)) {
        parked_free(p);
        ch->parked = NULL;
    }
}

static void
channel_retry(struct channel *ch)
{
    struct connection *c = ch->connection;
    if (c->blocked & BLOCK_ROOM)
        return;
    if (c->home->broker->route_work >= c->home->resume_work_end) {
        c->flags |= CONNECTION_ROOM_AWAITED;
        server_again(c->home, c);
        return;
    }
    uint16_t number = ch->number;
    uint32_t serial = ch->serial;
    class_tx_retry(ch); /* may handle the channel.close behind the commit */
    ch = c->state == CONNECTION_DEAD ? NULL : channel_find(c, number);
    if (!ch || ch->serial != serial)
        return;
    if (ch->draft && ch->draft->is_whole && basic_publish_retry(ch) == VERDICT_NOT_YET)
        return;
    ch = c->state == CONNECTION_DEAD ? NULL : channel_find(c, number);
    if (ch && ch->serial == serial)
        channel_replay(ch);
}

void
channel_replay_all(struct connection *c)
{
    if (!(c->flags & CONNECTION_ROOM_AWAITED) && c->parked_bytes == 0)
        return;
    if (!(c->blocked & BLOCK_ROOM))
        c->flags &= (uint16_t)~CONNECTION_ROOM_AWAITED; /* who still finds none sets it anew */
    c->home->resume_work_end = connection_work_end(c);
    channel_each(c, channel_retry);
}
