/*
 * The fields and their order are RabbitMQ 3.10's, among them addresses and the protocol as Erlang prints
 * them. channel.closed and consumer.deleted name things by the pids that the *.created before them had.
 */
#include "server/session_event.h"

#include "broker/event.h"
#include "server/class.h"
#include "server/session_pid.h"
#include "wire/sasl.h"
#include "wire/table.h"

#include <stdio.h>

#define SESSION_EVENT_PROTOCOL "{0,9,1}"

static bool
begin(struct event *e, const struct connection *c, const char *key)
{
    return event_begin(e, c->home->broker, key);
}

static void
add_str(struct event *e, const char *name, struct slice value)
{
    table_add_str(&e->headers, name, value);
}

static void
add_text(struct event *e, const char *name, const char *value)
{
    add_str(e, name, slice_str(value));
}

static void
add_number(struct event *e, const char *name, uint64_t value)
{
    table_add_int64(&e->headers, name, (int64_t)value);
}

static void
add_pid(struct event *e, const char *name, const struct connection *c, unsigned channel)
{
    char text[SESSION_PID_TEXT_SIZE];
    const struct server *server = c->home->server;
    add_text(e, name, session_pid_text(server, session_pid_number(server, c->id), channel, text));
}

/* {127,0,0,1}, or eight numbers. */
static void
add_host(struct event *e, const char *name, const struct net_addr *a)
{
    struct buffer text = {0};
    bool is_4 = a->family == NET_IPV4;
    for (unsigned i = 0; i < (is_4 ? 4u : 8u); i++)
        buffer_add_fmt(&text, "%s%u", i ? "," : "{",
                       is_4 ? a->ip[i] : a->ip[2 * i] * 256u + a->ip[2 * i + 1]);
    buffer_add_u8(&text, '}');
    add_str(e, name, buffer_slice(&text));
    buffer_fini(&text);
}

static void
add_name(struct event *e, const char *field, const struct connection *c)
{
    char name[2 * NET_ADDR_TEXT_SIZE + 8];
    add_text(e, field, connection_name(c, name));
}

static void
add_actor(struct event *e, const struct connection *c)
{
    add_str(e, "user_who_performed_action", intern_slice(c->user));
}

static void
add_vhost(struct event *e, const struct connection *c)
{
    add_str(e, "vhost", slice_of(c->vhost->name, c->vhost->name_size));
}

/* The name that the client gave itself. */
static void
add_user_provided_name(struct event *e, const struct connection *c)
{
    struct slice name;
    if (table_get_str(intern_slice(c->client_properties), "connection_name", &name) == ERR_OK)
        add_str(e, "user_provided_name", name);
}

/* ---- logins ---- */

/* RabbitMQ sends the text of the error as a list of its characters, and so it comes as an array of numbers.
 */
static void
add_error(struct event *e, const char *why)
{
    size_t at = table_add_array_begin(&e->headers, "error");
    for (; *why; why++)
        table_add_int64(&e->headers, NULL, (unsigned char)*why);
    table_end(&e->headers, at);
}

void
session_event_login(struct connection *c, struct slice mechanism, struct slice user, const char *why)
{
    struct event e;
    struct net_addr peer, local;
    if (!begin(&e, c, why ? "user.authentication.failure" : "user.authentication.success"))
        return;
    net_peer(c->stream.net, &peer);
    net_local(c->stream.net, &local);
    if (why)
        add_error(&e, why);
    table_add_bool(&e.headers, "ssl", c->stream.tls != NULL);
    add_str(&e, "auth_mechanism", mechanism);
    add_text(&e, "protocol", SESSION_EVENT_PROTOCOL);
    add_number(&e, "peer_port", peer.port);
    add_host(&e, "peer_host", &peer);
    add_name(&e, "connection_name", c);
    add_host(&e, "host", &local);
    add_str(&e, "name", user);
    add_text(&e, "connection_type", "network");
    event_end(&e);
}

/* ---- connections ---- */

static void
add_ends(struct event *e, const struct connection *c)
{
    struct net_addr peer, local;
    net_peer(c->stream.net, &peer);
    net_local(c->stream.net, &local);
    table_add_bool(&e->headers, "ssl", c->stream.tls != NULL);
    add_host(e, "peer_host", &peer);
    add_host(e, "host", &local);
    add_number(e, "peer_port", peer.port);
    add_number(e, "port", local.port);
}

void
session_event_connection_created(struct connection *c)
{
    struct event e;
    if (!begin(&e, c, "connection.created"))
        return;
    add_actor(&e, c);
    add_text(&e, "node", c->home->server->node->name);
    add_number(&e, "connected_at", connection_id_time(c->id));
    event_add_arguments(&e, "client_properties", intern_slice(c->client_properties));
    add_number(&e, "channel_max", c->channel_max);
    add_number(&e, "frame_max", c->frame_max);
    add_number(&e, "timeout", c->heartbeat_s);
    add_vhost(&e, c);
    add_str(&e, "user", intern_slice(c->user));
    add_text(&e, "protocol", SESSION_EVENT_PROTOCOL);
    add_text(&e, "auth_mechanism", sasl_mechanism_name((enum sasl_mechanism)c->mechanism));
    add_ends(&e, c);
    add_name(&e, "name", c);
    add_pid(&e, "pid", c, 0);
    add_text(&e, "type", "network");
    add_user_provided_name(&e, c);
    event_end(&e);
}

void
session_event_connection_closed(struct connection *c)
{
    struct event e;
    if (!c->vhost || !begin(&e, c, "connection.closed"))
        return;
    event_add_arguments(&e, "client_properties", intern_slice(c->client_properties));
    add_text(&e, "node", c->home->server->node->name);
    add_pid(&e, "pid", c, 0);
    add_name(&e, "name", c);
    add_user_provided_name(&e, c);
    event_end(&e);
}

/* ---- channels ---- */

void
session_event_channel_created(struct channel *ch)
{
    struct event e;
    const struct connection *c = ch->connection;
    if (!begin(&e, c, "channel.created"))
        return;
    char name[2 * NET_ADDR_TEXT_SIZE + 8], text[sizeof name + 16];
    snprintf(text, sizeof text, "%s (%u)", connection_name(c, name), ch->number);
    add_actor(&e, c);
    add_vhost(&e, c);
    add_str(&e, "user", intern_slice(c->user));
    add_number(&e, "number", ch->number);
    add_pid(&e, "connection", c, 0);
    add_text(&e, "name", text);
    add_pid(&e, "pid", c, ch->number);
    event_end(&e);
}

void
session_event_channel_closed(struct channel *ch)
{
    struct event e;
    if (!begin(&e, ch->connection, "channel.closed"))
        return;
    add_actor(&e, ch->connection);
    add_pid(&e, "pid", ch->connection, ch->number);
    event_end(&e);
}

/* ---- consumers ---- */

static void
add_queue_name(struct event *e, const struct channel_consumer *consumer)
{
    const struct meta *meta = consumer->channel->connection->home->server->node->meta;
    const struct queue_def *q = queue_def_find_id(meta, consumer->subscription.queue_id);
    if (q)
        add_str(e, "queue", queue_def_name(q));
}

/* What both kinds end with. */
static void
end_consumer(struct event *e, const struct channel_consumer *consumer)
{
    const struct channel *ch = consumer->channel;
    add_queue_name(e, consumer);
    add_vhost(e, ch->connection);
    add_pid(e, "channel", ch->connection, ch->number);
}

void
session_event_consumer_created(struct channel *ch, const struct channel_consumer *consumer)
{
    struct event e;
    if (!begin(&e, ch->connection, "consumer.created"))
        return;
    add_actor(&e, ch->connection);
    event_add_arguments(&e, "arguments", channel_consumer_arguments(consumer));
    add_number(&e, "prefetch_count", consumer->prefetch_count);
    end_consumer(&e, consumer);
    table_add_bool(&e.headers, "ack_required", !consumer->subscription.no_ack);
    table_add_bool(&e.headers, "exclusive", consumer->is_exclusive);
    add_str(&e, "consumer_tag", slice_of(consumer->tag, consumer->tag_size));
    event_end(&e);
}

void
session_event_consumer_deleted(const struct channel_consumer *consumer)
{
    struct event e;
    const struct connection *c = consumer->channel->connection;
    if (!begin(&e, c, "consumer.deleted"))
        return;
    add_actor(&e, c);
    end_consumer(&e, consumer);
    add_str(&e, "consumer_tag", slice_of(consumer->tag, consumer->tag_size));
    event_end(&e);
}
