/*
 * A connection moves to the shard of the first queue that it uses, so that the flow between the two stays on
 * one core.
 *
 * It moves only while nothing of it is under way anywhere, which is why no fence is needed (design.md,
 * invariant 10): it has never published, consumed or got; no answer is due; every byte it was sent is
 * written; no frame and no TLS record is half-way. So no mail can carry its old address, but for the settles
 * and questions of others that find a stale handle and are dropped, as those for any connection that has
 * ended.
 *
 *   connection_move()      decides, in the middle of a frame that is then not consumed
 *   connection_move_now()  when the parser has let go: writes what there is, and packs the connection with
 * the bytes that were not consumed into a mail; or, if it cannot be, leaves it here connection_arrive()
 * unpacks it on the other shard and goes on with the same frame
 */
#include "base/check.h"
#include "broker/vhost.h"
#include "server/class.h"
#include "server/connection_limit.h"
#include "server/heartbeat.h"

#include <stdlib.h>

static bool
channel_is_busy(const struct channel *ch)
{
    return ch->state != CHANNEL_OPEN || ch->draft || (ch->parked && ch->parked->first) ||
           (ch->consumers && idmap_count(ch->consumers)) || ch->reply_consumer ||
           unacked_count(ch->unacked) ||
           (ch->confirm &&
            (confirm_outstanding(&ch->confirm->confirm) || list_is_linked(&ch->confirm->node))) ||
           (ch->tx && (ch->tx->publish_count || ch->tx->settle_count || ch->tx->state != TX_OPEN));
}

static bool
connection_is_busy(const struct connection *c)
{
    if (!c->channels)
        return c->channel && channel_is_busy(c->channel);
    size_t cursor = 0;
    for (struct channel *ch; (ch = idmap_next(c->channels, &cursor, NULL));)
        if (channel_is_busy(ch))
            return true;
    return false;
}

bool
connection_move(struct connection *c, unsigned shard)
{
    if (c->flags & CONNECTION_SETTLED)
        return false;
    c->flags |= CONNECTION_SETTLED;
    if (shard == c->home->index || !c->home->server->config.move_connections || c->blocked ||
        c->state != CONNECTION_RUNNING || c->queues || connection_is_busy(c) ||
        !stream_is_movable(&c->stream) || stream_has_pending(&c->stream))
        return false;
    if (c->flags & CONNECTION_WANTS_WRITE)
        return false;
    c->flags |= CONNECTION_MOVING;
    c->move_to = (uint8_t)shard;
    return true;
}

/* ---- leaving ---- */

/* What the shard shares among its connections goes along as a copy of its own. */
static struct intern *
intern_take(struct intern_table *t, struct intern *s)
{
    if (!s)
        return NULL;
    struct intern *copy = malloc(sizeof *copy + s->len + 1);
    CHECK(copy);
    memcpy(copy, s, sizeof *copy + s->len + 1);
    intern_drop(t, s);
    return copy;
}

static struct intern *
intern_give(struct intern_table *t, struct intern *copy)
{
    struct intern *s = copy ? intern_hold(t, intern_slice(copy)) : NULL;
    free(copy);
    return s;
}

static void
channel_pack(struct channel *ch)
{
    if (!ch->publisher)
        return;
    route_memo_clear(ch->connection->home->broker, &ch->publisher->memo);
    free(ch->publisher);
    ch->publisher = NULL;
}

/* Off the list of connections with output. */
static void
connection_unlist(struct connection *c)
{
    struct connection **at = &c->home->flush_first;
    while (*at && *at != c)
        at = &(*at)->flush_next;
    if (*at)
        *at = c->flush_next;
    c->flush_next = NULL;
    c->flags &= (uint16_t) ~(CONNECTION_FLUSH_LISTED | CONNECTION_AGAIN_LISTED);
}

void
connection_move_now(struct connection *c, struct slice rest)
{
    struct server_shard *home = c->home;
    /* Here and not while a method is handled: the socket may be lost in it, and the channels with that. */
    if (c->out)
        connection_flush(c);
    if (c->state == CONNECTION_DEAD)
        return;
    connection_keep(c, rest);
    c->flags &= (uint16_t)~CONNECTION_MOVING;
    if (c->state != CONNECTION_RUNNING || c->out || c->flags & CONNECTION_WANTS_WRITE || c->blocked ||
        connection_is_busy(c)) { /* something came between */
        server_again(home, c);
        return;
    }
    channel_each(c, channel_pack);
    connection_unlist(c);
    timer_stop(&c->timer);
    c->user = intern_take(&home->interned, c->user);
    c->client_properties = intern_take(&home->interned, c->client_properties);
    slots_remove(&home->connections, c->handle);
    atomic_fetch_sub_explicit(&home->server->counts[home->index].connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&home->server->counts[c->move_to].connections, 1, memory_order_relaxed);
    struct net_socket *socket = net_detach(c->stream.net);
    c->stream.net = NULL;
    c->home = NULL;
    struct mail mail = {.type = MAIL_SERVER + SERVER_MAIL_CONNECTION, .a = (uintptr_t)socket, .p = c};
    shard_post(home->shard, c->move_to, SHARD_LANE_RESERVED, &mail);
}

/* ---- arriving ---- */

/* A serial of this shard, lest a later channel of the same number gets the same. */
static void
channel_unpack(struct channel *ch)
{
    ch->serial = ++ch->connection->home->channels_made;
}

void
connection_arrive(struct server_shard *home, struct connection *c, struct net_socket *socket)
{
    c->home = home;
    c->user = intern_give(&home->interned, c->user);
    c->client_properties = intern_give(&home->interned, c->client_properties);
    c->handle = slots_add(&home->connections, c);
    channel_each(c, channel_unpack);
    if (net_attach(home->shard, socket, connection_on_ready, c, &c->stream.net)) {
        if (c->stream.tls)
            tls_free(c->stream.tls);
        c->stream = (struct stream){0};
        connection_die(c);
        return;
    }
    heartbeat_start(c);
    connection_want(c);
    server_again(home, c);
    server_close_stale(home, c);
}

void
connection_discard(struct connection *c, struct net_socket *socket)
{
    net_socket_free(socket);
    if (c->stream.tls)
        tls_free(c->stream.tls);
    while (c->channel) {
        struct channel *ch = c->channel;
        size_t cursor = 0;
        if (c->channels)
            idmap_remove(c->channels, ch->number);
        c->channel = c->channels ? idmap_next(c->channels, &cursor, NULL) : NULL;
        unacked_free(ch->unacked);
        parked_free(ch->parked);
        if (ch->consumers)
            idmap_fini(ch->consumers);
        free(ch->consumers);
        free(ch->last_queue);
        free(ch->confirm);
        free(ch->tx);
        free(ch);
    }
    if (c->channels)
        idmap_fini(c->channels);
    free(c->channels);
    free(c->user);
    free(c->client_properties);
    free(c->queues);
    connection_limit_end(c);
    if (c->vhost)
        vhost_drop(c->vhost);
    free(c->tail);
    free(c);
}
