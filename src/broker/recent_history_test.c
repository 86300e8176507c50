/* What is kept, within which bounds, and when it goes. One shard, by hand; what clients see of it is in
 * test/transcripts/exchange_recent_history_*. */
#include "broker/recent_history.h"

#include "broker/broker_fixture.h"
#include "wire/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static struct {
    struct fixture f;
    struct broker *b;
} w;

static void
on_replied(void *server, struct op_reply *r)
{
}

static const struct effects effects = {.replied = on_replied};

static void
apply(const struct meta_command *cmd)
{
    struct meta_result result = {0};
    meta_apply(w.f.node.meta, cmd, &result);
    assert_int_equal(result.code, 0);
}

static int
set_up(void **state)
{
    memset(&w, 0, sizeof w);
    epoch_init(&w.f.epoch, 1);
    w.f.node.epoch = &w.f.epoch;
    fixture_meta_init(&w.f);
    w.b = broker_new(&w.f.node, NULL, &effects, NULL);
    return 0;
}

static int
tear_down(void **state)
{
    while (broker_turn(w.b))
        ;
    broker_check(w.b);
    broker_free(w.b);
    meta_free(w.f.node.meta);
    epoch_fini(&w.f.epoch);
    return 0;
}

static const struct exchange *
declare(const char *name, int64_t length)
{
    struct buffer arguments = {0};
    if (length)
        table_add_int64(&arguments, "x-recent-history-length", length);
    apply(&(struct meta_command){.kind = META_EXCHANGE_DECLARE,
                                 .vhost = slice_str("/"),
                                 .name = slice_str(name),
                                 .type = slice_str("x-recent-history"),
                                 .arguments = buffer_slice(&arguments)});
    buffer_fini(&arguments);
    return exchange_find(w.f.vhost, slice_str(name));
}

static void
publish(const struct exchange *x, uint64_t number, uint32_t size)
{
    static const uint8_t no_properties[2];
    struct message *m = fixture_message(w.b, number, size);
    const struct route *route = route_find(w.b, x, slice_str("key"), slice_of(no_properties, 2));
    unsigned to, pending;
    assert_true(courier_can_publish(w.b, route, &to));
    courier_publish(w.b, route, &m, (struct channel_ref){0}, 0, false, &pending);
    route_cache_turn(w.b->routes);
}

static uint32_t
kept(const struct exchange *x)
{
    return recent_history_count(meta_histories(w.f.node.meta), x->id);
}

/* The number of the first one that a new queue gets, of `count`. */
static uint64_t
first_told(const char *exchange, const char *queue, uint32_t count)
{
    const struct queue_def *def = fixture_queue(&w.f, queue, 0, false);
    apply(&(struct meta_command){.kind = META_QUEUE_BIND,
                                 .vhost = slice_str("/"),
                                 .name = slice_str(queue),
                                 .source = slice_str(exchange)});
    struct queue *q = queue_find(w.b, def->id);
    assert_int_equal(q ? queue_ready_count(q) : 0, count);
    uint64_t position;
    bool redelivered;
    struct message *m = q ? queue_take(q, true, &position, &redelivered) : NULL;
    uint64_t number = m ? fixture_number(m) : 0;
    if (m)
        message_drop(w.b, &m);
    return number;
}

static void
the_latest_are_kept(void **state)
{
    const struct exchange *x = declare("x", 0);
    publish(x, 1, 16);
    assert_int_equal(kept(x), 1);
    for (uint64_t i = 2; i <= 100; i++)
        publish(x, i, 16);
    assert_int_equal(kept(x), RECENT_HISTORY_LENGTH);
    assert_int_equal(first_told("x", "q", RECENT_HISTORY_LENGTH), 100 - RECENT_HISTORY_LENGTH + 1);
}

static void
a_length_beyond_all_bounds_is_cut(void **state)
{
    const struct exchange *x = declare("x", INT64_MAX);
    for (uint64_t i = 1; i <= RECENT_HISTORY_LENGTH_MAX + 3; i++)
        publish(x, i, 16);
    assert_int_equal(kept(x), RECENT_HISTORY_LENGTH_MAX);
    assert_int_equal(first_told("x", "q", RECENT_HISTORY_LENGTH_MAX), 4);
}

static void
the_bytes_of_an_exchange_are_bounded(void **state)
{
    const struct exchange *x = declare("x", 0);
    for (uint64_t i = 1; i <= 4; i++)
        publish(x, i, 20 * MIB);
    assert_int_equal(kept(x), 3);
    publish(x, 5, RECENT_HISTORY_BYTES_MAX); /* with its names it is larger */
    assert_int_equal(kept(x), 3);
    assert_int_equal(first_told("x", "q", 3), 2);
}

static void
the_bytes_of_all_are_bounded(void **state)
{
    const struct exchange *x[6];
    char name[8];
    for (unsigned i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "x%u", i);
        x[i] = declare(name, 0);
        publish(x[i], 1, 50 * MIB);
    }
    assert_int_equal(kept(x[4]), 1);
    assert_int_equal(kept(x[5]), 0); /* the others have all the room */
    publish(x[4], 2, 51 * MIB);      /* its own goes for it */
    assert_int_equal(kept(x[4]), 1);
    assert_int_equal(first_told("x4", "q", 1), 2);
    apply(&(struct meta_command){
        .kind = META_EXCHANGE_DELETE, .vhost = slice_str("/"), .name = slice_str("x0")});
    publish(x[5], 1, 50 * MIB);
    assert_int_equal(kept(x[5]), 1);
}

static void
what_is_kept_goes_with_its_exchange(void **state)
{
    const struct exchange *x = declare("x", 0);
    uint64_t id = x->id;
    publish(x, 1, 16);
    apply(&(struct meta_command){
        .kind = META_EXCHANGE_DELETE, .vhost = slice_str("/"), .name = slice_str("x")});
    struct message *late = fixture_message(w.b, 2, 16);
    courier_keep_history(w.b, id, &late);
    assert_null(late);
    assert_true(broker_is_idle(w.b)); /* nobody holds a message */
    assert_int_equal(kept(declare("x", 0)), 0);
}

int
main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_latest_are_kept),
        CASE(a_length_beyond_all_bounds_is_cut),
        CASE(the_bytes_of_an_exchange_are_bounded),
        CASE(the_bytes_of_all_are_bounded),
        CASE(what_is_kept_goes_with_its_exchange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
