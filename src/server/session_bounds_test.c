/* What one peer can make the node do or hold is bounded; in the simulated world, so that it can be looked at.
 */
#include "broker/meta.h"
#include "server/channel.h"
#include "server/session_fixture.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { OUTPUT_HIGH = 8000, BODY = 1000 };

static struct session_world *
world(void **state)
{
    return *state;
}

/* What connections of the node wait for; and the most output that one of them holds. */
static uint8_t
blocks(void **state, uint64_t *output)
{
    struct server_shard *home = session_world_node(world(state))->server->parts[0];
    size_t cursor = 0;
    uint8_t all = 0;
    for (struct connection *c; (c = slots_next(&home->connections, &cursor, NULL));) {
        all |= c->blocked;
        if (output && c->out && c->out->bytes > *output)
            *output = c->out->bytes;
    }
    return all;
}

static void
publish(struct session_client *c, const char *queue, unsigned count)
{
    static const uint8_t body[BODY];
    struct amqp_basic_publish m = {.routing_key = slice_str(queue)};
    for (unsigned i = 0; i < count; i++)
        session_publish_bytes(c, 1, &m, slice_of("\0\0", 2), slice_of(body, BODY), 131072);
}

/* A consumer of the queue that takes nothing from its socket. */
static struct session_client *
consume_without_reading(void **state, const char *queue)
{
    struct session_client *c = session_login(world(state));
    struct amqp_basic_consume m = {.queue = slice_str(queue), .no_ack = true};
    session_send(c, 1, AMQP_BASIC_CONSUME, &m);
    session_expect(c, 1, AMQP_BASIC_CONSUME_OK, NULL);
    session_client_set_reading(c, false);
    return c;
}

static void
test_consumer_that_does_not_read_is_not_written_for(void **state)
{
    struct session_client *p = session_login(world(state));
    session_declare(p, 1, "unread");
    struct session_client *c = consume_without_reading(state, "unread");
    publish(p, "unread", 400);
    uint64_t output = 0;
    for (unsigned i = 0; i < 100; i++) {
        session_world_wait(world(state), 1);
        blocks(state, &output);
    }
    assert_true(output > 0 && output < OUTPUT_HIGH + 2 * BODY);
    session_client_set_reading(c, true);
    for (unsigned i = 0; i < 400; i++) {
        session_expect(c, 1, AMQP_BASIC_DELIVER, NULL);
        session_expect_content(c, 1, NULL);
    }
    session_logout(c);
    session_logout(p);
}

static void
test_publisher_far_ahead_of_the_consumers_is_paced(void **state)
{
    struct session_client *p = session_login(world(state));
    session_declare(p, 1, "ahead");
    struct session_client *c = consume_without_reading(state, "ahead");
    publish(p, "ahead", 2000);
    struct broker *b = session_world_node(world(state))->server->parts[0]->broker;
    unsigned paced = 0, ms = 0;
    for (; ms < 1000 && b->messages_ready < 1800; ms++) {
        session_world_wait(world(state), 1);
        paced += (blocks(state, NULL) & BLOCK_PACE) != 0;
    }
    assert_true(paced > 10);
    assert_true(ms < 1000);
    session_client_free(c);
    session_logout(p);
}

/* No consumer will ever catch up: the publisher fills the queue as fast as it can. */
static void
test_publisher_to_a_queue_without_consumers_is_not_paced(void **state)
{
    struct session_client *p = session_login(world(state));
    session_declare(p, 1, "store");
    publish(p, "store", 2000);
    struct broker *b = session_world_node(world(state))->server->parts[0]->broker;
    for (unsigned ms = 0; ms < 1000 && b->messages_ready < 2000; ms++) {
        session_world_wait(world(state), 1);
        assert_false(blocks(state, NULL) & BLOCK_PACE);
    }
    assert_int_equal(b->messages_ready, 2000);
    session_logout(p);
}

static void
test_message_above_the_size_limit_closes_the_channel(void **state)
{
    session_world_node(world(state))->node.limits.message_size_max = BODY - 1;
    struct session_client *c = session_login(world(state));
    session_declare(c, 1, "large");
    publish(c, "large", 1);
    struct amqp_channel_close close;
    session_expect(c, 1, AMQP_CHANNEL_CLOSE, &close);
    assert_int_equal(close.reply_code, AMQP_REPLY_PRECONDITION_FAILED);
    assert_true(slice_eq_str(
        close.reply_text, "PRECONDITION_FAILED - message size 1000 is larger than configured max size 999"));
    session_send(c, 1, AMQP_CHANNEL_CLOSE_OK, NULL);
    session_open_channel(c, 1);
    session_world_node(world(state))->node.limits.message_size_max = BODY;
    publish(c, "large", 1);
    struct amqp_basic_get get = {.queue = slice_str("large"), .no_ack = true};
    session_send(c, 1, AMQP_BASIC_GET, &get);
    session_expect(c, 1, AMQP_BASIC_GET_OK, NULL);
    assert_int_equal(session_expect_content(c, 1, NULL).len, BODY);
    session_logout(c);
}

/* ---- commits ---- */

enum { TARGETS = 50, COMMITTED = 100, TURN_WORK = 500 };

/* A publish to all of them is dear. */
static void
bind_targets(struct session_client *c)
{
    char name[16];
    for (unsigned i = 0; i < TARGETS; i++) {
        snprintf(name, sizeof name, "target%u", i);
        session_declare(c, 1, name);
        struct amqp_queue_bind bind = {.queue = slice_str(name), .exchange = slice_str("amq.fanout")};
        session_send(c, 1, AMQP_QUEUE_BIND, &bind);
        session_expect(c, 1, AMQP_QUEUE_BIND_OK, NULL);
    }
}

/* How many turns the shard had until commit-ok came. */
static uint64_t
turns_of_commit(void **state, struct session_client *c)
{
    struct server_shard *home = session_world_node(world(state))->server->parts[0];
    session_world_wait(world(state), 20);
    uint64_t turn = home->turn;
    session_send(c, 1, AMQP_TX_COMMIT, NULL);
    session_expect(c, 1, AMQP_TX_COMMIT_OK, NULL);
    return home->turn - turn;
}

static void
test_a_commit_does_not_hold_its_shard(void **state)
{
    struct server *server = session_world_node(world(state))->server;
    struct session_client *c = session_login(world(state));
    bind_targets(c);
    session_send(c, 1, AMQP_TX_SELECT, NULL);
    session_expect(c, 1, AMQP_TX_SELECT_OK, NULL);
    server->config.limits.read_turn_work = TURN_WORK;
    for (unsigned i = 0; i < COMMITTED; i++)
        session_publish(c, 1, "amq.fanout", "", "message");
    assert_true(turns_of_commit(state, c) >= COMMITTED * TARGETS / TURN_WORK);
    assert_int_equal(server->parts[0]->broker->messages_ready, COMMITTED * TARGETS);
    for (unsigned i = 0; i < COMMITTED; i++) {
        session_send(c, 1, AMQP_BASIC_GET, &(struct amqp_basic_get){.queue = slice_str("target0")});
        session_expect(c, 1, AMQP_BASIC_GET_OK, NULL);
        session_expect_content(c, 1, NULL);
    }
    server->config.limits.read_turn_bytes = 200; /* of five acks */
    session_send(c, 1, AMQP_BASIC_ACK, &(struct amqp_basic_ack){.delivery_tag = COMMITTED, .multiple = true});
    assert_true(turns_of_commit(state, c) >= COMMITTED / 5);
    session_logout(c);
}

static void
test_a_close_behind_a_commit_waits_for_all_of_it(void **state)
{
    struct server *server = session_world_node(world(state))->server;
    struct session_client *c = session_login(world(state)), *watcher = session_login(world(state));
    session_declare(watcher, 1, "target");
    session_send(c, 1, AMQP_TX_SELECT, NULL);
    session_expect(c, 1, AMQP_TX_SELECT_OK, NULL);
    for (unsigned i = 0; i < COMMITTED; i++)
        session_publish(c, 1, "", "target", "message");
    session_world_wait(world(state), 20);
    server->config.limits.read_turn_work = 1;
    session_send(c, 1, AMQP_TX_COMMIT, NULL);
    session_send(c, 0, AMQP_CONNECTION_CLOSE, NULL);
    session_expect(c, 1, AMQP_TX_COMMIT_OK, NULL);
    session_expect(c, 0, AMQP_CONNECTION_CLOSE_OK, NULL);
    assert_int_equal(server->parts[0]->broker->messages_ready, COMMITTED);
    session_client_free(c);
    session_logout(watcher);
}

enum { UNSETTLED = 100 };

/* A few messages a turn are committed; as soon as `*left` is not what it was the connection is closed for
 * another reason, such as an operator has. */
static void
fail_in_commit(void **state, struct session_client *c, const uint64_t *left)
{
    struct server_shard *home = session_world_node(world(state))->server->parts[0];
    struct server_limits *limits = &home->server->config.limits;
    const struct server_limits before = *limits;
    session_world_wait(world(state), 20);
    limits->read_turn_work = TURN_WORK;
    limits->read_turn_bytes = 200;
    session_send(c, 1, AMQP_TX_COMMIT, NULL);
    for (const uint64_t was = *left; *left == was;)
        assert_true(session_world_step(world(state)));
    size_t cursor = 0;
    for (struct connection *k; (k = slots_next(&home->connections, &cursor, NULL));)
        if (channel_find(k, 1)->tx)
            connection_fail(k, AMQP_REPLY_CONNECTION_FORCED, 0, "enough");
    session_expect(c, 0, AMQP_CONNECTION_CLOSE, NULL);
    session_client_free(c);
    *limits = before;
}

/* In a transaction it has acknowledged all that the queue had. */
static struct session_client *
login_and_ack(void **state, const char *queue)
{
    struct session_client *c = session_login(world(state));
    session_send(c, 1, AMQP_TX_SELECT, NULL);
    session_expect(c, 1, AMQP_TX_SELECT_OK, NULL);
    for (unsigned i = 0; i < UNSETTLED; i++) {
        session_send(c, 1, AMQP_BASIC_GET, &(struct amqp_basic_get){.queue = slice_str(queue)});
        session_expect(c, 1, AMQP_BASIC_GET_OK, NULL);
        session_expect_content(c, 1, NULL);
    }
    session_send(c, 1, AMQP_BASIC_ACK, &(struct amqp_basic_ack){.delivery_tag = UNSETTLED, .multiple = true});
    return c;
}

/* Among the publishes nothing; among the settles everything. */
static void
test_a_connection_that_fails_in_its_commit_has_settled_all_or_nothing(void **state)
{
    struct broker *b = session_world_node(world(state))->server->parts[0]->broker;
    struct session_client *watcher = session_login(world(state)), *c;
    session_declare(watcher, 1, "source");
    session_declare(watcher, 1, "target");
    for (unsigned i = 0; i < UNSETTLED; i++)
        session_publish(watcher, 1, "", "source", "message");

    c = login_and_ack(state, "source");
    for (unsigned i = 0; i < UNSETTLED; i++)
        session_publish(c, 1, "", "target", "message");
    fail_in_commit(state, c, &b->messages_ready);
    assert_int_equal(b->messages_unacked, 0);
    assert_in_range(b->messages_ready, UNSETTLED + 1, 2 * UNSETTLED - 1);

    struct amqp_queue_purge purge = {.queue = slice_str("target")};
    session_send(watcher, 1, AMQP_QUEUE_PURGE, &purge);
    session_expect(watcher, 1, AMQP_QUEUE_PURGE_OK, NULL);
    assert_int_equal(b->messages_ready, UNSETTLED);
    c = login_and_ack(state, "source");
    fail_in_commit(state, c, &b->messages_unacked);
    assert_int_equal(b->messages_unacked + b->messages_ready, 0);
    session_logout(watcher);
}

/* ---- what is dear ---- */

enum { BINDINGS = 100000, DEAR_PUBLISHES = 12 };

static void
apply(void **state, struct meta_command c)
{
    struct meta_result r;
    c.vhost = slice_str("/");
    meta_apply(session_world_node(world(state))->node.meta, &c, &r);
    assert_int_equal(r.code, 0);
}

/* A headers exchange every binding of which asks for what a message has; and that message's properties. */
static void
bind_many(void **state, struct buffer *properties)
{
    struct buffer arguments = {0};
    table_add_str(&arguments, "x-match", slice_str("any"));
    table_add_str(&arguments, "a", slice_str("1"));
    apply(state, (struct meta_command){
                     .kind = META_EXCHANGE_DECLARE, .name = slice_str("x"), .type = slice_str("headers")});
    apply(state, (struct meta_command){.kind = META_QUEUE_DECLARE, .name = slice_str("q")});
    for (unsigned i = 0; i < BINDINGS; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        apply(state, (struct meta_command){.kind = META_QUEUE_BIND,
                                           .source = slice_str("x"),
                                           .name = slice_str("q"),
                                           .routing_key = slice_str(key),
                                           .arguments = buffer_slice(&arguments)});
    }
    buffer_fini(&arguments);
    buffer_add_u16(properties, PROPERTY_FLAG(PROPERTY_HEADERS));
    size_t at = table_begin(properties);
    table_add_str(properties, "a", slice_str("1"));
    table_end(properties, at);
}

/* Who else lives on the shard waits for what the dear publisher may do in a turn, once when it is read and
 * once at the turn's end, not for all that it sent. A binding counts twice: it is looked at, and leads to a
 * queue. */
static void
test_dear_publishes_go_two_a_turn(void **state)
{
    struct session_client *dear = session_login(world(state));
    struct server_shard *home = session_world_node(world(state))->server->parts[0];
    struct broker *b = home->broker;
    struct buffer properties = {0};
    bind_many(state, &properties);
    struct amqp_basic_publish m = {.exchange = slice_str("x")};
    for (unsigned i = 0; i < DEAR_PUBLISHES; i++)
        session_publish_bytes(dear, 1, &m, buffer_slice(&properties), slice_str("m"), 131072);
    uint64_t all = b->route_work, most = 0;
    while (b->messages_ready < DEAR_PUBLISHES) {
        uint64_t before = b->route_work;
        assert_true(session_world_step(world(state)));
        if (b->route_work - before > most)
            most = b->route_work - before;
    }
    assert_true(b->route_work - all >= (uint64_t)DEAR_PUBLISHES * BINDINGS);
    assert_true(most <= 2 * (home->server->config.limits.read_turn_work + 2 * BINDINGS + 1));
    buffer_fini(&properties);
    session_logout(dear);
}

/* ---- what a node may have ---- */

static void
test_connections_above_the_limit_are_refused(void **state)
{
    struct session_client *a = session_login(world(state)), *b = session_login(world(state)),
                          *c = session_client_open(world(state));
    session_client_send(c, frame_protocol_header, FRAME_PROTOCOL_HEADER_SIZE);
    session_expect(c, 0, AMQP_CONNECTION_START, NULL);
    struct amqp_connection_start_ok start = {.mechanism = slice_str("PLAIN"),
                                             .response = slice_of("\0guest\0guest", 12),
                                             .locale = slice_str("en_US")};
    session_send(c, 0, AMQP_CONNECTION_START_OK, &start);
    session_expect(c, 0, AMQP_CONNECTION_TUNE, NULL);
    struct amqp_connection_tune_ok tune = {.channel_max = 2047, .frame_max = 131072};
    session_send(c, 0, AMQP_CONNECTION_TUNE_OK, &tune);
    session_send(c, 0, AMQP_CONNECTION_OPEN, &(struct amqp_connection_open){.virtual_host = slice_str("/")});
    struct amqp_connection_close close;
    session_expect(c, 0, AMQP_CONNECTION_CLOSE, &close);
    assert_int_equal(close.reply_code, AMQP_REPLY_NOT_ALLOWED);
    assert_true(slice_eq_str(close.reply_text,
                             "NOT_ALLOWED - connection refused: node connection limit (2) is reached"));
    session_client_free(c);
    session_world_wait(world(state), 20);
    session_logout(a);
    session_logout(session_login(world(state)));
    session_logout(b);
}

static void
test_channels_above_the_limit_close_the_connection(void **state)
{
    struct session_client *a = session_login(world(state)), *b = session_login(world(state));
    session_open_channel(a, 2);
    session_send(b, 2, AMQP_CHANNEL_OPEN, NULL);
    struct amqp_connection_close close;
    session_expect(b, 0, AMQP_CONNECTION_CLOSE, &close);
    assert_int_equal(close.reply_code, AMQP_REPLY_NOT_ALLOWED);
    assert_true(slice_eq_str(close.reply_text,
                             "NOT_ALLOWED - number of channels opened on node 'rabbit@test' has "
                             "reached the maximum allowed limit of (3)"));
    session_client_free(b);
    session_world_wait(world(state), 20);
    session_open_channel(a, 3); /* those of the closed connection are free again */
    session_logout(a);
}

static void
test_consumers_above_the_limit_are_refused(void **state)
{
    session_world_node(world(state))->node.limits.consumers_per_channel_max = 1;
    struct session_client *c = session_login(world(state));
    session_declare(c, 1, "limited");
    struct amqp_basic_consume consume = {.queue = slice_str("limited")};
    session_send(c, 1, AMQP_BASIC_CONSUME, &consume);
    session_expect(c, 1, AMQP_BASIC_CONSUME_OK, NULL);
    session_send(c, 1, AMQP_BASIC_CONSUME, &consume);
    struct amqp_connection_close close;
    session_expect(c, 0, AMQP_CONNECTION_CLOSE, &close);
    assert_int_equal(close.reply_code, AMQP_REPLY_NOT_ALLOWED);
    assert_true(slice_eq_str(close.reply_text, "NOT_ALLOWED - reached maximum (1) of consumers per channel"));
    session_client_free(c);
}

static int
setup(void **state)
{
    struct server_config config;
    server_config_init(&config);
    config.limits.output_high_bytes = OUTPUT_HIGH;
    config.limits.output_low_bytes = OUTPUT_HIGH / 4;
    config.limits.connections_max = 2;
    config.limits.channels_max = 3;
    *state = session_world_new(1, &config, 1);
    return 0;
}
static int
teardown(void **state)
{
    session_world_wait(*state, 20);
    session_world_free(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_consumer_that_does_not_read_is_not_written_for),
        TEST(test_publisher_far_ahead_of_the_consumers_is_paced),
        TEST(test_publisher_to_a_queue_without_consumers_is_not_paced),
        TEST(test_message_above_the_size_limit_closes_the_channel),
        TEST(test_a_commit_does_not_hold_its_shard),
        TEST(test_a_close_behind_a_commit_waits_for_all_of_it),
        TEST(test_a_connection_that_fails_in_its_commit_has_settled_all_or_nothing),
        TEST(test_dear_publishes_go_two_a_turn),
        TEST(test_connections_above_the_limit_are_refused),
        TEST(test_channels_above_the_limit_close_the_connection),
        TEST(test_consumers_above_the_limit_are_refused),
    };
    return cmocka_run_group_tests_name("bounds of sessions", tests, NULL, NULL);
}
