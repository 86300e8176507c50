/* The simulated world: the same seed is the same run; clients, crashes, partitions, pauses, signals. */
#include "io/sim.h"

#include "base/list.h"
#include "io/net.h"
#include "io/shard.h"
#include "io/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PORT = 5672, SHARDS = 3 };

/* ---- an echo server on every node; connections go round the shards ---- */

struct node {
    struct io_world *world;
    struct shards *shards;
    struct list sessions;
    unsigned accepted, closed, reloads;
};

struct session {
    struct list in_node;
    struct node *node;
    struct net_conn *conn;
    size_t len;
    uint8_t buffer[4000];
};

static void
session_end(struct session *v)
{
    net_close(v->conn);
    v->node->closed++;
    list_remove(&v->in_node);
    free(v);
}

static void
session_ready(void *owner, unsigned events)
{
    struct session *v = owner;
    struct iovec in = {v->buffer + v->len, sizeof v->buffer - v->len};
    ssize_t n = in.iov_len ? net_readv(v->conn, &in, 1) : NET_AGAIN;
    v->len += n > 0 ? (size_t)n : 0;
    struct iovec out = {v->buffer, v->len};
    ssize_t sent = v->len ? net_writev(v->conn, &out, 1) : NET_AGAIN;
    if (sent > 0) {
        v->len -= (size_t)sent;
        memmove(v->buffer, v->buffer + sent, v->len);
    }
    if (n == NET_ERROR || sent == NET_ERROR || (n == 0 && v->len == 0)) {
        session_end(v);
        return;
    }
    net_want(v->conn, (n != 0 && v->len < sizeof v->buffer ? NET_READ : 0u) | (v->len ? NET_WRITE : 0u));
}

static void
on_accept(void *arg, struct net_socket *socket)
{
    struct node *node = arg;
    struct mail m = {.p = socket};
    assert_true(shard_post(shards_get(node->shards, 0), node->accepted++ % SHARDS, SHARD_LANE_RESERVED, &m));
}

static void
on_mail(struct shard *s, void *owner, const struct mail *m)
{
    struct session *v = calloc(1, sizeof *v);
    v->node = owner;
    list_push_back(&v->node->sessions, &v->in_node);
    assert_int_equal(net_attach(s, m->p, session_ready, v, &v->conn), ERR_OK);
    net_want(v->conn, NET_READ);
}

static void
on_signal(void *arg, enum signal_kind kind)
{
    struct node *node = arg;
    if (kind == SIGNAL_RELOAD)
        node->reloads++;
    else
        shards_stop(node->shards);
}

static void
on_start(struct shard *s, void *owner)
{
    char why[100];
    struct net_listener *l;
    struct signal_watch *w;
    if (shard_index(s) != 0)
        return;
    assert_int_equal(net_listen(s, "::", PORT, 100, on_accept, NULL, owner, &l, why, sizeof why), ERR_OK);
    assert_int_equal(signal_watch_open(s, on_signal, owner, &w), ERR_OK);
}

static void
on_discard(void *owner, const struct mail *m)
{
    net_socket_free(m->p);
}

static void
node_start(struct node *node, struct io_world *world)
{
    static const struct shard_hooks hooks = {
        .on_start = on_start, .on_mail = on_mail, .on_discard = on_discard};
    *node = (struct node){.world = world};
    list_init(&node->sessions);
    node->shards = shards_new(world, SHARDS, &hooks, node);
    assert_int_equal(shards_start(node->shards), ERR_OK);
}

static void
node_stop(struct node *node)
{
    sim_node_signal(node->world, SIGNAL_TERMINATE);
    shards_join(node->shards);
    shards_free(node->shards);
}

struct wait {
    struct sim_client *client;
    size_t bytes;
};

static bool
has_received(void *arg)
{
    const struct wait *w = arg;
    return sim_client_received(w->client).len >= w->bytes;
}

static bool
has_ended(void *arg)
{
    return sim_client_is_ended(arg) || sim_client_is_reset(arg);
}

/* A run with a bit of everything; its trace. */
static uint64_t
run(uint64_t seed)
{
    enum { CLIENTS = 7, BYTES = 30000 };
    struct sim *sim = sim_new(seed);
    struct node node;
    struct sim_client *clients[CLIENTS];
    uint8_t data[BYTES];
    for (unsigned i = 0; i < BYTES; i++)
        data[i] = (uint8_t)(i * 7);
    node_start(&node, sim_node_new(sim, "a"));
    sim_run_for(sim, 1);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = sim_client_open(sim, node.world, PORT);
        sim_client_send(clients[i], data, BYTES);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct wait w = {clients[i], BYTES};
        assert_true(sim_run_until(sim, has_received, &w, 10000));
        assert_memory_equal(sim_client_received(clients[i]).data, data, BYTES);
        sim_client_close(clients[i]);
    }
    sim_run_for(sim, 100);
    assert_int_equal(node.closed, CLIENTS);
    node_stop(&node);
    uint64_t trace = sim_trace(sim);
    for (unsigned i = 0; i < CLIENTS; i++)
        sim_client_free(clients[i]);
    sim_free(sim);
    return trace;
}

static void
the_same_seed_is_the_same_run(void **state)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        uint64_t first = run(seed);
        assert_true(run(seed) == first);
        assert_true(run(seed + 1000) != first);
    }
}

static void
a_slow_client_fills_the_buffers_and_no_more(void **state)
{
    struct sim *sim = sim_new(5);
    struct node node;
    static uint8_t data[1000000];
    node_start(&node, sim_node_new(sim, "a"));
    sim_run_for(sim, 1);
    struct sim_client *c = sim_client_open(sim, node.world, PORT);
    sim_client_set_reading(c, false);
    sim_client_send(c, data, sizeof data);
    sim_run_for(sim, 5000);
    size_t taken = sizeof data - sim_client_unsent(c);
    assert_true(taken >= 65536 && taken <= 3 * 65536);
    sim_client_set_reading(c, true);
    struct wait w = {c, sizeof data};
    assert_true(sim_run_until(sim, has_received, &w, 60000));
    sim_client_shutdown(c);
    assert_true(sim_run_until(sim, has_ended, c, 1000));
    assert_true(sim_client_is_ended(c) && !sim_client_is_reset(c));
    sim_client_free(c);
    node_stop(&node);
    sim_free(sim);
}

static void
a_crash_resets_clients_and_the_node_comes_back(void **state)
{
    for (unsigned seed = 0; seed < 20; seed++) {
        struct sim *sim = sim_new(seed);
        struct node node;
        struct io_world *world = sim_node_new(sim, "a");
        node_start(&node, world);
        sim_run_for(sim, 1);
        struct sim_client *c = sim_client_open(sim, world, PORT);
        sim_client_send(c, "hello", 5);
        struct wait w = {c, 5};
        assert_true(sim_run_until(sim, has_received, &w, 1000));
        unsigned sessions = node.accepted - node.closed;
        assert_int_equal(sessions, 1);
        sim_node_crash(world);
        sim_client_send(c, "anyone?", 7);
        assert_true(sim_run_until(sim, has_ended, c, 1000));
        assert_true(sim_client_is_reset(c));
        while (!list_is_empty(&node.sessions)) /* an owner's tear-down after a crash runs as usual */
            session_end(LIST_ENTRY(node.sessions.next, struct session, in_node));
        shards_free(node.shards);
        node_start(&node, world);
        sim_run_for(sim, 1);
        struct sim_client *again = sim_client_open(sim, world, PORT);
        sim_client_send(again, "hello", 5);
        w = (struct wait){again, 5};
        assert_true(sim_run_until(sim, has_received, &w, 1000));
        sim_client_close(again);
        sim_run_for(sim, 10);
        node_stop(&node);
        sim_client_free(c);
        sim_client_free(again);
        sim_free(sim);
    }
}

static void
a_partition_holds_bytes_until_it_heals(void **state)
{
    struct sim *sim = sim_new(9);
    struct node node;
    node_start(&node, sim_node_new(sim, "a"));
    sim_run_for(sim, 1);
    struct sim_client *c = sim_client_open(sim, node.world, PORT);
    struct wait w = {c, 5};
    sim_run_for(sim, 5);
    sim_partition(sim, node.world, NULL);
    sim_client_send(c, "hello", 5);
    assert_false(sim_run_until(sim, has_received, &w, 3000));
    struct sim_client *late = sim_client_open(sim, node.world, PORT);
    sim_run_for(sim, 100);
    assert_false(sim_client_is_connected(late));
    sim_heal(sim);
    assert_true(sim_run_until(sim, has_received, &w, 3000));
    sim_run_for(sim, 3000);
    assert_true(sim_client_is_connected(late));
    sim_client_close(c);
    sim_client_close(late);
    sim_run_for(sim, 100);
    sim_client_free(c);
    sim_client_free(late);
    node_stop(&node);
    sim_free(sim);
}

static void
a_paused_node_answers_later(void **state)
{
    struct sim *sim = sim_new(2);
    struct node node;
    node_start(&node, sim_node_new(sim, "a"));
    sim_run_for(sim, 1);
    struct sim_client *c = sim_client_open(sim, node.world, PORT);
    sim_run_for(sim, 5);
    uint64_t before = sim_now_ms(sim);
    sim_node_pause(node.world, 700);
    sim_node_signal(node.world, SIGNAL_RELOAD);
    sim_client_send(c, "hello", 5);
    struct wait w = {c, 5};
    assert_true(sim_run_until(sim, has_received, &w, 2000));
    assert_in_range(sim_now_ms(sim) - before, 700, 710);
    assert_int_equal(node.reloads, 1);
    sim_client_close(c);
    sim_run_for(sim, 10);
    sim_client_free(c);
    node_stop(&node);
    sim_free(sim);
}

static void
nobody_listens(void **state)
{
    struct sim *sim = sim_new(2);
    struct io_world *world = sim_node_new(sim, "a");
    struct sim_client *c = sim_client_open(sim, world, 1);
    assert_true(sim_run_until(sim, has_ended, c, 1000));
    assert_true(sim_client_is_reset(c));
    sim_client_free(c);
    sim_free(sim);
}

/* ---- between nodes ---- */

struct caller {
    struct io_world *world;
    struct shards *shards;
    const char *host;
    enum err result;
    bool is_called;
    struct net_addr peer;
};

static void
on_connected(void *arg, enum err e, struct net_socket *socket)
{
    struct caller *c = arg;
    c->result = e;
    c->is_called = true;
    if (e == ERR_OK)
        net_socket_peer(socket, &c->peer);
    net_socket_free(socket);
    shards_stop(c->shards);
}

static void
caller_start(struct shard *s, void *owner)
{
    struct caller *c = owner;
    net_connect(s, c->host, PORT, 5000, on_connected, c);
}

static enum err
call(struct sim *sim, struct caller *c, const char *host)
{
    static const struct shard_hooks hooks = {.on_start = caller_start};
    c->host = host;
    c->is_called = false;
    c->shards = shards_new(c->world, 1, &hooks, c);
    assert_int_equal(shards_start(c->shards), ERR_OK);
    shards_join(c->shards);
    shards_free(c->shards);
    assert_true(c->is_called);
    return c->result;
}

static void
nodes_find_each_other_by_name(void **state)
{
    struct sim *sim = sim_new(4);
    struct node node;
    struct caller caller = {.world = sim_node_new(sim, "caller")};
    node_start(&node, sim_node_new(sim, "a"));
    sim_run_for(sim, 1);
    assert_int_equal(call(sim, &caller, "a"), ERR_OK);
    assert_false(net_addr_is_loopback(&caller.peer));
    assert_int_equal(call(sim, &caller, "nobody"), ERR_NOT_FOUND);
    assert_int_equal(call(sim, &caller, "localhost"), ERR_REFUSED);
    sim_partition(sim, node.world, caller.world);
    uint64_t before = sim_now_ms(sim);
    assert_int_equal(call(sim, &caller, "a"), ERR_TIMEOUT);
    assert_in_range(sim_now_ms(sim) - before, 5000, 5100);
    sim_run_for(sim, 10);
    node_stop(&node);
    sim_free(sim);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_is_the_same_run),
        cmocka_unit_test(a_slow_client_fills_the_buffers_and_no_more),
        cmocka_unit_test(a_crash_resets_clients_and_the_node_comes_back),
        cmocka_unit_test(a_partition_holds_bytes_until_it_heals),
        cmocka_unit_test(a_paused_node_answers_later),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(nodes_find_each_other_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
