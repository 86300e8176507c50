/*
 * How connections come to be: listening and connecting.
 *
 * A listener keeps one descriptor in reserve. When the process has run out, the listener closes the reserve,
 * takes the waiting client with what that frees, closes it, and opens the reserve again: a client learns at
 * once that there is no room, and the loop does not spin over a backlog that it cannot empty. If another
 * thread was faster and the reserve is lost, it pauses for a moment instead.
 */
#include "base/check.h"
#include "io/net_uv.h"
#include "io/oserr.h"
#include "io/timer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ACCEPT_PAUSE_MS = 100 };

struct net_listener {
    uv_poll_t poll; /* first */
    struct shard *shard;
    int fd, reserve_fd;
    int fd_end;        /* descriptors from here on are for files: a client that gets one is sent away */
    bool is_exhausted; /* and it was reported */
    bool is_closed;
    struct wheel_timer pause;
    net_on_accept *on_accept;
    net_on_problem *on_problem;
    void *arg;
};

/* ---- listening ---- */

/* Clients must not take what the store needs to go on: an eighth of the descriptors, at most 64. */
static int
descriptors_end(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX)
        return INT32_MAX;
    rlim_t kept = limit.rlim_cur / 8 < 64 ? limit.rlim_cur / 8 : 64;
    return (int)(limit.rlim_cur - kept);
}

static int
reserve_descriptor(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_listening(uv_poll_t *handle, int status, int events);

static void
resume(void *arg)
{
    struct net_listener *l = arg;
    if (l->reserve_fd < 0)
        l->reserve_fd = reserve_descriptor();
    CHECK(uv_poll_start(&l->poll, UV_READABLE, on_listening) == 0);
}

static void
pause_accepting(struct net_listener *l)
{
    uv_poll_stop(&l->poll);
    timer_start(l->shard, &l->pause, ACCEPT_PAUSE_MS, resume, l);
}

static void
report(struct net_listener *l, enum err e, const char *what)
{
    if (l->on_problem)
        l->on_problem(l->arg, e, what);
}

/* No descriptor for the client at the head of the backlog: it is sent away. False: accepting pauses. */
static bool
send_one_away(struct net_listener *l, int number)
{
    if (!l->is_exhausted) {
        l->is_exhausted = true;
        report(l, oserr_of(number), strerror(number));
        if (l->is_closed)
            return false;
    }
    if (l->reserve_fd < 0) {
        pause_accepting(l);
        return false;
    }
    close(l->reserve_fd);
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int accept_error = errno;
    if (fd >= 0)
        close(fd);
    l->reserve_fd = reserve_descriptor();
    if (fd >= 0 && l->reserve_fd >= 0)
        return true;
    if (fd < 0 && accept_error == EAGAIN && l->reserve_fd >= 0)
        return false;
    pause_accepting(l);
    return false;
}

static bool
is_shortage(int number)
{
    return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

/* One client. False: no more in this turn. */
static bool
accept_one(struct net_listener *l)
{
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= l->fd_end) {
        close(fd);
        if (!l->is_exhausted) {
            l->is_exhausted = true;
            report(l, ERR_NO_DESCRIPTORS, strerror(EMFILE));
        }
        return !l->is_closed;
    }
    if (fd >= 0) {
        if (l->is_exhausted) {
            l->is_exhausted = false;
            report(l, ERR_OK, "descriptors are free again: accepting");
        }
        if (l->is_closed)
            close(fd);
        else
            l->on_accept(l->arg, net_socket_of(fd));
        return true;
    }
    if (is_shortage(errno))
        return send_one_away(l, errno);
    if (errno == EAGAIN)
        return false;
    /* ECONNABORTED and the network's errors belong to one client; others would come again and again. */
    if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK || errno == EOPNOTSUPP) {
        report(l, oserr_of(errno), strerror(errno));
        if (!l->is_closed)
            pause_accepting(l);
        return false;
    }
    return true;
}

static void
on_listening(uv_poll_t *handle, int status, int events)
{
    struct net_listener *l = (struct net_listener *)handle;
    shard_enter(l->shard);
    if (status != 0) {
        pause_accepting(l);
        return;
    }
    for (int i = 0; i < NET_ACCEPTS_PER_TURN_MAX && !l->is_closed; i++)
        if (!accept_one(l))
            return;
}

static void
free_listener(uv_handle_t *handle)
{
    free(handle);
}

static void
dispose_listener(uv_handle_t *handle)
{
    struct net_listener *l = (struct net_listener *)handle;
    l->is_closed = true;
    uv_close(handle, free_listener);
    close(l->fd);
    if (l->reserve_fd >= 0)
        close(l->reserve_fd);
    l->fd = l->reserve_fd = -1;
}

static const struct uv_kind listener_kind = {.dispose = dispose_listener};

static bool
parse_address(const char *addr, uint16_t port, struct sockaddr_storage *to, socklen_t *size)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
    memset(to, 0, sizeof *to);
    if (inet_pton(AF_INET, addr, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *size = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, addr, &v6->sin6_addr) != 1)
        return false;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    *size = sizeof *v6;
    return true;
}

/* A listening descriptor, or -1 and errno. */
static int
open_listening(const struct sockaddr_storage *to, socklen_t size, int backlog)
{
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1, off = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (to->ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, (const struct sockaddr *)to, size) == 0 && listen(fd, backlog) == 0)
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

enum err
net_listener_of(struct shard *s, int fd, net_on_accept *on_accept, net_on_problem *on_problem, void *arg,
                struct net_listener **listener)
{
    struct net_listener *l = calloc(1, sizeof *l);
    CHECK(l);
    *l = (struct net_listener){.shard = s,
                               .fd = fd,
                               .reserve_fd = reserve_descriptor(),
                               .fd_end = descriptors_end(),
                               .on_accept = on_accept,
                               .on_problem = on_problem,
                               .arg = arg};
    int failed = uv_poll_init(shard_loop(s), &l->poll, fd);
    if (failed) {
        close(fd);
        close(l->reserve_fd);
        free(l);
        return oserr_of(-failed);
    }
    l->poll.data = (void *)&listener_kind;
    CHECK(uv_poll_start(&l->poll, UV_READABLE, on_listening) == 0);
    *listener = l;
    return ERR_OK;
}

enum err
net_listen(struct shard *s, const char *addr, uint16_t port, int backlog, net_on_accept *on_accept,
           net_on_problem *on_problem, void *arg, struct net_listener **listener, char *why, size_t why_size)
{
    struct sockaddr_storage to;
    socklen_t size;
    if (!parse_address(addr, port, &to, &size)) {
        snprintf(why, why_size, "'%s' is not an IPv4 or IPv6 address", addr);
        return ERR_SYNTAX;
    }
    int fd = open_listening(&to, size, backlog);
    if (fd < 0) {
        enum err e = oserr_of(errno);
        snprintf(why, why_size, "cannot listen on %s port %u: %s", addr, port, strerror(errno));
        return e;
    }
    enum err e = net_listener_of(s, fd, on_accept, on_problem, arg, listener);
    if (e != ERR_OK)
        snprintf(why, why_size, "cannot watch %s port %u: %s", addr, port, err_text(e));
    return e;
}

void
net_listener_use_reserve(struct net_listener *l)
{
    l->fd_end = INT32_MAX;
}

uint16_t
net_listener_port(const struct net_listener *l)
{
    struct sockaddr_storage at = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof at;
    struct net_addr addr;
    if (getsockname(l->fd, (struct sockaddr *)&at, &size) != 0)
        at.ss_family = AF_UNSPEC;
    net_addr_of(&at, &addr);
    return addr.port;
}

void
net_listener_close(struct net_listener *l)
{
    timer_stop(&l->pause);
    dispose_listener((uv_handle_t *)&l->poll);
}
