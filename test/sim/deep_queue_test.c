/* Deep queues: what they cost in memory, and that a disk which they have filled becomes free again. */
#include "base/check.h"
#include "durable/durable.h"
#include "sim/sim_broker.h"
#include "sim/sim_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SHARDS = 3, QUEUES = 6, DEEP = 60, DEEP_BODY = 50000, WINDOW = 1 << 20 };
enum { CAPACITY = 1500000, START_ROOM = 100000, BODY = 3000, TRIES = 2000, WAIT_MS = 20000 };

struct world {
    struct sim *sim;
    struct io_world *machine;
    struct sim_broker *broker;
    struct durable_config durable;
    struct sim_session *session;
    bool is_open, has_answer;
    uint64_t confirmed, purged;
};

static void
on_event(void *arg, struct sim_session *s, const struct sim_session_event *e)
{
    struct world *w = arg;
    CHECK(e->kind == SIM_SESSION_OPENED || e->kind == SIM_SESSION_METHOD);
    w->is_open |= e->kind == SIM_SESSION_OPENED;
    if (e->kind != SIM_SESSION_METHOD)
        return;
    if (e->id == AMQP_BASIC_ACK)
        w->confirmed = e->fields->basic_ack.delivery_tag;
    if (e->id == AMQP_QUEUE_PURGE_OK)
        w->purged = e->fields->queue_purge_ok.message_count;
    w->has_answer |= e->id != AMQP_BASIC_ACK && e->channel == 1;
}

static void
set_capacity(struct world *w, uint64_t bytes)
{
    sim_disk_set_faults(w->machine, &(struct sim_disk_faults){.capacity_bytes = bytes});
}

static void
start(struct world *w, unsigned shards)
{
    struct sim_broker_options options;
    sim_broker_options_init(&options);
    options.world = w->machine;
    options.shards = shards;
    options.limits.publish_window_bytes = WINDOW;
    options.durable = &w->durable;
    w->broker = sim_broker_new(w->sim, &options);
    w->machine = w->broker->world;
}

static bool
poll_has_answer(void *arg)
{
    struct world *w = arg;
    (void)sim_session_poll(w->session);
    return w->has_answer;
}

static bool
poll_is_open(void *arg)
{
    struct world *w = arg;
    (void)sim_session_poll(w->session);
    return w->is_open;
}

static void
ask(struct world *w, uint32_t method, const void *fields)
{
    w->has_answer = false;
    sim_session_send(w->session, 1, method, fields);
    assert_true(sim_run_until(w->sim, poll_has_answer, w, WAIT_MS));
}

static void
login(struct world *w)
{
    struct sim_session_options options;
    sim_session_options_init(&options);
    w->is_open = false;
    w->confirmed = 0;
    w->session = sim_session_new(w->sim, w->machine, &options, on_event, w);
    assert_true(sim_run_until(w->sim, poll_is_open, w, WAIT_MS));
    ask(w, AMQP_CHANNEL_OPEN, &(struct amqp_channel_open){0});
    ask(w, AMQP_QUEUE_DECLARE, &(struct amqp_queue_declare){.queue = slice_str("q"), .durable = true});
    ask(w, AMQP_CONFIRM_SELECT, &(struct amqp_confirm_select){0});
}

static bool
poll_is_confirmed(void *arg)
{
    struct world *w = arg;
    (void)sim_session_poll(w->session);
    return w->confirmed > 0;
}

/* One persistent message; is it confirmed within a while? */
static bool
publish(struct world *w, const char *queue, size_t size, uint64_t ms)
{
    static const uint8_t persistent[] = {0x10, 0, 2};
    static uint8_t body[DEEP_BODY];
    w->confirmed = 0;
    sim_session_publish(w->session, 1, &(struct amqp_basic_publish){.routing_key = slice_str(queue)},
                        slice_of(persistent, sizeof persistent), slice_of(body, size), 0);
    return sim_run_until(w->sim, poll_is_confirmed, w, ms);
}

/* The connection is on one shard, the queues are on all: a message is in the memory of the shard that it came
 * in by, and those that hold it there must know. */
static void
backlogs_on_other_shards_than_the_publishers_are_paged_out(void **state)
{
    struct world w = {.sim = sim_new(1)};
    sim_broker_durable_init(&w.durable);
    w.durable.resident_bytes = SHARDS << 20;
    start(&w, SHARDS);
    login(&w);
    for (unsigned i = 0; i < QUEUES; i++) {
        char name[16];
        snprintf(name, sizeof name, "deep%u", i);
        ask(&w, AMQP_QUEUE_DECLARE, &(struct amqp_queue_declare){.queue = slice_str(name), .durable = true});
        for (unsigned k = 0; k < DEEP; k++)
            assert_true(publish(&w, name, DEEP_BODY, WAIT_MS));
    }
    sim_run_for(w.sim, 1000);
    size_t bytes = sim_broker_pool_bytes(w.broker);
    if (bytes > 2 * w.durable.resident_bytes)
        fail_msg("%zu bytes of %u are in memory, and %zu may be", bytes, QUEUES * DEEP * DEEP_BODY,
                 (size_t)w.durable.resident_bytes);
    sim_session_free(w.session);
    sim_broker_free(w.broker);
    sim_free(w.sim);
}

/* Much memory that cannot be paged out is no reason to hold up publishers: it would not become less. */
static void
a_transient_backlog_does_not_stop_publishers_of_other_shards(void **state)
{
    struct world w = {.sim = sim_new(1)};
    sim_broker_durable_init(&w.durable);
    w.durable.pressure_bytes = 0; /* what is transient stays in memory */
    start(&w, SHARDS);
    login(&w);
    for (unsigned i = 0; i < 2 * QUEUES; i++) {
        bool is_durable = i >= QUEUES;
        char name[16];
        snprintf(name, sizeof name, "deep%u", i);
        ask(&w, AMQP_QUEUE_DECLARE,
            &(struct amqp_queue_declare){.queue = slice_str(name), .durable = is_durable});
        for (unsigned k = 0; k < DEEP; k++)
            if (!publish(&w, name, DEEP_BODY, WAIT_MS))
                fail_msg("message %u into %s is not confirmed", k, name);
    }
    sim_session_free(w.session);
    sim_broker_free(w.broker);
    sim_free(w.sim);
}

/* A node whose disk was full when it went down: its first checkpoint has no room for what is left in the old
 * log. Emptying the queues must free the disk all the same, for nothing else can. */
static void
a_disk_that_is_full_at_the_start_is_freed_by_a_purge(void **state)
{
    struct world w = {.sim = sim_new(1)};
    uint64_t count = 0;
    sim_broker_durable_init(&w.durable);
    start(&w, 1);
    set_capacity(&w, CAPACITY);
    login(&w);
    while (count < TRIES && publish(&w, "q", BODY, 3000))
        count++;
    assert_in_range(count, 100, TRIES - 1); /* it is full */
    sim_node_kill(w.machine);
    sim_session_free(w.session);
    sim_broker_bury(w.broker);
    set_capacity(&w, CAPACITY + START_ROOM);
    start(&w, 1);
    login(&w);
    sim_run_for(w.sim, 2000);
    ask(&w, AMQP_QUEUE_PURGE, &(struct amqp_queue_purge){.queue = slice_str("q")});
    assert_true(w.purged >= count);
    for (uint64_t i = 0; i < count / 2; i++)
        if (!publish(&w, "q", BODY, WAIT_MS))
            fail_msg("of %llu messages that had room before %llu have now", (unsigned long long)count,
                     (unsigned long long)i);
    sim_session_free(w.session);
    sim_broker_free(w.broker);
    sim_free(w.sim);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backlogs_on_other_shards_than_the_publishers_are_paged_out),
        cmocka_unit_test(a_transient_backlog_does_not_stop_publishers_of_other_shards),
        cmocka_unit_test(a_disk_that_is_full_at_the_start_is_freed_by_a_purge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
