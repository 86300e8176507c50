/*
 * Connections: a uv_poll handle that says when, and our own system calls. A net_conn is little more than the
 * handle, so that an idle connection is cheap. The peer's address is kept, because the system forgets it when
 * the peer resets the connection, which is when the log wants it.
 *
 * Ending one, the descriptor is closed at once and the handle's memory is freed by libuv's close callback, so
 * a conn may be ended inside its own on_ready. net_close() first says "no more from us" and then waits,
 * reading and throwing away, until the peer has ended too: closing with unread input would make the kernel
 * send a reset, which can destroy our last bytes on their way.
 */
#include "io/net_uv.h"

#include "base/check.h"
#include "io/oserr.h"
#include "io/timer.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct net_conn {
    uv_poll_t poll; /* first: its address is the conn's */
    net_on_ready *on_ready;
    void *owner;
    uint32_t fd : 24;
    uint32_t wanted : 8;
    uint8_t peer_family, error; /* error: enum err of the last NET_ERROR */
    uint16_t peer_port;
    uint8_t peer_ip[16];
};
_Static_assert(sizeof(struct net_conn) <= 200, "an idle connection must be small");

/* A conn that net_close() has taken over: it is the conn's owner then. */
struct lingering {
    struct net_conn *conn;
    struct wheel_timer timer;
    size_t thrown_away;
};

/* ---- addresses ---- */

void
net_addr_of(const struct sockaddr_storage *from, struct net_addr *addr)
{
    *addr = (struct net_addr){.family = NET_NONE};
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        addr->family = NET_IPV4;
        addr->port = ntohs(in->sin_port);
        memcpy(addr->ip, &in->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)from;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(&in->sin6_addr);
        addr->family = is_mapped ? NET_IPV4 : NET_IPV6;
        addr->port = ntohs(in->sin6_port);
        memcpy(addr->ip, in->sin6_addr.s6_addr + (is_mapped ? 12 : 0), is_mapped ? 4 : 16);
    }
}

static void
ask_addr(int (*ask)(int, struct sockaddr *, socklen_t *), int fd, struct net_addr *addr)
{
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof from;
    if (ask(fd, (struct sockaddr *)&from, &size) != 0)
        from.ss_family = AF_UNSPEC;
    net_addr_of(&from, addr);
}

/* ---- sockets ---- */

struct net_socket *
net_socket_of(int fd)
{
    struct net_socket *k = malloc(sizeof *k);
    CHECK(k);
    k->fd = fd;
    ask_addr(getpeername, fd, &k->peer);
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails only on a socket that is lost */
    return k;
}

void
net_socket_free(struct net_socket *k)
{
    if (!k)
        return;
    close(k->fd);
    free(k);
}

void
net_socket_peer(const struct net_socket *k, struct net_addr *addr)
{
    *addr = k->peer;
}

void
net_socket_local(const struct net_socket *k, struct net_addr *addr)
{
    ask_addr(getsockname, k->fd, addr);
}

static void
set_option(int fd, int level, int name, uint32_t value)
{
    int v = value > INT_MAX ? INT_MAX : (int)value;
    (void)setsockopt(fd, level, name, &v, sizeof v); /* a wish, not a condition */
}

void
net_socket_set_options(struct net_socket *k, const struct net_options *o)
{
    if (o->send_buffer)
        set_option(k->fd, SOL_SOCKET, SO_SNDBUF, o->send_buffer);
    if (o->receive_buffer)
        set_option(k->fd, SOL_SOCKET, SO_RCVBUF, o->receive_buffer);
    if (o->keepalive)
        set_option(k->fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (o->keepalive && o->keepalive_idle_s)
        set_option(k->fd, IPPROTO_TCP, TCP_KEEPIDLE, o->keepalive_idle_s);
}

/* ---- attaching ---- */

static void
free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void
dispose(uv_handle_t *handle)
{
    struct net_conn *c = (struct net_conn *)handle;
    uv_close(handle, free_handle); /* stops polling now, frees later */
    close(c->fd);
}

/* The shard is gone with its timers, but not the memory of a lingering one. */
static void
dispose_lingering(uv_handle_t *handle)
{
    free(((struct net_conn *)handle)->owner);
    dispose(handle);
}

static const struct uv_kind conn_kind = {.dispose = dispose};
static const struct uv_kind lingering_kind = {.dispose = dispose_lingering};

enum err
net_attach(struct shard *s, struct net_socket *socket, net_on_ready *on_ready, void *owner,
           struct net_conn **conn)
{
    struct net_conn *c = calloc(1, sizeof *c);
    CHECK(c);
    int failed = uv_poll_init(shard_loop(s), &c->poll, socket->fd);
    if (failed) {
        free(c);
        net_socket_free(socket);
        return oserr_of(-failed);
    }
    c->poll.data = (void *)&conn_kind;
    CHECK(socket->fd < 1 << 24); /* the system's own limit is lower: fs.nr_open */
    c->fd = (uint32_t)socket->fd & 0xffffff;
    net_set_peer(c, &socket->peer);
    c->on_ready = on_ready;
    c->owner = owner;
    free(socket);
    *conn = c;
    return ERR_OK;
}

struct net_socket *
net_detach(struct net_conn *c)
{
    struct net_socket *k = malloc(sizeof *k);
    CHECK(k);
    k->fd = (int)c->fd;
    net_peer(c, &k->peer);
    uv_close((uv_handle_t *)&c->poll, free_handle);
    return k;
}

void
net_set_owner(struct net_conn *c, net_on_ready *on_ready, void *owner)
{
    c->on_ready = on_ready;
    c->owner = owner;
}

struct shard *
net_shard(const struct net_conn *c)
{
    return uv_shard(c->poll.loop);
}

/* ---- readiness ---- */

static void on_poll(uv_poll_t *handle, int status, int events);

static void
start_polling(struct net_conn *c)
{
    int events = (c->wanted & NET_READ ? UV_READABLE : 0) | (c->wanted & NET_WRITE ? UV_WRITABLE : 0) |
                 (c->wanted & NET_HANGUP ? UV_DISCONNECT : 0);
    CHECK(uv_poll_start(&c->poll, events, on_poll) == 0);
}

static void
on_poll(uv_poll_t *handle, int status, int events)
{
    struct net_conn *c = (struct net_conn *)handle;
    shard_enter(uv_shard(handle->loop));
    unsigned ready = c->wanted;
    if (status == 0)
        ready &= (events & UV_READABLE ? NET_READ : 0u) | (events & UV_WRITABLE ? NET_WRITE : 0u) |
                 (events & UV_DISCONNECT ? NET_HANGUP : 0u);
    else if (c->wanted)
        start_polling(c); /* libuv stops at an error; whoever reads or writes now is told of it */
    if (ready)
        c->on_ready(c->owner, ready);
}

void
net_want(struct net_conn *c, unsigned events)
{
    if (events == c->wanted)
        return;
    c->wanted = (uint8_t)events;
    start_polling(c);
}

unsigned
net_wanted(const struct net_conn *c)
{
    return c->wanted;
}

/* ---- bytes ---- */

static ssize_t
failure(struct net_conn *c)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return NET_AGAIN;
    c->error = (uint8_t)oserr_of(errno);
    return NET_ERROR;
}

ssize_t
net_readv(struct net_conn *c, const struct iovec *iov, int n)
{
    for (;;) {
        ssize_t got =
            n == 1 ? read(c->fd, iov->iov_base, iov->iov_len) : readv(c->fd, iov, n < IOV_MAX ? n : IOV_MAX);
        if (got >= 0)
            return got;
        if (errno != EINTR)
            return failure(c);
    }
}

ssize_t
net_writev(struct net_conn *c, const struct iovec *iov, int n)
{
    struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)(n < IOV_MAX ? n : IOV_MAX)};
    for (;;) {
        ssize_t sent = sendmsg(c->fd, &m, MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        if (errno != EINTR)
            return failure(c);
    }
}

enum err
net_error(const struct net_conn *c)
{
    return c->error;
}

void
net_shutdown_write(struct net_conn *c)
{
    (void)shutdown(c->fd, SHUT_WR); /* fails only when the connection is lost: reading will say so */
}

void
net_peer(const struct net_conn *c, struct net_addr *addr)
{
    *addr = (struct net_addr){.family = c->peer_family, .port = c->peer_port};
    memcpy(addr->ip, c->peer_ip, sizeof addr->ip);
}

void
net_set_peer(struct net_conn *c, const struct net_addr *addr)
{
    c->peer_family = addr->family;
    c->peer_port = addr->port;
    memcpy(c->peer_ip, addr->ip, sizeof c->peer_ip);
}

void
net_local(const struct net_conn *c, struct net_addr *addr)
{
    ask_addr(getsockname, c->fd, addr);
}

/* ---- ending ---- */

static void
end_linger(void *arg)
{
    struct lingering *l = arg;
    timer_stop(&l->timer);
    dispose((uv_handle_t *)&l->conn->poll);
    free(l);
}

/* True while the peer may still be reading. */
static bool
throw_away(struct lingering *l)
{
    struct iovec all = {.iov_base = shard_read_buffer(net_shard(l->conn)), .iov_len = SHARD_READ_SIZE};
    while (l->thrown_away < NET_LINGER_BYTES_MAX) {
        ssize_t n = net_readv(l->conn, &all, 1);
        if (n <= 0)
            return n == NET_AGAIN;
        l->thrown_away += (size_t)n;
        if ((size_t)n < all.iov_len)
            return true;
    }
    return false;
}

static void
on_lingering_ready(void *arg, unsigned events)
{
    if (!throw_away(arg))
        end_linger(arg);
}

void
net_close(struct net_conn *c)
{
    struct lingering *l = calloc(1, sizeof *l);
    CHECK(l);
    l->conn = c;
    if (shutdown(c->fd, SHUT_WR) != 0 || !throw_away(l)) {
        end_linger(l);
        return;
    }
    c->on_ready = on_lingering_ready;
    c->owner = l;
    c->poll.data = (void *)&lingering_kind;
    timer_start(net_shard(c), &l->timer, NET_LINGER_MS, end_linger, l);
    net_want(c, NET_READ);
}

void
net_abort(struct net_conn *c)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    dispose((uv_handle_t *)&c->poll);
}
