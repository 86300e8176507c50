/*
 * Quorum queues of one member, on the disk: everything is kept, nothing is given out that a crash could take
 * back, and what came back is counted.
 */
#include "durable/keep_fixture.h"
#include "wire/table.h"

enum { COUNT = 60 };

static const struct sim_disk_faults slow = {.latency_min_ns = 3000000000, .latency_max_ns = 3000000000};

static struct rig r;

static void
begin(uint64_t seed, int64_t delivery_limit)
{
    struct buffer arguments = {0};
    rig_init(&r, seed);
    table_add_str(&arguments, "x-queue-type", slice_str("quorum"));
    if (delivery_limit >= 0)
        table_add_int64(&arguments, "x-delivery-limit", delivery_limit);
    r.arguments = buffer_slice(&arguments);
    rig_start(&r, 1);
    buffer_fini(&arguments);
}

static void
transient_messages_are_kept(void **state)
{
    for (unsigned variant = 0; variant < 4; variant++) {
        begin(variant, -1);
        uint64_t first = rig_fill(&r, 0, COUNT, 300, 0);
        rig_until(&r, rig_has_answers);
        if (variant & 1) {
            rig_page_out(&r, 0);
            rig_turn_log_over(&r, 7, 2);
        }
        if (variant & 2)
            rig_stop(&r);
        else
            rig_power(&r);
        rig_start(&r, 1);
        rig_expect(&r, 0, first, first + COUNT - 1);
        rig_fini(&r);
    }
}

static bool
has_got_some(struct rig *rig)
{
    return rig->got_count > 0;
}

/* Neither to a consumer nor to a get: the disk is slow, and then the node dies. */
static void
nothing_is_given_out_before_it_is_kept(void **state)
{
    begin(1, -1);
    struct subscription s;
    rig_consume(&r, 0, &s, 0, true);
    rig_fill(&r, 0, 10, 300, 0);
    rig_until(&r, has_got_some); /* what is marked for this queue so far does not reach further */
    rig_run(&r, 1000);
    size_t before = r.got_count;
    assert_int_equal(before, 10);
    rig_faults(&r, slow);
    uint64_t first = rig_fill(&r, 0, COUNT, 300, RIG_PERSISTENT);
    rig_run(&r, 1000);
    assert_int_equal(r.got_count, before);
    assert_int_equal(r.answers[first], 0);
    rig_until(&r, rig_has_answers);
    rig_run(&r, 10000);
    assert_int_equal(r.got_count, before + COUNT);
    rig_check(&r);
    rig_fini(&r);
}

static void
a_classic_queue_does_not_wait_for_the_disk(void **state)
{
    rig_init(&r, 2);
    rig_start(&r, 1);
    struct subscription s;
    rig_consume(&r, 0, &s, 0, true);
    rig_fill(&r, 0, 10, 300, RIG_PERSISTENT);
    rig_until(&r, has_got_some);
    rig_run(&r, 1000);
    size_t before = r.got_count;
    rig_faults(&r, slow);
    rig_fill(&r, 0, COUNT, 300, RIG_PERSISTENT);
    rig_run(&r, 1000);
    assert_int_equal(r.got_count, before + COUNT);
    rig_fini(&r);
}

/* The message comes `returns` times, and is then gone for good. */
static void
expect_returns(unsigned returns)
{
    struct rig_got got;
    for (unsigned i = 0; i < returns; i++) {
        assert_true(rig_get(&r, 0, false, &got));
        rig_settle(&r, &got, SETTLE_REQUEUE);
    }
    assert_false(rig_get(&r, 0, false, &got));
}

static void
returns_are_counted_up_to_the_limit(void **state)
{
    begin(3, 4);
    rig_fill(&r, 0, 1, 300, 0);
    rig_until(&r, rig_has_answers);
    expect_returns(5);
    rig_run(&r, 1000);
    rig_power(&r);
    rig_start(&r, 1);
    assert_int_equal(queue_ready_count(rig_queue(&r, 0)), 0);
    rig_fini(&r);
}

/* What may have been given out when the node died was returned by that. */
static void
a_crash_counts_as_one_return(void **state)
{
    for (unsigned variant = 0; variant < 2; variant++) {
        struct rig_got got;
        begin(4 + variant, 4);
        rig_fill(&r, 0, 1, 300, 0);
        rig_until(&r, rig_has_answers);
        assert_true(rig_get(&r, 0, false, &got));
        rig_run(&r, 1000);
        if (variant)
            rig_stop(&r);
        else
            rig_power(&r);
        rig_start(&r, 1);
        expect_returns(4);
        rig_fini(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transient_messages_are_kept),
        cmocka_unit_test(nothing_is_given_out_before_it_is_kept),
        cmocka_unit_test(a_classic_queue_does_not_wait_for_the_disk),
        cmocka_unit_test(returns_are_counted_up_to_the_limit),
        cmocka_unit_test(a_crash_counts_as_one_return),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
