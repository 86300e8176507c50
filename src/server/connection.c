/*
 * A connection's life outside the protocol: attached to a socket, asking it for readiness, writing its
 * output, dying.
 *
 * Freed memory is met by nobody: connection_die() takes the connection off the socket and out of the shard's
 * table and lists it for the end of the turn, where connection_flush_all() frees it. In between its state is
 * DEAD, and every loop over its frames or channels looks at the state before it goes on.
 */
#include "server/connection.h"

#include "base/check.h"
#include "broker/vhost.h"
#include "server/class.h"
#include "server/connection_limit.h"
#include "server/handshake.h"
#include "server/session_event.h"
#include "wire/sasl.h"

#include <stdio.h>
#include <stdlib.h>

_Static_assert(sizeof(struct connection) <= 208, "an idle connection must be small");
_Static_assert(sizeof(struct channel) <= 104, "an idle channel must be small");

_Static_assert(CONNECTION_ROOM_AWAITED <= UINT16_MAX, "the last of the flags fits connection.flags");
_Static_assert(CONNECTION_DEAD < 1 << 5 && SASL_MECHANISM_COUNT <= 1 << 3,
               "state and mechanism share an octet");
_Static_assert(SHARDS_COUNT_MAX <= 1 << (64 - CONNECTION_ID_SHARD_SHIFT), "a shard's index fits an id");
_Static_assert(BLOCK_PACE <= UINT8_MAX, "the last of the blocks fits connection.blocked");

enum { CONNECTION_IOV_MAX = 128 };

static uint64_t
connection_new_id(struct server_shard *home)
{
    uint64_t now = shard_wall_ms(home->shard), started = home->server->started_ms;
    now = (now < started ? started : now) << CONNECTION_ID_TIME_SHIFT;
    home->connection_last = now > home->connection_last ? now : home->connection_last + 1;
    return (uint64_t)home->index << CONNECTION_ID_SHARD_SHIFT | home->connection_last;
}

void
connection_accept(struct server_shard *home, struct net_socket *socket, struct tls_context *tls)
{
    struct connection *c = calloc(1, sizeof *c);
    CHECK(c);
    c->home = home;
    if (net_attach(home->shard, socket, connection_on_ready, c, &c->stream.net)) {
        atomic_fetch_sub_explicit(&home->server->counts[home->index].connections, 1, memory_order_relaxed);
        if (tls)
            tls_context_drop(tls);
        free(c);
        return;
    }
    if (tls) {
        c->stream.tls = tls_new(tls, NULL);
        tls_context_drop(tls);
    }
    c->id = connection_new_id(home);
    c->handle = slots_add(&home->connections, c);
    handshake_begin(c);
    connection_want(c);
    server_close_stale(home, c);
}

struct connection *
connection_find(struct server_shard *home, uint64_t handle)
{
    return slots_get(&home->connections, handle);
}

uint32_t
connection_channel_count(const struct connection *c)
{
    return c->channels ? (uint32_t)idmap_count(c->channels) : c->channel != NULL;
}

bool
connection_has_moved(const struct connection *c)
{
    return connection_id_shard(c->id) != c->home->index;
}

const char *
connection_name(const struct connection *c, char out[2 * NET_ADDR_TEXT_SIZE + 8])
{
    char peer[NET_ADDR_TEXT_SIZE], local[NET_ADDR_TEXT_SIZE];
    struct net_addr addr;
    if (!c->stream.net)
        return "closed";
    net_peer(c->stream.net, &addr);
    net_addr_text(&addr, peer);
    net_local(c->stream.net, &addr);
    snprintf(out, 2 * NET_ADDR_TEXT_SIZE + 8, "%s -> %s", peer, net_addr_text(&addr, local));
    return out;
}

const char *
connection_state_name(const struct connection *c)
{
    static const char *const names[] = {
        [CONNECTION_PROXY] = "pre_init",    [CONNECTION_HEADER] = "pre_init",
        [CONNECTION_STARTING] = "starting", [CONNECTION_TUNING] = "tuning",
        [CONNECTION_OPENING] = "opening",   [CONNECTION_RUNNING] = "running",
        [CONNECTION_CLOSING] = "closing",   [CONNECTION_CLOSED] = "closed",
        [CONNECTION_DRAINING] = "closed",   [CONNECTION_SILENT] = "closed",
        [CONNECTION_DEAD] = "closed",
    };
    return c->state == CONNECTION_RUNNING && c->blocked & BLOCK_ALARM ? "blocked" : names[c->state];
}

/* ---- readiness ---- */

/* A state that may last: the client's going away ends it, and what it sent before is lost. Other blocks pass.
 */
static bool
connection_minds_hangup(const struct connection *c)
{
    return c->blocked & BLOCK_ALARM || c->state == CONNECTION_SILENT;
}

void
connection_on_ready(void *owner, unsigned events)
{
    struct connection *c = owner;
    unsigned ready = stream_events(&c->stream, events);
    if (events & NET_HANGUP && connection_minds_hangup(c) && c->state != CONNECTION_DEAD) {
        connection_lost(c, "client unexpectedly closed TCP connection");
        return;
    }
    if (ready & NET_WRITE && c->out && !(c->flags & CONNECTION_FLUSH_LISTED))
        connection_mark_flush(c);
    struct server_shard *home = c->home;
    if (ready & NET_READ && !c->blocked)
        connection_read(c); /* c may be gone */
    if (home->read_bytes >= home->server->config.limits.deliver_bytes)
        server_deliver(home);
}

void
connection_want(struct connection *c)
{
    if (c->state == CONNECTION_DEAD)
        return;
    unsigned events = !c->blocked ? NET_READ : connection_minds_hangup(c) ? NET_HANGUP : 0;
    if (c->flags & CONNECTION_WANTS_WRITE)
        events |= NET_WRITE;
    stream_want(&c->stream, events);
}

void
connection_block(struct connection *c, enum connection_block why)
{
    uint8_t before = c->blocked;
    c->blocked |= (uint8_t)why;
    if (c->blocked != before)
        connection_want(c);
}

void
connection_unblock(struct connection *c, enum connection_block why)
{
    if (!(c->blocked & why))
        return;
    c->blocked &= (uint8_t)~why;
    if (c->state == CONNECTION_DEAD)
        return;
    if (!c->blocked)
        c->missed = 0;
    connection_want(c); /* also when another block stays: that may mind a hangup, or not any more */
    if (!(c->blocked & ~BLOCK_BY_PARKED))
        server_again(c->home, c);
}

void
connection_pace(struct connection *c)
{
    struct server_shard *home = c->home;
    if (c->state != CONNECTION_RUNNING || c->blocked & BLOCK_PACE)
        return;
    connection_block(c, BLOCK_PACE);
    server_handles_add(&home->paced, c->handle);
    if (!timer_is_active(&home->pace_timer))
        timer_start(home->shard, &home->pace_timer, home->server->config.limits.pace_ms, server_unpace, home);
}

/* ---- output ---- */

void
connection_mark_flush(struct connection *c)
{
    c->flags |= CONNECTION_FLUSH_LISTED;
    c->flush_next = c->home->flush_first;
    c->home->flush_first = c;
}

bool
connection_has_room(struct connection *c)
{
    if (__builtin_expect(!c->out || c->out->bytes < c->home->server->config.limits.output_high_bytes, 1))
        return true;
    c->flags |= CONNECTION_OUTPUT_FULL;
    return false;
}

/* The output has shrunk: whoever waited for that goes on. */
static void
connection_output_shrunk(struct connection *c)
{
    const struct server_limits *limits = &c->home->server->config.limits;
    uint64_t bytes = c->out ? c->out->bytes : 0;
    if (bytes > limits->output_low_bytes)
        return;
    connection_unblock(c, BLOCK_OUTPUT);
    if (!(c->flags & CONNECTION_OUTPUT_FULL))
        return;
    c->flags &= (uint16_t)~CONNECTION_OUTPUT_FULL;
    channel_resume_all(c);
}

/* The socket's answer to a write of `n` bytes; false: nothing more for now. */
static bool
connection_wrote(struct connection *c, ssize_t got, size_t n)
{
    if (got > 0) {
        c->sent_bytes += (uint64_t)got;
        c->writes++;
        c->flags |= CONNECTION_SPOKE;
        outbound_written(&c->home->outputs, c->out, (size_t)got);
    }
    if (got == NET_ERROR) {
        connection_lost(c, stream_error_text(&c->stream));
        return false;
    }
    bool all = got >= 0 && (size_t)got == n;
    if (!all) {
        c->flags |= CONNECTION_WANTS_WRITE;
        connection_want(c);
    }
    return all;
}

static size_t
iov_bytes(const struct iovec *iov, int n)
{
    size_t bytes = 0;
    for (int i = 0; i < n; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

bool
connection_flush(struct connection *c)
{
    size_t budget = c->home->server->config.limits.write_turn_bytes;
    bool ok = true;
    while (ok && c->out && c->out->count > 0 && budget > 0) {
        struct iovec iov[CONNECTION_IOV_MAX];
        int n = outbound_iov(c->out, iov, CONNECTION_IOV_MAX);
        size_t bytes = iov_bytes(iov, n);
        ok = connection_wrote(c, stream_writev(&c->stream, iov, n), bytes);
        budget -= bytes < budget ? bytes : budget;
    }
    if (c->state == CONNECTION_DEAD)
        return false;
    if (c->out && c->out->count == 0) {
        outbound_free(&c->home->outputs, c->out);
        c->out = NULL;
        if (c->flags & CONNECTION_WANTS_WRITE) {
            c->flags &= (uint16_t)~CONNECTION_WANTS_WRITE;
            connection_want(c);
        }
    }
    connection_output_shrunk(c);
    if (!c->out && c->state == CONNECTION_DRAINING) {
        session_event_connection_closed(c);
        stream_close(&c->stream);
        connection_die(c);
    } else if (c->out && c->out->bytes > c->home->server->config.limits.output_max_bytes) {
        connection_block(c, BLOCK_OUTPUT);
    }
    return ok && c->out;
}

bool
connection_flush_all(struct server_shard *home)
{
    struct connection *c = home->flush_first;
    home->flush_first = NULL;
    bool more = false;
    while (c) {
        struct connection *next = c->flush_next;
        c->flags &= (uint16_t)~CONNECTION_FLUSH_LISTED;
        c->flush_next = NULL;
        if (c->state != CONNECTION_DEAD && connection_flush(c) && !(c->flags & CONNECTION_FLUSH_LISTED)) {
            connection_mark_flush(c);
            more = true;
        }
        if (c->state == CONNECTION_DEAD && !(c->flags & CONNECTION_FLUSH_LISTED))
            connection_free(c);
        c = next;
    }
    return more;
}

/* ---- the end ---- */

void
connection_die(struct connection *c)
{
    CHECK(c->state != CONNECTION_DEAD);
    CHECK(!c->stream.net);
    c->state = CONNECTION_DEAD;
    timer_stop(&c->timer);
    channel_free_all(c);
    outbound_free(&c->home->outputs, c->out);
    c->out = NULL;
    slots_remove(&c->home->connections, c->handle);
    atomic_fetch_sub_explicit(&c->home->server->counts[c->home->index].connections, 1, memory_order_relaxed);
    if (!(c->flags & CONNECTION_FLUSH_LISTED))
        connection_mark_flush(c);
}

void
connection_free(struct connection *c)
{
    intern_drop(&c->home->interned, c->user);
    intern_drop(&c->home->interned, c->client_properties);
    if (c->channels) {
        idmap_fini(c->channels);
        free(c->channels);
    }
    connection_limit_end(c);
    if (c->vhost)
        vhost_drop(c->vhost);
    free(c->tail);
    free(c->closing);
    free(c);
}
