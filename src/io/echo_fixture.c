/* See echo_fixture.h. */
#include "io/echo_fixture.h"

#include "base/check.h"
#include "io/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAIL_ACCEPTED = 1, MAIL_MOVED = 2 };
enum { BUFFER = 50000 };

struct server {
    struct echo *echo;
    struct stream stream;
    size_t start, len;
    bool is_ended, was_established;
    uint8_t buffer[BUFFER];
};

struct client {
    struct echo *echo;
    struct stream stream;
    struct shard *shard;
    size_t sent;
    bool is_shut;
};

static uint8_t
pattern(size_t i)
{
    return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

/* ---- the server ---- */

static void
end_server(struct server *v, bool failed)
{
    if (failed && !v->echo->server_failed) {
        snprintf(v->echo->server_error, sizeof v->echo->server_error, "%s", stream_error_text(&v->stream));
        v->echo->server_failed = true;
    }
    if (failed)
        stream_abort(&v->stream);
    else
        stream_close(&v->stream);
    v->echo->server_alive = NULL;
    free(v);
}

/* One read and one write: 1 when something moved, 0 when nothing did, -1 on an error. */
static int
echo_once(struct server *v)
{
    bool moved = false;
    if (v->len == 0)
        v->start = 0;
    if (!v->is_ended && v->start + v->len < BUFFER) {
        size_t room = BUFFER - v->start - v->len, half = room / 2;
        uint8_t *to = v->buffer + v->start + v->len;
        struct iovec iov[2] = {{to, half}, {to + half, room - half}};
        ssize_t n = stream_readv(&v->stream, iov, 2);
        if (n == NET_ERROR)
            return -1;
        v->is_ended = n == 0;
        v->len += n > 0 ? (size_t)n : 0;
        moved |= n > 0;
    }
    if (v->len > 0) {
        size_t half = v->len / 3;
        struct iovec iov[2] = {{v->buffer + v->start, half}, {v->buffer + v->start + half, v->len - half}};
        ssize_t n = stream_writev(&v->stream, iov, 2);
        if (n == NET_ERROR)
            return -1;
        v->start += n > 0 ? (size_t)n : 0;
        v->len -= n > 0 ? (size_t)n : 0;
        moved |= n > 0;
    }
    return moved;
}

static void
server_ready(void *owner, unsigned events)
{
    struct server *v = owner;
    int moved;
    while ((moved = echo_once(v)) > 0)
        ;
    if (v->stream.tls && !v->was_established && tls_is_established(v->stream.tls)) {
        v->was_established = true;
        if (v->echo->on_server_established)
            v->echo->on_server_established(v->echo, v->stream.tls);
    }
    if (moved < 0 || (v->is_ended && v->len == 0)) {
        end_server(v, moved < 0);
        return;
    }
    bool has_room = v->start + v->len < BUFFER;
    stream_want(&v->stream, (has_room && !v->is_ended ? NET_READ : 0u) | (v->len > 0 ? NET_WRITE : 0u));
}

static void
start_server(struct shard *s, struct echo *e, struct net_socket *socket)
{
    struct server *v = calloc(1, sizeof *v);
    CHECK(v);
    v->echo = e;
    e->server_alive = v;
    CHECK(net_attach(s, socket, server_ready, v, &v->stream.net) == ERR_OK);
    if (e->server)
        v->stream.tls = tls_new(e->server, NULL);
    stream_want(&v->stream, NET_READ);
}

static void
on_accept(void *arg, struct net_socket *socket)
{
    struct echo *e = arg;
    struct mail m = {.type = MAIL_ACCEPTED, .p = socket};
    CHECK(shard_post(shards_get(e->all, 0), e->shards > 1 ? 1 : 0, SHARD_LANE_RESERVED, &m));
}

/* ---- the client ---- */

static void
end_client(struct client *c, bool failed)
{
    struct echo *e = c->echo;
    if (failed) {
        snprintf(e->client_error, sizeof e->client_error, "%s", stream_error_text(&c->stream));
        e->client_failed = true;
        stream_abort(&c->stream);
    } else {
        e->client_ended = true;
        stream_close(&c->stream);
    }
    free(c);
    shards_stop(e->all);
}

static void
client_move(struct client *c)
{
    c->echo->has_moved = true;
    struct mail m = {.type = MAIL_MOVED, .p = c, .a = (uintptr_t)net_detach(c->stream.net)};
    c->stream.net = NULL;
    CHECK(shard_post(c->shard, c->echo->shards - 1, SHARD_LANE_RESERVED, &m));
}

static ssize_t
client_read(struct client *c)
{
    uint8_t *data = shard_read_buffer(c->shard);
    struct iovec iov = {data, SHARD_READ_SIZE};
    ssize_t n = stream_readv(&c->stream, &iov, 1);
    for (ssize_t i = 0; i < n; i++)
        c->echo->is_wrong |= data[i] != pattern(c->echo->received++);
    return n;
}

static ssize_t
client_write(struct client *c)
{
    uint8_t data[20000];
    size_t len = c->echo->bytes - c->sent;
    len = len < sizeof data ? len : sizeof data;
    for (size_t i = 0; i < len; i++)
        data[i] = pattern(c->sent + i);
    struct iovec iov[2] = {{data, len / 2}, {data + len / 2, len - len / 2}};
    ssize_t n = stream_writev(&c->stream, iov, 2);
    c->sent += n > 0 ? (size_t)n : 0;
    return n;
}

static void
client_ready(void *owner, unsigned events)
{
    struct client *c = owner;
    struct echo *e = c->echo;
    for (ssize_t got = 1, put = 1; got > 0 || put > 0;) {
        got = client_read(c);
        put = c->sent < e->bytes && got >= NET_AGAIN && got != 0 ? client_write(c) : NET_AGAIN;
        if (got == 0 || got == NET_ERROR || put == NET_ERROR) {
            end_client(c, got != 0);
            return;
        }
    }
    if (e->received == e->bytes && !c->is_shut) {
        c->is_shut = true;
        net_shutdown_write(c->stream.net);
    }
    if (e->received > e->bytes / 2 && !e->has_moved && stream_is_movable(&c->stream)) {
        client_move(c);
        return;
    }
    stream_want(&c->stream, NET_READ | (c->sent < e->bytes ? NET_WRITE : 0u));
}

static void
on_connected(void *arg, enum err failed, struct net_socket *socket)
{
    struct echo *e = arg;
    CHECK(failed == ERR_OK);
    struct client *c = calloc(1, sizeof *c);
    CHECK(c);
    c->echo = e;
    c->shard = shards_get(e->all, 0);
    CHECK(net_attach(c->shard, socket, client_ready, c, &c->stream.net) == ERR_OK);
    if (e->client)
        c->stream.tls = tls_new(e->client, e->host);
    stream_want(&c->stream, NET_READ | NET_WRITE);
}

/* ---- shards ---- */

static void
on_start(struct shard *s, void *owner)
{
    struct echo *e = owner;
    char why[200];
    struct net_listener *l;
    if (shard_index(s) != 0)
        return;
    CHECK(net_listen(s, "127.0.0.1", 0, 16, on_accept, NULL, e, &l, why, sizeof why) == ERR_OK);
    net_connect(s, "127.0.0.1", net_listener_port(l), 20000, on_connected, e);
}

static void
on_mail(struct shard *s, void *owner, const struct mail *m)
{
    struct echo *e = owner;
    if (m->type == MAIL_ACCEPTED) {
        start_server(s, e, m->p);
        return;
    }
    struct client *c = m->p;
    c->shard = s;
    CHECK(net_attach(s, (struct net_socket *)(uintptr_t)m->a, client_ready, c, &c->stream.net) == ERR_OK);
    client_ready(c, NET_READ);
}

static void
on_discard(void *owner, const struct mail *m)
{
    CHECK(m->type == MAIL_ACCEPTED);
    net_socket_free(m->p);
}

/* The client has left: so does the server, if it has not noticed yet. */
static void
on_stop(struct shard *s, void *owner)
{
    struct echo *e = owner;
    if (shard_index(s) == (e->shards > 1 ? 1 : 0) && e->server_alive)
        end_server(e->server_alive, false);
}

void
echo_run(struct echo *e)
{
    static const struct shard_hooks hooks = {
        .on_start = on_start, .on_mail = on_mail, .on_stop = on_stop, .on_discard = on_discard};
    e->all = shards_new(e->world, e->shards, &hooks, e);
    CHECK(shards_start(e->all) == ERR_OK);
    shards_join(e->all);
    shards_free(e->all);
}
