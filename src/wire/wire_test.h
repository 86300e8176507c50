/* What the tests of this folder share: repeatable random numbers, and bytes that end where their memory ends.
 */
#ifndef LEVERET_WIRE_WIRE_TEST_H
#define LEVERET_WIRE_WIRE_TEST_H

#include "base/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h> /* needs those before it */

struct test_random {
    uint64_t state;
};

static inline uint64_t
test_random_next(struct test_random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t
test_random_below(struct test_random *r, uint64_t bound)
{
    return test_random_next(r) % bound;
}

/* A copy in memory of exactly its size, so that a sanitizer sees a read behind its end. */
static inline struct slice
test_copy(struct slice s)
{
    uint8_t *copy = malloc(s.len ? s.len : 1);
    assert_non_null(copy);
    if (s.len)
        memcpy(copy, s.data, s.len);
    return slice_of(copy, s.len);
}

static inline void
test_copy_free(struct slice s)
{
    free((void *)(uintptr_t)s.data);
}

#endif
