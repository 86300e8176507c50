#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct histogram h, other, all;

static void
test_nothing_recorded(void **state)
{
    histogram_init(&h);
    assert_int_equal(histogram_count(&h), 0);
    assert_int_equal(histogram_max(&h), 0);
    assert_int_equal(histogram_percentile(&h, 99), 0);
    assert_true(histogram_mean(&h) == 0);
}

static void
test_small_values_are_exact(void **state)
{
    histogram_init(&h);
    for (uint64_t v = 1; v <= 200; v++)
        histogram_record(&h, v);
    assert_int_equal(histogram_percentile(&h, 0), 1);
    assert_int_equal(histogram_percentile(&h, 0.5), 1);
    assert_int_equal(histogram_percentile(&h, 50), 100);
    assert_int_equal(histogram_percentile(&h, 99), 198);
    assert_int_equal(histogram_percentile(&h, 99.9), 200);
    assert_int_equal(histogram_percentile(&h, 100), 200);
    assert_true(histogram_mean(&h) == 100.5);
}

/* Around every power of two a single value comes back within 1/128, and never below itself. */
static void
test_error_is_below_one_step_over_the_whole_range(void **state)
{
    for (uint32_t bit = 0; bit < 64; bit++) {
        for (int64_t off = -300; off <= 300; off++) {
            uint64_t v = ((uint64_t)1 << bit) + (uint64_t)off;
            histogram_init(&h);
            histogram_record(&h, v);
            histogram_record(&h, UINT64_MAX); /* so that the maximum does not hide the edge */
            uint64_t edge = histogram_percentile(&h, 50);
            assert_true(edge >= v && edge - v <= v / 128);
            assert_int_equal(h.min, v);
        }
    }
    assert_int_equal(histogram_percentile(&h, 100), UINT64_MAX);
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void
test_percentiles_match_a_sorted_array(void **state)
{
    enum { N = 10000 };
    static uint64_t values[N];
    unsigned short seed[3] = {1, 2, 3};
    histogram_init(&h);
    for (int i = 0; i < N; i++) {
        values[i] = (uint64_t)nrand48(seed) >> nrand48(seed) % 31;
        histogram_record(&h, values[i]);
    }
    qsort(values, N, sizeof *values, compare);
    for (int permille = 1; permille <= 1000; permille++) {
        uint64_t exact = values[N / 1000 * permille - 1];
        uint64_t found = histogram_percentile(&h, permille / 10.0);
        /* the rank may be one higher for what is not exact in binary */
        uint64_t above = permille < 1000 ? values[N / 1000 * permille] : exact;
        assert_true(found >= exact && found <= above + above / 128);
    }
    assert_int_equal(histogram_max(&h), values[N - 1]);
    assert_int_equal(h.min, values[0]);
}

static void
test_merge_is_as_if_recorded_in_one(void **state)
{
    histogram_init(&h);
    histogram_init(&other);
    histogram_init(&all);
    unsigned short seed[3] = {1, 2, 3};
    for (int i = 0; i < 10000; i++) {
        uint64_t v = (uint64_t)nrand48(seed);
        histogram_record(i % 3 ? &h : &other, v);
        histogram_record(&all, v);
    }
    histogram_merge(&h, &other);
    assert_memory_equal(h.buckets, all.buckets, sizeof h.buckets);
    assert_int_equal(h.count, all.count);
    assert_int_equal(h.min, all.min);
    assert_int_equal(h.max, all.max);
    assert_true(h.sum == all.sum);
    histogram_init(&other);
    histogram_merge(&h, &other);
    assert_int_equal(h.min, all.min);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_recorded),
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_error_is_below_one_step_over_the_whole_range),
        cmocka_unit_test(test_percentiles_match_a_sorted_array),
        cmocka_unit_test(test_merge_is_as_if_recorded_in_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
