/* Large bodies: written, read, damaged, and lost with the power. */
#include "store/body.h"

#include "io/file.h"
#include "store/segment_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE_MAX_TRIED = (3 << 20) + 7 };

static struct segment_fixture x;
static uint8_t *body, *got;

static int
set_up(void **state)
{
    segment_fixture_init(&x, 1);
    body = malloc(SIZE_MAX_TRIED);
    got = malloc(SIZE_MAX_TRIED);
    for (size_t i = 0; body && i < SIZE_MAX_TRIED; i++)
        body[i] = (uint8_t)(i * 2654435761u >> 13);
    return !body || !got;
}

static int
tear_down(void **state)
{
    free(body);
    free(got);
    segment_fixture_fini(&x);
    return 0;
}

static bool
is_read(uint64_t id, size_t size)
{
    memset(got, 0xee, SIZE_MAX_TRIED);
    return body_read(&x.store, id, got, size) == ERR_OK && memcmp(got, body, size) == 0;
}

static void
count_one(void *arg, uint64_t id)
{
    *(uint64_t *)arg += 1000 + id;
}

static void
bodies_are_read_as_they_were_written(void **state)
{
    static const size_t sizes[] = {0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, SIZE_MAX_TRIED};
    uint64_t sum = 0;
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(body_write(&x.store, i + 1, slice_of(body, sizes[i])), ERR_OK);
    segment_fixture_crash(&x);
    for (unsigned i = 0; i < 6; i++)
        assert_true(is_read(i + 1, sizes[i]));
    assert_int_equal(body_read(&x.store, 6, got, SIZE_MAX_TRIED - 1), ERR_CORRUPT);
    assert_int_equal(body_read(&x.store, 7, got, 1), ERR_NOT_FOUND);
    assert_int_equal(body_list(&x.store, count_one, &sum), ERR_OK);
    assert_int_equal(sum, 6000 + 21);
    for (unsigned i = 0; i < 6; i++)
        body_delete(&x.store, i + 1);
    body_delete(&x.store, 1);
    sum = 0;
    assert_int_equal(body_list(&x.store, count_one, &sum), ERR_OK);
    assert_int_equal(sum, 0);
}

static void
every_flipped_or_missing_byte_is_noticed(void **state)
{
    enum { SIZE = 100 };
    char path[STORE_PATH_MAX];
    struct file *f;
    uint64_t size;
    uint8_t byte;
    size_t n;
    assert_int_equal(body_write(&x.store, 9, slice_of(body, SIZE)), ERR_OK);
    store_body_path(&x.store, path, 9);
    assert_int_equal(file_open(x.node, path, FILE_READ | FILE_WRITE, &f), ERR_OK);
    assert_int_equal(file_size(f, &size), ERR_OK);
    for (uint64_t i = 0; i < size; i++) {
        assert_int_equal(file_pread(f, &byte, 1, i, &n), ERR_OK);
        byte ^= 4;
        assert_int_equal(file_pwrite(f, &byte, 1, i), ERR_OK);
        assert_int_equal(body_read(&x.store, 9, got, SIZE), ERR_CORRUPT);
        byte ^= 4;
        assert_int_equal(file_pwrite(f, &byte, 1, i), ERR_OK);
    }
    assert_true(is_read(9, SIZE));
    assert_int_equal(file_truncate(f, size + 1), ERR_OK);
    assert_int_equal(body_read(&x.store, 9, got, SIZE), ERR_CORRUPT);
    while (size-- > 0) {
        assert_int_equal(file_truncate(f, size), ERR_OK);
        assert_int_equal(body_read(&x.store, 9, got, SIZE), ERR_CORRUPT);
    }
    file_close(f);
}

/* Each operation fails; then the power goes. Written means read, and an error is one of the store's. */
static void
what_was_written_survives_and_what_was_not_is_told(void **state)
{
    static const enum err errors[] = {ERR_IO, ERR_NO_SPACE};
    for (unsigned i = 0; i < 2; i++) {
        uint64_t nth = 0;
        for (bool is_hit = true; is_hit;) {
            segment_fixture_fini(&x);
            segment_fixture_init(&x, ++nth);
            uint64_t before = sim_disk_operations(x.node);
            sim_disk_set_faults(x.node, &(struct sim_disk_faults){.fail_at = nth, .fail_with = errors[i]});
            enum err e = body_write(&x.store, 3, slice_of(body, SIZE_MAX_TRIED));
            is_hit = sim_disk_operations(x.node) >= before + nth;
            assert_int_equal(e, is_hit ? errors[i] : ERR_OK);
            sim_disk_set_faults(x.node, &(struct sim_disk_faults){0});
            if (e == ERR_NO_SPACE && store_failure(&x.store) == ERR_OK) {
                assert_int_equal(body_read(&x.store, 3, got, SIZE_MAX_TRIED), ERR_NOT_FOUND);
                e = body_write(&x.store, 3, slice_of(body, SIZE_MAX_TRIED));
                assert_int_equal(e, ERR_OK);
            }
            assert_int_equal(e, store_failure(&x.store));
            segment_fixture_crash(&x);
            if (e == ERR_OK)
                assert_true(is_read(3, SIZE_MAX_TRIED));
        }
        assert_true(nth > 7);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(bodies_are_read_as_they_were_written),
        TEST(every_flipped_or_missing_byte_is_noticed),
        TEST(what_was_written_survives_and_what_was_not_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
