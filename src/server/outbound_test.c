/* Output comes out as it went in, whatever the socket takes; memory goes back to the pool. */
#include "server/outbound.h"

#include "base/check.h"
#include "broker/broker.h"
#include "broker/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
put(struct outbound_pool *pool, struct outbound *o, size_t n, uint8_t *expected, size_t *at)
{
    uint8_t *out = outbound_reserve(pool, o, n);
    for (size_t i = 0; i < n; i++)
        out[i] = expected[*at + i] = (uint8_t)((*at + i) * 31 % 251);
    *at += n;
    outbound_commit(o, n);
}

static void
put_message(struct broker *b, struct outbound *o, uint32_t n, uint8_t *expected, size_t *at)
{
    struct message *m = message_new(b, slice_of("", 0), slice_of("k", 1), slice_of("\0\0", 2), n);
    for (size_t i = 0; i < n; i++)
        message_body_mut(m)[i] = expected[*at + i] = (uint8_t)((*at + i) * 31 % 251);
    *at += n;
    outbound_add_message(o, m, message_body(m).data, n);
}

/* Takes `n` bytes as a socket would, and compares them. */
static void
take(struct outbound_pool *pool, struct outbound *o, size_t n, const uint8_t *expected, size_t *at)
{
    struct iovec iov[7];
    int count = outbound_iov(o, iov, 7);
    size_t taken = 0;
    for (int i = 0; i < count && taken < n; i++) {
        size_t part = iov[i].iov_len < n - taken ? iov[i].iov_len : n - taken;
        assert_memory_equal(iov[i].iov_base, expected + *at + taken, part);
        taken += part;
    }
    *at += taken;
    outbound_written(pool, o, taken);
}

static void
test_bytes_come_out_as_they_went_in(void **state)
{
    struct broker b = {.pool = pool_new()};
    struct outbound_pool pool;
    outbound_pool_init(&pool, &b);
    struct outbound *o = outbound_new(&pool);
    enum { TOTAL = 4000000 };
    uint8_t *expected = malloc(TOTAL);
    size_t in = 0, out = 0;
    unsigned seed = 7;
    while (in < TOTAL - 200000) {
        seed = seed * 1103515245 + 12345;
        unsigned r = seed >> 16;
        switch (r % 6) {
        case 0: put_message(&b, o, r % 100000 + 1, expected, &in); break;
        case 1: put(&pool, o, r % 100000 + 1, expected, &in); break;
        case 2: take(&pool, o, r % 200000 + 1, expected, &out); break;
        default: put(&pool, o, r % 300 + 1, expected, &in); break;
        }
        assert_int_equal(o->bytes, in - out);
    }
    while (out < in)
        take(&pool, o, 65536, expected, &out);
    assert_int_equal(o->bytes, 0);
    assert_int_equal(o->count, 0);
    outbound_free(&pool, o);
    outbound_pool_fini(&pool);
    assert_int_equal(pool_bytes_used(b.pool), 0);
    pool_free_all(b.pool);
    free(expected);
}

static void
test_what_is_unsent_is_forgotten(void **state)
{
    struct broker b = {.pool = pool_new()};
    struct outbound_pool pool;
    outbound_pool_init(&pool, &b);
    struct outbound *o = outbound_new(&pool);
    uint8_t *expected = malloc(400000);
    size_t in = 0, out = 0;
    for (int i = 0; i < 4; i++) {
        put(&pool, o, 1000, expected, &in);
        put_message(&b, o, 50000, expected, &in);
    }
    take(&pool, o, 60000, expected, &out);
    outbound_free(&pool, o);
    assert_int_equal(pool_bytes_used(b.pool), 0);
    outbound_pool_fini(&pool);
    pool_free_all(b.pool);
    free(expected);
}

static void
test_an_empty_one_is_used_again(void **state)
{
    struct broker b = {.pool = pool_new()};
    struct outbound_pool pool;
    outbound_pool_init(&pool, &b);
    struct outbound *o = outbound_new(&pool);
    uint8_t expected[64];
    size_t in = 0, out = 0;
    put(&pool, o, 10, expected, &in);
    take(&pool, o, 10, expected, &out);
    struct outbound_chunk *chunk = o->chunk;
    outbound_free(&pool, o);
    struct outbound *again = outbound_new(&pool);
    assert_ptr_equal(again, o);
    put(&pool, again, 10, expected, &in);
    assert_ptr_equal(again->chunk, chunk);
    outbound_free(&pool, again);
    outbound_pool_fini(&pool);
    pool_free_all(b.pool);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_come_out_as_they_went_in),
        cmocka_unit_test(test_what_is_unsent_is_forgotten),
        cmocka_unit_test(test_an_empty_one_is_used_again),
    };
    return cmocka_run_group_tests_name("outbound", tests, NULL, NULL);
}
