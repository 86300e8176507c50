/*
 * Flows from seeds, in the simulated world: several publishers and consumers over several queues and three
 * shards, with connections that stay where they were accepted, so that everything crosses; tiny and large
 * bodies, acks or not, clients that read slowly. Nothing is lost, doubled or out of order, and nobody waits
 * for ever.
 */
#include "server/session_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FLOWS = 4, PUBLISHES = 60, BODY_MAX = 300000 };

static uint64_t random_state;

static uint64_t
random_below(uint64_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % bound;
}

struct flow {
    struct session_client *publisher, *consumer;
    char queue[16];
    uint32_t published, received, confirmed;
    bool no_ack, confirms;
    uint32_t sizes[PUBLISHES];
};

static uint32_t
random_size(void)
{
    switch (random_below(4)) {
    case 0: return (uint32_t)random_below(BODY_MAX) + 4;
    case 1: return (uint32_t)random_below(10000) + 4;
    default: return (uint32_t)random_below(100) + 4;
    }
}

static void
flow_start(struct flow *f, struct session_world *w, unsigned i)
{
    *f = (struct flow){.no_ack = random_below(2), .confirms = random_below(2)};
    snprintf(f->queue, sizeof f->queue, "flow%u", i);
    f->publisher = session_login(w);
    f->consumer = session_login(w);
    session_declare(random_below(2) ? f->publisher : f->consumer, 1, f->queue);
    struct amqp_basic_qos qos = {.prefetch_count = (uint16_t)random_below(20),
                                 .global = random_below(3) == 0};
    session_send(f->consumer, 1, AMQP_BASIC_QOS, &qos);
    session_expect(f->consumer, 1, AMQP_BASIC_QOS_OK, NULL);
    struct amqp_basic_consume consume = {.queue = slice_str(f->queue), .no_ack = f->no_ack};
    session_send(f->consumer, 1, AMQP_BASIC_CONSUME, &consume);
    session_expect(f->consumer, 1, AMQP_BASIC_CONSUME_OK, NULL);
    if (f->confirms) {
        session_send(f->publisher, 1, AMQP_CONFIRM_SELECT, NULL);
        session_expect(f->publisher, 1, AMQP_CONFIRM_SELECT_OK, NULL);
    }
}

static void
flow_publish(struct flow *f, uint8_t *body)
{
    uint32_t size = f->sizes[f->published] = random_size();
    memcpy(body, &f->published, sizeof f->published);
    struct amqp_basic_publish m = {.routing_key = slice_str(f->queue)};
    session_publish_bytes(f->publisher, 1, &m, slice_of("\0\0", 2), slice_of(body, size),
                          random_below(2) ? 131072 : 4096);
    f->published++;
}

static void
flow_receive(struct flow *f)
{
    struct amqp_basic_deliver d;
    session_expect(f->consumer, 1, AMQP_BASIC_DELIVER, &d);
    assert_int_equal(d.delivery_tag, f->received + 1);
    uint64_t tag = d.delivery_tag;
    struct slice body = session_expect_content(f->consumer, 1, NULL);
    assert_int_equal(body.len, f->sizes[f->received]);
    assert_memory_equal(body.data, &f->received, sizeof f->received);
    f->received++;
    struct amqp_basic_ack ack = {.delivery_tag = tag};
    if (!f->no_ack)
        session_send(f->consumer, 1, AMQP_BASIC_ACK, &ack);
}

static void
flow_end(struct flow *f)
{
    while (f->confirms && f->confirmed < f->published) {
        struct amqp_basic_ack ack;
        session_expect(f->publisher, 1, AMQP_BASIC_ACK, &ack);
        f->confirmed = ack.multiple ? (uint32_t)ack.delivery_tag : f->confirmed + 1;
    }
    session_logout(f->publisher);
    session_logout(f->consumer);
}

static void
run_flows(unsigned seed)
{
    struct server_config config;
    server_config_init(&config);
    random_state = seed;
    config.move_connections = random_below(2);
    config.limits.output_high_bytes = (uint32_t)random_below(200000) + 1000;
    config.limits.output_low_bytes = config.limits.output_high_bytes / 4;
    config.limits.read_turn_bytes = (uint32_t)random_below(100000) + 100;
    struct session_world *w = session_world_new(3, &config, seed);
    struct flow flows[FLOWS];
    uint8_t *body = calloc(1, BODY_MAX + 4);
    for (unsigned i = 0; i < FLOWS; i++)
        flow_start(&flows[i], w, i);
    uint32_t left = FLOWS * PUBLISHES * 2;
    while (left > 0) {
        struct flow *f = &flows[random_below(FLOWS)];
        if (f->published < PUBLISHES && random_below(3)) {
            flow_publish(f, body);
            left--;
        } else if (f->received < f->published) {
            flow_receive(f);
            left--;
        }
    }
    for (unsigned i = 0; i < FLOWS; i++)
        flow_end(&flows[i]);
    free(body);
    session_world_wait(w, 100);
    for (unsigned i = 0; i < 3; i++)
        broker_check(session_world_node(w)->server->parts[i]->broker);
    assert_int_equal(server_connection_count(session_world_node(w)->server), 0);
    session_world_free(w);
}

static void
test_flows(void **state)
{
    unsigned only = getenv("SEED") ? (unsigned)strtoul(getenv("SEED"), NULL, 10) : 0;
    for (unsigned seed = only ? only : 1; seed <= (only ? only : 30); seed++) {
        print_message("seed %u\n", seed);
        run_flows(seed);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_flows)};
    return cmocka_run_group_tests_name("flows", tests, NULL, NULL);
}
