/*
 * Two listeners with the same connections behind them: the socket, whose file only the node's user may open,
 * and the peer port, where each proves that it has the cookie first. Who floods the peer port takes no place
 * from the socket, and no strangers' place for long: with CONTROL_STRANGERS_MAX of them the oldest goes.
 *
 * Commands, answers from shards and the process all change connections from within each other's calls; so a
 * change only lists the connection as dirty, and all that may end it happens in control_turn().
 */
#include "mgmt/control_impl.h"

#include "base/check.h"
#include "base/log.h"
#include "io/local.h"
#include "io/shard.h"
#include "mgmt/ask.h"

#include <stdlib.h>

enum {
    BACKLOG = 64,
    BODIES_BYTES_MAX = CONTROL_BODY_MAX,
    KEEPALIVE_S = 60, /* of silence: a client whose machine has gone gives its place back */
};

/* At once, so that a turn that accepts many still knows how many there are: nobody is in a call of a
 * stranger's. */
static void
drop_oldest_stranger(struct control *c)
{
    LIST_FOREACH (at, &c->peers) {
        struct control_peer *p = LIST_ENTRY(at, struct control_peer, in_control);
        if (p->is_stranger && p->conn) {
            control_peer_drop(p);
            control_peer_free(p);
            return;
        }
    }
}

static void
on_accept_local(void *arg, struct net_socket *socket)
{
    struct control *c = arg;
    if (c->is_quiescing || c->local_count >= CONTROL_PEERS_MAX)
        net_socket_free(socket);
    else
        control_peer_new(c, socket, false);
}

static void
on_accept_tcp(void *arg, struct net_socket *socket)
{
    struct control *c = arg;
    if (c->stranger_count >= CONTROL_STRANGERS_MAX)
        drop_oldest_stranger(c);
    if (c->is_quiescing) {
        net_socket_free(socket);
        return;
    }
    net_socket_set_options(socket, &(struct net_options){.keepalive = true, .keepalive_idle_s = KEEPALIVE_S});
    control_peer_new(c, socket, true);
}

static void
on_problem(void *arg, enum err e, const char *what)
{
    struct control *c = arg;
    if (e != ERR_OK)
        log_warning(c->config.log, LOG_GLOBAL, "control: %s", what);
}

/* On all addresses of both families, or of IPv4 where there is no IPv6. */
static enum err
listen_tcp(struct control *c, char *why, size_t why_size)
{
    const struct control_config *f = &c->config;
    const char *host = *f->peer_address ? f->peer_address : "::";
    enum err e = net_listen(c->shard, host, f->peer_port, BACKLOG, on_accept_tcp, on_problem, c, &c->tcp, why,
                            why_size);
    if (e != ERR_OK && !*f->peer_address && e != ERR_ADDRESS_IN_USE)
        e = net_listen(c->shard, "0.0.0.0", f->peer_port, BACKLOG, on_accept_tcp, on_problem, c, &c->tcp, why,
                       why_size);
    return e;
}

enum err
control_open(struct shard *own, struct asker *asker, const struct control_config *config,
             struct control **control, char *why, size_t why_size)
{
    struct control *c = calloc(1, sizeof *c);
    CHECK(c);
    *c = (struct control){.shard = own, .asker = asker, .config = *config};
    list_init(&c->peers);
    list_init(&c->dirty);
    budget_init(&c->bodies, "bodies of requests", BODIES_BYTES_MAX);
    enum err e =
        local_listen(own, config->socket_path, on_accept_local, on_problem, c, &c->local, why, why_size);
    if (e == ERR_OK && config->peer_address && (e = listen_tcp(c, why, why_size)) != ERR_OK) {
        if (config->peer_may_fail) {
            log_warning(config->log, LOG_GLOBAL, "%s; going on without a peer port (leveret.peer_listen)",
                        why);
            *why = 0;
            e = ERR_OK;
        } else {
            net_listener_close(c->local);
            local_unlink(config->socket_path);
        }
    }
    if (e != ERR_OK)
        free(c);
    else
        *control = c;
    return e;
}

uint16_t
control_peer_port(const struct control *c)
{
    return c->tcp ? net_listener_port(c->tcp) : 0;
}

void
control_turn(struct control *c)
{
    while (!list_is_empty(&c->dirty)) {
        struct control_peer *p = LIST_ENTRY(c->dirty.next, struct control_peer, in_dirty);
        list_remove(&p->in_dirty);
        control_peer_go_on(p);
    }
}

void
control_quiesce(struct control *c)
{
    c->is_quiescing = true;
    LIST_FOREACH (at, &c->peers)
        control_peer_stir(LIST_ENTRY(at, struct control_peer, in_control));
}

bool
control_is_idle(const struct control *c)
{
    return list_is_empty(&c->peers) && asker_is_idle(c->asker);
}

void
control_free(struct control *c)
{
    if (!c)
        return;
    LIST_FOREACH_SAFE (at, next, &c->peers) {
        struct control_peer *p = LIST_ENTRY(at, struct control_peer, in_control);
        p->conn = NULL; /* it went with the shard */
        control_call_abandon(&p->call);
        control_peer_free(p);
    }
    local_unlink(c->config.socket_path);
    free(c);
}

struct asker *
control_asker(const struct control *c)
{
    return c->asker;
}

struct control_host *
control_hosts(const struct control *c)
{
    return c->config.host;
}

struct log *
control_log(const struct control *c)
{
    return c->config.log;
}

struct shard *
control_shard(const struct control *c)
{
    return c->shard;
}
