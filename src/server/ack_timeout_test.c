/* The time that clients have to acknowledge, in the simulated world. */
#include "server/session_fixture.h"
#include "wire/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { TIMEOUT_MS = 32000, LOOK_MS = TIMEOUT_MS / 32 + 1 };

static struct session_world *
world(void **state)
{
    return *state;
}

static int
set_up(void **state)
{
    struct server_config config;
    struct server_limits limits = *server_limits_default();
    server_config_init(&config);
    limits.consumer_timeout_ms = TIMEOUT_MS;
    config.limits = limits;
    *state = session_world_new(3, &config, 1);
    return 0;
}

static int
tear_down(void **state)
{
    session_world_wait(*state, 20);
    session_world_free(*state);
    return 0;
}

static void
consume(struct session_client *c, const char *queue)
{
    struct amqp_basic_consume m = {.queue = slice_str(queue), .consumer_tag = slice_str("c")};
    session_send(c, 1, AMQP_BASIC_CONSUME, &m);
    session_expect(c, 1, AMQP_BASIC_CONSUME_OK, NULL);
}

static uint64_t
take(struct session_client *c, const char *queue)
{
    struct amqp_basic_deliver d;
    struct slice properties;
    session_publish(c, 1, "", queue, "x");
    session_expect(c, 1, AMQP_BASIC_DELIVER, &d);
    uint64_t tag = d.delivery_tag;
    session_expect_content(c, 1, &properties);
    return tag;
}

static void
ack(struct session_client *c, uint64_t tag)
{
    session_send(c, 1, AMQP_BASIC_ACK, &(struct amqp_basic_ack){.delivery_tag = tag});
}

static void
is_open(struct session_client *c)
{
    session_send(c, 1, AMQP_BASIC_QOS, &(struct amqp_basic_qos){0});
    session_expect(c, 1, AMQP_BASIC_QOS_OK, NULL);
}

static void
is_closed(struct session_client *c, unsigned timeout_ms)
{
    struct amqp_channel_close close;
    char text[256];
    snprintf(
        text, sizeof text,
        "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: %u ms. "
        "This timeout value can be configured, see consumers doc guide to learn more",
        timeout_ms);
    session_expect(c, 1, AMQP_CHANNEL_CLOSE, &close);
    assert_int_equal(close.reply_code, 406);
    assert_true(slice_eq_str(close.reply_text, text));
    session_send(c, 1, AMQP_CHANNEL_CLOSE_OK, NULL);
}

static void
a_channel_with_an_old_delivery_is_closed(void **state)
{
    struct session_client *c = session_login(world(state));
    session_declare(c, 1, "q");
    consume(c, "q");
    take(c, "q");
    session_world_wait(world(state), TIMEOUT_MS - LOOK_MS);
    is_open(c);
    session_world_wait(world(state), 3 * LOOK_MS);
    is_closed(c, TIMEOUT_MS);
    session_open_channel(c, 1); /* the message is back, to be delivered again */
    struct amqp_queue_declare m = {.queue = slice_str("q"), .passive = true};
    struct amqp_queue_declare_ok ok;
    session_send(c, 1, AMQP_QUEUE_DECLARE, &m);
    session_expect(c, 1, AMQP_QUEUE_DECLARE_OK, &ok);
    assert_int_equal(ok.message_count, 1);
    session_logout(c);
}

/* Each is acknowledged in time, though something is outstanding all the time and for very long. */
static void
who_acknowledges_in_time_goes_on_for_ever(void **state)
{
    struct session_client *c = session_login(world(state));
    session_declare(c, 1, "q");
    consume(c, "q");
    uint64_t last = take(c, "q");
    for (unsigned i = 0; i < 30; i++) {
        session_world_wait(world(state), TIMEOUT_MS - 3 * LOOK_MS);
        uint64_t next = take(c, "q");
        ack(c, last);
        last = next;
    }
    is_open(c);
    session_world_wait(world(state), TIMEOUT_MS + 2 * LOOK_MS);
    is_closed(c, TIMEOUT_MS);
    session_logout(c);
}

static void
declare_with_timeout(struct session_client *c, const char *queue, int64_t ms)
{
    struct buffer arguments = {0};
    table_add_int64(&arguments, "x-consumer-timeout", ms);
    struct amqp_queue_declare m = {.queue = slice_str(queue), .arguments = buffer_slice(&arguments)};
    session_send(c, 1, AMQP_QUEUE_DECLARE, &m);
    session_expect(c, 1, AMQP_QUEUE_DECLARE_OK, NULL);
    buffer_fini(&arguments);
}

static void
the_queue_may_have_its_own_time(void **state)
{
    struct session_client *c = session_login(world(state)), *d = session_login(world(state));
    declare_with_timeout(c, "quick", TIMEOUT_MS / 4);
    declare_with_timeout(d, "slow", TIMEOUT_MS * 8);
    consume(c, "quick");
    consume(d, "slow");
    take(c, "quick");
    take(d, "slow");
    session_world_wait(world(state), TIMEOUT_MS / 4 + 2 * LOOK_MS);
    is_closed(c, TIMEOUT_MS / 4);
    session_logout(c);
    for (unsigned i = 0; i < 7; i++) {
        session_world_wait(world(state), TIMEOUT_MS);
        is_open(d); /* the connection must not be idle for too long either */
    }
    session_world_wait(world(state), TIMEOUT_MS);
    is_closed(d, TIMEOUT_MS * 8);
    session_logout(d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_channel_with_an_old_delivery_is_closed),
        TEST(who_acknowledges_in_time_goes_on_for_ever),
        TEST(the_queue_may_have_its_own_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
