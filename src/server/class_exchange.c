/*
 * exchange.declare, delete, bind, unbind. What can be answered without a change is answered at once; the rest
 * is a command for meta.h. Checks come in RabbitMQ's order: type, default exchange, permission, then
 * existence.
 */
#include "server/class.h"
#include "wire/table.h"

#include "broker/topic_permission.h"
#include "broker/vhost.h"

static bool
class_exchange_not_default(struct channel *ch, uint32_t method, struct slice name)
{
    if (name.len > 0)
        return true;
    channel_fail(ch, AMQP_REPLY_ACCESS_REFUSED, method, "operation not permitted on the default exchange");
    return false;
}

/* An exchange that comes with an alternate needs rights on both. */
static bool
class_exchange_alternate_ok(struct channel *ch, struct slice name, struct slice arguments)
{
    struct slice alternate;
    if (table_get_str(arguments, "alternate-exchange", &alternate) != ERR_OK)
        return true;
    return channel_may(ch, AMQP_EXCHANGE_DECLARE, PERMISSION_READ, "exchange", name) &&
           channel_may(ch, AMQP_EXCHANGE_DECLARE, PERMISSION_WRITE, "exchange", alternate);
}

static void
class_exchange_ok(struct channel *ch, uint32_t method)
{
    struct connection *c = ch->connection;
    uint8_t *out = connection_reserve(c, AMQP_EXCHANGE_DECLARE_OK_SIZE_MAX);
    size_t size = method == AMQP_EXCHANGE_DECLARE  ? amqp_encode_exchange_declare_ok(out, ch->number)
                  : method == AMQP_EXCHANGE_DELETE ? amqp_encode_exchange_delete_ok(out, ch->number)
                  : method == AMQP_EXCHANGE_BIND   ? amqp_encode_exchange_bind_ok(out, ch->number)
                                                   : amqp_encode_exchange_unbind_ok(out, ch->number);
    connection_commit(c, size);
}

void
class_exchange_answer(struct channel *ch, struct parked_op *op)
{
    if (!op->nowait)
        class_exchange_ok(ch, op->method);
}

static void
class_exchange_declare_passive(struct channel *ch, const struct amqp_exchange_declare *m, struct slice name)
{
    struct connection *c = ch->connection;
    if (!exchange_find(c->vhost, name))
        channel_fail(ch, AMQP_REPLY_NOT_FOUND, AMQP_EXCHANGE_DECLARE, "no exchange '%.*s' in vhost '%s'",
                     SLICE_FMT(name), c->vhost->name);
    else if (!m->nowait)
        class_exchange_ok(ch, AMQP_EXCHANGE_DECLARE);
}

static void
class_exchange_declare(struct channel *ch, struct slice payload)
{
    struct amqp_exchange_declare m;
    if (channel_decode_failed(ch, AMQP_EXCHANGE_DECLARE, amqp_decode_exchange_declare(payload, &m)))
        return;
    char buf[256];
    struct slice name = channel_strip_name(m.exchange, buf);
    enum exchange_type type;
    if (!m.passive && !exchange_type_parse(m.type, &type)) {
        channel_fail(ch, AMQP_REPLY_COMMAND_INVALID, AMQP_EXCHANGE_DECLARE, "unknown exchange type '%.*s'",
                     SLICE_FMT(m.type));
        return;
    }
    if (!class_exchange_not_default(ch, AMQP_EXCHANGE_DECLARE, name))
        return;
    if (m.passive) {
        class_exchange_declare_passive(ch, &m, name);
        return;
    }
    if (!channel_may(ch, AMQP_EXCHANGE_DECLARE, PERMISSION_CONFIGURE, "exchange", name))
        return;
    struct meta_command cmd = {.kind = META_EXCHANGE_DECLARE,
                               .name = name,
                               .type = m.type,
                               .durable = m.durable,
                               .auto_delete = m.auto_delete,
                               .internal = m.internal,
                               .arguments = m.arguments};
    const struct exchange *x = ch->parked ? NULL : exchange_find(ch->connection->vhost, name);
    char text[256];
    uint16_t code = x ? exchange_check_redeclare(x, &cmd, text) : 0;
    if (code)
        channel_fail_text(ch, code, AMQP_EXCHANGE_DECLARE, text);
    else if (x && !m.nowait)
        class_exchange_ok(ch, AMQP_EXCHANGE_DECLARE);
    else if (!x && class_exchange_alternate_ok(ch, name, m.arguments))
        channel_submit(ch, channel_op(ch, AMQP_EXCHANGE_DECLARE, name, m.nowait), &cmd);
}

static void
class_exchange_delete(struct channel *ch, struct slice payload)
{
    struct amqp_exchange_delete m;
    if (channel_decode_failed(ch, AMQP_EXCHANGE_DELETE, amqp_decode_exchange_delete(payload, &m)))
        return;
    char buf[256];
    struct slice name = channel_strip_name(m.exchange, buf);
    if (!class_exchange_not_default(ch, AMQP_EXCHANGE_DELETE, name))
        return;
    if (slice_starts_with(name, "amq.")) {
        channel_fail(ch, AMQP_REPLY_ACCESS_REFUSED, AMQP_EXCHANGE_DELETE,
                     "deletion of system exchange '%.*s' in vhost '%s' not allowed", SLICE_FMT(name),
                     ch->connection->vhost->name);
        return;
    }
    if (!channel_may(ch, AMQP_EXCHANGE_DELETE, PERMISSION_CONFIGURE, "exchange", name))
        return;
    struct meta_command cmd = {.kind = META_EXCHANGE_DELETE, .name = name, .if_unused = m.if_unused};
    channel_submit(ch, channel_op(ch, AMQP_EXCHANGE_DELETE, name, m.nowait), &cmd);
}

/* exchange.bind and exchange.unbind have the same fields. */
static void
class_exchange_bind(struct channel *ch, uint32_t method, const struct amqp_exchange_bind *m)
{
    char destination_buf[256], source_buf[256];
    struct slice destination = channel_strip_name(m->destination, destination_buf);
    struct slice source = channel_strip_name(m->source, source_buf);
    if (!channel_may(ch, method, PERMISSION_WRITE, "exchange", destination) ||
        !class_exchange_not_default(ch, method, destination) ||
        !class_exchange_not_default(ch, method, source) ||
        !channel_may(ch, method, PERMISSION_READ, "exchange", source))
        return;
    const struct exchange *x = exchange_find(ch->connection->vhost, source);
    if (x && !channel_may_topic(ch, method, PERMISSION_READ, x, m->routing_key))
        return;
    struct meta_command cmd = {.kind =
                                   method == AMQP_EXCHANGE_BIND ? META_EXCHANGE_BIND : META_EXCHANGE_UNBIND,
                               .name = destination,
                               .source = source,
                               .routing_key = m->routing_key,
                               .arguments = m->arguments};
    channel_submit(ch, channel_op(ch, method, destination, m->nowait), &cmd);
}

void
class_exchange_method(struct channel *ch, uint32_t method, struct slice payload)
{
    struct amqp_exchange_bind bind;
    struct amqp_exchange_unbind unbind;
    switch (method) {
    case AMQP_EXCHANGE_DECLARE: class_exchange_declare(ch, payload); break;
    case AMQP_EXCHANGE_DELETE: class_exchange_delete(ch, payload); break;
    case AMQP_EXCHANGE_BIND:
        if (!channel_decode_failed(ch, method, amqp_decode_exchange_bind(payload, &bind)))
            class_exchange_bind(ch, method, &bind);
        break;
    case AMQP_EXCHANGE_UNBIND:
        if (channel_decode_failed(ch, method, amqp_decode_exchange_unbind(payload, &unbind)))
            break;
        bind = (struct amqp_exchange_bind){.destination = unbind.destination,
                                           .source = unbind.source,
                                           .routing_key = unbind.routing_key,
                                           .nowait = unbind.nowait,
                                           .arguments = unbind.arguments};
        class_exchange_bind(ch, method, &bind);
        break;
    default: channel_fail(ch, AMQP_REPLY_COMMAND_INVALID, method, "unimplemented method"); break;
    }
}
