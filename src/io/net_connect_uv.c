/*
 * Connecting: the name is resolved on libuv's thread pool, then its addresses are tried in turn. One timer is
 * over the whole. The memory lives until libuv has let go of both the request and the handle: `holds` counts.
 */
#include "base/check.h"
#include "io/net_uv.h"
#include "io/oserr.h"
#include "io/timer.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct net_connecting {
    uv_poll_t poll; /* first: of the address being tried */
    uv_getaddrinfo_t request;
    struct shard *shard;
    struct addrinfo *addresses, *next;
    int fd;
    uint16_t port;
    unsigned holds;  /* the request and the handle, while libuv has them */
    bool is_polling; /* the handle is open */
    bool is_over;    /* nothing is reported any more */
    enum err last_error;
    struct wheel_timer timer;
    net_on_connected *on_connected;
    void *arg;
};

static void try_next(struct net_connecting *c);

static void
drop(struct net_connecting *c)
{
    if (--c->holds > 0)
        return;
    uv_freeaddrinfo(c->addresses);
    free(c);
}

static void
on_poll_closed(uv_handle_t *handle)
{
    struct net_connecting *c = (struct net_connecting *)handle;
    shard_enter(c->shard);
    if (!c->is_over && !c->shard->is_stopped)
        try_next(c);
    drop(c);
}

/* Ends the attempt at one address; when libuv has let go, the next one is tried. */
static void
end_attempt(struct net_connecting *c)
{
    if (c->is_polling) {
        c->is_polling = false;
        uv_close((uv_handle_t *)&c->poll, on_poll_closed);
    }
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void
finish(struct net_connecting *c, enum err e)
{
    CHECK(!c->is_over);
    c->is_over = true;
    timer_stop(&c->timer);
    struct net_socket *k = NULL;
    if (e == ERR_OK) {
        k = net_socket_of(c->fd);
        c->fd = -1;
    }
    uv_cancel((uv_req_t *)&c->request);
    end_attempt(c);
    c->on_connected(c->arg, e, k);
}

static void
dispose_connecting(uv_handle_t *handle)
{
    struct net_connecting *c = (struct net_connecting *)handle;
    c->is_over = true;
    end_attempt(c);
}

static const struct uv_kind connecting_kind = {.dispose = dispose_connecting};

static void
on_writable(uv_poll_t *handle, int status, int events)
{
    struct net_connecting *c = (struct net_connecting *)handle;
    shard_enter(c->shard);
    int number = 0;
    socklen_t size = sizeof number;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
        number = errno;
    if (number == 0 && status == 0) {
        finish(c, ERR_OK);
        return;
    }
    c->last_error = number ? oserr_of(number) : ERR_IO;
    end_attempt(c);
}

static bool
start_attempt(struct net_connecting *c, const struct addrinfo *at)
{
    c->fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || (connect(c->fd, at->ai_addr, at->ai_addrlen) != 0 && errno != EINPROGRESS)) {
        c->last_error = oserr_of(errno);
        end_attempt(c);
        return false;
    }
    int failed = uv_poll_init(shard_loop(c->shard), &c->poll, c->fd);
    if (failed) {
        c->last_error = oserr_of(-failed);
        end_attempt(c);
        return false;
    }
    c->poll.data = (void *)&connecting_kind;
    c->is_polling = true;
    c->holds++;
    CHECK(uv_poll_start(&c->poll, UV_WRITABLE, on_writable) == 0);
    return true;
}

static void
try_next(struct net_connecting *c)
{
    while (c->next) {
        const struct addrinfo *at = c->next;
        c->next = at->ai_next;
        if (start_attempt(c, at))
            return;
    }
    finish(c, c->last_error);
}

static void
on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct net_connecting *c = LIST_ENTRY(request, struct net_connecting, request);
    shard_enter(c->shard);
    c->addresses = c->next = addresses;
    if (!c->is_over && !c->shard->is_stopped) {
        if (status != 0)
            c->last_error = ERR_NOT_FOUND;
        try_next(c);
    }
    drop(c);
}

static void
on_timeout(void *arg)
{
    finish(arg, ERR_TIMEOUT);
}

/* The request could not even be made: still not inside net_connect(). */
static void
on_failed_start(void *arg)
{
    struct net_connecting *c = arg;
    finish(c, c->last_error);
    drop(c);
}

struct net_connecting *
net_connect(struct shard *s, const char *host, uint16_t port, uint64_t timeout_ms,
            net_on_connected *on_connected, void *arg)
{
    struct net_connecting *c = calloc(1, sizeof *c);
    CHECK(c);
    *c = (struct net_connecting){.shard = s,
                                 .fd = -1,
                                 .port = port,
                                 .holds = 1,
                                 .last_error = ERR_NOT_FOUND,
                                 .on_connected = on_connected,
                                 .arg = arg};
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int failed = uv_getaddrinfo(shard_loop(s), &c->request, on_resolved, host, service, &hints);
    if (failed)
        timer_start(s, &c->timer, 0, on_failed_start, c);
    else
        timer_start(s, &c->timer, timeout_ms, on_timeout, c);
    return c;
}

void
net_connect_cancel(struct net_connecting *c)
{
    if (c->is_over)
        return;
    bool is_unstarted = c->timer.fn == on_failed_start;
    c->is_over = true;
    timer_stop(&c->timer);
    uv_cancel((uv_req_t *)&c->request);
    end_attempt(c);
    if (is_unstarted)
        drop(c);
}
