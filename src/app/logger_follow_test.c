/* A file that is followed while it grows, is moved away, and comes anew. */
#include "app/logger_follow.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[96], aside[96];

static int
set_up(void **state)
{
    snprintf(dir, sizeof dir, "/tmp/leveret-follow.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/the.log", dir);
    snprintf(aside, sizeof aside, "%s/the.log.0", dir);
    return 0;
}

static int
tear_down(void **state)
{
    unlink(path);
    unlink(aside);
    return rmdir(dir);
}

static void
add(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void
comes(struct logger_follow *f, size_t most, const char *text)
{
    struct buffer out = {0};
    logger_follow_read(f, most, &out);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data ? (const char *)out.data : "", text, out.len);
    buffer_fini(&out);
}

static void
what_is_added_comes_once_whatever_becomes_of_the_file(void **state)
{
    assert_null(logger_follow_open(path));
    add(path, "before\n");
    struct logger_follow *f = logger_follow_open(path);
    assert_non_null(f);
    comes(f, 100, "");
    add(path, "one\ntwo\n");
    comes(f, 4, "one\n");
    comes(f, 100, "two\n");
    comes(f, 100, "");
    assert_int_equal(rename(path, aside), 0);
    add(aside, "late\n");
    comes(f, 100, "late\n");
    add(aside, "later\n");
    add(path, "new\n");
    comes(f, 100, "later\nnew\n");
    add(path, "newer\n");
    comes(f, 100, "newer\n");
    logger_follow_close(f);
}

static void
a_file_that_is_emptied_is_read_from_its_beginning(void **state)
{
    add(path, "one\ntwo\n");
    struct logger_follow *f = logger_follow_open(path);
    assert_non_null(f);
    assert_int_equal(truncate(path, 0), 0);
    comes(f, 100, "");
    add(path, "three, longer than what was there\n");
    comes(f, 100, "three, longer than what was there\n");
    assert_int_equal(truncate(path, 0), 0);
    add(path, "four\n");
    comes(f, 100, "four\n");
    comes(f, 100, "");
    logger_follow_close(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_added_comes_once_whatever_becomes_of_the_file, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_emptied_is_read_from_its_beginning, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
