#include "base/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
test_stale_handle_finds_nothing_when_its_slot_is_used_again(void **state)
{
    struct slots s = {0};
    int a, b;
    uint64_t first = slots_add(&s, &a);
    assert_int_not_equal(first, 0);
    assert_ptr_equal(slots_remove(&s, first), &a);
    uint64_t second = slots_add(&s, &b);
    assert_int_equal((uint32_t)first, (uint32_t)second);
    assert_null(slots_get(&s, first));
    assert_null(slots_remove(&s, first));
    assert_null(slots_replace(&s, first, &a));
    assert_ptr_equal(slots_get(&s, second), &b);
    assert_ptr_equal(slots_replace(&s, second, &a), &b);
    assert_ptr_equal(slots_get(&s, second), &a);
    slots_fini(&s);
}

static void
test_handles_that_never_were_find_nothing(void **state)
{
    struct slots s = {0};
    assert_null(slots_get(&s, 0));
    assert_null(slots_get(&s, UINT64_MAX));
    int a;
    uint64_t handle = slots_add(&s, &a);
    assert_null(slots_get(&s, 0));
    assert_null(slots_get(&s, handle + 1));
    assert_null(slots_get(&s, UINT64_MAX));
    assert_ptr_equal(slots_remove(&s, handle), &a);
    assert_null(slots_get(&s, handle + ((uint64_t)1 << 32))); /* the next generation, not yet given */
    slots_fini(&s);
}

static void
test_generation_skips_zero_when_it_wraps(void **state)
{
    struct slots s = {0};
    int a;
    uint64_t handle = slots_add(&s, &a);
    slots_remove(&s, handle);
    s.table[0].generation = UINT32_MAX;
    handle = slots_add(&s, &a);
    assert_ptr_equal(slots_remove(&s, handle), &a);
    handle = slots_add(&s, &a);
    assert_int_equal(handle, (uint64_t)1 << 32);
    slots_fini(&s);
}

enum { THINGS = 1000 };

static void
test_random_changes_match_an_array(void **state)
{
    static uint64_t handles[THINGS], stale[THINGS];
    static int things[THINGS];
    unsigned short seed[3] = {4, 5, 6};
    struct slots s = {0};
    size_t count = 0;
    for (int i = 0; i < 200000; i++) {
        size_t n = (size_t)nrand48(seed) % THINGS;
        if (!handles[n]) {
            handles[n] = slots_add(&s, &things[n]);
            count++;
        } else if (nrand48(seed) % 2) {
            assert_ptr_equal(slots_remove(&s, handles[n]), &things[n]);
            stale[n] = handles[n];
            handles[n] = 0;
            count--;
        }
        size_t probe = (size_t)nrand48(seed) % THINGS;
        assert_ptr_equal(slots_get(&s, handles[probe]), handles[probe] ? &things[probe] : NULL);
        assert_null(slots_get(&s, stale[probe]));
        assert_int_equal(slots_count(&s), count);
    }
    assert_true(s.used <= THINGS);
    slots_fini(&s);
}

static void
test_walk_visits_each_item_once_and_may_remove_it(void **state)
{
    struct slots s = {0};
    int things[100];
    for (int i = 0; i < 100; i++)
        slots_add(&s, &things[i]);
    size_t cursor = 0, seen = 0;
    uint64_t handle;
    for (void *item; (item = slots_next(&s, &cursor, &handle)); seen++)
        assert_ptr_equal(slots_remove(&s, handle), item);
    assert_int_equal(seen, 100);
    assert_int_equal(slots_count(&s), 0);
    slots_fini(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stale_handle_finds_nothing_when_its_slot_is_used_again),
        cmocka_unit_test(test_handles_that_never_were_find_nothing),
        cmocka_unit_test(test_generation_skips_zero_when_it_wraps),
        cmocka_unit_test(test_random_changes_match_an_array),
        cmocka_unit_test(test_walk_visits_each_item_once_and_may_remove_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
