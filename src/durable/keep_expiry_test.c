/*
 * Deadlines over a restart: in the log, in segments, in both, and while the node is down. Nobody asks for the
 * messages: they go by themselves, and what lives stays.
 */
#include "durable/keep_fixture.h"

enum { COUNT = 60, TTL_MS = 5000 };

static struct rig r;

static void
until_answered(void)
{
    rig_until(&r, rig_has_answers);
}

/* Alternately: expires, lives. Those that expire stand in front. Returns the first that lives. */
static uint64_t
fill(unsigned queue)
{
    r.expiration = "5000";
    rig_fill(&r, queue, COUNT, 300, RIG_PERSISTENT);
    r.expiration = NULL;
    uint64_t first = rig_fill(&r, queue, COUNT, 300, RIG_PERSISTENT);
    until_answered();
    return first;
}

static void
expect_ready(unsigned queue, uint32_t count)
{
    assert_int_equal(queue_ready_count(rig_queue(&r, queue)), count);
}

static bool
has_only_the_living(struct rig *rig)
{
    return queue_ready_count(rig_queue(rig, 0)) <= COUNT;
}

enum way { IN_LOG, COPIED, PAGED_OUT, WAYS };

static void
leave_memory(enum way way)
{
    if (way == PAGED_OUT)
        rig_page_out(&r, 0);
    if (way != IN_LOG)
        rig_turn_log_over(&r, 7, 2);
}

static void
a_deadline_outlives_the_node(void **state)
{
    for (unsigned variant = 0; variant < 2 * WAYS; variant++) {
        rig_init(&r, variant);
        rig_start(&r, 1 + variant / WAYS);
        uint64_t born = sim_now_ms(r.sim), first = fill(0);
        leave_memory((enum way)(variant % WAYS));
        if (variant & 1)
            rig_stop(&r);
        else
            rig_power(&r);
        rig_start(&r, 1);
        assert_true(sim_now_ms(r.sim) < born + TTL_MS);
        expect_ready(0, 2 * COUNT);
        rig_until(&r, has_only_the_living);
        assert_true(sim_now_ms(r.sim) >= born + TTL_MS);
        assert_true(sim_now_ms(r.sim) < born + TTL_MS + 1000); /* of what was published, too, meanwhile */
        rig_check(&r);
        rig_expect(&r, 0, first, first + COUNT - 1);
        rig_fini(&r);
    }
}

static void
what_expired_while_the_node_was_down_is_never_delivered(void **state)
{
    for (unsigned variant = 0; variant < WAYS; variant++) {
        rig_init(&r, variant);
        rig_start(&r, 1);
        uint64_t first = fill(0);
        leave_memory((enum way)variant);
        rig_kill(&r);
        sim_run_for(r.sim, TTL_MS);
        rig_start_at_once(&r, 1);
        struct rig_got got;
        assert_true(rig_get(&r, 0, true, &got));
        assert_int_equal(got.number, first);
        rig_expect(&r, 0, first + 1, first + COUNT - 1);
        rig_fini(&r);
    }
}

/* The record of an expired message that was dropped is settled: a start does not see it again. */
static void
what_expired_before_a_crash_stays_gone(void **state)
{
    for (unsigned variant = 0; variant < WAYS; variant++) {
        rig_init(&r, variant);
        rig_start(&r, 1);
        uint64_t first = fill(0);
        leave_memory((enum way)variant);
        rig_until(&r, has_only_the_living);
        rig_run(&r, 1000);
        rig_power(&r);
        rig_start(&r, 1);
        expect_ready(0, COUNT);
        rig_expect(&r, 0, first, first + COUNT - 1);
        rig_fini(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_outlives_the_node),
        cmocka_unit_test(what_expired_while_the_node_was_down_is_never_delivered),
        cmocka_unit_test(what_expired_before_a_crash_stays_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
