/*
 * The server's side, over net.h. A peer is in one of three states: its line is being read; it was given away
 * and the answer is awaited; the answer is being written. Only in the first one is anything read, so a peer
 * holds one line and one answer at most. Whoever hangs up while an answer is awaited is noticed at once
 * (NET_HANGUP): on_end may have to undo what the peer had asked for.
 */
#include "io/local.h"

#include "base/check.h"
#include "base/list.h"
#include "io/local_inside.h"
#include "io/shard.h"

#include <stdlib.h>
#include <string.h>

struct local_server {
    struct shard *shard;
    struct net_listener *listener;
    const struct local_events *events;
    void *arg;
    char *path;
    struct list peers;
    unsigned peer_count;
};

struct local_peer {
    struct local_server *server;
    struct list in_server;
    struct net_conn *conn;
    struct buffer in, out;
    bool is_asking; /* its line was given away */
    bool is_in_call;
};

static void
peer_free(struct local_peer *p)
{
    list_remove(&p->in_server);
    p->server->peer_count--;
    buffer_fini(&p->in);
    buffer_fini(&p->out);
    free(p);
}

static void
peer_end(struct local_peer *p)
{
    struct local_server *v = p->server;
    net_close(p->conn);
    if (v->events->on_end)
        v->events->on_end(v->arg, p);
    peer_free(p);
}

/* True while the connection is good. */
static bool
peer_write(struct local_peer *p)
{
    while (p->out.len > 0) {
        struct iovec some = {p->out.data, p->out.len};
        ssize_t n = net_writev(p->conn, &some, 1);
        if (n == NET_AGAIN)
            return true;
        if (n <= 0)
            return false;
        buffer_consume(&p->out, (size_t)n);
    }
    return true;
}

/* Gives the first whole line away, if there is one. */
static void
peer_give_line(struct local_peer *p)
{
    const uint8_t *end = p->in.len ? memchr(p->in.data, '\n', p->in.len) : NULL;
    if (!end || p->is_asking || p->out.len > 0)
        return;
    struct slice line = slice_of(p->in.data, (size_t)(end - p->in.data));
    p->is_asking = true;
    p->is_in_call = true;
    p->server->events->on_line(p->server->arg, p, line);
    p->is_in_call = false;
    buffer_consume(&p->in, line.len + 1);
}

/* Bytes of a line; false: the connection has ended, or the line is too long. */
static bool
peer_read(struct local_peer *p)
{
    struct iovec room = {buffer_reserve(&p->in, 4096), 4096};
    ssize_t n = net_readv(p->conn, &room, 1);
    if (n == NET_AGAIN)
        return true;
    if (n <= 0)
        return false;
    p->in.len += (size_t)n;
    return p->in.len <= LOCAL_LINE_MAX || memchr(p->in.data, '\n', p->in.len) != NULL;
}

static void
peer_go_on(struct local_peer *p)
{
    bool good = peer_write(p);
    for (bool is_new = true; good && is_new && !p->is_asking && p->out.len == 0;) {
        size_t before = p->in.len;
        peer_give_line(p);
        good = peer_write(p);
        is_new = p->in.len != before;
    }
    if (!good) {
        peer_end(p);
        return;
    }
    net_want(p->conn, p->out.len > 0 ? NET_WRITE : p->is_asking ? NET_HANGUP : NET_READ);
}

static void
on_ready(void *owner, unsigned events)
{
    struct local_peer *p = owner;
    if ((p->is_asking && events & NET_HANGUP) || (events & NET_READ && !peer_read(p)))
        peer_end(p);
    else
        peer_go_on(p);
}

void
local_answer(struct local_peer *p, struct slice line)
{
    CHECK(p->is_asking);
    p->is_asking = false;
    buffer_add_slice(&p->out, line);
    buffer_add_u8(&p->out, '\n');
    if (!p->is_in_call)
        net_want(p->conn, NET_WRITE); /* goes on from there: nothing ends inside of this call */
}

static void
on_accept(void *arg, struct net_socket *socket)
{
    struct local_server *v = arg;
    struct local_peer *p = calloc(1, sizeof *p);
    CHECK(p);
    if (v->peer_count == LOCAL_PEERS_MAX) {
        net_socket_free(socket);
        free(p);
        return;
    }
    if (net_attach(v->shard, socket, on_ready, p, &p->conn) != ERR_OK) {
        free(p);
        return;
    }
    p->server = v;
    list_push_back(&v->peers, &p->in_server);
    v->peer_count++;
    net_want(p->conn, NET_READ);
}

enum err
local_serve(struct shard *s, const char *path, const struct local_events *events, void *arg,
            struct local_server **server, char *why, size_t why_size)
{
    struct local_server *v = calloc(1, sizeof *v);
    CHECK(v);
    *v = (struct local_server){.shard = s, .events = events, .arg = arg, .path = strdup(path)};
    CHECK(v->path);
    list_init(&v->peers);
    enum err e = local_listen(s, path, on_accept, NULL, v, &v->listener, why, why_size);
    if (e != ERR_OK) {
        free(v->path);
        free(v);
        return e;
    }
    *server = v;
    return ERR_OK;
}

void
local_free(struct local_server *v)
{
    if (!v)
        return;
    LIST_FOREACH_SAFE (at, next, &v->peers)
        peer_free(LIST_ENTRY(at, struct local_peer, in_server)); /* its conn went with the shard */
    local_unlink(v->path);
    free(v->path);
    free(v);
}
