/* Connections on both sides: bytes, moving between shards, every way to end, running out of descriptors. */
#include "io/net.h"

#include "io/echo_fixture.h"
#include "io/shard.h"
#include "io/test_world.h"
#include "io/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
echo_over(unsigned shards, size_t bytes)
{
    for (unsigned seed = 0; seed < test_world_seeds(5); seed++) {
        struct echo e = {.world = test_world_new(seed), .shards = shards, .bytes = bytes};
        echo_run(&e);
        assert_false(e.is_wrong);
        assert_false(e.client_failed);
        assert_false(e.server_failed);
        assert_true(e.client_ended);
        assert_true(e.has_moved);
        assert_int_equal(e.received, bytes);
        test_world_free(e.world);
    }
}

static void
a_megabyte_is_echoed_on_one_shard(void **state)
{
    echo_over(1, 1000000);
}

static void
connections_move_between_shards_without_losing_a_byte(void **state)
{
    echo_over(3, 1000000);
}

/* ---- one connection, and what its two owners see ---- */

enum { SOME_BYTES = 150000 };

struct pair {
    struct shards *shards;
    struct net_conn *server, *client;
    void (*on_server)(struct pair *p); /* when both are there */
    unsigned server_events, client_events;
    size_t received, sent;
    bool client_ended;
    enum err client_error, connect_error;
    struct net_addr server_peer, client_local;
    struct wheel_timer timer;
};

static void
client_reads(void *owner, unsigned events)
{
    struct pair *p = owner;
    static uint8_t data[65536];
    struct iovec iov = {data, sizeof data};
    ssize_t n;
    p->client_events |= events;
    while ((n = net_readv(p->client, &iov, 1)) > 0)
        p->received += (size_t)n;
    if (n == NET_AGAIN)
        return;
    p->client_ended = n == 0;
    if (n == NET_ERROR)
        p->client_error = net_error(p->client);
    net_close(p->client);
    shards_stop(p->shards);
}

static void
server_ready(void *owner, unsigned events)
{
    struct pair *p = owner;
    p->server_events |= events;
    p->on_server(p);
}

static void
pair_accept(void *arg, struct net_socket *socket)
{
    struct pair *p = arg;
    net_socket_peer(socket, &p->server_peer);
    assert_int_equal(net_attach(shards_get(p->shards, 0), socket, server_ready, p, &p->server), ERR_OK);
    net_want(p->server, NET_READ);
}

static void
pair_connected(void *arg, enum err e, struct net_socket *socket)
{
    struct pair *p = arg;
    p->connect_error = e;
    if (e != ERR_OK) {
        shards_stop(p->shards);
        return;
    }
    net_socket_local(socket, &p->client_local);
    net_socket_set_options(socket, &(struct net_options){.keepalive = true, .keepalive_idle_s = 60});
    assert_int_equal(net_attach(shards_get(p->shards, 0), socket, client_reads, p, &p->client), ERR_OK);
    struct iovec hello = {"hello", 5};
    assert_int_equal(net_writev(p->client, &hello, 1) > 0, true);
    net_want(p->client, NET_READ);
}

static void
pair_start(struct shard *s, void *owner)
{
    struct pair *p = owner;
    char why[200];
    struct net_listener *l;
    assert_int_equal(net_listen(s, "127.0.0.1", 0, 16, pair_accept, NULL, p, &l, why, sizeof why), ERR_OK);
    uint16_t port = net_listener_port(l);
    if (!p->on_server)
        net_listener_close(l); /* nobody listens any more */
    net_connect(s, "localhost", port, 5000, pair_connected, p);
}

static void
run_pair(struct pair *p)
{
    static const struct shard_hooks hooks = {.on_start = pair_start};
    struct io_world *world = test_world_new(3);
    p->shards = shards_new(world, 1, &hooks, p);
    assert_int_equal(shards_start(p->shards), ERR_OK);
    shards_join(p->shards);
    shards_free(p->shards);
    test_world_free(world);
}

/* Fills the send buffer as far as it goes, up to SOME_BYTES. */
static void
send_and_close(struct pair *p)
{
    static uint8_t data[SOME_BYTES];
    struct iovec iov = {data, sizeof data - p->sent};
    ssize_t n = net_writev(p->server, &iov, 1);
    p->sent += n > 0 ? (size_t)n : 0;
    net_want(p->server, NET_WRITE);
    if (p->sent == sizeof data)
        net_close(p->server); /* "hello" was never read */
}

static void
what_was_written_before_closing_arrives(void **state)
{
    struct pair p = {.on_server = send_and_close};
    run_pair(&p);
    assert_true(p.client_ended);
    assert_int_equal(p.received, SOME_BYTES);
    assert_true(net_addr_is_loopback(&p.server_peer));
    assert_int_equal(p.server_peer.port, p.client_local.port);
}

static void
abort_server(struct pair *p)
{
    net_abort(p->server);
}

static void
an_aborted_connection_is_an_error_at_the_peer(void **state)
{
    struct pair p = {.on_server = abort_server};
    run_pair(&p);
    assert_false(p.client_ended);
    assert_int_equal(p.client_error, ERR_CLOSED);
}

static void
connecting_to_nobody_is_refused(void **state)
{
    struct pair p = {.on_server = NULL};
    run_pair(&p);
    assert_int_equal(p.connect_error, ERR_REFUSED);
}

static void
want_nothing_then_everything(void *arg)
{
    struct pair *p = arg;
    assert_int_equal(p->server_events, NET_READ); /* no other callback came meanwhile */
    p->server_events = 0;
    p->on_server = abort_server;
    net_want(p->server, NET_READ | NET_WRITE | NET_HANGUP);
}

static void
stop_reading(struct pair *p)
{
    assert_false(timer_is_active(&p->timer));
    net_want(p->server, 0);
    timer_start(shards_get(p->shards, 0), &p->timer, 20, want_nothing_then_everything, p);
}

static void
events_come_only_when_they_are_wanted(void **state)
{
    struct pair p = {.on_server = stop_reading};
    run_pair(&p);
    assert_int_equal(p.server_events, NET_READ | NET_WRITE);
    assert_int_equal(p.client_error, ERR_CLOSED);
}

/* ---- descriptors ---- */

enum { CLIENTS_MAX = 16, SPARE = 5 };

struct crowd {
    struct io_world *world;
    struct shards *shards;
    uint16_t port;
    struct net_conn *clients[CLIENTS_MAX], *servers[CLIENTS_MAX];
    unsigned client_count, server_count;
    unsigned shortages, recoveries, others;
    bool is_freed;
};

static void open_one_more(struct crowd *w);

static void
crowd_server_ready(void *owner, unsigned events)
{
}

static void
crowd_accept(void *arg, struct net_socket *socket)
{
    struct crowd *w = arg;
    struct net_conn **conn = &w->servers[w->server_count++];
    assert_int_equal(net_attach(shards_get(w->shards, 0), socket, crowd_server_ready, w, conn), ERR_OK);
    if (w->is_freed)
        shards_stop(w->shards);
    else
        open_one_more(w);
}

static void
crowd_problem(void *arg, enum err e, const char *what)
{
    struct crowd *w = arg;
    if (e == ERR_NO_DESCRIPTORS)
        w->shortages++;
    else if (e == ERR_OK)
        w->recoveries++;
    else
        w->others++;
}

/* The client that found no room has been sent away. */
static void
crowd_client_ready(void *owner, unsigned events)
{
    struct crowd *w = owner;
    assert_int_equal(w->shortages, 1);
    if (w->is_freed)
        return;
    w->is_freed = true;
    net_want(w->clients[w->client_count - 1], 0);
    test_world_unlimit_descriptors(w->world);
    open_one_more(w);
}

static void
crowd_connected(void *arg, enum err e, struct net_socket *socket)
{
    struct crowd *w = arg;
    assert_int_equal(e, ERR_OK);
    struct net_conn **conn = &w->clients[w->client_count++];
    assert_int_equal(net_attach(shards_get(w->shards, 0), socket, crowd_client_ready, w, conn), ERR_OK);
    net_want(*conn, NET_READ);
}

static void
open_one_more(struct crowd *w)
{
    assert_true(w->client_count < CLIENTS_MAX);
    net_connect(shards_get(w->shards, 0), "127.0.0.1", w->port, 5000, crowd_connected, w);
}

static void
crowd_start(struct shard *s, void *owner)
{
    struct crowd *w = owner;
    char why[200];
    struct net_listener *l;
    assert_int_equal(net_listen(s, "127.0.0.1", 0, 16, crowd_accept, crowd_problem, w, &l, why, sizeof why),
                     ERR_OK);
    w->port = net_listener_port(l);
    test_world_limit_descriptors(w->world, SPARE);
    open_one_more(w);
}

static void
running_out_of_descriptors_is_reported_once_and_ends_by_itself(void **state)
{
    static const struct shard_hooks hooks = {.on_start = crowd_start};
    struct crowd w = {.world = test_world_new(1)};
    w.shards = shards_new(w.world, 1, &hooks, &w);
    assert_int_equal(shards_start(w.shards), ERR_OK);
    shards_join(w.shards);
    assert_int_equal(w.shortages, 1);
    assert_int_equal(w.recoveries, 1);
    assert_int_equal(w.others, 0);
    shards_free(w.shards);
    test_world_free(w.world);
}

/* ---- listening and addresses ---- */

static void
refused_start(struct shard *s, void *owner)
{
    char why[200] = "";
    struct net_listener *a, *b;
    assert_int_equal(net_listen(s, "127.0.0.1", 0, 16, NULL, NULL, NULL, &a, why, sizeof why), ERR_OK);
    uint16_t port = net_listener_port(a);
    assert_int_equal(net_listen(s, "127.0.0.1", port, 16, NULL, NULL, NULL, &b, why, sizeof why),
                     ERR_ADDRESS_IN_USE);
    assert_non_null(strstr(why, "127.0.0.1"));
    net_listener_close(a);
    assert_int_equal(net_listen(s, "127.0.0.1", port, 16, NULL, NULL, NULL, &b, why, sizeof why), ERR_OK);
    enum err e = net_listen(s, "::", 0, 16, NULL, NULL, NULL, &b, why, sizeof why);
    assert_true(e == ERR_OK || e == ERR_UNSUPPORTED || e == ERR_NOT_FOUND); /* a machine without IPv6 */
    assert_int_equal(net_listen(s, "not an address", 0, 16, NULL, NULL, NULL, &b, why, sizeof why),
                     ERR_SYNTAX);
    shards_stop(shard_all(s));
}

static void
a_port_is_taken_only_once(void **state)
{
    static const struct shard_hooks hooks = {.on_start = refused_start};
    struct io_world *world = test_world_new(1);
    struct shards *shards = shards_new(world, 1, &hooks, NULL);
    assert_int_equal(shards_start(shards), ERR_OK);
    shards_join(shards);
    shards_free(shards);
    test_world_free(world);
}

static void
addresses_have_texts(void **state)
{
    char text[NET_ADDR_TEXT_SIZE];
    struct net_addr a = {.family = NET_IPV4, .port = 5672, .ip = {127, 1, 2, 3}};
    assert_string_equal(net_addr_text(&a, text), "127.1.2.3:5672");
    assert_true(net_addr_is_loopback(&a));
    a.ip[0] = 10;
    assert_false(net_addr_is_loopback(&a));
    struct net_addr b = {.family = NET_IPV6, .port = 1, .ip = {[15] = 1}};
    assert_string_equal(net_addr_text(&b, text), "[::1]:1");
    assert_string_equal(net_addr_host_text(&b, text), "::1");
    assert_true(net_addr_is_loopback(&b));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_megabyte_is_echoed_on_one_shard),
        cmocka_unit_test(connections_move_between_shards_without_losing_a_byte),
        cmocka_unit_test(what_was_written_before_closing_arrives),
        cmocka_unit_test(an_aborted_connection_is_an_error_at_the_peer),
        cmocka_unit_test(connecting_to_nobody_is_refused),
        cmocka_unit_test(events_come_only_when_they_are_wanted),
        cmocka_unit_test(running_out_of_descriptors_is_reported_once_and_ends_by_itself),
        cmocka_unit_test(a_port_is_taken_only_once),
        cmocka_unit_test(addresses_have_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
