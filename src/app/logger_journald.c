/*
 * One datagram a line: FIELD=value, each ended by '\n'. Values have no line ends of their own (log.h), so
 * none needs the binary form, and LOGGER_LINE_MAX keeps the whole far below what a datagram holds. The
 * protocol is systemd's documented one; a library for this page would be one more dependency.
 */
#include "app/logger_journald.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIELDS_MAX = 512 };

static void
open_socket(struct logger_journald *j)
{
    j->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void
logger_journald_open(struct logger_journald *j, const char *path, const char *identity)
{
    *j = (struct logger_journald){.fd = -1};
    snprintf(j->path, sizeof j->path, "%s", path);
    snprintf(j->identity, sizeof j->identity, "%s", identity);
    open_socket(j);
}

void
logger_journald_close(struct logger_journald *j)
{
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
}

int
logger_journald_put(struct logger_journald *j, const struct logger_record *r, const char *message)
{
    char text[FIELDS_MAX + LOGGER_LINE_MAX];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, j->path, sizeof j->path);
    int n = snprintf(
        text, sizeof text,
        "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nSYSLOG_PID=%d\nTID=%d\nLEVERET_CATEGORY=%s\nMESSAGE=%s\n",
        logger_format_severity(r->level), j->identity, (int)getpid(), r->thread,
        log_category_name(r->category), message);
    if (n < 0 || (size_t)n >= sizeof text)
        return EMSGSIZE;
    if (j->fd < 0)
        open_socket(j);
    ssize_t sent = sendto(j->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT,
                          (const struct sockaddr *)&address, sizeof address);
    return sent == n ? 0 : errno;
}
