/* What the broker itself publishes: order, what is full, what has gone meanwhile. One shard, by hand. */
#include "broker/inside.h"

#include "broker/broker_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LINE_MAX_HERE = 16384, LINE_BYTES_HERE = 32 << 20, BIG = 20 << 20 };

static struct {
    struct fixture f;
    struct broker *b;
    const struct queue_def *q;
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
    w.q = fixture_queue(&w.f, "q", 0, false);
    apply(&(struct meta_command){.kind = META_QUEUE_BIND,
                                 .vhost = slice_str("/"),
                                 .name = slice_str("q"),
                                 .source = slice_str("amq.topic"),
                                 .routing_key = slice_str("told.#")});
    return 0;
}

static int
tear_down(void **state)
{
    broker_check(w.b);
    broker_free(w.b);
    meta_free(w.f.node.meta);
    epoch_fini(&w.f.epoch);
    return 0;
}

static void
tell(const struct vhost *v, const char *exchange, uint64_t number, uint32_t size)
{
    static const uint8_t no_properties[2];
    struct message *m = message_new(w.b, slice_str(exchange), slice_str("told.of"),
                                    slice_of(no_properties, sizeof no_properties), size);
    memset(message_body_mut(m), 0, size);
    memcpy(message_body_mut(m), &number, sizeof number);
    inside_publish(w.b, v, &m);
    assert_null(m);
}

static uint32_t
ready(void)
{
    struct queue *q = queue_find(w.b, w.q->id);
    return q ? queue_ready_count(q) : 0;
}

static void
turns(void)
{
    while (broker_turn(w.b))
        ;
}

static void
it_is_published_when_the_turn_ends_and_in_order(void **state)
{
    for (uint64_t i = 0; i < 3000; i++)
        tell(w.f.vhost, "amq.topic", i, 16);
    assert_int_equal(ready(), 0);
    assert_false(broker_is_idle(w.b));
    turns();
    assert_int_equal(ready(), 3000);
    struct queue *q = queue_find(w.b, w.q->id);
    for (uint64_t i = 0; i < 3000; i++) {
        uint64_t position;
        bool redelivered;
        struct message *m = queue_take(q, true, &position, &redelivered);
        assert_non_null(m);
        assert_int_equal(fixture_number(m), i);
        message_drop(w.b, &m);
    }
    turns();
    assert_true(inside_is_idle(w.b));
}

static void
a_full_line_drops_and_counts(void **state)
{
    for (uint64_t i = 0; i < LINE_MAX_HERE + 7; i++)
        tell(w.f.vhost, "amq.topic", i, 16);
    assert_int_equal(inside_dropped(w.b), 7);
    turns();
    assert_int_equal(ready(), LINE_MAX_HERE);
    tell(w.f.vhost, "amq.topic", 0, 16);
    assert_int_equal(inside_dropped(w.b), 7);
}

static void
its_bytes_are_bounded_but_one_message_always_fits(void **state)
{
    tell(w.f.vhost, "amq.topic", 0, LINE_BYTES_HERE + 1);
    assert_int_equal(inside_dropped(w.b), 0);
    tell(w.f.vhost, "amq.topic", 1, 16);
    assert_int_equal(inside_dropped(w.b), 1);
    turns();
    tell(w.f.vhost, "amq.topic", 2, BIG);
    tell(w.f.vhost, "amq.topic", 3, BIG);
    assert_int_equal(inside_dropped(w.b), 2);
    turns();
    assert_int_equal(ready(), 2);
}

static void
nobody_wants_what_no_binding_fits(void **state)
{
    const struct exchange *x = exchange_find(w.f.vhost, slice_str("amq.topic"));
    assert_true(inside_is_wanted(w.b, x, slice_str("told.of")));
    assert_false(inside_is_wanted(w.b, x, slice_str("other")));
}

static void
what_it_was_meant_for_may_go_meanwhile(void **state)
{
    apply(&(struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("v")});
    const struct vhost *v = vhost_find(w.f.node.meta, slice_str("v"));
    tell(v, "amq.topic", 0, 16);
    tell(w.f.vhost, "no such exchange", 1, 16);
    tell(w.f.vhost, "amq.topic", 2, 16);
    apply(&(struct meta_command){.kind = META_VHOST_DELETE, .name = slice_str("v")});
    turns();
    assert_int_equal(ready(), 1);
    tell(w.f.vhost, "amq.topic", 3, 16); /* and the broker itself */
}

int
main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(it_is_published_when_the_turn_ends_and_in_order),
        CASE(a_full_line_drops_and_counts),
        CASE(its_bytes_are_bounded_but_one_message_always_fits),
        CASE(nobody_wants_what_no_binding_fits),
        CASE(what_it_was_meant_for_may_go_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
