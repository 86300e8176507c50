/* Arena: what it gives is zeroed, aligned, apart from everything else, and stays. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

static void
pieces_of_all_sizes_stay_apart(void **state)
{
    enum { PIECES = 300 };
    struct arena a = {0};
    unsigned char *pieces[PIECES];
    size_t sizes[PIECES];
    for (unsigned i = 0; i < PIECES; i++) {
        sizes[i] = i % 50 == 49 ? 3000u * (i / 50 + 1) : i % 37 + 1; /* some larger than a block */
        pieces[i] = arena_alloc(&a, sizes[i]);
        assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(pieces[i][k], 0);
        memset(pieces[i], (int)(i % 255 + 1), sizes[i]);
    }
    for (unsigned i = 0; i < PIECES; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(pieces[i][k], i % 255 + 1);
    arena_fini(&a);
    assert_null(a.blocks);
}

static void
a_copy_ends_with_a_zero(void **state)
{
    struct arena a = {0};
    assert_string_equal(arena_copy(&a, slice_of("leveret", 4)), "leve");
    assert_string_equal(arena_copy(&a, slice_of(NULL, 0)), "");
    arena_fini(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_all_sizes_stay_apart),
        cmocka_unit_test(a_copy_ends_with_a_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
