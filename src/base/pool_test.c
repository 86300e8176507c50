#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

/* Under AddressSanitizer nothing is pooled, and there is no layout to test. */
#define ONLY_WHEN_POOLED()                                                                                   \
    if (POOL_SMALL_MAX == 0)                                                                                 \
    skip()

struct object {
    uint8_t *p;
    size_t size;
    uint8_t pattern;
};

static void
fill(struct object *o, uint8_t pattern)
{
    o->pattern = pattern;
    memset(o->p, pattern, o->size);
}

static void
assert_intact(const struct object *o, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (o->p[i] != o->pattern)
            fail_msg("byte %zu of an object of %zu was overwritten", i, o->size);
}

/* Half of the sizes small, a quarter medium, the rest up to 100 KiB. */
static size_t
random_size(unsigned short seed[3])
{
    static const size_t most[] = {300, 600, 5000, 100000};
    return 1 + (size_t)nrand48(seed) % most[nrand48(seed) % 4];
}

static void
test_random_objects_do_not_overlap(void **state)
{
    enum { OBJECTS = 1000 };
    static struct object objects[OBJECTS];
    unsigned short seed[3] = {1, 2, 3};
    struct pool *p = pool_new();
    for (int i = 0; i < 60000; i++) {
        struct object *o = &objects[nrand48(seed) % OBJECTS];
        size_t size = random_size(seed);
        if (!o->p) {
            *o = (struct object){.p = pool_alloc(p, size), .size = size};
            assert_int_equal((uintptr_t)o->p % 16, 0);
        } else if (nrand48(seed) % 3 == 0) {
            o->p = pool_resize(p, o->p, o->size, size);
            size_t kept = o->size < size ? o->size : size;
            o->size = size;
            assert_intact(o, kept);
        } else {
            assert_intact(o, o->size);
            pool_release(p, o->p, o->size);
            o->p = NULL;
            continue;
        }
        fill(o, (uint8_t)nrand48(seed));
    }
    for (int i = 0; i < OBJECTS; i++) {
        if (objects[i].p)
            assert_intact(&objects[i], objects[i].size);
        pool_release(p, objects[i].p, objects[i].size);
    }
    assert_int_equal(pool_bytes_used(p), 0);
    pool_trim(p);
    assert_int_equal(pool_bytes_mapped(p), 0);
    pool_free_all(p);
}

static void
test_every_size_fits_its_class(void **state)
{
    struct pool *p = pool_new();
    for (size_t size = 1; size <= POOL_CLASS_MAX + 100; size++) {
        size_t before = pool_bytes_used(p);
        struct object a = {.p = pool_alloc(p, size), .size = size};
        size_t taken = pool_bytes_used(p) - before;
        assert_true(taken >= size);
        if (POOL_SMALL_MAX > 0 && size > 64)
            assert_true(taken <= size + size / 6 + 16);
        struct object b = {.p = pool_alloc(p, size), .size = size};
        fill(&a, 1);
        fill(&b, 2);
        assert_intact(&a, size);
        pool_release(p, a.p, size);
        assert_intact(&b, size);
        pool_release(p, b.p, size);
        assert_int_equal(pool_bytes_used(p), before);
    }
    pool_free_all(p);
}

/* What the budget of a queued 100-byte message leaves to the allocator. */
static void
test_backlog_of_small_objects_wastes_little_and_is_given_back(void **state)
{
    ONLY_WHEN_POOLED();
    enum { N = 200000, SIZE = 140 };
    struct pool *p = pool_new();
    void **objects = malloc(N * sizeof *objects);
    for (int i = 0; i < N; i++)
        objects[i] = pool_alloc(p, SIZE);
    assert_int_equal(pool_bytes_used(p), (size_t)N * 144);
    assert_true(pool_bytes_mapped(p) < (size_t)N * 145 + MIB);
    for (int i = 0; i < N; i++)
        pool_release(p, objects[i], SIZE);
    assert_int_equal(pool_bytes_used(p), 0);
    assert_true(pool_bytes_mapped(p) <= (1 + POOL_SPARES) * MIB);
    pool_trim(p);
    assert_int_equal(pool_bytes_mapped(p), 0);
    free(objects);
    pool_free_all(p);
}

static void
test_released_objects_are_used_again_before_new_memory(void **state)
{
    ONLY_WHEN_POOLED();
    enum { N = 20000 };
    struct pool *p = pool_new();
    void **objects = malloc(N * sizeof *objects);
    for (int i = 0; i < N; i++)
        objects[i] = pool_alloc(p, 1000);
    size_t mapped = pool_bytes_mapped(p);
    for (int round = 0; round < 10; round++) {
        for (int i = round % 2; i < N; i += 2)
            pool_release(p, objects[i], 1000);
        for (int i = round % 2; i < N; i += 2)
            objects[i] = pool_alloc(p, 1000);
        assert_int_equal(pool_bytes_mapped(p), mapped);
    }
    free(objects);
    pool_free_all(p);
}

static void
test_one_class_takes_the_memory_that_another_gave_back(void **state)
{
    ONLY_WHEN_POOLED();
    enum { N = 2000 };
    static const size_t sizes[] = {100, 3000, 20000, 600, 8000};
    struct pool *p = pool_new();
    void *objects[N];
    for (size_t k = 0; k < 20; k++) {
        size_t size = sizes[k % 5];
        for (int i = 0; i < N; i++)
            objects[i] = pool_alloc(p, size);
        size_t kept = (k <= 10 ? POOL_SPARES + 5 : 1) * MIB; /* 5: a span of each other class */
        assert_true(pool_bytes_mapped(p) < N * size * 9 / 8 + kept);
        for (int i = N; i > 0; i--)
            pool_release(p, objects[i - 1], size);
        if (k >= 10)
            pool_trim(p);
    }
    assert_int_equal(pool_bytes_mapped(p), 0);
    pool_free_all(p);
}

/* The pages of a freed span are given back while its arena is still in use. */
static void
test_trim_leaves_live_objects_alone(void **state)
{
    enum { N = 3000 };
    static struct object objects[N];
    struct pool *p = pool_new();
    for (int i = 0; i < N; i++) {
        objects[i] = (struct object){.p = pool_alloc(p, 1000), .size = 1000};
        fill(&objects[i], (uint8_t)i);
    }
    for (int i = 0; i < N; i++)
        if (i % 500 != 0)
            pool_release(p, objects[i].p, 1000);
    pool_trim(p);
    for (int i = 0; i < N; i++)
        if (i % 500 != 0)
            fill(&(struct object){.p = objects[i].p = pool_alloc(p, 1000), .size = 1000}, 0);
    for (int i = 0; i < N; i += 500)
        assert_intact(&objects[i], 1000);
    pool_free_all(p);
}

/* A fragmented backlog of many gigabytes must not hold up a turn when its pages go back. */
static void
test_trim_gives_back_a_bounded_number_of_spans_at_once(void **state)
{
    ONLY_WHEN_POOLED();
    enum { SIZE = 32000, IN_ARENA = 4 * 8, N = POOL_TRIM_SPANS * IN_ARENA }; /* 4 wide spans of 8 objects */
    struct pool *p = pool_new();
    void **objects = malloc(N * sizeof *objects);
    for (int i = 0; i < N; i++)
        objects[i] = pool_alloc(p, SIZE);
    for (int i = 0; i < N; i++) /* one object in each arena stays */
        if (i % IN_ARENA != 0)
            pool_release(p, objects[i], SIZE);
    unsigned more = 0;
    while (pool_trim(p))
        more++;
    assert_true(more >= 2);
    for (int i = 0; i < N; i += IN_ARENA)
        pool_release(p, objects[i], SIZE);
    while (pool_trim(p))
        ;
    assert_int_equal(pool_bytes_mapped(p), 0);
    free(objects);
    pool_free_all(p);
}

static void
test_large_objects_are_resized_in_and_out_of_the_classes(void **state)
{
    struct pool *p = pool_new();
    struct object o = {.p = pool_alloc(p, 10), .size = 10};
    static const size_t sizes[] = {20, 1000, 40000, 5000000, 40, 2000000, 33000, 32752, 32753, 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fill(&o, (uint8_t)i);
        o.p = pool_resize(p, o.p, o.size, sizes[i]);
        assert_intact(&o, o.size < sizes[i] ? o.size : sizes[i]);
        o.size = sizes[i];
        assert_true(pool_bytes_used(p) >= o.size);
        assert_true(pool_bytes_mapped(p) >= o.size);
    }
    pool_release(p, o.p, o.size);
    assert_int_equal(pool_bytes_used(p), 0);
    o.p = pool_resize(p, NULL, 0, 77);
    pool_release(p, o.p, 77);
    pool_release(p, NULL, 5);
    pool_free_all(p);
}

static void
test_free_all_takes_what_was_not_released(void **state)
{
    struct pool *p = pool_new();
    for (size_t size = 1; size < 100000; size += 777)
        memset(pool_alloc(p, size), 1, size);
    pool_free_all(p); /* a leak would fail the run under a leak checker */
    pool_free_all(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_objects_do_not_overlap),
        cmocka_unit_test(test_every_size_fits_its_class),
        cmocka_unit_test(test_backlog_of_small_objects_wastes_little_and_is_given_back),
        cmocka_unit_test(test_released_objects_are_used_again_before_new_memory),
        cmocka_unit_test(test_one_class_takes_the_memory_that_another_gave_back),
        cmocka_unit_test(test_trim_leaves_live_objects_alone),
        cmocka_unit_test(test_trim_gives_back_a_bounded_number_of_spans_at_once),
        cmocka_unit_test(test_large_objects_are_resized_in_and_out_of_the_classes),
        cmocka_unit_test(test_free_all_takes_what_was_not_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
