/*
 * The yardstick: moves the bytes that publishers send to the consumers of the same number, and does nothing
 * else. The same loop, the same sockets, the same read size as the broker: what the broker costs above it is
 * the broker's own.
 *
 * A client first sends 5 bytes: 'P' or 'C', and its number (u32, big endian).   relay ADDR:PORT
 */
#include "base/byteorder.h"
#include "io/net.h"
#include "io/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_MAX = 65536, HELLO = 5 };

struct end {
    struct relay *relay;
    struct net_conn *conn;
    uint8_t hello[HELLO];
    uint8_t hello_fill;
    struct end *peer; /* of a publisher: its consumer, once that is there; of a consumer: its publisher */
    uint8_t *left;    /* read and not yet written to this consumer */
    size_t left_offset, left_size;
};

struct relay {
    struct shard *shard;
    struct shards *shards;
    const char *host;
    uint16_t port;
    struct end *consumers[PAIRS_MAX];
};

static void
end_close(struct end *e)
{
    if (e->peer) {
        net_want(e->peer->conn, NET_READ);
        e->peer->peer = NULL;
    }
    for (unsigned i = 0; i < PAIRS_MAX; i++)
        if (e->relay->consumers[i] == e)
            e->relay->consumers[i] = NULL;
    net_close(e->conn);
    free(e->left);
    free(e);
}

/* What the consumer's socket does not take is kept, and its publisher is not read until it is gone. */
static bool
forward(struct end *from, struct end *to, const uint8_t *bytes, size_t n)
{
    struct iovec v = {(void *)bytes, n};
    ssize_t done = net_writev(to->conn, &v, 1);
    if (done == NET_ERROR)
        return false;
    size_t written = done > 0 ? (size_t)done : 0;
    if (written < n) {
        if (!to->left)
            to->left = malloc(SHARD_READ_SIZE);
        to->left_offset = 0;
        to->left_size = n - written;
        memcpy(to->left, bytes + written, n - written);
        net_want(from->conn, 0);
        net_want(to->conn, NET_READ | NET_WRITE);
    }
    return true;
}

static bool
flush_left(struct end *to)
{
    struct iovec v = {to->left + to->left_offset, to->left_size};
    ssize_t done = net_writev(to->conn, &v, 1);
    if (done == NET_ERROR)
        return false;
    if (done > 0) {
        to->left_offset += (size_t)done;
        to->left_size -= (size_t)done;
    }
    if (to->left_size == 0) {
        net_want(to->conn, NET_READ);
        if (to->peer)
            net_want(to->peer->conn, NET_READ);
    }
    return true;
}

static bool
greet(struct end *e)
{
    struct iovec v = {e->hello + e->hello_fill, (size_t)HELLO - e->hello_fill};
    ssize_t n = net_readv(e->conn, &v, 1);
    if (n == NET_AGAIN)
        return true;
    if (n <= 0)
        return false;
    e->hello_fill = (uint8_t)(e->hello_fill + n);
    if (e->hello_fill < HELLO)
        return true;
    uint32_t number = be32_get(e->hello + 1);
    if (number >= PAIRS_MAX)
        return false;
    if (e->hello[0] == 'C') {
        e->relay->consumers[number] = e;
    } else if (e->relay->consumers[number]) {
        e->peer = e->relay->consumers[number];
        e->peer->peer = e;
    }
    return true;
}

static void
on_ready(void *owner, unsigned events)
{
    struct end *e = owner;
    bool good = true;
    if ((events & NET_WRITE) && e->left_size)
        good = flush_left(e);
    if (good && (events & NET_READ)) {
        if (e->hello_fill < HELLO) {
            good = greet(e);
        } else {
            uint8_t *bytes = shard_read_buffer(e->relay->shard);
            struct iovec v = {bytes, SHARD_READ_SIZE};
            ssize_t n = net_readv(e->conn, &v, 1);
            good = n > 0 ? !e->peer || forward(e, e->peer, bytes, (size_t)n) : n == NET_AGAIN;
        }
    }
    if (!good)
        end_close(e);
}

static void
on_accept(void *arg, struct net_socket *socket)
{
    struct end *e = calloc(1, sizeof *e);
    if (!e) {
        net_socket_free(socket);
        return;
    }
    e->relay = arg;
    if (net_attach(e->relay->shard, socket, on_ready, e, &e->conn)) {
        free(e);
        return;
    }
    net_want(e->conn, NET_READ);
}

static void
on_problem(void *arg, enum err e, const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, err_text(e));
}

static void
on_start(struct shard *s, void *owner)
{
    struct relay *r = owner;
    r->shard = s;
    struct net_listener *listener;
    char why[256];
    if (net_listen(s, r->host, r->port, 1024, on_accept, on_problem, r, &listener, why, sizeof why)) {
        fprintf(stderr, "relay: %s\n", why);
        exit(1);
    }
    printf("relay ready on port %u\n", net_listener_port(listener));
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    char *colon = argc == 2 ? strrchr(argv[1], ':') : NULL;
    if (!colon) {
        fprintf(stderr, "Usage: relay ADDR:PORT\n");
        return 2;
    }
    *colon = 0;
    struct relay *r = calloc(1, sizeof *r);
    r->host = argv[1];
    r->port = (uint16_t)strtoul(colon + 1, NULL, 10);
    struct shard_hooks hooks = {.on_start = on_start};
    r->shards = shards_new(NULL, 1, &hooks, r);
    if (shards_start(r->shards))
        return 1;
    shards_join(r->shards); /* ends by a signal */
    return 0;
}
