/* Equal strings once, each as long as somebody holds it. */
#include "server/intern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
test_equal_strings_are_stored_once(void **state)
{
    struct intern_table t = {0};
    struct intern *a = intern_hold(&t, slice_str("guest")), *b = intern_hold(&t, slice_str("guest"));
    struct intern *c = intern_hold(&t, slice_str("other")), *none = intern_hold(&t, slice_of(NULL, 0));
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(intern_count(&t), 3);
    intern_drop(&t, a);
    assert_true(slice_eq_str(intern_slice(b), "guest"));
    intern_drop(&t, b);
    intern_drop(&t, c);
    intern_drop(&t, none);
    intern_drop(&t, NULL);
    assert_int_equal(intern_count(&t), 0);
    intern_table_fini(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal_strings_are_stored_once)};
    return cmocka_run_group_tests_name("intern", tests, NULL, NULL);
}
