/* The set against a plain list, while it grows, shrinks, is compacted and becomes one word again. */
#include "base/epoch.h"
#include "broker/bindset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BINDINGS = 500, STEPS = 20000 };

static uint64_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void
check_same(const struct bindset *s, struct binding *const all[BINDINGS], const bool in[BINDINGS],
           struct router_scratch *out)
{
    out->found_count = 0;
    bindset_collect(s, out);
    uint32_t expected = 0;
    for (int i = 0; i < BINDINGS; i++) {
        unsigned times = 0;
        for (uint32_t j = 0; j < out->found_count; j++)
            times += out->found[j] == all[i];
        assert_int_equal(times, in[i]);
        expected += in[i];
    }
    assert_int_equal(out->found_count, expected);
    assert_int_equal(bindset_count(s), expected);
    assert_int_equal(bindset_is_empty(s), expected == 0);
}

static void
holds_what_a_list_holds(void **state)
{
    struct epoch epoch;
    struct bindset s = {0};
    struct router_scratch out = {0};
    static struct binding *all[BINDINGS];
    static bool in[BINDINGS];
    uint64_t seed = 9;
    epoch_init(&epoch, 1);
    for (int i = 0; i < BINDINGS; i++)
        all[i] = binding_new(NULL, &s, false, slice_of(NULL, 0), slice_of(NULL, 0));
    for (int step = 0; step < STEPS; step++) {
        /* Tides: it fills and empties in turn. */
        bool rising = step / 2500 % 2 == 0;
        int i = (int)(next_random(&seed) % BINDINGS);
        bool want = next_random(&seed) % 10 < 9 ? rising : !rising;
        if (want && !in[i])
            bindset_add(&s, all[i], &epoch);
        else
            assert_int_equal(want ? true : bindset_remove(&s, all[i], &epoch), want || in[i]);
        in[i] = want;
        if (step % 50 == 0)
            check_same(&s, all, in, &out);
        epoch_collect(&epoch);
    }
    for (int i = 0; i < BINDINGS; i++) {
        assert_int_equal(bindset_remove(&s, all[i], &epoch), in[i]);
        free(all[i]);
    }
    assert_true(bindset_is_empty(&s));
    bindset_fini(&s);
    router_scratch_fini(&out);
    epoch_fini(&epoch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(holds_what_a_list_holds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
