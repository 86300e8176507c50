/* Whole sessions against one node, with one shard and with three: over the simulated network and over TCP. */
#include "server/session_fixture.h"

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

static struct amqp_basic_deliver
expect_deliver(struct session_client *c, const char *body)
{
    struct amqp_basic_deliver d;
    session_expect(c, 1, AMQP_BASIC_DELIVER, &d);
    struct slice got = session_expect_content(c, 1, NULL);
    assert_true(slice_eq_str(got, body));
    return d;
}

static void
consume(struct session_client *c, const char *queue, bool no_ack)
{
    struct amqp_basic_consume m = {
        .queue = slice_str(queue), .consumer_tag = slice_str("tag"), .no_ack = no_ack};
    session_send(c, 1, AMQP_BASIC_CONSUME, &m);
    session_expect(c, 1, AMQP_BASIC_CONSUME_OK, NULL);
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

/* The channel is closed with this code and text; the close is answered. */
static void
expect_channel_close(struct session_client *c, uint16_t channel, uint16_t code, const char *text)
{
    struct amqp_channel_close close;
    session_expect(c, channel, AMQP_CHANNEL_CLOSE, &close);
    assert_int_equal(close.reply_code, code);
    if (!slice_eq_str(close.reply_text, text))
        fprintf(stderr, "got: %.*s\n", SLICE_FMT(close.reply_text));
    assert_true(slice_eq_str(close.reply_text, text));
    session_send(c, channel, AMQP_CHANNEL_CLOSE_OK, NULL);
}

static void
expect_connection_close(struct session_client *c, uint16_t code, const char *text)
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

/* ---- connections ---- */

static void
test_login_and_logout(void **state)
{
    session_logout(session_login(world(state)));
}

static void
test_wrong_header_gets_ours_and_the_end(void **state)
{
    struct session_client *c = session_client_open(world(state));
    session_client_send(c, "AMQP\0\1\0\0", 8);
    struct slice got = session_client_peek(c, 8);
    assert_int_equal(got.len, 8);
    assert_memory_equal(got.data, "AMQP\0\0\11\1", 8);
    assert_true(session_client_is_ended(c));
    session_client_free(c);
}

static void
test_garbage_gets_the_header(void **state)
{
    struct session_client *c = session_client_open(world(state));
    session_client_send(c, "GET / HTTP/1.1\r\n\r\n", 18);
    struct slice got = session_client_peek(c, 8);
    assert_int_equal(got.len, 8);
    assert_true(session_client_is_ended(c));
    session_client_free(c);
}

static void
test_second_open_of_a_channel(void **state)
{
    struct session_client *c = session_login(world(state));
    session_send(c, 1, AMQP_CHANNEL_OPEN, NULL);
    expect_connection_close(c, 504, "CHANNEL_ERROR - second 'channel.open' seen");
}

static void
test_frame_end_is_wrong(void **state)
{
    struct session_client *c = session_login(world(state));
    session_client_send(c, "\1\0\1\0\0\0\1x\0", 9);
    struct amqp_connection_close close;
    session_expect(c, 0, AMQP_CONNECTION_CLOSE, &close);
    assert_int_equal(close.reply_code, 501);
    assert_true(session_client_is_ended(c));
    session_client_free(c);
}

/* ---- messages ---- */

static void
test_publish_get_ack(void **state)
{
    struct session_client *c = session_login(world(state));
    session_declare(c, 1, "q");
    session_publish(c, 1, "", "q", "hello");
    struct amqp_basic_get get = {.queue = slice_str("q")};
    session_send(c, 1, AMQP_BASIC_GET, &get);
    struct amqp_basic_get_ok ok;
    session_expect(c, 1, AMQP_BASIC_GET_OK, &ok);
    assert_int_equal(ok.delivery_tag, 1);
    assert_int_equal(ok.message_count, 0);
    assert_true(slice_eq_str(ok.routing_key, "q"));
    assert_true(slice_eq_str(session_expect_content(c, 1, NULL), "hello"));
    struct amqp_basic_ack ack = {.delivery_tag = 1};
    session_send(c, 1, AMQP_BASIC_ACK, &ack);
    session_send(c, 1, AMQP_BASIC_GET, &get);
    session_expect(c, 1, AMQP_BASIC_GET_EMPTY, NULL);
    session_send(c, 1, AMQP_BASIC_ACK, &ack);
    expect_channel_close(c, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 1");
    session_open_channel(c, 1);
    assert_int_equal(count(c, "q"), 0);
    session_logout(c);
}

static void
test_order_over_connections(void **state)
{
    struct session_client *publisher = session_login(world(state)), *consumer = session_login(world(state));
    session_declare(publisher, 1, "order");
    consume(consumer, "order", true);
    enum { MESSAGES = 2000 };
    char body[32];
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(body, sizeof body, "message %d", i);
        session_publish(publisher, 1, "", "order", body);
        if (i % 100 == 99)
            for (int j = i - 99; j <= i; j++) {
                snprintf(body, sizeof body, "message %d", j);
                assert_int_equal(expect_deliver(consumer, body).delivery_tag, j + 1);
            }
    }
    session_logout(publisher);
    session_logout(consumer);
}

static void
test_large_body_is_cut(void **state)
{
    struct session_client *c = session_login(world(state)), *d = session_login(world(state));
    session_declare(c, 1, "large");
    consume(d, "large", false);
    enum { SIZE = 3000000 };
    uint8_t *body = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        body[i] = (uint8_t)(i * 7 + i / 251);
    struct amqp_basic_publish m = {.routing_key = slice_str("large")};
    session_publish_bytes(c, 1, &m, slice_of("\x90\0\3a/b\2", 7), slice_of(body, SIZE), 131072);
    session_expect(d, 1, AMQP_BASIC_DELIVER, NULL);
    struct slice properties, got = session_expect_content(d, 1, &properties);
    assert_int_equal(got.len, SIZE);
    assert_memory_equal(got.data, body, SIZE);
    assert_true(slice_eq(properties, slice_of("\x90\0\3a/b\2", 7)));
    free(body);
    session_logout(c);
    session_logout(d);
}

static void
test_split_anywhere(void **state)
{
    struct session_client *c = session_login(world(state));
    session_declare(c, 1, "split");
    struct amqp_basic_publish m = {.routing_key = slice_str("split")};
    struct buffer out = {0};
    out.len += amqp_encode_basic_publish(buffer_reserve(&out, 600), 1, &m);
    out.len += content_header_encode(buffer_reserve(&out, 100), 1, 60, 10, slice_of("\0\0", 2));
    buffer_add(&out, "\3\0\1\0\0\0\4abcd\xce\3\0\1\0\0\0\6efghij\xce", 26);
    for (size_t cut = 1; cut < out.len; cut++) {
        session_client_send(c, out.data, cut);
        session_world_wait(world(state), 1);
        session_client_send(c, out.data + cut, out.len - cut);
    }
    struct amqp_basic_get get = {.queue = slice_str("split"), .no_ack = true};
    for (size_t cut = 1; cut < out.len; cut++) {
        session_send(c, 1, AMQP_BASIC_GET, &get);
        session_expect(c, 1, AMQP_BASIC_GET_OK, NULL);
        assert_true(slice_eq_str(session_expect_content(c, 1, NULL), "abcdefghij"));
    }
    buffer_fini(&out);
    session_logout(c);
}

static void
test_requeue_and_redelivery(void **state)
{
    struct session_client *c = session_login(world(state));
    session_declare(c, 1, "requeue");
    session_publish(c, 1, "", "requeue", "one");
    session_publish(c, 1, "", "requeue", "two");
    consume(c, "requeue", false);
    assert_false(expect_deliver(c, "one").redelivered);
    assert_int_equal(expect_deliver(c, "two").delivery_tag, 2);
    struct amqp_basic_nack nack = {.delivery_tag = 2, .multiple = true, .requeue = true};
    session_send(c, 1, AMQP_BASIC_NACK, &nack);
    struct amqp_basic_deliver d = expect_deliver(c, "one");
    assert_true(d.redelivered);
    assert_int_equal(d.delivery_tag, 3);
    expect_deliver(c, "two");
    session_send(c, 1, AMQP_CHANNEL_CLOSE, NULL);
    session_expect(c, 1, AMQP_CHANNEL_CLOSE_OK, NULL);
    session_open_channel(c, 1);
    assert_int_equal(count(c, "requeue"), 2);
    session_logout(c);
}

static void
test_prefetch(void **state)
{
    struct session_client *c = session_login(world(state)), *p = session_login(world(state));
    session_declare(p, 1, "prefetch");
    struct amqp_basic_qos qos = {.prefetch_count = 2};
    session_send(c, 1, AMQP_BASIC_QOS, &qos);
    session_expect(c, 1, AMQP_BASIC_QOS_OK, NULL);
    consume(c, "prefetch", false);
    for (int i = 0; i < 4; i++)
        session_publish(p, 1, "", "prefetch", "m");
    expect_deliver(c, "m");
    expect_deliver(c, "m");
    assert_int_equal(count(p, "prefetch"), 2);
    struct amqp_basic_ack ack = {.delivery_tag = 1};
    session_send(c, 1, AMQP_BASIC_ACK, &ack);
    assert_int_equal(expect_deliver(c, "m").delivery_tag, 3);
    assert_int_equal(count(p, "prefetch"), 1);
    session_logout(c);
    assert_int_equal(count(p, "prefetch"), 3);
    session_logout(p);
}

static void
test_global_prefetch(void **state)
{
    struct session_client *c = session_login(world(state)), *p = session_login(world(state));
    session_declare(p, 1, "g1");
    session_declare(p, 1, "g2");
    struct amqp_basic_qos qos = {.prefetch_count = 3, .global = true};
    session_send(c, 1, AMQP_BASIC_QOS, &qos);
    session_expect(c, 1, AMQP_BASIC_QOS_OK, NULL);
    for (int i = 0; i < 2; i++) {
        struct amqp_basic_consume m = {.queue = slice_str(i ? "g1" : "g2")};
        session_send(c, 1, AMQP_BASIC_CONSUME, &m);
        session_expect(c, 1, AMQP_BASIC_CONSUME_OK, NULL);
    }
    for (int i = 0; i < 10; i++)
        session_publish(p, 1, "", i & 1 ? "g1" : "g2", "m");
    for (int i = 0; i < 3; i++)
        expect_deliver(c, "m");
    assert_int_equal(count(p, "g1") + count(p, "g2"), 7);
    for (unsigned i = 0; i < 7; i++) {
        struct amqp_basic_ack ack = {.delivery_tag = i + 1};
        session_send(c, 1, AMQP_BASIC_ACK, &ack);
        assert_int_equal(expect_deliver(c, "m").delivery_tag, i + 4);
    }
    session_logout(c);
    session_logout(p);
}

/* ---- publishing ---- */

static void
test_mandatory_return_comes_before_its_ack(void **state)
{
    struct session_client *c = session_login(world(state));
    session_send(c, 1, AMQP_CONFIRM_SELECT, NULL);
    session_expect(c, 1, AMQP_CONFIRM_SELECT_OK, NULL);
    struct amqp_basic_publish m = {.routing_key = slice_str("nowhere"), .mandatory = true};
    session_publish_bytes(c, 1, &m, slice_of("\0\0", 2), slice_str("lost"), 4096);
    struct amqp_basic_return r;
    session_expect(c, 1, AMQP_BASIC_RETURN, &r);
    assert_int_equal(r.reply_code, 312);
    assert_true(slice_eq_str(r.reply_text, "NO_ROUTE"));
    assert_true(slice_eq_str(session_expect_content(c, 1, NULL), "lost"));
    struct amqp_basic_ack ack;
    session_expect(c, 1, AMQP_BASIC_ACK, &ack);
    assert_int_equal(ack.delivery_tag, 1);
    session_logout(c);
}

static void
test_confirms_over_shards(void **state)
{
    struct session_client *c = session_login(world(state));
    for (int i = 0; i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%d", i);
        session_declare(c, 1, name);
        struct amqp_queue_bind bind = {.queue = slice_str(name), .exchange = slice_str("amq.fanout")};
        session_send(c, 1, AMQP_QUEUE_BIND, &bind);
        session_expect(c, 1, AMQP_QUEUE_BIND_OK, NULL);
    }
    session_send(c, 1, AMQP_CONFIRM_SELECT, NULL);
    session_expect(c, 1, AMQP_CONFIRM_SELECT_OK, NULL);
    enum { MESSAGES = 500 };
    for (int i = 0; i < MESSAGES; i++)
        session_publish(c, 1, i & 1 ? "amq.fanout" : "", i % 3 ? "c3" : "c5", "m");
    bool confirmed[MESSAGES + 1] = {0};
    for (uint64_t first = 1; first <= MESSAGES;) {
        struct amqp_basic_ack ack;
        session_expect(c, 1, AMQP_BASIC_ACK, &ack);
        assert_in_range(ack.delivery_tag, first, MESSAGES);
        for (uint64_t i = ack.multiple ? first : ack.delivery_tag; i <= ack.delivery_tag; i++)
            confirmed[i] = true;
        while (first <= MESSAGES && confirmed[first])
            first++;
    }
    assert_int_equal(count(c, "c0"), MESSAGES / 2);
    session_logout(c);
}

static void
test_publish_to_a_missing_exchange(void **state)
{
    struct session_client *c = session_login(world(state));
    session_publish(c, 1, "nonesuch", "k", "m");
    session_publish(c, 1, "nonesuch", "k", "thrown away");
    expect_channel_close(c, 1, 404, "NOT_FOUND - no exchange 'nonesuch' in vhost '/'");
    session_open_channel(c, 1);
    session_logout(c);
}

static void
test_transaction(void **state)
{
    struct session_client *c = session_login(world(state));
    session_declare(c, 1, "tx");
    session_send(c, 1, AMQP_TX_SELECT, NULL);
    session_expect(c, 1, AMQP_TX_SELECT_OK, NULL);
    session_publish(c, 1, "", "tx", "dropped");
    session_send(c, 1, AMQP_TX_ROLLBACK, NULL);
    session_expect(c, 1, AMQP_TX_ROLLBACK_OK, NULL);
    session_publish(c, 1, "", "tx", "kept");
    assert_int_equal(count(c, "tx"), 0);
    session_send(c, 1, AMQP_TX_COMMIT, NULL);
    session_expect(c, 1, AMQP_TX_COMMIT_OK, NULL);
    assert_int_equal(count(c, "tx"), 1);
    consume(c, "tx", false);
    expect_deliver(c, "kept");
    struct amqp_basic_ack ack = {.delivery_tag = 1};
    session_send(c, 1, AMQP_BASIC_ACK, &ack);
    session_send(c, 1, AMQP_TX_ROLLBACK, NULL);
    session_expect(c, 1, AMQP_TX_ROLLBACK_OK, NULL);
    session_send(c, 1, AMQP_BASIC_ACK, &ack);
    session_send(c, 1, AMQP_TX_COMMIT, NULL);
    session_expect(c, 1, AMQP_TX_COMMIT_OK, NULL);
    session_send(c, 1, AMQP_BASIC_ACK, &ack);
    expect_channel_close(c, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 1");
    session_logout(c);
}

/* ---- declarations ---- */

static void
test_pipelined_declarations_are_answered_in_order(void **state)
{
    struct session_client *c = session_login(world(state));
    enum { QUEUES = 50 };
    char name[16];
    for (int i = 0; i < QUEUES; i++) {
        snprintf(name, sizeof name, "pipe%d", i % 40);
        struct amqp_queue_declare m = {.queue = slice_str(name)};
        session_send(c, 1, AMQP_QUEUE_DECLARE, &m);
        struct amqp_queue_bind bind = {.exchange = slice_str("amq.direct"), .routing_key = slice_str("k")};
        session_send(c, 1, AMQP_QUEUE_BIND, &bind);
    }
    session_publish(c, 1, "amq.direct", "k", "m");
    for (int i = 0; i < QUEUES; i++) {
        snprintf(name, sizeof name, "pipe%d", i % 40);
        struct amqp_queue_declare_ok ok;
        session_expect(c, 1, AMQP_QUEUE_DECLARE_OK, &ok);
        assert_true(slice_eq_str(ok.queue, name));
        session_expect(c, 1, AMQP_QUEUE_BIND_OK, NULL);
    }
    assert_int_equal(count(c, "pipe7"), 1);
    session_logout(c);
}

static void
test_an_error_waits_for_the_answers_before_it(void **state)
{
    struct session_client *c = session_login(world(state));
    struct amqp_queue_declare m = {.queue = slice_str("waits")},
                              missing = {.queue = slice_str("missing"), .passive = true};
    session_send(c, 1, AMQP_QUEUE_DECLARE, &m);
    session_send(c, 1, AMQP_QUEUE_DECLARE, &missing);
    session_send(c, 1, AMQP_QUEUE_DECLARE, &m);
    session_expect(c, 1, AMQP_QUEUE_DECLARE_OK, NULL);
    expect_channel_close(c, 1, 404, "NOT_FOUND - no queue 'missing' in vhost '/'");
    session_open_channel(c, 1);
    session_logout(c);
}

static void
test_redeclare_otherwise(void **state)
{
    struct session_client *c = session_login(world(state));
    session_declare(c, 1, "equal");
    session_declare(c, 1, "equal");
    struct amqp_queue_declare m = {.queue = slice_str("equal"), .durable = true};
    session_send(c, 1, AMQP_QUEUE_DECLARE, &m);
    expect_channel_close(
        c, 1, 406,
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'equal' in vhost '/': received "
        "'true' but current is 'false'");
    session_logout(c);
}

static void
test_exclusive_queue_is_gone_with_close_ok(void **state)
{
    struct session_client *c = session_login(world(state)), *d = session_login(world(state));
    struct amqp_queue_declare m = {.queue = slice_str("mine"), .exclusive = true};
    session_send(c, 1, AMQP_QUEUE_DECLARE, &m);
    session_expect(c, 1, AMQP_QUEUE_DECLARE_OK, NULL);
    struct amqp_queue_declare passive = {.queue = slice_str("mine"), .passive = true};
    session_send(d, 1, AMQP_QUEUE_DECLARE, &passive);
    expect_channel_close(
        d, 1, 405,
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '/'. It could "
        "be originally declared on another connection or the exclusive property value does not match that "
        "of the original declaration.");
    session_open_channel(d, 1);
    session_logout(c);
    session_send(d, 1, AMQP_QUEUE_DECLARE, &m);
    session_expect(d, 1, AMQP_QUEUE_DECLARE_OK, NULL);
    session_logout(d);
}

static void
test_deleted_queue_cancels_its_consumer(void **state)
{
    struct session_client *c = session_login(world(state)), *d = session_login(world(state));
    session_declare(c, 1, "doomed");
    consume(d, "doomed", false);
    session_publish(c, 1, "", "doomed", "m");
    expect_deliver(d, "m");
    struct amqp_queue_delete m = {.queue = slice_str("doomed"), .if_unused = true};
    session_send(c, 1, AMQP_QUEUE_DELETE, &m);
    expect_channel_close(c, 1, 406, "PRECONDITION_FAILED - queue 'doomed' in vhost '/' in use");
    session_open_channel(c, 1);
    m.if_unused = false;
    session_send(c, 1, AMQP_QUEUE_DELETE, &m);
    session_expect(c, 1, AMQP_QUEUE_DELETE_OK, NULL);
    struct amqp_basic_cancel cancel;
    session_expect(d, 1, AMQP_BASIC_CANCEL, &cancel);
    assert_true(slice_eq_str(cancel.consumer_tag, "tag"));
    struct amqp_basic_ack ack = {.delivery_tag = 1};
    session_send(d, 1, AMQP_BASIC_ACK, &ack);
    session_logout(d);
    session_logout(c);
}

static void
test_direct_reply(void **state)
{
    struct session_client *client = session_login(world(state)), *service = session_login(world(state));
    session_declare(service, 1, "requests");
    consume(service, "requests", true);
    consume(client, "amq.rabbitmq.reply-to", true);
    struct amqp_basic_publish m = {.routing_key = slice_str("requests")};
    session_publish_bytes(client, 1, &m,
                          slice_of("\2\0\x15"
                                   "amq.rabbitmq.reply-to",
                                   24),
                          slice_str("question"), 4096);
    session_expect(service, 1, AMQP_BASIC_DELIVER, NULL);
    struct slice properties;
    session_expect_content(service, 1, &properties);
    assert_true(properties.len > 25);
    char address[256];
    memcpy(address, properties.data + 3, properties.len - 3);
    address[properties.len - 3] = 0;
    struct amqp_queue_declare asks = {.queue = slice_str(address), .passive = true};
    session_send(service, 1, AMQP_QUEUE_DECLARE, &asks);
    session_expect(service, 1, AMQP_QUEUE_DECLARE_OK, NULL);
    session_publish(service, 1, "", address, "answer");
    expect_deliver(client, "answer");
    session_logout(client);
    session_send(service, 1, AMQP_QUEUE_DECLARE, &asks);
    struct amqp_channel_close close;
    session_expect(service, 1, AMQP_CHANNEL_CLOSE, &close);
    assert_int_equal(close.reply_code, 404);
    session_logout(service);
}

static void
test_channels_are_independent(void **state)
{
    struct session_client *c = session_login(world(state));
    session_open_channel(c, 2);
    session_open_channel(c, 300);
    session_declare(c, 300, "ind");
    session_publish(c, 2, "nonesuch", "", "m");
    expect_channel_close(c, 2, 404, "NOT_FOUND - no exchange 'nonesuch' in vhost '/'");
    assert_int_equal(count(c, "ind"), 0);
    session_open_channel(c, 2);
    session_declare(c, 2, "ind");
    session_logout(c);
}

/* ---- flow ---- */

static void
test_slow_consumer_is_bounded(void **state)
{
    struct session_client *p = session_login(world(state)), *c = session_login(world(state));
    session_declare(p, 1, "slow");
    consume(c, "slow", true);
    enum { MESSAGES = 60, SIZE = 100000 };
    uint8_t *body = calloc(1, SIZE);
    struct amqp_basic_publish m = {.routing_key = slice_str("slow")};
    for (int i = 0; i < MESSAGES; i++) {
        memcpy(body, &i, sizeof i);
        session_publish_bytes(p, 1, &m, slice_of("\0\0", 2), slice_of(body, SIZE), 131072);
    }
    for (int i = 0; i < MESSAGES; i++) {
        session_expect(c, 1, AMQP_BASIC_DELIVER, NULL);
        struct slice got = session_expect_content(c, 1, NULL);
        assert_int_equal(got.len, SIZE);
        assert_memory_equal(got.data, &i, sizeof i);
    }
    free(body);
    session_logout(p);
    session_logout(c);
}

static int
setup(void **state, unsigned shards)
{
    *state = session_world_new(shards, NULL, shards);
    return 0;
}
static int
setup_1(void **state)
{
    return setup(state, 1);
}
static int
setup_3(void **state)
{
    return setup(state, 3);
}
static int
teardown(void **state)
{
    struct session_world *w = *state;
    assert_true(session_world_settle(w));
    session_world_free(w);
    return 0;
}

#define TEST(name)                                                                                           \
    {#name " (1 shard)", name, setup_1, teardown, NULL},                                                     \
    {                                                                                                        \
#name " (3 shards)", name, setup_3, teardown, NULL                                                   \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_login_and_logout),
        TEST(test_wrong_header_gets_ours_and_the_end),
        TEST(test_garbage_gets_the_header),
        TEST(test_second_open_of_a_channel),
        TEST(test_frame_end_is_wrong),
        TEST(test_publish_get_ack),
        TEST(test_order_over_connections),
        TEST(test_large_body_is_cut),
        TEST(test_split_anywhere),
        TEST(test_requeue_and_redelivery),
        TEST(test_prefetch),
        TEST(test_global_prefetch),
        TEST(test_mandatory_return_comes_before_its_ack),
        TEST(test_confirms_over_shards),
        TEST(test_publish_to_a_missing_exchange),
        TEST(test_transaction),
        TEST(test_pipelined_declarations_are_answered_in_order),
        TEST(test_an_error_waits_for_the_answers_before_it),
        TEST(test_redeclare_otherwise),
        TEST(test_exclusive_queue_is_gone_with_close_ok),
        TEST(test_deleted_queue_cancels_its_consumer),
        TEST(test_direct_reply),
        TEST(test_channels_are_independent),
        TEST(test_slow_consumer_is_bounded),
    };
    return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
