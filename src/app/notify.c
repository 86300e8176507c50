/*
 * The protocol is a datagram of NAME=value lines, documented and stable (sd_notify(3)). A store that takes
 * minutes to recover must not be killed for being slow: while the process starts a thread asks for more time;
 * it ends with the first readiness.
 */
#include "app/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A manager that does not read loses the line; nothing here may wait for it. */
static void
tell(const struct notify *n, const char *text)
{
    if (n->fd >= 0)
        (void)!send(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A path, or a name of Linux's abstract sockets behind '@'. -1: there is none that can be used. */
static int
connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    if ((*name != '/' && *name != '@') || len < 2 || len >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, name, len);
    if (*name == '@')
        address.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, size) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void *
ask_for_time(void *arg)
{
    struct notify *n = arg;
    char text[128];
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    pthread_mutex_lock(&n->lock);
    for (int seconds = NOTIFY_PERIOD_S; !n->is_started; seconds += NOTIFY_PERIOD_S) {
        next.tv_sec += NOTIFY_PERIOD_S;
        while (!n->is_started && pthread_cond_timedwait(&n->changed, &n->lock, &next) == 0)
            continue;
        if (n->is_started)
            break;
        snprintf(text, sizeof text,
                 "STATUS=starting for %d s: taking up what the data directory "
                 "holds\nEXTEND_TIMEOUT_USEC=%d000000\n",
                 seconds, NOTIFY_EXTEND_S);
        tell(n, text);
    }
    pthread_mutex_unlock(&n->lock);
    return NULL;
}

void
notify_begin(struct notify *n)
{
    const char *name = getenv("NOTIFY_SOCKET");
    pthread_condattr_t monotonic;
    *n = (struct notify){.fd = name ? connect_to(name) : -1, .lock = PTHREAD_MUTEX_INITIALIZER};
    unsetenv("NOTIFY_SOCKET"); /* not for children */
    if (n->fd < 0)
        return;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&n->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&n->thread, NULL, ask_for_time, n) == 0)
        return;
    close(n->fd);
    n->fd = -1;
}

static void
start_is_over(struct notify *n)
{
    pthread_mutex_lock(&n->lock);
    n->is_started = true;
    pthread_cond_signal(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

void
notify_ready(struct notify *n, const char *text)
{
    char lines[1024];
    if (n->fd < 0)
        return;
    start_is_over(n);
    snprintf(lines, sizeof lines, "READY=1\nSTATUS=%.900s\n", text);
    tell(n, lines);
}

void
notify_stopping(struct notify *n)
{
    tell(n, "STOPPING=1\nSTATUS=stopping\n");
}

void
notify_end(struct notify *n)
{
    if (n->fd < 0)
        return;
    start_is_over(n);
    pthread_join(n->thread, NULL);
    pthread_cond_destroy(&n->changed);
    close(n->fd);
    n->fd = -1;
}
