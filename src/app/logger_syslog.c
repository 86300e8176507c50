/*
 * RFC 3164, without HOST on the local socket, where daemons expect none:
 *
 *     <PRIORITY>Nov  9 10:26:33 HOST NAME[PID]: MESSAGE
 *
 * RFC 5424:
 *
 *     <PRIORITY>1 2026-11-09T10:26:33.123456+00:00 HOST NAME PID CATEGORY - MESSAGE
 *
 * Over TCP each message is preceded by its length and a space (RFC 6587, octet counting). The local socket
 * takes datagrams.
 *
 * Nothing is queued here: what cannot be sent now is lost, and the next try to connect is
 * LOGGER_SYSLOG_RETRY_S later. A try that took long, because a name server or a machine does not answer, has
 * kept the other outputs waiting: they get a rest of so many times its length.
 */
#include "app/logger_syslog.h"

#include "io/system.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD_MAX = 512, LENGTH_MAX = 16 };

void
logger_syslog_open(struct logger_syslog *s, const struct config *c)
{
    const char *target = c->log_syslog_ip ? c->log_syslog_ip : c->log_syslog_host;
    *s = (struct logger_syslog){.facility = c->log_syslog_facility,
                                .port = (int)c->log_syslog_port,
                                .is_tcp = target && c->log_syslog_transport == CONFIG_SYSLOG_TCP,
                                .is_rfc3164 = c->log_syslog_protocol == CONFIG_SYSLOG_RFC3164,
                                .fd = -1};
    snprintf(s->socket, sizeof s->socket, "%s", c->log_syslog_socket);
    snprintf(s->target, sizeof s->target, "%s", target ? target : "");
    snprintf(s->identity, sizeof s->identity, "%s", c->log_syslog_identity);
    if (system_hostname(NULL, s->host, sizeof s->host))
        snprintf(s->host, sizeof s->host, "-");
}

void
logger_syslog_close(struct logger_syslog *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

/* Waits for a connection under way. 0, or errno. */
static int
finish_connecting(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    int number = 0;
    socklen_t len = sizeof number;
    if (poll(&ready, 1, LOGGER_SYSLOG_WAIT_MS) != 1)
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) == 0 ? number : errno;
}

static int
connect_to(struct logger_syslog *s, int family, int type, const struct sockaddr *address, socklen_t len)
{
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int number = connect(fd, address, len) == 0 ? 0 : errno;
    if (number == EINPROGRESS)
        number = finish_connecting(fd);
    if (number) {
        close(fd);
        return number;
    }
    s->fd = fd;
    return 0;
}

static int
connect_local(struct logger_syslog *s)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, s->socket, sizeof s->socket);
    return connect_to(s, AF_UNIX, SOCK_DGRAM, (const struct sockaddr *)&address, sizeof address);
}

static int
connect_remote(struct logger_syslog *s)
{
    int type = s->is_tcp ? SOCK_STREAM : SOCK_DGRAM, number = EHOSTUNREACH;
    struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_NUMERICSERV}, *found = NULL;
    char port[8];
    snprintf(port, sizeof port, "%d", s->port);
    if (getaddrinfo(s->target, port, &hints, &found) != 0)
        return EHOSTUNREACH;
    for (const struct addrinfo *a = found; a && number; a = a->ai_next)
        number = connect_to(s, a->ai_family, type, a->ai_addr, a->ai_addrlen);
    freeaddrinfo(found);
    return number;
}

static size_t
head(const struct logger_syslog *s, const struct logger_record *r, char *out)
{
    int priority = s->facility * 8 + logger_format_severity(r->level), n;
    char stamp[LOGGER_TIME_SIZE];
    if (s->is_rfc3164) {
        struct tm local;
        localtime_r(&r->when.tv_sec, &local);
        strftime(stamp, sizeof stamp, "%b %e %H:%M:%S", &local); /* English: the program sets no locale */
        n = snprintf(out, HEAD_MAX, "<%d>%s %s%s%s[%d]: ", priority, stamp, *s->target ? s->host : "",
                     *s->target ? " " : "", s->identity, (int)getpid());
    } else {
        logger_format_time(LOGGER_TIME_T, &r->when, stamp);
        n = snprintf(out, HEAD_MAX, "<%d>1 %s %s %s %d %s - ", priority, stamp, s->host, s->identity,
                     (int)getpid(), log_category_name(r->category));
    }
    return (size_t)n < HEAD_MAX ? (size_t)n : HEAD_MAX - 1;
}

/* All of it: half a message would spoil the stream for those that follow. */
static int
send_whole(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return errno;
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        if (n < 0 && poll(&ready, 1, LOGGER_SYSLOG_WAIT_MS) != 1)
            return ETIMEDOUT;
        bytes += n < 0 ? 0 : n;
        len -= n < 0 ? 0 : (size_t)n;
    }
    return 0;
}

static int
send_message(struct logger_syslog *s, const char *message, size_t len)
{
    if (s->is_tcp)
        return send_whole(s->fd, message, len);
    return send(s->fd, message, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len ? 0 : errno;
}

static int
connected(struct logger_syslog *s, time_t now)
{
    if (s->fd >= 0)
        return 0;
    if (now < s->retry_at)
        return ENOTCONN;
    time_t began = time(NULL);
    int number = *s->target ? connect_remote(s) : connect_local(s);
    time_t took = time(NULL) - began;
    s->retry_at = number ? now + LOGGER_SYSLOG_RETRY_S + took * LOGGER_SYSLOG_REST : 0;
    return number;
}

int
logger_syslog_put(struct logger_syslog *s, const struct logger_record *r, const char *message, time_t now)
{
    char text[HEAD_MAX + LOGGER_LINE_MAX], whole[sizeof text + LENGTH_MAX];
    size_t n = head(s, r, text);
    n += (size_t)snprintf(text + n, sizeof text - n, "%s", message);
    int number = connected(s, now);
    if (number)
        return number;
    size_t len = s->is_tcp ? (size_t)snprintf(whole, sizeof whole, "%zu %s", n, text) : n;
    number = send_message(s, s->is_tcp ? whole : text, len);
    bool is_busy = number == EAGAIN || number == ENOBUFS; /* a full socket of a daemon that lives */
    if (number && !(is_busy && !s->is_tcp)) {
        logger_syslog_close(s); /* it was restarted, perhaps: the next line finds out */
        s->retry_at = s->is_tcp ? now + LOGGER_SYSLOG_RETRY_S : 0;
    }
    return number;
}
