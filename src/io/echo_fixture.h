/*
 * For tests on both sides: a server that echoes and a client that checks what comes back, over plain TCP or
 * TLS. The server's connection is handed to another shard when it is accepted; the client's moves half-way.
 */
#ifndef LEVERET_IO_ECHO_FIXTURE_H
#define LEVERET_IO_ECHO_FIXTURE_H

#include "io/stream.h"
#include "io/tls.h"
#include "io/world.h"

#include <stdatomic.h>

struct server;

struct echo {
    /* Set by the test. */
    struct io_world *world;
    unsigned shards;                     /* 1 .. 3 */
    size_t bytes;                        /* to send and get back */
    struct tls_context *server, *client; /* both or none */
    const char *host;                    /* the client expects in the server's certificate */
    void (*on_server_established)(struct echo *e, const struct tls *t);
    void *arg;

    /* What came of it. */
    size_t received;
    bool has_moved, is_wrong;
    bool client_ended; /* by the end of the stream, as it should */
    _Atomic bool client_failed, server_failed;
    char client_error[256], server_error[256];

    struct shards *all; /* inside */
    struct server *server_alive;
};

/* Runs until the client has seen the end or an error, and everything is freed. */
void echo_run(struct echo *e);

#endif
