/* Rings: order, bounds, and two real threads (run with -Db_sanitize=thread too). */
#include "base/ring.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
nothing_is_visible_before_publish(void **state)
{
    struct ring r;
    ring_init(&r, sizeof(uint64_t), 4);
    *(uint64_t *)ring_reserve(&r) = 7;
    ring_commit(&r);
    assert_int_equal(ring_readable(&r), 0);
    assert_true(ring_publish(&r));
    assert_false(ring_publish(&r));
    assert_int_equal(ring_readable(&r), 1);
    assert_int_equal(*(uint64_t *)ring_at(&r, 0), 7);
    ring_consume(&r, 1);
    assert_int_equal(ring_readable(&r), 0);
    ring_fini(&r);
}

static void
a_full_ring_refuses_until_cells_are_given_back(void **state)
{
    struct ring r;
    ring_init(&r, 48, 4);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 4; i++) {
            *(uint64_t *)ring_reserve(&r) = (uint64_t)i;
            ring_commit(&r);
        }
        assert_null(ring_reserve(&r));
        assert_int_equal(ring_room(&r), 0);
        ring_publish(&r);
        assert_int_equal(ring_readable(&r), 4);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(*(uint64_t *)ring_at(&r, i), i);
        ring_consume(&r, 3);
        assert_int_equal(ring_room(&r), 3);
        assert_non_null(ring_reserve(&r));
        ring_consume(&r, ring_readable(&r));
    }
    ring_fini(&r);
}

enum { FLOOD = 300000 };

static void *
produce(void *arg)
{
    struct ring *r = arg;
    for (uint64_t i = 0; i < FLOOD;) {
        uint64_t *cell = ring_reserve(r);
        if (!cell) {
            ring_publish(r);
            sched_yield();
            continue;
        }
        cell[0] = i;
        cell[1] = ~i;
        ring_commit(r);
        if (++i % 17 == 0)
            ring_publish(r);
    }
    ring_publish(r);
    return NULL;
}

static void
two_threads_see_every_cell_in_order(void **state)
{
    struct ring r;
    ring_init(&r, 16, 64);
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, &r), 0);
    for (uint64_t expected = 0; expected < FLOOD;) {
        size_t n = ring_readable(&r);
        if (n == 0)
            sched_yield();
        for (size_t i = 0; i < n; i++, expected++) {
            uint64_t *cell = ring_at(&r, i);
            if (cell[0] != expected || cell[1] != ~expected)
                fail_msg("cell %llu holds %llu", (unsigned long long)expected, (unsigned long long)cell[0]);
        }
        ring_consume(&r, n);
    }
    pthread_join(producer, NULL);
    ring_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_visible_before_publish),
        cmocka_unit_test(a_full_ring_refuses_until_cells_are_given_back),
        cmocka_unit_test(two_threads_see_every_cell_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
