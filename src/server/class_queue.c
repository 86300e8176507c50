/*
 * queue.declare, bind, unbind, purge, delete. An empty name means the queue that this channel declared last.
 * A queue.declare of something that exists is answered with its counts, which its shard has to say; one that
 * makes something is answered when the declaration is visible everywhere.
 */
#include "broker/topic_permission.h"
#include "broker/vhost.h"
#include "broker/vhost_defaults.h"
#include "server/class.h"
#include "wire/table.h"

/* For the permission check of a name that the server will make up. */
#define GENERATED_NAME_LIKE "amq.gen-AAAAAAAAAAAAAAAAAAAAAA"

static void
class_queue_declare_ok(struct channel *ch, const struct parked_op *op)
{
    struct slice name = slice_of(op->name, op->name_size);
    channel_set_last_queue(ch, name);
    if (op->nowait)
        return;
    struct amqp_queue_declare_ok ok = {
        .queue = name, .message_count = op->message_count, .consumer_count = op->consumer_count};
    CONNECTION_SEND(ch->connection, AMQP_QUEUE_DECLARE_OK_SIZE_MAX,
                    amqp_encode_queue_declare_ok(out, ch->number, &ok));
}

void
class_queue_answer(struct channel *ch, struct parked_op *op)
{
    struct connection *c = ch->connection;
    if (op->method == AMQP_QUEUE_DECLARE) {
        class_queue_declare_ok(ch, op);
        return;
    }
    if (op->nowait)
        return;
    uint8_t *out = connection_reserve(c, AMQP_QUEUE_DELETE_OK_SIZE_MAX);
    struct amqp_queue_purge_ok purged = {.message_count = op->message_count};
    struct amqp_queue_delete_ok deleted = {.message_count = op->message_count};
    size_t size = op->method == AMQP_QUEUE_BIND     ? amqp_encode_queue_bind_ok(out, ch->number)
                  : op->method == AMQP_QUEUE_UNBIND ? amqp_encode_queue_unbind_ok(out, ch->number)
                  : op->method == AMQP_QUEUE_PURGE  ? amqp_encode_queue_purge_ok(out, ch->number, &purged)
                                                    : amqp_encode_queue_delete_ok(out, ch->number, &deleted);
    connection_commit(c, size);
}

/* ---- declare ---- */

/* The answer is the counts of a queue that is there. Should it go meanwhile, `cmd` (may be NULL) makes it
 * anew. */
static void
class_queue_count(struct channel *ch, const struct queue_def *q, struct meta_command *cmd, bool nowait)
{
    struct slice dead_letter;
    struct slice name = queue_def_name(q);
    struct parked_op *op = channel_op(ch, AMQP_QUEUE_DECLARE, name, nowait);
    op->queue_id = q->id;
    op->queue_shard = q->shard;
    if (nowait) {
        channel_op_done(ch, op);
        return;
    }
    /* Making one with that argument asks for more permissions than finding one. */
    if (cmd && table_get_str(cmd->arguments, "x-dead-letter-exchange", &dead_letter) != ERR_OK)
        channel_submit_later(ch, op, cmd);
    courier_counts(ch->connection->home->broker, q, channel_ref_of(ch), op->number);
}

static bool
class_queue_dead_letter_ok(struct channel *ch, struct slice name, struct slice arguments)
{
    struct slice exchange;
    if (table_get_str(arguments, "x-dead-letter-exchange", &exchange) != ERR_OK)
        return true;
    return channel_may(ch, AMQP_QUEUE_DECLARE, PERMISSION_READ, "queue", name) &&
           channel_may(ch, AMQP_QUEUE_DECLARE, PERMISSION_WRITE, "exchange", exchange);
}

static void
class_queue_declare_new(struct channel *ch, struct meta_command *cmd, bool nowait)
{
    struct connection *c = ch->connection;
    if (!class_queue_dead_letter_ok(ch, cmd->name, cmd->arguments))
        return;
    c->flags |= CONNECTION_DECLARED_QUEUE;
    channel_submit(ch, channel_op(ch, AMQP_QUEUE_DECLARE, cmd->name, nowait), cmd);
}

/* Where the vhost, or the node, says of which type its queues are, a queue that can be of it is declared so.
 */
static struct slice
class_queue_arguments(const struct connection *c, const struct amqp_queue_declare *m, struct slice name,
                      struct buffer *made)
{
    struct slice type = vhost_defaults_queue_type(c->home->broker->node->vhost_defaults,
                                                  vhost_metadata(c->vhost)->default_queue_type);
    struct table_value v;
    if (type.len == 0 || slice_eq_str(type, "classic") || !m->durable || m->exclusive || m->auto_delete ||
        name.len == 0 || table_find_str(m->arguments, "x-queue-type", &v))
        return m->arguments;
    buffer_add(made, m->arguments.data, m->arguments.len);
    table_add_str(made, "x-queue-type", type);
    return buffer_slice(made);
}

static void
class_queue_declare_active(struct channel *ch, const struct amqp_queue_declare *m, struct slice name)
{
    struct connection *c = ch->connection;
    struct slice checked = name.len ? name : slice_str(GENERATED_NAME_LIKE);
    if (!channel_may(ch, AMQP_QUEUE_DECLARE, PERMISSION_CONFIGURE, "queue", checked))
        return;
    struct buffer made = {0};
    struct meta_command cmd = {.kind = META_QUEUE_DECLARE,
                               .name = name,
                               .durable = m->durable && !m->exclusive,
                               .exclusive = m->exclusive,
                               .auto_delete = m->auto_delete,
                               .arguments = class_queue_arguments(c, m, name, &made),
                               .connection_id = c->id,
                               .shard_hint = (uint16_t)c->home->index,
                               .first_of_connection = !(c->flags & CONNECTION_DECLARED_QUEUE),
                               .random = shard_random(c->home->shard)};
    const struct queue_def *q = ch->parked || !name.len ? NULL : queue_def_find(c->vhost, name);
    char text[256];
    uint16_t code = q ? queue_def_check_redeclare(q, &cmd, text) : 0;
    if (code)
        channel_fail_text(ch, code, AMQP_QUEUE_DECLARE, text);
    else if (q)
        class_queue_count(ch, q, &cmd, m->nowait);
    else
        class_queue_declare_new(ch, &cmd, m->nowait);
    buffer_fini(&made);
}

static void
class_queue_declare(struct channel *ch, struct slice payload)
{
    struct amqp_queue_declare m;
    if (channel_decode_failed(ch, AMQP_QUEUE_DECLARE, amqp_decode_queue_declare(payload, &m)))
        return;
    char buf[256];
    struct slice name = channel_strip_name(m.queue, buf);
    if (direct_reply_is_pseudo_queue(name)) {
        m.queue = name;
        direct_reply_declare(ch, &m);
        return;
    }
    if (!m.passive) {
        class_queue_declare_active(ch, &m, name);
        return;
    }
    const struct queue_def *q = channel_queue(ch, AMQP_QUEUE_DECLARE, name);
    if (q)
        class_queue_count(ch, q, NULL, m.nowait);
}

/* ---- bind ---- */

/* `unbind` has no nowait. */
static void
class_queue_bind(struct channel *ch, uint32_t method, const struct amqp_queue_bind *m)
{
    struct slice queue = m->queue, key = m->routing_key;
    if (!channel_queue_name(ch, method, &queue))
        return;
    if (m->queue.len == 0 && key.len == 0)
        key = queue;
    char queue_buf[256], exchange_buf[256];
    queue = channel_strip_name(queue, queue_buf);
    struct slice exchange = channel_strip_name(m->exchange, exchange_buf);
    if (!channel_may(ch, method, PERMISSION_WRITE, "queue", queue))
        return;
    if (exchange.len == 0) {
        channel_fail(ch, AMQP_REPLY_ACCESS_REFUSED, method,
                     "operation not permitted on the default exchange");
        return;
    }
    if (!channel_may(ch, method, PERMISSION_READ, "exchange", exchange))
        return;
    const struct exchange *source = exchange_find(ch->connection->vhost, exchange);
    if (source && !channel_may_topic(ch, method, PERMISSION_READ, source, key))
        return;
    struct meta_command cmd = {.kind = method == AMQP_QUEUE_BIND ? META_QUEUE_BIND : META_QUEUE_UNBIND,
                               .name = queue,
                               .source = exchange,
                               .routing_key = key,
                               .arguments = m->arguments};
    channel_submit(ch, channel_op(ch, method, queue, m->nowait), &cmd);
}

/* ---- purge, delete ---- */

static void
class_queue_purge(struct channel *ch, struct slice payload)
{
    struct amqp_queue_purge m;
    if (channel_decode_failed(ch, AMQP_QUEUE_PURGE, amqp_decode_queue_purge(payload, &m)) ||
        !channel_queue_name(ch, AMQP_QUEUE_PURGE, &m.queue) ||
        !channel_may(ch, AMQP_QUEUE_PURGE, PERMISSION_READ, "queue", m.queue))
        return;
    const struct queue_def *q = channel_queue(ch, AMQP_QUEUE_PURGE, m.queue);
    if (!q)
        return;
    struct parked_op *op = channel_op(ch, AMQP_QUEUE_PURGE, m.queue, m.nowait);
    courier_purge(ch->connection->home->broker, q, channel_ref_of(ch), op->number);
}

static void
class_queue_delete(struct channel *ch, struct slice payload)
{
    struct amqp_queue_delete m;
    if (channel_decode_failed(ch, AMQP_QUEUE_DELETE, amqp_decode_queue_delete(payload, &m)) ||
        !channel_queue_name(ch, AMQP_QUEUE_DELETE, &m.queue))
        return;
    char buf[256];
    struct slice name = channel_strip_name(m.queue, buf);
    if (!channel_may(ch, AMQP_QUEUE_DELETE, PERMISSION_CONFIGURE, "queue", name))
        return;
    struct connection *c = ch->connection;
    if (!queue_def_find(c->vhost, name)) { /* deleting what is not there is fine */
        struct amqp_queue_delete_ok ok = {0};
        if (!m.nowait)
            CONNECTION_SEND(c, AMQP_QUEUE_DELETE_OK_SIZE_MAX,
                            amqp_encode_queue_delete_ok(out, ch->number, &ok));
        return;
    }
    const struct queue_def *q = channel_queue(ch, AMQP_QUEUE_DELETE, name);
    if (!q || !quorum_may_delete(ch, q, m.if_unused, m.if_empty))
        return;
    struct parked_op *op = channel_op(ch, AMQP_QUEUE_DELETE, name, m.nowait);
    op->queue_id = q->id;
    courier_delete(c->home->broker, q, channel_ref_of(ch), op->number, m.if_unused, m.if_empty,
                   intern_slice(c->user));
}

void
class_queue_method(struct channel *ch, uint32_t method, struct slice payload)
{
    struct amqp_queue_bind bind;
    struct amqp_queue_unbind unbind;
    switch (method) {
    case AMQP_QUEUE_DECLARE: class_queue_declare(ch, payload); break;
    case AMQP_QUEUE_PURGE: class_queue_purge(ch, payload); break;
    case AMQP_QUEUE_DELETE: class_queue_delete(ch, payload); break;
    case AMQP_QUEUE_BIND:
        if (!channel_decode_failed(ch, method, amqp_decode_queue_bind(payload, &bind)))
            class_queue_bind(ch, method, &bind);
        break;
    case AMQP_QUEUE_UNBIND:
        if (channel_decode_failed(ch, method, amqp_decode_queue_unbind(payload, &unbind)))
            break;
        bind = (struct amqp_queue_bind){.queue = unbind.queue,
                                        .exchange = unbind.exchange,
                                        .routing_key = unbind.routing_key,
                                        .arguments = unbind.arguments};
        class_queue_bind(ch, method, &bind);
        break;
    default: channel_fail(ch, AMQP_REPLY_COMMAND_INVALID, method, "unimplemented method"); break;
    }
}
