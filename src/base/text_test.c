#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct sample {
    const char *text;
    enum err err;
    uint64_t value;
};

static void
check_samples(enum err (*parse)(struct slice, uint64_t *), const struct sample *samples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t value = 4711;
        enum err e = parse(slice_str(samples[i].text), &value);
        uint64_t expected = samples[i].err == ERR_OK ? samples[i].value : 4711;
        if (e != samples[i].err || value != expected)
            fail_msg("'%s' gave %d and %llu", samples[i].text, e, (unsigned long long)value);
    }
}

static void
test_unsigned_numbers(void **state)
{
    static const struct sample samples[] = {
        {"0", ERR_OK, 0},
        {"007", ERR_OK, 7},
        {"18446744073709551615", ERR_OK, UINT64_MAX},
        {"18446744073709551616", ERR_RANGE, 0},
        {"99999999999999999999999999", ERR_RANGE, 0},
        {"99999999999999999999999999x", ERR_SYNTAX, 0},
        {"", ERR_SYNTAX, 0},
        {" 1", ERR_SYNTAX, 0},
        {"1 ", ERR_SYNTAX, 0},
        {"+1", ERR_SYNTAX, 0},
        {"-1", ERR_SYNTAX, 0},
        {"0x10", ERR_SYNTAX, 0},
        {"1.5", ERR_SYNTAX, 0},
    };
    check_samples(text_to_u64, samples, sizeof samples / sizeof *samples);
}

static void
test_bounds_are_included(void **state)
{
    uint64_t value = 0;
    assert_int_equal(text_to_u64_within(slice_str("4"), 5, 10, &value), ERR_RANGE);
    assert_int_equal(text_to_u64_within(slice_str("11"), 5, 10, &value), ERR_RANGE);
    assert_int_equal(value, 0);
    assert_int_equal(text_to_u64_within(slice_str("5"), 5, 10, &value), ERR_OK);
    assert_int_equal(text_to_u64_within(slice_str("10"), 5, 10, &value), ERR_OK);
    assert_int_equal(value, 10);
    assert_int_equal(text_to_u64_within(slice_str("x"), 5, 10, &value), ERR_SYNTAX);
}

static void
test_signed_numbers(void **state)
{
    int64_t value = 0;
    assert_int_equal(text_to_i64(slice_str("-9223372036854775808"), &value), ERR_OK);
    assert_true(value == INT64_MIN);
    assert_int_equal(text_to_i64(slice_str("9223372036854775807"), &value), ERR_OK);
    assert_true(value == INT64_MAX);
    assert_int_equal(text_to_i64(slice_str("+12"), &value), ERR_OK);
    assert_int_equal(value, 12);
    assert_int_equal(text_to_i64(slice_str("9223372036854775808"), &value), ERR_RANGE);
    assert_int_equal(text_to_i64(slice_str("-9223372036854775809"), &value), ERR_RANGE);
    assert_int_equal(text_to_i64(slice_str("--1"), &value), ERR_SYNTAX);
    assert_int_equal(text_to_i64(slice_str("-"), &value), ERR_SYNTAX);
    assert_int_equal(text_to_i64(slice_str(""), &value), ERR_SYNTAX);
}

/* The values are what RabbitMQ 3.10's parse_information_unit answers (T is ours). */
static void
test_byte_sizes_mean_what_they_mean_to_rabbitmq(void **state)
{
    static const struct sample samples[] = {
        {"1", ERR_OK, 1},
        {"50000", ERR_OK, 50000},
        {"1k", ERR_OK, 1024},
        {"1K", ERR_OK, 1024},
        {"1kiB", ERR_OK, 1024},
        {"1kB", ERR_OK, 1000},
        {"1KB", ERR_OK, 1000},
        {"3M", ERR_OK, 3 << 20},
        {"3MiB", ERR_OK, 3 << 20},
        {"3mb", ERR_OK, 3000000},
        {"2g", ERR_OK, 2ull << 30},
        {"2GiB", ERR_OK, 2ull << 30},
        {"2GB", ERR_OK, 2000000000},
        {"1TiB", ERR_OK, 1ull << 40},
        {"1Gi", ERR_OK, 1ull << 30},
        {"", ERR_SYNTAX, 0},
        {"GB", ERR_SYNTAX, 0},
        {"1B", ERR_SYNTAX, 0},
        {"1 GB", ERR_SYNTAX, 0},
        {"1GB ", ERR_SYNTAX, 0},
        {"1.5GB", ERR_SYNTAX, 0},
        {"-1", ERR_SYNTAX, 0},
        {"1Pb", ERR_SYNTAX, 0},
        {"1GBi", ERR_SYNTAX, 0},
        {"99999999GiB", ERR_OK, 99999999ull << 30},
        {"99999999999GiB", ERR_RANGE, 0},
        {"18446744073709551616", ERR_RANGE, 0},
    };
    check_samples(text_to_bytes, samples, sizeof samples / sizeof *samples);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsigned_numbers),
        cmocka_unit_test(test_bounds_are_included),
        cmocka_unit_test(test_signed_numbers),
        cmocka_unit_test(test_byte_sizes_mean_what_they_mean_to_rabbitmq),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
