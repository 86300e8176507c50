/* Delivery tags: found, taken up to one, put back by a rollback. */
#include "server/unacked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t
add(struct unacked *u, uint64_t position)
{
    struct unacked_delivery d = {.queue_id = 9, .position = position, .shard = 1};
    return unacked_add(u, &d);
}

static void
test_tags_count_on_over_deliveries_without_ack(void **state)
{
    struct unacked *u = unacked_new(5);
    assert_int_equal(add(u, 100), 5);
    assert_int_equal(unacked_skip(u), 6);
    assert_int_equal(add(u, 101), 7);
    assert_true(unacked_has(u, 5));
    assert_false(unacked_has(u, 6));
    struct unacked_delivery d;
    assert_true(unacked_take(u, 7, &d));
    assert_int_equal(d.position, 101);
    assert_false(unacked_take(u, 7, &d));
    assert_int_equal(unacked_count(u), 1);
    unacked_free(u);
}

static void
test_oldest_first_up_to_a_tag(void **state)
{
    struct unacked *u = unacked_new(1);
    for (uint64_t i = 0; i < 1000; i++)
        add(u, i);
    struct unacked_delivery d;
    uint64_t tag;
    assert_true(unacked_take(u, 3, &d));
    for (uint64_t want = 1; want <= 500; want++) {
        if (want == 3)
            continue;
        assert_true(unacked_take_first(u, 500, &tag, &d));
        assert_int_equal(tag, want);
        assert_int_equal(d.position, want - 1);
    }
    assert_false(unacked_take_first(u, 500, &tag, &d));
    assert_int_equal(unacked_count(u), 500);
    unacked_free(u);
}

static void
test_a_rollback_puts_them_at_their_places(void **state)
{
    struct unacked *u = unacked_new(1);
    for (uint64_t i = 1; i <= 600; i++)
        add(u, i);
    struct unacked_tagged taken[400];
    size_t n = 0;
    for (uint64_t tag = 400; tag >= 1; tag--, n++) {
        taken[n].tag = tag;
        assert_true(unacked_take(u, tag, &taken[n].delivery));
    }
    assert_int_equal(add(u, 601), 601);
    unacked_put_back(u, taken, n);
    assert_int_equal(unacked_count(u), 601);
    assert_int_equal(add(u, 602), 602);
    struct unacked_delivery d;
    uint64_t tag;
    for (uint64_t want = 1; want <= 602; want++) {
        assert_true(unacked_take_first(u, UINT64_MAX, &tag, &d));
        assert_int_equal(tag, want);
        assert_int_equal(d.position, want);
    }
    unacked_free(u);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags_count_on_over_deliveries_without_ack),
        cmocka_unit_test(test_oldest_first_up_to_a_tag),
        cmocka_unit_test(test_a_rollback_puts_them_at_their_places),
    };
    return cmocka_run_group_tests_name("unacked", tests, NULL, NULL);
}
