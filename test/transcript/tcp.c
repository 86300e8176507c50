/*
 * transcript_tcp: replays transcripts over TCP against a broker that is already running.
 *
 *   transcript_tcp [-v] [--host H] [--port N] [--provides "WORD ..."] [--rabbitmq] [--expect-failure]
 *                  [--resource-command CMD] [--timeout-ms N] [--chunk N] [--jobs N] FILE ...
 *
 * --resource-command CMD: `CMD memory short` and `CMD memory enough`, `CMD disk short` and `CMD disk enough`
 * raise and clear the broker's alarms; use it with --jobs 1 and --provides "memory disk".
 * --chunk N sends at most N octets at a time. The other options: suite.h.
 */
#include "suite.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SEND_TIMEOUT_S = 5 };

struct tcp {
    const char *host;
    const char *port;
    size_t chunk;
    const char *resource_command; /* run with "memory short" and so on */
    struct transcript_net net;
};

static int
tcp_connect(void *ctx)
{
    const struct tcp *t = ctx;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;
    if (getaddrinfo(t->host, t->port, &hints, &list) != 0) {
        return -1;
    }
    int fd = -1, on = 1;
    for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd >= 0) {
        struct timeval limit = {.tv_sec = SEND_TIMEOUT_S};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    }
    return fd;
}

static void
tcp_send(void *ctx, int fd, const void *data, size_t size)
{
    const struct tcp *t = ctx;
    const char *p = data;
    while (size > 0) {
        ssize_t n = send(fd, p, size < t->chunk ? size : t->chunk, MSG_NOSIGNAL);
        if (n <= 0 && errno != EINTR) {
            return;
        }
        p += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
}

static ssize_t
tcp_recv(void *ctx, int fd, void *data, size_t size, int timeout_ms)
{
    (void)ctx;
    struct pollfd wait_for = {.fd = fd, .events = POLLIN};
    if (poll(&wait_for, 1, timeout_ms < 0 ? 0 : timeout_ms) <= 0) {
        return -1;
    }
    ssize_t n = recv(fd, data, size, 0);
    return n < 0 ? 0 : n; /* a reset is an end */
}

static void
tcp_close(void *ctx, int fd)
{
    (void)ctx;
    close(fd);
}

static bool
tcp_resource(void *ctx, const char *which, bool is_short)
{
    const struct tcp *t = ctx;
    char command[1024];
    snprintf(command, sizeof(command), "%s %s %s", t->resource_command, which, is_short ? "short" : "enough");
    return system(command) == 0;
}

static const struct transcript_net *
tcp_net_open(void *ctx, const char *name)
{
    struct tcp *t = ctx;
    (void)name;
    t->net = (struct transcript_net){
        .ctx = t, .connect = tcp_connect, .send = tcp_send, .recv = tcp_recv, .close = tcp_close};
    t->net.resource = t->resource_command == NULL ? NULL : tcp_resource;
    return &t->net;
}

static void
tcp_net_close(void *ctx)
{
    (void)ctx;
}

static int
tcp_option(struct tcp *t, char **argv, int left)
{
    if (left < 2) {
        return 0;
    }
    if (strcmp(argv[0], "--host") == 0) {
        t->host = argv[1];
    } else if (strcmp(argv[0], "--port") == 0) {
        t->port = argv[1];
    } else if (strcmp(argv[0], "--resource-command") == 0) {
        t->resource_command = argv[1];
    } else if (strcmp(argv[0], "--chunk") == 0) {
        t->chunk = strtoul(argv[1], NULL, 10);
    } else {
        return 0;
    }
    return 2;
}

int
main(int argc, char **argv)
{
    struct tcp tcp = {.host = "127.0.0.1", .port = "5672", .chunk = 1 << 20};
    struct suite suite;
    suite_init(&suite);
    suite.ctx = &tcp;
    suite.net_open = tcp_net_open;
    suite.net_close = tcp_net_close;
    int i = 1;
    for (int used = 1; i < argc && used > 0; i += used) {
        used = suite_option(&suite, argv + i, argc - i);
        used = used > 0 ? used : tcp_option(&tcp, argv + i, argc - i);
    }
    if (i >= argc || argv[i][0] == '-' || tcp.chunk == 0) {
        fprintf(stderr, "usage: transcript_tcp [-v] [--host H] [--port N] [--provides WORDS] [--rabbitmq]\n"
                        "       [--expect-failure] [--resource-command CMD] [--timeout-ms N] [--chunk N] "
                        "[--jobs N] FILE ...\n");
        return 2;
    }
    return suite_run(&suite, argv + i, argc - i);
}
