/*
 * Accepting: shard 0 owns the listeners; each new socket goes to the shard with the fewest connections, by
 * mail unless that is shard 0 itself. A socket counts for its shard from the moment it is sent there, so that
 * a burst spreads out.
 *
 * Running out of descriptors is the listener's problem alone: it is said once, and once more when it is over.
 *
 * A suspended listener has given its port back, so that clients and balancers are refused at once, and knows
 * how to take it again.
 */
/* exports: server_ */
#include "base/check.h"
#include "broker/meta.h"
#include "io/net.h"
#include "server/connection.h"

#include <stdio.h>
#include <stdlib.h>

enum { SERVER_ADDRESS_SIZE = 64 };

struct server_listener {
    struct server *server;
    struct server_listener *next;
    struct net_listener *net; /* NULL: suspended */
    struct tls_slot *tls;
    uint16_t port; /* as the system chose it */
    int backlog;
    char addr[SERVER_ADDRESS_SIZE];
};

unsigned
server_pick_shard(const struct server *server)
{
    unsigned best = 0;
    uint32_t fewest = UINT32_MAX;
    for (unsigned i = 0; i < server->shard_count; i++) {
        uint32_t count = atomic_load_explicit(&server->counts[i].connections, memory_order_relaxed);
        if (count < fewest) {
            fewest = count;
            best = i;
        }
    }
    return best;
}

void
server_accept(struct server_shard *home, struct net_socket *socket, struct tls_context *tls)
{
    connection_accept(home, socket, tls);
}

static void
listener_on_accept(void *arg, struct net_socket *socket)
{
    struct server_listener *l = arg;
    struct server *server = l->server;
    struct tls_context *tls = l->tls ? tls_slot_get(l->tls) : NULL;
    if (l->tls && !tls) {
        net_socket_free(socket);
        return;
    }
    net_socket_set_options(socket, &server->config.socket);
    unsigned to = server_pick_shard(server);
    atomic_fetch_add_explicit(&server->counts[to].connections, 1, memory_order_relaxed);
    struct server_shard *home = server->parts[0];
    if (to == 0) {
        server_accept(home, socket, tls);
        return;
    }
    struct mail mail = {.type = MAIL_SERVER + SERVER_MAIL_SOCKET, .a = (uint64_t)(uintptr_t)tls, .p = socket};
    shard_post(home->shard, to, SHARD_LANE_RESERVED, &mail);
}

static void
listener_on_problem(void *arg, enum err e, const char *what)
{
    struct server_listener *l = arg;
    if (e == ERR_OK)
        log_info(l->server->node->log, LOG_CONNECTION, "accepting connections again: %s", what);
    else
        log_error(l->server->node->log, LOG_CONNECTION, "cannot accept connections: %s (%s)", what,
                  err_text(e));
}

static enum err
listener_open(struct server_listener *l, char *why, size_t why_size)
{
    enum err err = net_listen(shards_get(l->server->node->shards, 0), l->addr, l->port, l->backlog,
                              listener_on_accept, listener_on_problem, l, &l->net, why, why_size);
    if (err == ERR_OK)
        l->port = net_listener_port(l->net);
    return err;
}

enum err
server_listen(struct server *server, const char *addr, uint16_t port, int backlog, struct tls_slot *tls,
              uint16_t *port_out, char *why, size_t why_size)
{
    struct server_listener *l = calloc(1, sizeof *l);
    CHECK(l);
    *l = (struct server_listener){.server = server, .tls = tls, .port = port, .backlog = backlog};
    snprintf(l->addr, sizeof l->addr, "%s", addr);
    enum err err = listener_open(l, why, why_size);
    if (err) {
        free(l);
        return err;
    }
    if (port_out)
        *port_out = l->port;
    l->next = server->listeners;
    server->listeners = l;
    return ERR_OK;
}

void
server_listen_each(const struct server *server,
                   void (*fn)(void *arg, const char *addr, uint16_t port, bool is_tls), void *arg)
{
    for (const struct server_listener *l = server->listeners; l; l = l->next)
        if (l->net)
            fn(arg, l->addr, l->port, l->tls != NULL);
}

void
server_unlisten(struct server *server)
{
    while (server->listeners) {
        struct server_listener *l = server->listeners;
        server->listeners = l->next;
        if (l->net)
            net_listener_close(l->net);
        free(l);
    }
}

void
server_suspend(struct server *server)
{
    for (struct server_listener *l = server->listeners; l; l = l->next) {
        if (l->net)
            net_listener_close(l->net);
        l->net = NULL;
    }
}

enum err
server_resume(struct server *server, char *why, size_t why_size)
{
    for (struct server_listener *l = server->listeners; l; l = l->next) {
        enum err err = l->net ? ERR_OK : listener_open(l, why, why_size);
        if (err)
            return err;
    }
    return ERR_OK;
}
