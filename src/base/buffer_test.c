#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void
test_empty_buffer_holds_no_memory(void **state)
{
    struct buffer b = {0};
    assert_null(b.data);
    assert_int_equal(buffer_slice(&b).len, 0);
    buffer_add(&b, NULL, 0);
    buffer_consume(&b, 0);
    assert_null(b.data);
    buffer_fini(&b);
}

static void
test_integers_are_big_endian(void **state)
{
    struct buffer b = {0};
    buffer_add_u8(&b, 0x01);
    buffer_add_u16(&b, 0x0203);
    buffer_add_u32(&b, 0x04050607);
    buffer_add_u64(&b, 0x08090a0b0c0d0e0f);
    const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    assert_true(slice_eq(buffer_slice(&b), slice_of(expected, sizeof expected)));
    buffer_fini(&b);
}

static void
test_formatted_text_longer_than_the_room_is_complete(void **state)
{
    for (int width = 0; width < 300; width++) {
        struct buffer b = {0};
        buffer_add_fmt(&b, "%s-%*d.", "x", width, 7);
        char expected[400];
        int n = snprintf(expected, sizeof expected, "%s-%*d.", "x", width, 7);
        assert_true(slice_eq(buffer_slice(&b), slice_of(expected, (size_t)n)));
        buffer_fini(&b);
    }
}

static void
test_adding_and_consuming_is_a_byte_queue(void **state)
{
    unsigned short seed[3] = {1, 2, 3};
    struct buffer b = {0};
    uint8_t in = 0, out = 0;
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[64];
        size_t n = (size_t)nrand48(seed) % sizeof bytes;
        for (size_t i = 0; i < n; i++)
            bytes[i] = in++;
        buffer_add_slice(&b, slice_of(bytes, n));
        size_t drop = (size_t)nrand48(seed) % (b.len + 1);
        for (size_t i = 0; i < drop; i++)
            assert_int_equal(b.data[i], (uint8_t)(out + i));
        out = (uint8_t)(out + drop);
        buffer_consume(&b, drop);
        assert_true(b.len <= b.cap);
        assert_int_equal((uint8_t)(in - out), (uint8_t)b.len);
    }
    buffer_clear(&b);
    assert_int_equal(b.len, 0);
    buffer_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_buffer_holds_no_memory),
        cmocka_unit_test(test_integers_are_big_endian),
        cmocka_unit_test(test_formatted_text_longer_than_the_room_is_complete),
        cmocka_unit_test(test_adding_and_consuming_is_a_byte_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
