/* The machine: the node's shards are threads, the clients sockets of the test's own thread. */
#include "base/check.h"
#include "server/session_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SESSION_PATIENCE_MS = 5000 };

struct session_world {
    struct session_node node;
};

struct session_client {
    struct session_frames frames;
    int fd;
    bool is_ended;
    struct buffer received;
};

struct session_world *
session_world_new(unsigned shards, const struct server_config *config, unsigned seed)
{
    struct session_world *w = calloc(1, sizeof *w);
    CHECK(w);
    session_node_init(&w->node, NULL, shards, config);
    while (!atomic_load(&w->node.is_listening))
        sched_yield();
    return w;
}

void
session_world_free(struct session_world *w)
{
    shards_stop(w->node.node.shards);
    shards_join(w->node.node.shards);
    session_node_fini(&w->node);
    free(w);
}

struct session_node *
session_world_node(struct session_world *w)
{
    return &w->node;
}

void
session_world_wait(struct session_world *w, unsigned ms)
{
}

static uint64_t
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool
session_world_settle(struct session_world *w)
{
    uint64_t deadline = now_ms() + SESSION_PATIENCE_MS;
    while (server_connection_count(w->node.server) > 0 && now_ms() < deadline)
        sched_yield();
    return server_connection_count(w->node.server) == 0;
}

struct session_client *
session_client_open(struct session_world *w)
{
    struct session_client *c = calloc(1, sizeof *c);
    CHECK(c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(w->node.port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int rc = connect(c->fd, (struct sockaddr *)&addr, sizeof addr);
    CHECK(c->fd >= 0 && rc == 0);
    return c;
}

void
session_client_free(struct session_client *c)
{
    close(c->fd);
    buffer_fini(&c->received);
    buffer_fini(&c->frames.payload);
    buffer_fini(&c->frames.content);
    buffer_fini(&c->frames.properties);
    free(c);
}

/* What has arrived, within `ms`. False: nothing more comes. */
static bool
session_receive(struct session_client *c, int ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (c->is_ended || poll(&p, 1, ms) <= 0)
        return false;
    ssize_t n = recv(c->fd, buffer_reserve(&c->received, 65536), 65536, MSG_DONTWAIT);
    if (n > 0)
        c->received.len += (size_t)n;
    else
        c->is_ended = true;
    return n > 0;
}

void
session_client_send(struct session_client *c, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len > 0) {
        ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
            continue;
        }
        struct pollfd wait = {.fd = c->fd, .events = POLLIN | POLLOUT};
        if (poll(&wait, 1, SESSION_PATIENCE_MS) <= 0 || (wait.revents & POLLIN && !session_receive(c, 0)))
            return;
    }
}

struct slice
session_client_peek(struct session_client *c, size_t n)
{
    while (c->received.len < n && session_receive(c, SESSION_PATIENCE_MS)) {
    }
    return buffer_slice(&c->received);
}

void
session_client_consume(struct session_client *c, size_t n)
{
    buffer_consume(&c->received, n);
}

void
session_client_set_reading(struct session_client *c, bool reading)
{
    (void)c; /* it reads in session_client_peek() only */
    (void)reading;
}

bool
session_client_is_ended(struct session_client *c)
{
    while (session_receive(c, SESSION_PATIENCE_MS)) {
    }
    return c->is_ended;
}
