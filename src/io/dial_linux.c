/*
 * Reading and writing never block by themselves: each call waits in poll() for what is left until the
 * deadline, so that a peer that accepts and then says nothing costs no more than the caller allowed.
 */
#include "io/dial.h"

#include "base/check.h"
#include "io/clock.h"
#include "io/local_inside.h"
#include "io/oserr.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct dial {
    int fd;
    uint64_t deadline_ns; /* 0: none */
};

static uint64_t
deadline_after(uint64_t timeout_ms)
{
    return timeout_ms ? clock_now_ns(NULL) + timeout_ms * 1000000 : 0;
}

/* Until the descriptor is ready for `events`, or has failed. */
static enum err
wait_for(int fd, short events, uint64_t deadline_ns)
{
    struct pollfd one = {.fd = fd, .events = events};
    for (;;) {
        int left_ms = -1;
        if (deadline_ns) {
            uint64_t now = clock_now_ns(NULL);
            if (now >= deadline_ns)
                return ERR_TIMEOUT;
            uint64_t ms = (deadline_ns - now) / 1000000 + 1;
            left_ms = ms > INT32_MAX ? INT32_MAX : (int)ms;
        }
        int n = poll(&one, 1, left_ms);
        if (n > 0)
            return ERR_OK;
        if (n < 0 && errno != EINTR)
            return oserr_of(errno);
    }
}

/* A full backlog of a local socket makes a connect that does not block fail, instead of going on by itself:
 * that one blocks, for as long as its sends may. */
static void
limit_connect(int fd, uint64_t timeout_ms)
{
    struct timeval limit = {.tv_sec = (time_t)(timeout_ms / 1000),
                            .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* else it takes longer */
}

static enum err
connect_local(const struct sockaddr_un *to, uint64_t timeout_ms, int *out)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return oserr_of(errno);
    limit_connect(fd, timeout_ms);
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) != 0) {
        enum err e = errno == EAGAIN ? ERR_TIMEOUT : oserr_of(errno);
        close(fd);
        return e;
    }
    *out = fd;
    return ERR_OK;
}

static enum err
connect_tcp(const struct sockaddr *to, socklen_t len, uint64_t deadline_ns, int *out)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return oserr_of(errno);
    enum err e = ERR_OK;
    if (connect(fd, to, len) != 0) {
        int number = errno;
        socklen_t size = sizeof number;
        if (number == EINPROGRESS) {
            e = wait_for(fd, POLLOUT, deadline_ns);
            number = 0;
            if (e == ERR_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
                number = errno;
        }
        if (e == ERR_OK && number != 0)
            e = oserr_of(number);
    }
    if (e != ERR_OK)
        close(fd);
    else
        *out = fd;
    return e;
}

static struct dial *
dial_of(int fd, uint64_t deadline_ns)
{
    struct dial *d = calloc(1, sizeof *d);
    CHECK(d);
    *d = (struct dial){.fd = fd, .deadline_ns = deadline_ns};
    return d;
}

enum err
dial_local(const char *path, uint64_t timeout_ms, struct dial **dial)
{
    struct sockaddr_un to;
    uint64_t deadline_ns = deadline_after(timeout_ms);
    int dir, fd = -1;
    if (!local_address(path, &to, &dir))
        return oserr_of(errno);
    enum err e = connect_local(&to, timeout_ms, &fd);
    close(dir);
    if (e == ERR_OK)
        *dial = dial_of(fd, deadline_ns);
    return e;
}

enum err
dial_tcp(const char *host, uint16_t port, uint64_t timeout_ms, struct dial **dial)
{
    struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *all = NULL;
    uint64_t deadline_ns = deadline_after(timeout_ms);
    char service[8];
    int fd = -1, one = 1;
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &want, &all) != 0)
        return ERR_NOT_FOUND;
    enum err e = ERR_NOT_FOUND;
    for (struct addrinfo *a = all; a && fd < 0 && e != ERR_TIMEOUT; a = a->ai_next)
        e = connect_tcp(a->ai_addr, a->ai_addrlen, deadline_ns, &fd);
    freeaddrinfo(all);
    if (fd < 0)
        return e;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* only slower without */
    *dial = dial_of(fd, deadline_ns);
    return ERR_OK;
}

void
dial_set_timeout(struct dial *d, uint64_t timeout_ms)
{
    d->deadline_ns = deadline_after(timeout_ms);
}

enum err
dial_write(struct dial *d, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = send(d->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            enum err e = wait_for(d->fd, POLLOUT, d->deadline_ns);
            if (e != ERR_OK)
                return e;
        } else if (n < 0 && errno != EINTR) {
            return oserr_of(errno);
        }
    }
    return ERR_OK;
}

enum err
dial_read(struct dial *d, void *data, size_t size, size_t *got)
{
    for (;;) {
        ssize_t n = recv(d->fd, data, size, MSG_DONTWAIT);
        if (n > 0) {
            *got = (size_t)n;
            return ERR_OK;
        }
        if (n == 0)
            return ERR_CLOSED;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            enum err e = wait_for(d->fd, POLLIN, d->deadline_ns);
            if (e != ERR_OK)
                return e;
        } else if (errno != EINTR) {
            return oserr_of(errno);
        }
    }
}

void
dial_close(struct dial *d)
{
    if (!d)
        return;
    close(d->fd);
    free(d);
}
