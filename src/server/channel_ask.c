/*
 * Questions that a channel asks, and their answers: changes of declared things go to meta_submit(), questions
 * to queues to the courier. Both answer with the channel's address and the op's number; whoever is not found
 * any more is not meant.
 *
 * An exclusive queue whose declaration comes back after its connection has begun to close is deleted again.
 */
#include "base/check.h"
#include "broker/message.h"
#include "broker/vhost.h"
#include "server/class.h"
#include "server/operator.h"

#include <stdio.h>

/* ---- declared things ---- */

static struct channel_ref
channel_ref_of_request(const struct meta_request *r)
{
    return (struct channel_ref){
        .connection = r->cookie[0],
        .shard = (uint16_t)r->origin,
        .channel = (uint16_t)r->cookie[1],
        .serial = (uint32_t)r->cookie[2],
    };
}

/* It exists now: the connection keeps it, or lets it go at once. */
static void
channel_exclusive_made(struct server_shard *home, const struct meta_request *r)
{
    struct connection *c = connection_find(home, r->cookie[0]);
    if (c && c->state == CONNECTION_RUNNING) {
        connection_queue_add(c, r->result.queue_id, r->result.queue_shard);
        return;
    }
    struct channel_ref ref = {.connection = r->cookie[0], .shard = (uint16_t)home->index};
    if (c && c->state == CONNECTION_CLOSING)
        c->closing->waiting++;
    courier_delete_id(home->broker, r->result.queue_id, r->result.queue_shard, ref, 0);
}

/* The op of a queue.declare whose queue exists. False: its counts have yet to come, and the op has the
 * request. */
static bool
channel_declared(struct channel *ch, struct parked_op *op, struct meta_request *r)
{
    const struct meta_result *result = &r->result;
    struct broker *b = ch->connection->home->broker;
    size_t size = strlen(result->name);
    CHECK(size <= UINT8_MAX);
    memcpy(op->name, result->name, size + 1);
    op->name_size = (uint8_t)size;
    op->queue_id = result->queue_id;
    op->queue_shard = result->queue_shard;
    if (!result->existed || op->nowait)
        return true;
    const struct queue_def *q = queue_def_find_id(b->node->meta, result->queue_id);
    if (!q)
        return true;
    op->again = r;
    courier_counts(b, q, channel_ref_of(ch), op->number);
    return false;
}

static void
channel_meta_done(struct broker *b, struct meta_request *r)
{
    struct server_shard *home = b->server;
    const struct meta_result *result = &r->result;
    if (r->command.kind == META_QUEUE_DECLARE && r->command.exclusive && !result->code && !result->existed)
        channel_exclusive_made(home, r);
    struct channel *ch = channel_by_ref(home, channel_ref_of_request(r));
    struct parked_op *op = ch ? parked_op_find(ch->parked, (uint32_t)r->cookie[3]) : NULL;
    bool is_done = true;
    if (op && result->code)
        channel_op_refuse(op, result->code, result->text);
    else if (op && r->command.kind == META_QUEUE_DECLARE)
        is_done = channel_declared(ch, op, r);
    if (!is_done)
        return;
    meta_request_free(r);
    if (op)
        channel_op_done(ch, op);
}

static size_t
channel_request_cost(const struct parked_op *op, const struct meta_command *cmd)
{
    return sizeof *op + op->name_size + sizeof(struct meta_request) + cmd->name.len + cmd->type.len +
           cmd->source.len + cmd->routing_key.len + cmd->arguments.len;
}

static struct meta_request *
channel_request(struct channel *ch, struct parked_op *op, struct meta_command *cmd)
{
    struct connection *c = ch->connection;
    cmd->vhost = slice_of(c->vhost->name, c->vhost->name_size);
    cmd->connection_id = c->id;
    cmd->actor = intern_slice(c->user);
    struct meta_request *r = meta_request_new(cmd);
    r->on_done = channel_meta_done;
    r->cookie[0] = c->handle;
    r->cookie[1] = ch->number;
    r->cookie[2] = ch->serial;
    r->cookie[3] = op->number;
    channel_op_charge(ch, op, channel_request_cost(op, cmd));
    return r;
}

void
channel_submit(struct channel *ch, struct parked_op *op, struct meta_command *cmd)
{
    meta_submit(ch->connection->home->broker, channel_request(ch, op, cmd));
}

void
channel_submit_later(struct channel *ch, struct parked_op *op, struct meta_command *cmd)
{
    op->again = channel_request(ch, op, cmd);
}

/* The queue that was found has been deleted before it could be counted: like RabbitMQ we declare it then. */
static void
channel_submit_again(struct channel *ch, struct parked_op *op)
{
    struct meta_request *r = op->again;
    op->again = NULL;
    r->result = (struct meta_result){0};
    meta_submit(ch->connection->home->broker, r);
}

/* ---- queues ---- */

/* Nobody waits for it any more. */
static void
channel_reply_unwanted(struct broker *b, struct op_reply *r)
{
    if (!r->message)
        return;
    message_drop(b, &r->message);
    if (!r->no_ack)
        courier_settle(b, r->queue_shard, r->queue_id, r->position, SETTLE_REQUEUE);
}

void
channel_replied(void *server, struct op_reply *r)
{
    struct server_shard *home = server;
    if (operator_replied(home, r))
        return;
    if (r->to.channel == 0) {
        struct connection *c = connection_find(home, r->to.connection);
        if (c)
            connection_queue_deleted(c);
        return;
    }
    struct channel *ch = channel_by_ref(home, r->to);
    struct parked_op *op = ch ? parked_op_find(ch->parked, r->op) : NULL;
    if (!op) {
        channel_reply_unwanted(home->broker, r);
        return;
    }
    if (op->again && r->code == AMQP_REPLY_NOT_FOUND) {
        channel_submit_again(ch, op);
        return;
    }
    op->message_count = r->message_count;
    op->consumer_count = r->consumer_count;
    if (r->code)
        channel_op_refuse(op, r->code, r->text);
    if (op->method == AMQP_QUEUE_DELETE && !r->code)
        connection_queue_remove(ch->connection, op->queue_id);
    else if (op->method == AMQP_BASIC_GET && !r->code)
        basic_get_replied(ch, op, r);
    else if (op->method == AMQP_BASIC_CONSUME)
        basic_consume_replied(ch, op, r);
    else if (op->method == AMQP_BASIC_CANCEL)
        basic_cancel_replied(ch, op);
    channel_op_done(ch, op);
}
