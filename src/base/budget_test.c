#include "base/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void
test_take_is_all_or_nothing(void **state)
{
    struct budget b;
    budget_init(&b, "bodies", 100);
    assert_true(budget_take(&b, 60));
    assert_false(budget_take(&b, 41));
    assert_int_equal(b.used, 60);
    assert_false(budget_over(&b));
    assert_true(budget_take(&b, 40));
    assert_true(budget_over(&b));
    assert_true(budget_take(&b, 0));
    assert_false(budget_take(&b, 1));
    budget_give(&b, 100);
    assert_true(budget_take(&b, 100));
}

static void
test_huge_request_is_refused_not_wrapped(void **state)
{
    struct budget b;
    budget_init(&b, "bodies", 100);
    budget_take(&b, 50);
    assert_false(budget_take(&b, SIZE_MAX));
    assert_false(budget_take(&b, SIZE_MAX - 40));
    assert_int_equal(b.used, 50);
}

static void
test_nothing_more_is_given_above_a_lowered_limit(void **state)
{
    struct budget b;
    budget_init(&b, "bodies", 100);
    budget_charge(&b, 120);
    assert_true(budget_over(&b));
    assert_false(budget_take(&b, 0));
    budget_give(&b, 40);
    b.limit = 70;
    assert_false(budget_take(&b, 1));
    budget_give(&b, 20);
    assert_true(budget_take(&b, 10));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_is_all_or_nothing),
        cmocka_unit_test(test_huge_request_is_refused_not_wrapped),
        cmocka_unit_test(test_nothing_more_is_given_above_a_lowered_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
