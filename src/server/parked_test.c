/* What a waiting channel keeps: answers in order, frames in order, and how many bytes that is. */
#include "server/parked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void
test_ops_are_found_and_answered_in_order(void **state)
{
    struct parked *p = parked_new();
    assert_true(parked_is_empty(p));
    struct parked_op *a = parked_op_add(p, 1, slice_str("a"), 0),
                     *b = parked_op_add(p, 2, slice_str("b"), 255);
    assert_ptr_equal(parked_op_find(p, a->number), a);
    assert_ptr_equal(parked_op_find(p, b->number), b);
    assert_null(parked_op_find(p, 77));
    assert_string_equal(b->name, "b");
    assert_ptr_equal(parked_op_shift(p), a);
    parked_op_free(a);
    assert_ptr_equal(parked_op_shift(p), b);
    parked_op_free(b);
    assert_null(parked_op_shift(p));
    assert_true(parked_is_empty(p));
    parked_free(p);
}

static void
test_frames_come_back_as_they_came(void **state)
{
    struct parked *p = parked_new();
    uint8_t bytes[3000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    size_t cost = 0;
    for (unsigned i = 0, out = 0; out < 500; i++) {
        if (i < 500) {
            parked_frame_add(p, (uint8_t)(i % 3 + 1), slice_of(bytes, i * 6));
            cost += parked_frame_cost(i * 6);
        }
        if (i % 2 == 0 && i < 500)
            continue;
        uint8_t type;
        struct slice payload;
        assert_true(parked_frame_peek(p, &type, &payload));
        assert_int_equal(type, out % 3 + 1);
        assert_true(slice_eq(payload, slice_of(bytes, out * 6)));
        cost -= parked_frame_drop(p);
        out++;
    }
    assert_int_equal(cost, 0);
    assert_false(parked_has_frames(p));
    parked_free(p);
}

static void
test_cleared_while_a_frame_is_in_use(void **state)
{
    struct parked *p = parked_new();
    parked_frame_add(p, 1, slice_str("payload"));
    parked_frame_add(p, 1, slice_str("more"));
    uint8_t type;
    struct slice payload;
    assert_true(parked_frame_peek(p, &type, &payload));
    parked_clear(p);
    assert_true(slice_eq_str(payload, "payload"));
    assert_true(parked_is_empty(p));
    parked_free(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ops_are_found_and_answered_in_order),
        cmocka_unit_test(test_frames_come_back_as_they_came),
        cmocka_unit_test(test_cleared_while_a_frame_is_in_use),
    };
    return cmocka_run_group_tests_name("parked", tests, NULL, NULL);
}
