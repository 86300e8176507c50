/*
 * Priorities over a restart and on the disk: the order is by priority, then by arrival, wherever the messages
 * were, and what may have been given out before says so.
 */
#include "durable/keep_fixture.h"
#include "wire/table.h"

enum { COUNT = 100, RANKS = 5 };

static struct rig r;

static void
begin(uint64_t seed, unsigned shards, uint64_t resident_bytes)
{
    struct buffer arguments = {0};
    rig_init(&r, seed);
    table_add_int32(&arguments, "x-max-priority", RANKS - 1);
    r.arguments = buffer_slice(&arguments);
    if (resident_bytes)
        r.config.resident_bytes = resident_bytes;
    rig_start(&r, shards);
    buffer_fini(&arguments);
}

/* Priorities in turn: number first + i has i % RANKS. */
static uint64_t
fill(unsigned queue, unsigned count, uint32_t size)
{
    uint64_t first = r.next;
    for (unsigned i = 0; i < count; i++) {
        r.priority = (uint8_t)(i % RANKS);
        rig_fill(&r, queue, 1, size, RIG_PERSISTENT);
    }
    r.priority = 0;
    rig_until(&r, rig_has_answers);
    return first;
}

/* Drains: all of them but the first `gone`, in their order. */
static void
expect(unsigned queue, uint64_t first, unsigned count, unsigned gone)
{
    static uint64_t numbers[RIG_NUMBERS];
    unsigned n = 0, got = rig_drain(&r, queue, numbers, RIG_NUMBERS);
    for (unsigned rank = RANKS; rank-- > 0;)
        for (unsigned i = rank; i < count; i += RANKS)
            if (n++ >= gone)
                assert_int_equal(numbers[n - 1 - gone], first + i);
    assert_int_equal(got, count - gone);
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
the_order_outlives_the_node(void **state)
{
    for (unsigned variant = 0; variant < 2 * WAYS; variant++) {
        begin(variant, 1 + variant / WAYS, 0);
        uint64_t first = fill(0, COUNT, 300);
        leave_memory((enum way)(variant % WAYS));
        if (variant & 1)
            rig_stop(&r);
        else
            rig_power(&r);
        rig_start(&r, 1);
        assert_int_equal(queue_ready_count(rig_queue(&r, 0)), COUNT);
        expect(0, first, COUNT, 0);
        rig_fini(&r);
    }
}

/* What was acked stays gone, what was not comes again, first and marked. */
static void
deliveries_are_remembered_per_priority(void **state)
{
    for (unsigned variant = 0; variant < WAYS; variant++) {
        begin(variant, 1, 0);
        uint64_t first = fill(0, COUNT, 300);
        leave_memory((enum way)variant);
        struct rig_got got[4];
        for (unsigned i = 0; i < 4; i++) {
            assert_true(rig_get(&r, 0, false, &got[i]));
            assert_int_equal(got[i].number, first + RANKS - 1 + i * RANKS);
        }
        rig_settle(&r, &got[0], SETTLE_ACK);
        rig_settle(&r, &got[1], SETTLE_ACK);
        rig_run(&r, 1000);
        rig_power(&r);
        rig_start(&r, 1);
        struct rig_got again, lower;
        assert_true(rig_get(&r, 0, false, &again));
        assert_int_equal(again.number, got[2].number);
        assert_true(again.redelivered);
        rig_settle(&r, &again, SETTLE_REQUEUE);
        expect(0, first, COUNT, 2);
        rig_fill(&r, 0, 1, 300, RIG_PERSISTENT);
        assert_true(rig_get(&r, 0, true, &lower));
        assert_false(lower.redelivered);
        rig_fini(&r);
    }
}

/* A backlog beyond memory is read again in its order, a consumer beside. */
static void
a_deep_backlog_costs_no_memory(void **state)
{
    for (unsigned variant = 0; variant < 2; variant++) {
        enum { MANY = 8000, SIZE = 1500 };
        begin(variant, 1, 1 << 20);
        uint64_t first = fill(0, MANY, SIZE);
        rig_run(&r, 2000);
        assert_true(pool_bytes_used(rig_broker(&r, 0)->pool) < MANY * SIZE / 3);
        rig_check(&r);
        if (variant)
            rig_power(&r);
        else
            rig_stop(&r);
        rig_start(&r, 1);
        expect(0, first, MANY, 0);
        assert_int_equal(queue_ready_count(rig_queue(&r, 0)), 0);
        rig_fini(&r);
    }
}

static void
what_was_purged_or_deleted_stays_gone(void **state)
{
    for (unsigned variant = 0; variant < WAYS; variant++) {
        begin(variant, 1, 0);
        fill(0, COUNT, 300);
        fill(1, COUNT, 300);
        leave_memory((enum way)variant);
        rig_purge(&r, 0);
        rig_run(&r, 1000);
        rig_power(&r);
        rig_start(&r, 1);
        assert_int_equal(queue_ready_count(rig_queue(&r, 0)), 0);
        assert_int_equal(queue_ready_count(rig_queue(&r, 1)), COUNT);
        rig_delete(&r, 1);
        rig_run(&r, 1000);
        rig_check(&r);
        rig_fini(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_outlives_the_node),
        cmocka_unit_test(deliveries_are_remembered_per_priority),
        cmocka_unit_test(a_deep_backlog_costs_no_memory),
        cmocka_unit_test(what_was_purged_or_deleted_stays_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
