/* What reviews of the sessions have found, simulated; each test is named after what was wrong. */
#include "broker/alarm.h"
#include "broker/meta.h"
#include "broker/vhost.h"
#include "server/channel.h"
#include "server/session_fixture.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SHARDS = 3, BODY_ABOVE_TX = 2 << 20 }; /* session_fixture.c: a transaction holds 1 MiB */

static struct session_world *
world(void **state)
{
    return *state;
}

static struct session_node *
node(void **state)
{
    return session_world_node(world(state));
}

/* The only connection of the node. */
static struct connection *
only_connection(void **state)
{
    struct connection *c = NULL;
    for (unsigned i = 0; i < SHARDS && !c; i++) {
        size_t cursor = 0;
        c = slots_next(&node(state)->server->parts[i]->connections, &cursor, NULL);
    }
    assert_non_null(c);
    return c;
}

static uint64_t
connections(void **state)
{
    return server_connection_count(node(state)->server);
}

/* ---- exclusive queues ---- */

static void
declare_exclusive(struct session_client *c, const char *queue, bool auto_delete)
{
    struct amqp_queue_declare m = {.queue = slice_str(queue), .exclusive = true, .auto_delete = auto_delete};
    session_send(c, 1, AMQP_QUEUE_DECLARE, &m);
    session_expect(c, 1, AMQP_QUEUE_DECLARE_OK, NULL);
}

/* Consumed from and canceled: an auto-delete queue goes. */
static void
consume_and_cancel(struct session_client *c, const char *queue)
{
    struct amqp_basic_consume consume = {.queue = slice_str(queue), .consumer_tag = slice_str("c")};
    struct amqp_basic_cancel cancel = {.consumer_tag = slice_str("c")};
    session_send(c, 1, AMQP_BASIC_CONSUME, &consume);
    session_expect(c, 1, AMQP_BASIC_CONSUME_OK, NULL);
    session_send(c, 1, AMQP_BASIC_CANCEL, &cancel);
    session_expect(c, 1, AMQP_BASIC_CANCEL_OK, NULL);
}

static void
test_auto_deleted_exclusive_queues_were_never_forgotten(void **state)
{
    struct session_client *c = session_login(world(state));
    for (unsigned i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "gone%u", i);
        declare_exclusive(c, name, true);
        consume_and_cancel(c, name);
        session_world_wait(world(state), 1);
    }
    assert_true(only_connection(state)->queues->cap <= 16);
    session_logout(c);
}

static void
close_on_first_shard(struct session_node *n, uint64_t arg)
{
    (void)arg;
    size_t cursor = 0;
    struct connection *c = slots_next(&n->server->parts[0]->connections, &cursor, NULL);
    assert_non_null(c);
    connection_close_requested(c);
    assert_int_equal(c->state, CONNECTION_CLOSING);
}

/* One had gone by itself: that its deletion was answered at once counted for all. */
static void
test_close_ok_came_before_exclusive_queues_were_deleted(void **state)
{
    struct session_client *c = session_login(world(state));
    declare_exclusive(c, "gone", true);
    declare_exclusive(c, "there", false);
    consume_and_cancel(c, "gone");
    session_world_wait(world(state), 10);
    session_node_run(node(state), close_on_first_shard, 0);
    session_expect(c, 0, AMQP_CONNECTION_CLOSE_OK, NULL);
    assert_true(session_client_is_ended(c));
    session_client_free(c);
}

/* ---- what a client may send ---- */

static struct session_client *
tune(void **state)
{
    struct session_client *c = session_client_open(world(state));
    session_client_send(c, frame_protocol_header, FRAME_PROTOCOL_HEADER_SIZE);
    session_expect(c, 0, AMQP_CONNECTION_START, NULL);
    struct amqp_connection_start_ok start = {.mechanism = slice_str("PLAIN"),
                                             .response = slice_of("\0guest\0guest", 12),
                                             .locale = slice_str("en_US")};
    session_send(c, 0, AMQP_CONNECTION_START_OK, &start);
    session_expect(c, 0, AMQP_CONNECTION_TUNE, NULL);
    struct amqp_connection_tune_ok tune = {.channel_max = 2047, .frame_max = 131072};
    session_send(c, 0, AMQP_CONNECTION_TUNE_OK, &tune);
    return c;
}

static void
test_incomplete_body_before_open_span_the_shard(void **state)
{
    struct session_client *c = tune(state);
    session_client_send(c, "\3\0\1\0\1\0\0half", 11);
    struct amqp_connection_close close;
    session_expect(c, 0, AMQP_CONNECTION_CLOSE, &close);
    assert_int_equal(close.reply_code, AMQP_REPLY_UNEXPECTED_FRAME);
    session_client_free(c);
}

static void
watch_declarations(struct session_node *n, uint64_t arg)
{
    uint32_t *most = (uint32_t *)(uintptr_t)arg;
    for (unsigned i = 0; i < SHARDS; i++) {
        size_t cursor = 0;
        for (struct connection *c; (c = slots_next(&n->server->parts[i]->connections, &cursor, NULL));)
            if (c->channel && c->channel->parked && c->channel->parked->ops > *most)
                *most = c->channel->parked->ops;
    }
    if (server_connection_count(n->server) > 0)
        session_node_run(n, watch_declarations, arg);
}

static void
test_declarations_under_way_were_in_no_budget(void **state)
{
    enum { DECLARATIONS = 200, AT_A_TIME = 4 };
    uint32_t most = 0;
    node(state)->server->config.limits.parked_bytes_max = AT_A_TIME * 1000;
    struct session_client *first = session_login(world(state)), *c = session_login(world(state));
    session_client_free(first); /* c is on another shard than the first, which answers at once */
    session_node_run(node(state), watch_declarations, (uint64_t)(uintptr_t)&most);
    uint8_t arguments[1200] = {1, 'x', 'S', 0, 0, (sizeof arguments - 7) >> 8, (sizeof arguments - 7) & 255};
    memset(arguments + 7, 'x', sizeof arguments - 7);
    for (unsigned i = 0; i < DECLARATIONS; i++) {
        struct amqp_queue_declare m = {.exclusive = true, .arguments = slice_of(arguments, sizeof arguments)};
        session_send(c, 1, AMQP_QUEUE_DECLARE, &m);
    }
    for (unsigned i = 0; i < DECLARATIONS; i++)
        session_expect(c, 1, AMQP_QUEUE_DECLARE_OK, NULL);
    session_logout(c);
    assert_true(most > 0 && most <= AT_A_TIME);
    assert_int_equal(connections(state), 0);
}

/* ---- alarms ---- */

static void
sample(struct session_node *n, uint64_t used)
{
    alarm_sample(n->node.brokers[0], ALARM_MEMORY, used, 1000);
}

static void
set_alarm(void **state, bool on)
{
    session_node_run(node(state), sample, on ? 2000 : 10);
    session_world_wait(world(state), 10);
}

static void
send_body(struct session_client *c, uint8_t *body, uint32_t size)
{
    frame_header_put(body, AMQP_FRAME_BODY, 1, size);
    body[FRAME_HEADER_SIZE + size] = AMQP_FRAME_END;
    session_client_send(c, body, size + FRAME_OVERHEAD);
}

/* method and header only: the body's frames are to come. */
static void
begin_publish(struct session_client *c, uint64_t body_size)
{
    uint8_t frame[FRAME_OVERHEAD + 14] = {AMQP_FRAME_HEADER, 0, 1, 0, 0, 0, 14, 0, AMQP_CLASS_BASIC};
    struct amqp_basic_publish m = {.routing_key = slice_str("alarm")};
    session_send(c, 1, AMQP_BASIC_PUBLISH, &m);
    be64_put(frame + FRAME_HEADER_SIZE + 4, body_size);
    frame[sizeof frame - 1] = AMQP_FRAME_END;
    session_client_send(c, frame, sizeof frame);
}

static void
test_alarm_did_not_stop_bodies_half_way(void **state)
{
    enum { FRAME = 100000, FRAMES = 80 };
    static uint8_t body[FRAME + FRAME_OVERHEAD];
    struct session_client *c = session_login(world(state));
    begin_publish(c, (uint64_t)FRAME * (FRAMES + 1));
    send_body(c, body, FRAME);
    session_world_wait(world(state), 100);
    assert_true(only_connection(state)->received_bytes > FRAME);
    set_alarm(state, true);
    for (unsigned i = 0; i < FRAMES; i++)
        send_body(c, body, FRAME);
    session_world_wait(world(state), 1000);
    assert_true(only_connection(state)->received_bytes < FRAME * 5);
    set_alarm(state, false);
    session_world_wait(world(state), 1000);
    assert_true(only_connection(state)->received_bytes > FRAME * FRAMES);
    session_client_free(c);
}

static void
test_alarm_did_not_stop_publishes_before_their_end(void **state)
{
    struct session_client *c = session_login(world(state));
    set_alarm(state, true);
    begin_publish(c, 1000);
    session_expect(c, 0, AMQP_CONNECTION_BLOCKED, NULL);
    session_client_free(c);
    session_world_wait(world(state), 100);
    assert_int_equal(connections(state), 0);
}

/* ---- transactions ---- */

enum {
    TX_PUBLISHES = 4,
    TX_BODY = 200000,
    TX_QUESTIONS = 100
}; /* one of them fills the way to the other shard */

/* The connection of shard 0; NULL until its commit has begun and waits for room. */
static struct connection *
committing(struct session_node *n)
{
    size_t cursor = 0;
    struct connection *c = slots_next(&n->server->parts[0]->connections, &cursor, NULL);
    assert_non_null(c);
    return c->channel->tx->state == TX_REPLAYING ? c : NULL;
}

static void
lose_while_committing(struct session_node *n, uint64_t arg)
{
    struct connection *c = committing(n);
    if (c)
        connection_lost(c, NULL);
    else
        session_node_run(n, lose_while_committing, arg);
}

/* Room comes only when what was published before is answered, and the queue is gone: the commit is through at
 * once. */
static void
resume_without_queue(struct session_node *n, uint64_t queue_id)
{
    struct connection *c = committing(n);
    if (c)
        c->home->waiting_for_room.count = c->home->waiting_for_room.to[1].count = 0;
    if (!c || c->channel->tx->pending) {
        session_node_run(n, resume_without_queue, queue_id);
        return;
    }
    struct meta_result result;
    meta_apply(n->node.meta,
               &(struct meta_command){.kind = META_QUEUE_DELETE,
                                      .vhost = slice_str("/"),
                                      .name = slice_str("far"),
                                      .queue_id = queue_id},
               &result);
    assert_int_equal(result.code, 0);
    connection_unblock(c, BLOCK_ROOM);
}

/* On shard 0, with a delivery of "near" acked and many publishes to "far", which is elsewhere. */
static struct session_client *
fill_transaction(void **state)
{
    static uint8_t body[TX_BODY];
    struct session_client *c = session_login(world(state)), *far = session_login(world(state));
    session_declare(far, 1, "far");
    session_declare(c, 1, "near");
    session_publish(c, 1, "", "near", "message");
    session_logout(far);
    session_send(c, 1, AMQP_TX_SELECT, NULL);
    session_expect(c, 1, AMQP_TX_SELECT_OK, NULL);
    session_send(c, 1, AMQP_BASIC_GET, &(struct amqp_basic_get){.queue = slice_str("near")});
    session_expect(c, 1, AMQP_BASIC_GET_OK, NULL);
    session_expect_content(c, 1, NULL);
    session_send(c, 1, AMQP_BASIC_ACK, &(struct amqp_basic_ack){.delivery_tag = 1});
    for (unsigned i = 0; i < TX_PUBLISHES; i++)
        session_publish_bytes(c, 1, &(struct amqp_basic_publish){.routing_key = slice_str("far")},
                              slice_of("\0\0", 2), slice_of(body, sizeof body), 131072);
    return c;
}

static void
test_ack_of_a_commit_without_room_was_lost_with_the_connection(void **state)
{
    struct session_client *c = fill_transaction(state);
    session_node_run(node(state), lose_while_committing, 0);
    session_send(c, 1, AMQP_TX_COMMIT, NULL);
    assert_true(session_client_is_ended(c));
    session_client_free(c);
    struct session_client *other = session_login(world(state));
    session_send(other, 1, AMQP_BASIC_GET, &(struct amqp_basic_get){.queue = slice_str("near")});
    struct amqp_basic_get_ok ok;
    session_expect(other, 1, AMQP_BASIC_GET_OK, &ok);
    assert_true(ok.redelivered);
    session_client_free(other);
}

/* The sanitizer sees it. */
static void
test_close_behind_a_commit_that_got_room_freed_the_channel(void **state)
{
    struct session_client *c = fill_transaction(state);
    const struct queue_def *q =
        queue_def_find(vhost_find(node(state)->node.meta, slice_str("/")), slice_str("far"));
    session_node_run(node(state), resume_without_queue, q->id);
    for (unsigned i = 0; i < TX_QUESTIONS; i++) /* what is sent behind them is parked meanwhile */
        session_send(c, 1, AMQP_BASIC_GET, &(struct amqp_basic_get){.queue = slice_str("far")});
    session_send(c, 1, AMQP_TX_COMMIT, NULL);
    session_send(c, 1, AMQP_CHANNEL_CLOSE, &(struct amqp_channel_close){.reply_code = 200});
    for (unsigned i = 0; i < TX_QUESTIONS; i++)
        session_expect(c, 1, AMQP_BASIC_GET_EMPTY, NULL);
    session_expect(c, 1, AMQP_TX_COMMIT_OK, NULL);
    session_expect(c, 1, AMQP_CHANNEL_CLOSE_OK, NULL);
    session_logout(c);
}

/* ---- readiness ---- */

static void
test_alarm_behind_another_block_did_not_mind_a_hangup(void **state)
{
    struct session_client *c = session_login(world(state));
    struct connection *mine = only_connection(state);
    connection_block(mine, BLOCK_OUTPUT);
    connection_block(mine, BLOCK_ALARM);
    session_client_free(c);
    session_world_wait(world(state), 100);
    assert_int_equal(connections(state), 0);
}

/* ---- broadcasts ---- */

static void
close_all_of_first_shard(struct session_node *n, uint64_t arg)
{
    (void)arg;
    server_close_all(n->server->parts[0]);
}

static void
test_connection_that_moved_missed_the_end_of_the_node(void **state)
{
    struct session_client *home = session_login(world(state)), *c = session_login(world(state));
    session_declare(home, 1, "home");
    session_node_run(node(state), close_all_of_first_shard, 0);
    session_expect(home, 0, AMQP_CONNECTION_CLOSE, NULL);
    session_send(c, 1, AMQP_BASIC_CONSUME, &(struct amqp_basic_consume){.queue = slice_str("home")});
    struct amqp_connection_close close;
    session_expect(c, 0, AMQP_CONNECTION_CLOSE, &close);
    assert_int_equal(close.reply_code, AMQP_REPLY_CONNECTION_FORCED);
    session_client_free(home);
    session_client_free(c);
}

static void
test_client_was_accepted_after_the_end_of_the_node(void **state)
{
    session_node_run(node(state), close_all_of_first_shard, 0);
    session_world_wait(world(state), 10);
    struct session_client *c = session_client_open(world(state));
    assert_true(session_client_is_ended(c));
    session_client_free(c);
}

/* ---- bodies in pieces ---- */

/* headers: {BCC: [key]} */
static struct slice
blind_copy(struct buffer *out, const char *key)
{
    struct buffer table = {0};
    size_t at = table_add_array_begin(&table, "BCC");
    table_add_str(&table, NULL, slice_str(key));
    table_end(&table, at);
    buffer_add_u16(out, PROPERTY_FLAG(PROPERTY_HEADERS));
    buffer_add_u32(out, (uint32_t)table.len);
    buffer_add(out, table.data, table.len);
    buffer_fini(&table);
    return buffer_slice(out);
}

/* Without BCC the message is another one; the keys were those of the first. */
static void
test_blind_copies_of_a_body_in_pieces_went_to_keys_in_freed_memory(void **state)
{
    struct session_client *c = session_login(world(state));
    struct buffer properties = {0};
    session_declare(c, 1, "blind");
    session_send(c, 1, AMQP_TX_SELECT, NULL);
    session_expect(c, 1, AMQP_TX_SELECT_OK, NULL);
    struct amqp_basic_publish m = {.routing_key = slice_str("nowhere")};
    session_publish_bytes(c, 1, &m, blind_copy(&properties, "blind"), slice_str("a body in pieces"), 16);
    session_send(c, 1, AMQP_TX_COMMIT, NULL);
    session_expect(c, 1, AMQP_TX_COMMIT_OK, NULL);
    struct amqp_basic_get get = {.queue = slice_str("blind"), .no_ack = true};
    session_send(c, 1, AMQP_BASIC_GET, &get);
    session_expect(c, 1, AMQP_BASIC_GET_OK, NULL);
    assert_true(slice_eq_str(session_expect_content(c, 1, NULL), "a body in pieces"));
    buffer_fini(&properties);
    session_logout(c);
}

static void
test_body_in_pieces_that_a_transaction_refused_was_freed_twice(void **state)
{
    struct session_client *c = session_login(world(state));
    session_send(c, 1, AMQP_TX_SELECT, NULL);
    session_expect(c, 1, AMQP_TX_SELECT_OK, NULL);
    uint8_t *body = calloc(1, BODY_ABOVE_TX);
    struct amqp_basic_publish m = {.routing_key = slice_str("nowhere")};
    session_publish_bytes(c, 1, &m, slice_of("\0\0", 2), slice_of(body, BODY_ABOVE_TX), 131072);
    free(body);
    struct amqp_channel_close close;
    session_expect(c, 1, AMQP_CHANNEL_CLOSE, &close);
    assert_int_equal(close.reply_code, AMQP_REPLY_PRECONDITION_FAILED);
    session_send(c, 1, AMQP_CHANNEL_CLOSE_OK, NULL);
    session_open_channel(c, 1);
    session_logout(c);
}

static void
test_publisher_of_bodies_in_pieces_never_moved_to_its_queue(void **state)
{
    struct session_client *c = session_login(world(state)), *p = session_login(world(state));
    session_declare(c, 1, "pieces");
    static const uint8_t body[20000];
    struct amqp_basic_publish m = {.routing_key = slice_str("pieces")};
    for (unsigned i = 0; i < 3; i++)
        session_publish_bytes(p, 1, &m, slice_of("\0\0", 2), slice_of(body, sizeof body), 4096);
    session_world_wait(world(state), 50);
    unsigned most = 0;
    for (unsigned i = 0; i < SHARDS; i++) {
        unsigned n = 0;
        size_t cursor = 0;
        while (slots_next(&node(state)->server->parts[i]->connections, &cursor, NULL))
            n++;
        most = n > most ? n : most;
    }
    assert_int_equal(most, 2);
    for (unsigned i = 0; i < 3; i++) {
        struct amqp_basic_get get = {.queue = slice_str("pieces"), .no_ack = true};
        session_send(c, 1, AMQP_BASIC_GET, &get);
        session_expect(c, 1, AMQP_BASIC_GET_OK, NULL);
        assert_int_equal(session_expect_content(c, 1, NULL).len, sizeof body);
    }
    session_logout(p);
    session_logout(c);
}

/* ---- consumers that had no room ---- */

/* basic.qos resumes the channel's consumers: those that still had no room were not resumed once they had. */
static void
test_qos_of_a_full_connection_lost_what_its_consumers_owed(void **state)
{
    enum { MESSAGES = 600 };
    struct session_client *p = session_login(world(state)), *c = session_login(world(state));
    session_declare(p, 1, "far");
    struct amqp_basic_consume consume = {.queue = slice_str("far"), .no_ack = true};
    session_send(c, 1, AMQP_BASIC_CONSUME, &consume);
    session_expect(c, 1, AMQP_BASIC_CONSUME_OK, NULL);
    session_client_set_reading(c, false);
    uint8_t body[2000] = {0};
    struct amqp_basic_publish m = {.routing_key = slice_str("far")};
    for (unsigned i = 0; i < MESSAGES; i++)
        session_publish_bytes(p, 1, &m, slice_of("\0\0", 2), slice_of(body, sizeof body), 131072);
    session_world_wait(world(state), 50);
    session_send(c, 1, AMQP_BASIC_QOS, &(struct amqp_basic_qos){0});
    session_world_wait(world(state), 50);
    session_client_set_reading(c, true);
    struct buffer payload = {0};
    for (unsigned left = MESSAGES; left > 0;) {
        struct frame frame = session_next_frame(c, &payload);
        if (amqp_method_id(frame.payload) == AMQP_BASIC_QOS_OK)
            continue;
        assert_int_equal(amqp_method_id(frame.payload), AMQP_BASIC_DELIVER);
        assert_int_equal(session_expect_content(c, 1, NULL).len, sizeof body);
        left--;
    }
    buffer_fini(&payload);
    session_logout(c);
    session_logout(p);
}

static int
setup(void **state)
{
    *state = session_world_new(SHARDS, NULL, 1);
    return 0;
}
static int
teardown(void **state)
{
    session_world_wait(*state, 20);
    session_world_free(*state);
    return 0;
}

/* Connections stay where they were accepted, and hold little output. */
static int
setup_far(void **state)
{
    struct server_config config;
    server_config_init(&config);
    config.move_connections = false;
    config.limits.output_high_bytes = 8000;
    config.limits.output_low_bytes = 2000;
    *state = session_world_new(SHARDS, &config, 1);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* An argument chooses among the tests. */
int
main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        TEST(test_auto_deleted_exclusive_queues_were_never_forgotten),
        TEST(test_close_ok_came_before_exclusive_queues_were_deleted),
        TEST(test_incomplete_body_before_open_span_the_shard),
        TEST(test_declarations_under_way_were_in_no_budget),
        TEST(test_alarm_did_not_stop_bodies_half_way),
        TEST(test_alarm_did_not_stop_publishes_before_their_end),
        TEST(test_ack_of_a_commit_without_room_was_lost_with_the_connection),
        TEST(test_close_behind_a_commit_that_got_room_freed_the_channel),
        TEST(test_alarm_behind_another_block_did_not_mind_a_hangup),
        TEST(test_connection_that_moved_missed_the_end_of_the_node),
        TEST(test_client_was_accepted_after_the_end_of_the_node),
        TEST(test_blind_copies_of_a_body_in_pieces_went_to_keys_in_freed_memory),
        TEST(test_body_in_pieces_that_a_transaction_refused_was_freed_twice),
        TEST(test_publisher_of_bodies_in_pieces_never_moved_to_its_queue),
        cmocka_unit_test_setup_teardown(test_qos_of_a_full_connection_lost_what_its_consumers_owed, setup_far,
                                        teardown),
    };
    return cmocka_run_group_tests_name("what was found in sessions", tests, NULL, NULL);
}
