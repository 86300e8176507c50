/*
 * net.h over simulated byte pipes. A conn whose wishes are fulfilled is on its shard's list `ready`, from
 * which the shard's turn calls it; it stays there as long as they are, since readiness is level-triggered.
 *
 * A node's crash takes the pipes away under its sockets and conns: `end` is NULL then, and every call says so
 * or does nothing, so that the owner's tear-down can run as usual.
 */
#include "base/check.h"
#include "io/sim_inside.h"
#include "io/timer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct net_socket {
    struct sim_end *end;
    struct io_world *node;
};

struct net_conn {
    struct shard *shard;
    struct sim_end *end;
    struct list in_shard, in_ready;
    net_on_ready *on_ready;
    void *owner;
    uint8_t wanted, error;
};

struct waiting {
    struct list link;
    struct sim_end *end;
};

struct net_listener {
    struct shard *shard;
    struct io_world *node;
    struct list in_node, in_shard;
    uint16_t port;
    int backlog, waiting_count;
    struct list waiting; /* struct waiting: clients that were not accepted yet */
    struct sim_call call;
    bool is_exhausted, is_closed, is_accepting;
    net_on_accept *on_accept;
    net_on_problem *on_problem;
    void *arg;
};

struct net_connecting {
    struct shard *shard;
    struct list in_shard;
    struct io_world *target; /* NULL: no such name */
    uint16_t port;
    struct sim_end *end;
    struct sim_event event;
    struct sim_call call;
    struct wheel_timer timer;
    enum err result;
    net_on_connected *on_connected;
    void *arg;
};

static struct sim *
sim_of(const struct shard *s)
{
    return s->backend->node->sim;
}

/* ---- sockets ---- */

static struct net_socket *
socket_new(struct sim_end *end, struct io_world *node)
{
    struct net_socket *k = calloc(1, sizeof *k);
    CHECK(k);
    k->node = node;
    if (end)
        sim_end_own(end, &k->end, NULL, NULL);
    return k;
}

static void
give_descriptor_back(struct io_world *node)
{
    if (node->descriptors > 0)
        node->descriptors--;
}

void
net_socket_free(struct net_socket *k)
{
    if (!k)
        return;
    if (k->end) {
        sim_end_close(k->end);
        give_descriptor_back(k->node);
    }
    free(k);
}

static void
addr_of(const struct sim_end *end, bool of_peer, struct net_addr *addr)
{
    *addr = (struct net_addr){.family = NET_NONE};
    if (end)
        *addr = of_peer ? end->peer->addr : end->addr;
}

void
net_socket_peer(const struct net_socket *k, struct net_addr *addr)
{
    addr_of(k->end, true, addr);
}

void
net_socket_local(const struct net_socket *k, struct net_addr *addr)
{
    addr_of(k->end, false, addr);
}

void
net_socket_set_options(struct net_socket *k, const struct net_options *options)
{
}

/* ---- conns ---- */

static unsigned
ready_events(const struct net_conn *c)
{
    return c->end ? sim_end_ready(c->end) & c->wanted : 0;
}

static void
update(void *arg)
{
    struct net_conn *c = arg;
    if (ready_events(c) == 0) {
        list_remove(&c->in_ready);
        return;
    }
    if (!list_is_linked(&c->in_ready))
        list_push_back(&c->shard->backend->ready, &c->in_ready);
    sim_shard_stir(c->shard);
}

void
sim_net_poll(struct shard_backend *b)
{
    struct list todo;
    list_init(&todo);
    while (!list_is_empty(&b->ready)) {
        struct list *node = b->ready.next;
        list_remove(node);
        list_push_back(&todo, node);
    }
    while (!list_is_empty(&todo)) {
        struct net_conn *c = LIST_ENTRY(todo.next, struct net_conn, in_ready);
        list_remove(&c->in_ready);
        unsigned events = ready_events(c);
        if (!events)
            continue;
        list_push_back(&b->ready, &c->in_ready); /* until it is found to be not */
        sim_note(b->node->sim, "ready", c->end->addr.port, events);
        c->on_ready(c->owner, events);
    }
}

enum err
net_attach(struct shard *s, struct net_socket *socket, net_on_ready *on_ready, void *owner,
           struct net_conn **conn)
{
    struct net_conn *c = calloc(1, sizeof *c);
    CHECK(c);
    c->shard = s;
    c->on_ready = on_ready;
    c->owner = owner;
    list_push_back(&s->backend->conns, &c->in_shard);
    if (socket->end)
        sim_end_own(socket->end, &c->end, update, c);
    free(socket);
    *conn = c;
    return ERR_OK;
}

static void
forget(struct net_conn *c)
{
    list_remove(&c->in_shard);
    list_remove(&c->in_ready);
    free(c);
}

struct net_socket *
net_detach(struct net_conn *c)
{
    struct net_socket *k = socket_new(c->end, c->shard->backend->node);
    forget(c);
    return k;
}

void
net_set_owner(struct net_conn *c, net_on_ready *on_ready, void *owner)
{
    c->on_ready = on_ready;
    c->owner = owner;
}

struct shard *
net_shard(const struct net_conn *c)
{
    return c->shard;
}

void
net_want(struct net_conn *c, unsigned events)
{
    if (events == c->wanted)
        return;
    c->wanted = (uint8_t)events;
    update(c);
}

unsigned
net_wanted(const struct net_conn *c)
{
    return c->wanted;
}

static ssize_t
after_call(struct net_conn *c, ssize_t result)
{
    if (result == NET_ERROR)
        c->error = ERR_CLOSED;
    update(c);
    return result;
}

ssize_t
net_readv(struct net_conn *c, const struct iovec *iov, int n)
{
    return after_call(c, c->end ? sim_end_read(c->end, iov, n) : NET_ERROR);
}

ssize_t
net_writev(struct net_conn *c, const struct iovec *iov, int n)
{
    return after_call(c, c->end ? sim_end_write(c->end, iov, n) : NET_ERROR);
}

enum err
net_error(const struct net_conn *c)
{
    return c->error;
}

void
net_shutdown_write(struct net_conn *c)
{
    if (c->end)
        sim_end_shutdown(c->end);
}

static void
end_conn(struct net_conn *c, void (*end)(struct sim_end *e))
{
    if (c->end) {
        end(c->end);
        give_descriptor_back(c->shard->backend->node);
    }
    forget(c);
}

void
net_close(struct net_conn *c)
{
    end_conn(c, sim_end_close);
}

void
net_abort(struct net_conn *c)
{
    end_conn(c, sim_end_abort);
}

void
net_peer(const struct net_conn *c, struct net_addr *addr)
{
    addr_of(c->end, true, addr);
}

void
net_local(const struct net_conn *c, struct net_addr *addr)
{
    addr_of(c->end, false, addr);
}

void
net_set_peer(struct net_conn *c, const struct net_addr *addr)
{
    if (c->end)
        c->end->peer->addr = *addr;
}

/* ---- listening ---- */

static struct net_listener *
listener_at(struct io_world *node, uint16_t port)
{
    LIST_FOREACH (entry, &node->listeners) {
        struct net_listener *l = LIST_ENTRY(entry, struct net_listener, in_node);
        if (l->port == port)
            return l;
    }
    return NULL;
}

static bool
has_descriptor(struct io_world *node)
{
    return node->descriptors_max == 0 || node->descriptors < node->descriptors_max;
}

static void
report(struct net_listener *l, enum err e, const char *what)
{
    if (l->on_problem)
        l->on_problem(l->arg, e, what);
}

static void
accept_one(struct net_listener *l)
{
    struct waiting *w = LIST_ENTRY(l->waiting.next, struct waiting, link);
    list_remove(&w->link);
    l->waiting_count--;
    bool is_served = has_descriptor(l->node);
    if (is_served && w->end) {
        l->node->descriptors++;
        struct net_socket *k = socket_new(w->end, l->node);
        if (l->is_exhausted) {
            l->is_exhausted = false;
            report(l, ERR_OK, "descriptors are free again: accepting");
        }
        l->on_accept(l->arg, k);
    } else if (w->end) {
        sim_end_close(w->end);
        if (!l->is_exhausted) {
            l->is_exhausted = true;
            report(l, ERR_NO_DESCRIPTORS, "out of simulated descriptors");
        }
    }
    free(w);
}

static void
free_listener(struct net_listener *l)
{
    while (!list_is_empty(&l->waiting)) {
        struct waiting *w = LIST_ENTRY(l->waiting.next, struct waiting, link);
        list_remove(&w->link);
        if (w->end)
            sim_end_abort(w->end);
        free(w);
    }
    list_remove(&l->call.link);
    list_remove(&l->in_shard);
    list_remove(&l->in_node);
    free(l);
}

static void
on_waiting(void *arg)
{
    struct net_listener *l = arg;
    l->is_accepting = true;
    for (int i = 0; i < NET_ACCEPTS_PER_TURN_MAX && !list_is_empty(&l->waiting) && !l->is_closed; i++)
        accept_one(l);
    l->is_accepting = false;
    if (l->is_closed)
        free_listener(l);
    else if (!list_is_empty(&l->waiting))
        sim_shard_call(l->shard, &l->call);
}

bool
sim_net_offer(struct io_world *node, uint16_t port, struct sim_end *end)
{
    struct net_listener *l = listener_at(node, port);
    if (!l || l->waiting_count >= l->backlog)
        return false;
    struct waiting *w = calloc(1, sizeof *w);
    CHECK(w);
    sim_end_own(end, &w->end, NULL, NULL);
    list_push_back(&l->waiting, &w->link);
    l->waiting_count++;
    sim_shard_call(l->shard, &l->call);
    return true;
}

enum err
net_listen(struct shard *s, const char *addr, uint16_t port, int backlog, net_on_accept *on_accept,
           net_on_problem *on_problem, void *arg, struct net_listener **listener, char *why, size_t why_size)
{
    struct io_world *node = s->backend->node;
    uint8_t ip[16];
    if (inet_pton(AF_INET, addr, ip) != 1 && inet_pton(AF_INET6, addr, ip) != 1) {
        snprintf(why, why_size, "'%s' is not an IPv4 or IPv6 address", addr);
        return ERR_SYNTAX;
    }
    if (port && listener_at(node, port)) {
        snprintf(why, why_size, "cannot listen on %s port %u: Address already in use", addr, port);
        return ERR_ADDRESS_IN_USE;
    }
    for (uint16_t free_port = 10000; !port; free_port++)
        if (!listener_at(node, free_port))
            port = free_port;
    struct net_listener *l = calloc(1, sizeof *l);
    CHECK(l);
    *l = (struct net_listener){.shard = s,
                               .node = node,
                               .port = port,
                               .backlog = backlog > 0 ? backlog : 1,
                               .call = {.fn = on_waiting, .arg = l},
                               .on_accept = on_accept,
                               .on_problem = on_problem,
                               .arg = arg};
    list_init(&l->waiting);
    list_push_back(&node->listeners, &l->in_node);
    list_push_back(&s->backend->listeners, &l->in_shard);
    node->descriptors++;
    *listener = l;
    return ERR_OK;
}

uint16_t
net_listener_port(const struct net_listener *l)
{
    return l->port;
}

void
net_listener_close(struct net_listener *l)
{
    give_descriptor_back(l->node);
    l->is_closed = true;
    list_remove(&l->in_node);
    if (!l->is_accepting)
        free_listener(l);
}

/* ---- connecting ---- */

static void
connecting_free(struct net_connecting *c)
{
    timer_stop(&c->timer);
    list_remove(&c->call.link);
    list_remove(&c->in_shard);
    sim_cancel(sim_of(c->shard), &c->event);
    if (c->end)
        sim_end_abort(c->end);
    free(c);
}

static void
finish(void *arg)
{
    struct net_connecting *c = arg;
    struct net_socket *k = NULL;
    if (c->result == ERR_OK && !c->end)
        c->result = ERR_CLOSED;
    if (c->result == ERR_OK) {
        k = socket_new(c->end, c->shard->backend->node);
        k->node->descriptors++;
        c->end = NULL;
    }
    net_on_connected *on_connected = c->on_connected;
    void *owner = c->arg;
    enum err result = c->result;
    connecting_free(c);
    on_connected(owner, result, k);
}

static void
on_answer(void *arg)
{
    struct net_connecting *c = arg;
    sim_shard_call(c->shard, &c->call);
}

static void
answer(struct net_connecting *c, enum err result)
{
    struct sim *sim = sim_of(c->shard);
    c->result = result;
    c->event = (struct sim_event){.name = "answer", .fn = on_answer, .arg = c};
    sim_schedule(sim, &c->event, sim->now_ns + sim_latency(sim));
}

static void
on_syn(void *arg)
{
    struct net_connecting *c = arg;
    struct sim *sim = sim_of(c->shard);
    if (!c->target)
        answer(c, ERR_NOT_FOUND);
    else if (sim_is_cut(sim, c->shard->backend->node, c->target))
        sim_schedule(sim, &c->event, sim->now_ns + 1000000000); /* tried again until the timer says no */
    else
        answer(c, sim_net_offer(c->target, c->port, c->end->peer) ? ERR_OK : ERR_REFUSED);
}

static void
on_timeout(void *arg)
{
    struct net_connecting *c = arg;
    c->result = ERR_TIMEOUT;
    finish(c);
}

static bool
is_local_name(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

struct net_connecting *
net_connect(struct shard *s, const char *host, uint16_t port, uint64_t timeout_ms,
            net_on_connected *on_connected, void *arg)
{
    struct io_world *node = s->backend->node;
    struct net_connecting *c = calloc(1, sizeof *c);
    CHECK(c);
    *c = (struct net_connecting){.shard = s,
                                 .target = is_local_name(host) ? node : sim_node_named(node->sim, host),
                                 .port = port,
                                 .event = {.name = "syn", .fn = on_syn, .arg = c},
                                 .call = {.fn = finish, .arg = c},
                                 .on_connected = on_connected,
                                 .arg = arg};
    list_push_back(&s->backend->connectings, &c->in_shard);
    if (c->target) {
        struct sim_link *l = sim_link_new(node->sim, node, c->target, port);
        sim_end_own(sim_link_end(l, 0), &c->end, NULL, NULL);
    }
    sim_schedule(node->sim, &c->event, node->sim->now_ns + sim_latency(node->sim));
    timer_start(s, &c->timer, timeout_ms, on_timeout, c);
    return c;
}

void
net_connect_cancel(struct net_connecting *c)
{
    connecting_free(c);
}

/* ---- the end of a shard ---- */

/* What the kernel does for a process that ends; a crash leaves the objects to their owners. */
void
sim_net_end_all(struct shard_backend *b, bool is_crash)
{
    if (is_crash) {
        LIST_FOREACH (entry, &b->listeners)
            list_remove(&LIST_ENTRY(entry, struct net_listener, in_shard)->in_node); /* nobody listens */
        LIST_FOREACH (entry, &b->connectings)
            sim_cancel(b->node->sim, &LIST_ENTRY(entry, struct net_connecting, in_shard)->event);
        return;
    }
    while (!list_is_empty(&b->listeners))
        net_listener_close(LIST_ENTRY(b->listeners.next, struct net_listener, in_shard));
    while (!list_is_empty(&b->connectings))
        connecting_free(LIST_ENTRY(b->connectings.next, struct net_connecting, in_shard));
    while (!list_is_empty(&b->conns))
        net_close(LIST_ENTRY(b->conns.next, struct net_conn, in_shard));
}

void
sim_net_free_all(struct shard_backend *b)
{
    sim_net_end_all(b, false);
}
