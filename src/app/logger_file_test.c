/* A log file: appending, rotation, full disks, files that others move away. */
#include "app/logger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
/* after its own prerequisites */
#include <cmocka.h>

struct place {
    char dir[64];
    struct logger_file file;
};

static void
open_file(struct place *p, struct logger_rotation rotation, time_t now)
{
    char *path = NULL;
    snprintf(p->dir, sizeof p->dir, "/tmp/leveret-log.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    assert_true(asprintf(&path, "%s/the.log", p->dir) > 0);
    assert_int_equal(logger_file_open(&p->file, path, &rotation, now), 0);
}

static void
close_file(struct place *p)
{
    char command[128];
    logger_file_close(&p->file);
    snprintf(command, sizeof command, "rm -r %s", p->dir);
    assert_int_equal(system(command), 0);
}

static void
put(struct place *p, const char *line, time_t now)
{
    assert_int_equal(logger_file_put(&p->file, line, strlen(line), now), 0);
}

/* NULL: there is no such file. */
static void
expect_text(struct place *p, const char *suffix, const char *expected)
{
    char path[128], text[4096] = "";
    snprintf(path, sizeof path, "%s/the.log%s", p->dir, suffix);
    FILE *f = fopen(path, "r");
    assert_true((f != NULL) == (expected != NULL));
    if (!f)
        return;
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    assert_string_equal(text, expected);
}

static void
by_size_the_oldest_falls_off_the_end(void **state)
{
    struct place p;
    open_file(&p, (struct logger_rotation){.size_max = 8, .count = 2}, 1);
    put(&p, "one\n", 1);
    put(&p, "two\n", 1);
    put(&p, "three\n", 1);
    put(&p, "longer than the limit\n", 1);
    put(&p, "five\n", 1);
    expect_text(&p, "", "five\n");
    expect_text(&p, ".0", "longer than the limit\n");
    expect_text(&p, ".1", "three\n");
    expect_text(&p, ".2", NULL);
    close_file(&p);
}

static void
without_a_count_a_rotated_file_is_thrown_away(void **state)
{
    struct place p;
    open_file(&p, (struct logger_rotation){.size_max = 8}, 1);
    put(&p, "one two\n", 1);
    put(&p, "three\n", 1);
    expect_text(&p, "", "three\n");
    expect_text(&p, ".0", NULL);
    close_file(&p);
}

static void
by_date_with_the_first_line_after_it(void **state)
{
    struct place p;
    struct logger_rotation rotation = {.count = 5};
    assert_true(logger_rotation_parse_date(&rotation, slice_str("$D0")));
    open_file(&p, rotation, 100);
    put(&p, "first day\n", 86399);
    put(&p, "second day\n", 86400);
    put(&p, "still\n", 86401);
    put(&p, "after a quiet week\n", 8 * 86400);
    expect_text(&p, "", "after a quiet week\n");
    expect_text(&p, ".0", "second day\nstill\n");
    expect_text(&p, ".1", "first day\n");
    close_file(&p);
}

static void
a_file_moved_away_is_made_again_without_a_signal(void **state)
{
    struct place p;
    char from[128], to[128];
    open_file(&p, (struct logger_rotation){0}, 1);
    put(&p, "old\n", 1);
    snprintf(from, sizeof from, "%s/the.log", p.dir);
    snprintf(to, sizeof to, "%s/the.log.1", p.dir);
    assert_int_equal(rename(from, to), 0);
    put(&p, "new\n", 2);
    expect_text(&p, ".1", "old\n");
    expect_text(&p, "", "new\n");
    close_file(&p);
}

static void
what_cannot_be_reopened_stays_in_use_and_is_said(void **state)
{
    struct place p;
    char from[128], to[128];
    open_file(&p, (struct logger_rotation){0}, 1);
    snprintf(from, sizeof from, "%s/the.log", p.dir);
    snprintf(to, sizeof to, "%s/the.log.1", p.dir);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(mkdir(from, 0700), 0);
    put(&p, "still here\n", 2);
    assert_non_null(strstr(p.file.note, "the old one stays in use"));
    expect_text(&p, ".1", "still here\n");
    close_file(&p);
}

/* A limit on the file's size is to write() what a full disk is. */
static void
a_full_disk_costs_lines_and_the_next_starts_afresh(void **state)
{
    struct place p;
    struct rlimit before, small = {.rlim_cur = 12, .rlim_max = RLIM_INFINITY};
    open_file(&p, (struct logger_rotation){0}, 1);
    put(&p, "first\n", 1);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(logger_file_put(&p.file, "too long for it\n", 16, 1), ENOSPC);
    assert_int_equal(logger_file_put(&p.file, "neither\n", 8, 1), EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    put(&p, "there is room\n", 1);
    expect_text(&p, "", "first\ntoo lo\nthere is room\n");
    close_file(&p);
}

/* A pipe that nobody reads must not stop the node from starting, nor the log's thread for good. */
static void
a_pipe_that_nobody_reads_costs_lines(void **state)
{
    struct logger_rotation never = {0};
    struct logger_file f;
    char dir[] = "/tmp/leveret-log.XXXXXX", *path = NULL, *again = NULL;
    assert_non_null(mkdtemp(dir));
    assert_true(asprintf(&path, "%s/pipe", dir) > 0);
    assert_true(asprintf(&again, "%s/pipe", dir) > 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(logger_file_open(&f, path, &never, 1), ENXIO);
    logger_file_close(&f);
    int reader = open(again, O_RDONLY | O_NONBLOCK), number = 0;
    assert_true(reader >= 0);
    assert_int_equal(logger_file_open(&f, again, &never, 1), 0);
    for (int i = 0; i < 1000000 && !number; i++)
        number = logger_file_put(&f, "line\n", 5, 1);
    assert_true(number == EAGAIN || number == ENOSPC);
    assert_int_equal(unlink(again), 0);
    assert_int_equal(rmdir(dir), 0);
    logger_file_close(&f);
    close(reader);
}

static void
missing_directories_are_made(void **state)
{
    struct logger_rotation never = {0};
    struct logger_file f;
    struct stat st;
    char dir[] = "/tmp/leveret-log.XXXXXX", *path = NULL, command[128];
    assert_non_null(mkdtemp(dir));
    assert_true(asprintf(&path, "%s/a/b/the.log", dir) > 0);
    assert_int_equal(logger_file_open(&f, path, &never, 1), 0);
    assert_int_equal(stat(path, &st), 0);
    logger_file_close(&f);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

static void
the_tail_is_the_last_lines(void **state)
{
    static const struct {
        unsigned lines;
        size_t most;
        const char *expected;
    } cases[] = {{1, 1000, "three\n"},
                 {2, 1000, "two\nthree\n"},
                 {3, 1000, "one\ntwo\nthree\n"},
                 {9, 1000, "one\ntwo\nthree\n"},
                 {0, 1000, ""},
                 {9, 8, "o\nthree\n"}};
    struct place p;
    char path[128];
    open_file(&p, (struct logger_rotation){0}, 1);
    put(&p, "one\ntwo\nthree\n", 1);
    snprintf(path, sizeof path, "%s/the.log", p.dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out = {0};
        assert_int_equal(logger_file_tail(path, cases[i].lines, cases[i].most, &out), ERR_OK);
        assert_true(slice_eq_str(buffer_slice(&out), cases[i].expected));
        buffer_fini(&out);
    }
    struct buffer none = {0};
    assert_int_equal(logger_file_tail("/nowhere/the.log", 1, 1000, &none), ERR_NOT_FOUND);
    close_file(&p);
}

int
main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_size_the_oldest_falls_off_the_end),
        cmocka_unit_test(without_a_count_a_rotated_file_is_thrown_away),
        cmocka_unit_test(by_date_with_the_first_line_after_it),
        cmocka_unit_test(a_file_moved_away_is_made_again_without_a_signal),
        cmocka_unit_test(what_cannot_be_reopened_stays_in_use_and_is_said),
        cmocka_unit_test(a_full_disk_costs_lines_and_the_next_starts_afresh),
        cmocka_unit_test(a_pipe_that_nobody_reads_costs_lines),
        cmocka_unit_test(missing_directories_are_made),
        cmocka_unit_test(the_tail_is_the_last_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
