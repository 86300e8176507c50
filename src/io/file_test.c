/* Files on both sides. */
#include "io/file.h"

#include "io/oserr.h"
#include "io/test_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct io_world *world;
static char dir[128];

static const char *
path(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

static int
set_up(void **state)
{
    world = test_world_new(1);
    snprintf(dir, sizeof dir, "%s/data", test_world_directory(world));
    return dir_create(world, dir) != ERR_OK;
}

static int
tear_down(void **state)
{
    test_world_free(world);
    return 0;
}

static struct file *
must_open(const char *name, unsigned flags)
{
    struct file *f = NULL;
    assert_int_equal(file_open(world, path(name), flags, &f), ERR_OK);
    return f;
}

static void
what_is_written_is_read(void **state)
{
    struct file *f = must_open("a", FILE_READ | FILE_WRITE | FILE_CREATE);
    struct iovec iov[] = {{"hello", 5}, {"", 0}, {" world", 6}};
    char got[32];
    size_t n;
    uint64_t size;
    assert_int_equal(file_pwritev(f, iov, 3, 3), ERR_OK);
    assert_int_equal(file_pread(f, got, sizeof got, 0, &n), ERR_OK);
    assert_int_equal(n, 14);
    assert_memory_equal(got, "\0\0\0hello world", 14);
    assert_int_equal(file_pread(f, got, sizeof got, 14, &n), ERR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(file_sync(f), ERR_OK);
    assert_int_equal(file_datasync(f), ERR_OK);
    assert_int_equal(file_truncate(f, 8), ERR_OK);
    assert_int_equal(file_size(f, &size), ERR_OK);
    assert_int_equal(size, 8);
    assert_int_equal(file_allocate(f, 0, 100000), ERR_OK);
    assert_int_equal(file_size(f, &size), ERR_OK);
    assert_int_equal(size, 100000);
    assert_int_equal(file_pread(f, got, 4, 6, &n), ERR_OK);
    assert_memory_equal(got, "lo\0\0", 4);
    file_close(f);
}

static void
many_vectors_are_written_whole(void **state)
{
    enum { VECTORS = 3000 };
    static uint16_t numbers[VECTORS], got[VECTORS];
    struct iovec iov[VECTORS];
    for (unsigned i = 0; i < VECTORS; i++) {
        numbers[i] = (uint16_t)i;
        iov[i] = (struct iovec){&numbers[i], sizeof numbers[i]};
    }
    struct file *f = must_open("many", FILE_READ | FILE_WRITE | FILE_CREATE);
    size_t n;
    assert_int_equal(file_pwritev(f, iov, VECTORS, 0), ERR_OK);
    assert_int_equal(file_pread(f, got, sizeof got, 0, &n), ERR_OK);
    assert_int_equal(n, sizeof got);
    assert_memory_equal(got, numbers, sizeof got);
    file_close(f);
}

static void
opening_says_what_is_wrong(void **state)
{
    struct file *f;
    assert_int_equal(file_open(world, path("none"), FILE_READ, &f), ERR_NOT_FOUND);
    assert_int_equal(file_open(world, path("no/dir"), FILE_WRITE | FILE_CREATE, &f), ERR_NOT_FOUND);
    file_close(must_open("b", FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE));
    assert_int_equal(file_open(world, path("b"), FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &f), ERR_EXISTS);
    assert_int_equal(dir_create(world, path("b")), ERR_EXISTS);
    assert_int_equal(file_unlink(world, path("none")), ERR_NOT_FOUND);
    assert_int_equal(file_rename(world, path("none"), path("x")), ERR_NOT_FOUND);
    assert_int_equal(dir_list(world, path("none"), NULL, NULL), ERR_NOT_FOUND);
    assert_int_equal(dir_sync(world, path("none")), ERR_NOT_FOUND);
    /* who reads it looks at the mounts, not at the owner of the file */
    assert_string_equal(err_text(oserr_of(EROFS)), "read-only file system");
    /* nobody is to look for a broken disk when a name is wrong, or a network is down */
    assert_string_equal(err_text(oserr_of(EISDIR)), "is a directory");
    assert_string_equal(err_text(oserr_of(EHOSTUNREACH)), "cannot be reached");
    assert_string_equal(err_text(oserr_of(ENOENT)), "not found");
}

static void
one_lock_excludes_another(void **state)
{
    struct file *a = must_open("lock", FILE_WRITE | FILE_CREATE), *b = must_open("lock", FILE_WRITE);
    assert_int_equal(file_lock(a), ERR_OK);
    assert_int_equal(file_lock(b), ERR_REFUSED);
    file_close(a);
    assert_int_equal(file_lock(b), ERR_OK);
    file_close(b);
}

static void
add_name(void *arg, const char *name)
{
    strncat(arg, name, 100);
    strncat(arg, " ", 2);
}

static void
directories_list_what_is_in_them(void **state)
{
    char names[512] = "";
    struct file_stat st;
    uint64_t free_bytes, total_bytes;
    assert_int_equal(dir_create(world, path("d")), ERR_OK);
    file_close(must_open("d/2", FILE_WRITE | FILE_CREATE));
    file_close(must_open("d/1", FILE_WRITE | FILE_CREATE));
    assert_int_equal(dir_create(world, path("d/sub")), ERR_OK);
    file_close(must_open("d/sub/deep", FILE_WRITE | FILE_CREATE));
    assert_int_equal(file_rename(world, path("d/2"), path("d/3")), ERR_OK);
    assert_int_equal(dir_sync(world, path("d")), ERR_OK);
    assert_int_equal(dir_list(world, path("d"), add_name, names), ERR_OK);
    assert_string_equal(names, "1 3 sub ");
    assert_int_equal(dir_remove(world, path("d")), ERR_EXISTS);
    assert_int_equal(file_stat(world, path("d"), &st), ERR_OK);
    assert_true(st.is_directory);
    assert_int_equal(file_rename(world, path("d/sub"), path("moved")), ERR_OK);
    assert_int_equal(file_stat(world, path("moved/deep"), &st), ERR_OK);
    assert_false(st.is_directory);
    assert_int_equal(file_unlink(world, path("moved/deep")), ERR_OK);
    assert_int_equal(dir_remove(world, path("moved")), ERR_OK);
    assert_int_equal(file_stat(world, path("moved"), &st), ERR_NOT_FOUND);
    assert_int_equal(disk_space(world, dir, &free_bytes, &total_bytes), ERR_OK);
    assert_true(free_bytes <= total_bytes);
}

static void
unlink_name(void *arg, const char *name)
{
    unsigned *count = arg;
    char inside[64];
    snprintf(inside, sizeof inside, "full/%s", name);
    assert_int_equal(file_unlink(world, path(inside)), ERR_OK);
    ++*count;
}

static void
the_directory_above_a_name_is_found(void **state)
{
    assert_int_equal(dir_create(world, path("up")), ERR_OK);
    assert_int_equal(dir_create(world, path("up/down")), ERR_OK);
    assert_int_equal(dir_sync_parent(world, path("up/down")), ERR_OK);
    assert_int_equal(dir_sync_parent(world, path("up/down//")), ERR_OK);
    assert_int_equal(dir_sync_parent(world, path("up/none")), ERR_OK);
    assert_int_equal(dir_sync_parent(world, path("none/none")), ERR_NOT_FOUND);
    assert_int_equal(dir_sync_parent(world, "name"), ERR_OK);
    assert_int_equal(dir_sync_parent(world, "/name"), ERR_OK);
    assert_int_equal(dir_sync_parent(world, "/"), ERR_OK);
}

static void
a_directory_can_be_emptied_while_it_is_listed(void **state)
{
    unsigned count = 0;
    assert_int_equal(dir_create(world, path("full")), ERR_OK);
    for (unsigned i = 0; i < 5; i++) {
        char inside[64];
        snprintf(inside, sizeof inside, "full/%u", i);
        file_close(must_open(inside, FILE_WRITE | FILE_CREATE));
    }
    assert_int_equal(dir_list(world, path("full"), unlink_name, &count), ERR_OK);
    assert_int_equal(count, 5);
    assert_int_equal(dir_remove(world, path("full")), ERR_OK);
}

static void
a_small_file_is_read_at_once(void **state)
{
    char *data;
    size_t len;
    struct file *f = must_open("small", FILE_WRITE | FILE_CREATE);
    assert_int_equal(file_pwrite(f, "some text", 9, 0), ERR_OK);
    file_close(f);
    assert_int_equal(file_read_all(world, path("small"), 9, &data, &len), ERR_OK);
    assert_string_equal(data, "some text");
    assert_int_equal(len, 9);
    free(data);
    assert_int_equal(file_read_all(world, path("small"), 8, &data, &len), ERR_LIMIT);
    assert_int_equal(file_read_all(world, path("none"), 8, &data, &len), ERR_NOT_FOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_vectors_are_written_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(opening_says_what_is_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_lock_excludes_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(directories_list_what_is_in_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_directory_above_a_name_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_directory_can_be_emptied_while_it_is_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_small_file_is_read_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
