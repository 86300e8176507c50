/* What time and the node's state do to a session; in the simulated world, where an hour costs nothing. */
#include "base/byteorder.h"
#include "broker/alarm.h"
#include "io/file.h"
#include "io/sim.h"
#include "server/session_fixture.h"
#include "wire/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct session_world *
world(void **state)
{
    return *state;
}

static uint64_t
connections(void **state)
{
    return server_connection_count(session_world_node(world(state))->server);
}

/* start-ok with these on a new connection, up to the answer. */
static struct session_client *
start_on(struct session_client *c, const char *mechanism, struct slice response, bool auth_close)
{
    session_client_send(c, frame_protocol_header, FRAME_PROTOCOL_HEADER_SIZE);
    session_expect(c, 0, AMQP_CONNECTION_START, NULL);
    struct buffer properties = {0};
    size_t at = table_add_table_begin(&properties, "capabilities");
    table_add_bool(&properties, "authentication_failure_close", auth_close);
    table_end(&properties, at);
    struct amqp_connection_start_ok m = {.client_properties = buffer_slice(&properties),
                                         .mechanism = slice_str(mechanism),
                                         .response = response,
                                         .locale = slice_str("en_US")};
    session_send(c, 0, AMQP_CONNECTION_START_OK, &m);
    buffer_fini(&properties);
    return c;
}

static struct session_client *
start(void **state, const char *mechanism, struct slice response, bool auth_close)
{
    return start_on(session_client_open(world(state)), mechanism, response, auth_close);
}

static void
expect_close(struct session_client *c, uint16_t code, const char *text)
{
    struct amqp_connection_close close;
    session_expect(c, 0, AMQP_CONNECTION_CLOSE, &close);
    assert_int_equal(close.reply_code, code);
    if (!slice_eq_str(close.reply_text, text))
        fprintf(stderr, "got: %.*s\n", SLICE_FMT(close.reply_text));
    assert_true(slice_eq_str(close.reply_text, text));
    session_send(c, 0, AMQP_CONNECTION_CLOSE_OK, NULL);
    assert_true(session_client_is_ended(c));
    session_client_free(c);
}

/* ---- logging in ---- */

static void
test_wrong_password_is_told_to_those_who_understand(void **state)
{
    struct session_client *c = start(state, "PLAIN", slice_of("\0guest\0wrong", 12), true);
    expect_close(
        c, 403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker "
        "logfile.");
}

static void
test_wrong_password_is_silence_for_others(void **state)
{
    struct session_client *c = start(state, "PLAIN", slice_of("\0guest\0wrong", 12), false);
    session_world_wait(world(state), 1000);
    assert_int_equal(session_client_peek(c, 0).len, 0);
    assert_int_equal(connections(state), 1);
    assert_true(session_client_is_ended(c));
    session_client_free(c);
}

static void
test_amqplain(void **state)
{
    struct session_client *c =
        start(state, "AMQPLAIN", slice_of("\5LOGINS\0\0\0\5guest\10PASSWORDS\0\0\0\5guest", 35), true);
    session_expect(c, 0, AMQP_CONNECTION_TUNE, NULL);
    session_client_free(c);
}

static void
test_mechanism_that_is_not_offered(void **state)
{
    struct session_client *c = start(state, "ANONYMOUS", slice_of("", 0), true);
    assert_true(session_client_is_ended(c));
    session_client_free(c);
}

static void
test_anonymous_where_it_is_offered(void **state)
{
    struct session_client *c = start(state, "ANONYMOUS", slice_of("", 0), true);
    session_expect(c, 0, AMQP_CONNECTION_TUNE, NULL);
    session_client_free(c);
}

static void
test_guest_logs_in_from_this_machine_only(void **state)
{
    static const struct net_addr elsewhere = {.family = NET_IPV4, .port = 40000, .ip = {10, 0, 0, 1}};
    expect_close(
        start_on(session_client_open_from(world(state), &elsewhere), "PLAIN", slice_of("\0guest\0guest", 12),
                 true),
        403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the "
        "broker logfile.");
}

static void
test_guest_logs_in_from_anywhere_when_no_user_is_bound_to_loopback(void **state)
{
    static const struct net_addr elsewhere = {.family = NET_IPV4, .port = 40000, .ip = {10, 0, 0, 1}};
    struct session_client *c = start_on(session_client_open_from(world(state), &elsewhere), "PLAIN",
                                        slice_of("\0guest\0guest", 12), true);
    session_expect(c, 0, AMQP_CONNECTION_TUNE, NULL);
    session_client_free(c);
}

/* ---- guessing ---- */

static const struct net_addr guesser = {.family = NET_IPV4, .port = 40000, .ip = {10, 0, 0, 1}},
                             neighbour = {.family = NET_IPV4, .port = 40000, .ip = {10, 0, 0, 2}};

static bool
logs_in(void **state, const struct net_addr *from, const char *password)
{
    char response[64];
    struct session_client *c =
        from ? session_client_open_from(world(state), from) : session_client_open(world(state));
    int len = snprintf(response, sizeof response, "%cguest%c%s", 0, 0, password);
    start_on(c, "PLAIN", slice_of(response, (size_t)len), true);
    struct buffer payload = {0};
    session_next_frame(c, &payload);
    uint32_t method = be32_get(payload.data);
    buffer_fini(&payload);
    assert_true(method == AMQP_CONNECTION_TUNE || method == AMQP_CONNECTION_CLOSE);
    session_client_free(c);
    return method == AMQP_CONNECTION_TUNE;
}

/* Whatever shards its connections are on. */
static void
test_who_guesses_is_refused_the_right_password_too_for_a_while(void **state)
{
    unsigned budget = server_limits_default()->login_failures_max;
    for (unsigned i = 0; i < budget; i++) {
        assert_true(logs_in(state, &guesser, "guest"));
        assert_false(logs_in(state, &guesser, "wrong"));
        assert_false(logs_in(state, NULL, "wrong"));
    }
    assert_false(logs_in(state, &guesser, "guest"));
    assert_true(logs_in(state, &neighbour, "guest"));
    assert_true(logs_in(state, NULL, "guest")); /* loopback has no budget */
    session_world_wait(world(state), server_limits_default()->login_window_ms);
    assert_true(logs_in(state, &guesser, "guest"));
}

/* The refusal is the one of a wrong password: it does not tell whether this one was right. */
static void
test_who_guessed_too_often_is_not_told_so(void **state)
{
    while (logs_in(state, &guesser, "guest"))
        assert_false(logs_in(state, &guesser, "wrong"));
    expect_close(
        start_on(session_client_open_from(world(state), &guesser), "PLAIN", slice_of("\0guest\0guest", 12),
                 true),
        403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the "
        "broker logfile.");
}

/* ---- behind a proxy ---- */

static void
test_client_behind_a_proxy_is_known_by_its_own_address(void **state)
{
    static const char elsewhere[] = "PROXY TCP4 10.0.0.1 10.0.0.2 40000 5672\r\n",
                      here[] = "PROXY TCP6 ::1 ::1 40000 5672\r\n",
                      probe[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"; /* version 2, LOCAL */
    struct session_client *c = session_client_open(world(state));
    for (size_t i = 0; i < sizeof elsewhere - 1; i++) { /* in pieces */
        session_client_send(c, elsewhere + i, 1);
        session_world_wait(world(state), 1);
    }
    expect_close(
        start_on(c, "PLAIN", slice_of("\0guest\0guest", 12), true), 403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the "
        "broker logfile.");
    c = session_client_open(world(state));
    session_client_send(c, here, sizeof here - 1);
    session_expect(start_on(c, "PLAIN", slice_of("\0guest\0guest", 12), true), 0, AMQP_CONNECTION_TUNE, NULL);
    session_client_free(c);
    c = session_client_open(world(state));
    session_client_send(c, probe, sizeof probe - 1);
    session_expect(start_on(c, "PLAIN", slice_of("\0guest\0guest", 12), true), 0, AMQP_CONNECTION_TUNE, NULL);
    session_client_free(c);
}

static void
test_client_without_a_proxy_is_dropped_where_there_must_be_one(void **state)
{
    struct session_client *c = session_client_open(world(state));
    session_client_send(c, frame_protocol_header, FRAME_PROTOCOL_HEADER_SIZE);
    assert_true(session_client_is_ended(c));
    session_client_free(c);
}

/* ---- tune ---- */

static struct session_client *
tune(void **state, uint16_t channel_max, uint32_t frame_max, uint16_t heartbeat)
{
    struct session_client *c = start(state, "PLAIN", slice_of("\0guest\0guest", 12), true);
    session_expect(c, 0, AMQP_CONNECTION_TUNE, NULL);
    struct amqp_connection_tune_ok m = {
        .channel_max = channel_max, .frame_max = frame_max, .heartbeat = heartbeat};
    session_send(c, 0, AMQP_CONNECTION_TUNE_OK, &m);
    session_send(c, 0, AMQP_CONNECTION_OPEN, NULL);
    return c;
}

static void
test_tune(void **state)
{
    expect_close(tune(state, 2047, 4095, 60), 530,
                 "NOT_ALLOWED - negotiated frame_max = 4095 is lower than the minimum allowed value (4096)");
    expect_close(tune(state, 0, 131072, 60), 530,
                 "NOT_ALLOWED - negotiated channel_max = 0 (no limit) is higher than the maximum allowed "
                 "value (2047)");
    struct session_client *c = tune(state, 2, 4096, 0);
    session_expect(c, 0, AMQP_CONNECTION_OPEN_OK, NULL);
    session_open_channel(c, 7);
    session_open_channel(c, 9);
    session_declare(c, 7, "small");
    struct amqp_basic_publish m = {.routing_key = slice_str("small")};
    uint8_t body[10000] = {1, 2, 3};
    session_publish_bytes(c, 7, &m, slice_of("\0\0", 2), slice_of(body, sizeof body), 4096);
    struct amqp_basic_get get = {.queue = slice_str("small"), .no_ack = true};
    session_send(c, 7, AMQP_BASIC_GET, &get);
    session_expect(c, 7, AMQP_BASIC_GET_OK, NULL);
    assert_true(slice_eq(session_expect_content(c, 7, NULL), slice_of(body, sizeof body)));
    session_send(c, 11, AMQP_CHANNEL_OPEN, NULL);
    expect_close(c, 530,
                 "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)");
}

static void
test_handshake_at_one_byte_a_second(void **state)
{
    struct session_client *c = session_client_open(world(state));
    for (int i = 0; i < 7; i++) {
        session_client_send(c, frame_protocol_header + i, 1);
        session_world_wait(world(state), 1000);
    }
    assert_int_equal(connections(state), 1);
    session_world_wait(world(state), 4000);
    assert_int_equal(connections(state), 0);
    session_client_free(c);
}

/* ---- heartbeats ---- */

static void
test_heartbeats(void **state)
{
    struct session_client *c = tune(state, 2047, 131072, 4);
    session_expect(c, 0, AMQP_CONNECTION_OPEN_OK, NULL);
    session_world_wait(world(state), 4500);
    struct slice got = session_client_peek(c, FRAME_OVERHEAD);
    assert_true(got.len >= FRAME_OVERHEAD);
    assert_memory_equal(got.data, frame_heartbeat, FRAME_OVERHEAD);
    for (int i = 0; i < 10; i++) {
        session_client_send(c, frame_heartbeat, FRAME_OVERHEAD);
        session_world_wait(world(state), 4000);
    }
    assert_int_equal(connections(state), 1);
    session_world_wait(world(state), 10000);
    assert_int_equal(connections(state), 0);
    session_client_free(c);
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
    session_node_run(session_world_node(world(state)), sample, on ? 2000 : 10);
    session_world_wait(world(state), 10);
}

static uint32_t
count(struct session_client *c, const char *queue)
{
    struct amqp_queue_declare m = {.queue = slice_str(queue), .passive = true};
    session_send(c, 1, AMQP_QUEUE_DECLARE, &m);
    struct amqp_queue_declare_ok ok;
    session_expect(c, 1, AMQP_QUEUE_DECLARE_OK, &ok);
    return ok.message_count;
}

static void
test_alarm_blocks_who_publishes_and_nobody_else(void **state)
{
    struct session_client *p = session_login(world(state)), *c = session_login(world(state));
    session_declare(c, 1, "alarm");
    session_publish(p, 1, "", "alarm", "before");
    session_world_wait(world(state), 10);
    set_alarm(state, true);
    session_publish(p, 1, "", "alarm", "first");
    struct amqp_connection_blocked blocked;
    session_expect(p, 0, AMQP_CONNECTION_BLOCKED, &blocked);
    assert_true(slice_eq_str(blocked.reason, "low on memory"));
    session_publish(p, 1, "", "alarm", "second");
    session_world_wait(world(state), 100);
    assert_true(count(c, "alarm") <= 2); /* the first is in if it came in one piece */
    set_alarm(state, false);
    session_expect(p, 0, AMQP_CONNECTION_UNBLOCKED, NULL);
    session_world_wait(world(state), 100);
    assert_int_equal(count(c, "alarm"), 3);
    session_logout(p);
    session_logout(c);
}

static struct io_world *
machine(void **state)
{
    return shards_world(session_world_node(world(state))->node.shards);
}

static void
put_on_disk(void **state, uint64_t bytes)
{
    struct file *f;
    assert_int_equal(file_open(machine(state), "/data", FILE_WRITE | FILE_CREATE, &f), ERR_OK);
    assert_int_equal(file_truncate(f, bytes), ERR_OK);
    file_close(f);
}

static struct alarm_disk disk; /* of the one test that watches it */

static void
watch_disk(struct session_node *n, uint64_t limit)
{
    alarm_disk_start(&disk, n->node.brokers[0], "/", limit);
}

static void
test_disk_alarm_comes_before_the_disk_is_full_and_ends_by_itself(void **state)
{
    struct session_client *p = session_login(world(state)), *c = session_login(world(state));
    sim_disk_set_faults(machine(state), &(struct sim_disk_faults){.capacity_bytes = 200000000});
    session_node_run(session_world_node(world(state)), watch_disk, 50000000);
    session_declare(c, 1, "disk");
    put_on_disk(state, 150000000); /* just enough is left: no alarm */
    session_world_wait(world(state), 20000);
    session_publish(p, 1, "", "disk", "before");
    session_world_wait(world(state), 100);
    assert_int_equal(count(c, "disk"), 1);
    put_on_disk(state, 150000001);
    session_world_wait(world(state), 200); /* so near the limit it is asked ten times a second */
    session_publish(p, 1, "", "disk", "during");
    struct amqp_connection_blocked blocked;
    session_expect(p, 0, AMQP_CONNECTION_BLOCKED, &blocked);
    assert_true(slice_eq_str(blocked.reason, "low on disk"));
    put_on_disk(state, 1000);
    session_world_wait(world(state), 10100);
    session_expect(p, 0, AMQP_CONNECTION_UNBLOCKED, NULL);
    session_world_wait(world(state), 100);
    assert_int_equal(count(c, "disk"), 2);
    session_logout(p);
    session_logout(c);
    shards_stop(session_world_node(world(state))->node.shards);
    shards_join(session_world_node(world(state))->node.shards);
    alarm_disk_stop(&disk);
}

/* ---- the end of the node ---- */

static void
stop(struct session_node *n, uint64_t deadline_ms)
{
    server_stop(n->server, deadline_ms);
}

static void
test_stopping_is_told(void **state)
{
    struct session_world *w = world(state);
    struct session_client *c = session_login(w), *idle = session_client_open(w);
    session_world_wait(w, 10);
    session_node_run(session_world_node(w), stop, 2000);
    struct amqp_connection_close close;
    session_expect(c, 0, AMQP_CONNECTION_CLOSE, &close);
    assert_int_equal(close.reply_code, 320);
    assert_true(slice_eq_str(close.reply_text,
                             "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"));
    session_send(c, 0, AMQP_CONNECTION_CLOSE_OK, NULL);
    assert_true(session_client_is_ended(c));
    assert_true(session_client_is_ended(idle));
    session_client_free(c);
    session_client_free(idle);
}

static int
setup(void **state)
{
    *state = session_world_new(3, NULL, 1);
    return 0;
}

static int
setup_open(void **state)
{
    struct server_config config;
    server_config_init(&config);
    config.mechanism_anonymous = true;
    config.anonymous_user = config.anonymous_password = slice_str("guest");
    config.loopback_users_count = 0;
    *state = session_world_new(3, &config, 1);
    return 0;
}

static int
setup_proxy(void **state)
{
    struct server_config config;
    server_config_init(&config);
    config.proxy_protocol = true;
    *state = session_world_new(3, &config, 1);
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
        TEST(test_wrong_password_is_told_to_those_who_understand),
        TEST(test_wrong_password_is_silence_for_others),
        TEST(test_amqplain),
        TEST(test_mechanism_that_is_not_offered),
        TEST(test_guest_logs_in_from_this_machine_only),
        cmocka_unit_test_setup_teardown(test_anonymous_where_it_is_offered, setup_open, teardown),
        cmocka_unit_test_setup_teardown(test_guest_logs_in_from_anywhere_when_no_user_is_bound_to_loopback,
                                        setup_open, teardown),
        cmocka_unit_test_setup_teardown(test_client_behind_a_proxy_is_known_by_its_own_address, setup_proxy,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_client_without_a_proxy_is_dropped_where_there_must_be_one,
                                        setup_proxy, teardown),
        cmocka_unit_test_setup_teardown(test_who_guesses_is_refused_the_right_password_too_for_a_while,
                                        setup_open, teardown),
        cmocka_unit_test_setup_teardown(test_who_guessed_too_often_is_not_told_so, setup_open, teardown),
        TEST(test_tune),
        TEST(test_handshake_at_one_byte_a_second),
        TEST(test_heartbeats),
        TEST(test_alarm_blocks_who_publishes_and_nobody_else),
        TEST(test_disk_alarm_comes_before_the_disk_is_full_and_ends_by_itself),
        TEST(test_stopping_is_told),
    };
    return cmocka_run_group_tests_name("sessions in time", tests, NULL, NULL);
}
