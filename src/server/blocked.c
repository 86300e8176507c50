/*
 * Alarms. While the node is low on memory or disk, a connection that publishes is told so
 * (connection.blocked, if it asked for that) and not read any more, from its first publish during the alarm
 * on, or from the next piece of a publish that was half-way; connections that only consume go on. As in
 * RabbitMQ an alarm does nothing to a connection before it publishes again, and `unblocked` comes when all
 * alarms are off.
 */
#include "server/blocked.h"
#include "broker/alarm.h"
#include "server/class.h"

void
blocked_on_publish(struct connection *c)
{
    const char *reason = c->home->alarm;
    if (__builtin_expect(!reason, 1) || c->state != CONNECTION_RUNNING)
        return;
    if (c->flags & CONNECTION_BLOCKED_NOTIFY && !(c->flags & CONNECTION_BLOCKED_SENT)) {
        struct amqp_connection_blocked m = {.reason = slice_str(reason)};
        CONNECTION_SEND(c, AMQP_CONNECTION_BLOCKED_SIZE_MAX, amqp_encode_connection_blocked(out, 0, &m));
        c->flags |= CONNECTION_BLOCKED_SENT;
    }
    connection_block(c, BLOCK_ALARM);
}

static void
blocked_end(struct connection *c)
{
    if (c->flags & CONNECTION_BLOCKED_SENT && c->state == CONNECTION_RUNNING)
        CONNECTION_SEND(c, AMQP_CONNECTION_UNBLOCKED_SIZE_MAX, amqp_encode_connection_unblocked(out, 0));
    c->flags &= (uint16_t)~CONNECTION_BLOCKED_SENT;
    connection_unblock(c, BLOCK_ALARM);
}

void
blocked_alarm(void *server, const char *reason)
{
    struct server_shard *home = server;
    home->alarm = reason;
    if (reason)
        return;
    size_t cursor = 0;
    for (struct connection *c; (c = slots_next(&home->connections, &cursor, NULL));)
        blocked_end(c);
}
