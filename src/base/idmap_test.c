#include "base/idmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
test_empty_map_holds_no_memory(void **state)
{
    struct idmap m;
    idmap_init(&m);
    int thing;
    assert_null(idmap_get(&m, 1));
    assert_null(idmap_remove(&m, 1));
    assert_null(m.slots);
    assert_null(idmap_put(&m, 1, &thing));
    assert_ptr_equal(idmap_remove(&m, 1), &thing);
    assert_null(m.slots);
}

static void
test_key_zero_is_never_found(void **state)
{
    struct idmap m = {0};
    int thing;
    idmap_put(&m, 1, &thing);
    assert_null(idmap_get(&m, 0));
    assert_null(idmap_remove(&m, 0));
    assert_int_equal(idmap_count(&m), 1);
    idmap_fini(&m);
}

enum { KEYS = 3000 };

static void
add_up(void *arg, uint64_t key, void *value)
{
    uint64_t *sums = arg;
    sums[0]++;
    sums[1] += key;
    sums[2] += (uint64_t)(uintptr_t)value;
}

static void
assert_same(const struct idmap *m, const uintptr_t *model)
{
    uint64_t sums[3] = {0}, expected[3] = {0};
    for (uint64_t key = 1; key < KEYS; key++) {
        assert_int_equal((uintptr_t)idmap_get(m, key), model[key]);
        if (model[key])
            add_up(expected, key, (void *)model[key]);
    }
    idmap_foreach(m, add_up, sums);
    assert_memory_equal(sums, expected, sizeof sums);
    assert_int_equal(idmap_count(m), expected[0]);
}

static void
test_random_changes_match_an_array(void **state)
{
    static uintptr_t model[KEYS];
    unsigned short seed[3] = {1, 2, 3};
    struct idmap m = {0};
    for (int i = 0; i < 300000; i++) {
        uint64_t key = 1 + (uint64_t)nrand48(seed) % (KEYS - 1);
        bool is_growing = i / 30000 % 2 == 0;
        if (nrand48(seed) % 4 < (is_growing ? 3 : 1)) {
            uintptr_t value = (uintptr_t)nrand48(seed) + 1;
            assert_int_equal((uintptr_t)idmap_put(&m, key, (void *)value), model[key]);
            model[key] = value;
        } else {
            assert_int_equal((uintptr_t)idmap_remove(&m, key), model[key]);
            model[key] = 0;
        }
        if (i % 5000 == 0)
            assert_same(&m, model);
    }
    assert_same(&m, model);
    idmap_fini(&m);
}

static void
test_table_shrinks_when_most_is_removed(void **state)
{
    struct idmap m = {0};
    int thing;
    for (uint64_t key = 1; key <= 10000; key++)
        idmap_put(&m, key, &thing);
    assert_true(m.cap >= 10000);
    for (uint64_t key = 1; key < 10000; key++)
        assert_non_null(idmap_remove(&m, key));
    assert_true(m.cap <= 16);
    assert_ptr_equal(idmap_get(&m, 10000), &thing);
    idmap_fini(&m);
}

static void
count_shown(void *arg, void *value)
{
    unsigned *shown = arg;
    shown[(uintptr_t)value - 1]++;
}

static void
test_walk_in_pieces_shows_what_stays_once(void **state)
{
    enum { STAYING = 300, PASSING = 5000 };
    struct idmap m = {0};
    static unsigned shown[PASSING];
    uint64_t position = 0;
    assert_false(idmap_walk(&m, &position, count_shown, shown));
    for (unsigned step = 0; step < 400; step++) { /* where in the walk the change happens */
        memset(shown, 0, sizeof shown);
        bool is_growing = step % 2 == 0;
        unsigned pieces = 0;
        for (uint64_t key = 1; key <= (is_growing ? STAYING : PASSING); key++)
            idmap_put(&m, key, (void *)(uintptr_t)key);
        position = 0;
        while (idmap_walk(&m, &position, count_shown, shown)) {
            for (uint64_t key = STAYING + 1; pieces == step && key <= PASSING; key++) {
                if (is_growing)
                    idmap_put(&m, key, (void *)(uintptr_t)key);
                else
                    idmap_remove(&m, key);
            }
            pieces++;
        }
        for (unsigned i = 0; i < STAYING; i++)
            assert_int_equal(shown[i], 1);
        idmap_fini(&m);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_map_holds_no_memory),
        cmocka_unit_test(test_key_zero_is_never_found),
        cmocka_unit_test(test_random_changes_match_an_array),
        cmocka_unit_test(test_table_shrinks_when_most_is_removed),
        cmocka_unit_test(test_walk_in_pieces_shows_what_stays_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
