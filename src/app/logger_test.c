/* The whole log: configuration in, files out. */
#include "app/logger.h"

#include "app/logger_output.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* after its own prerequisites */
#include <cmocka.h>

struct world {
    char dir[64];
    struct config config;
    struct logger logger;
    char why[256];
};

static enum err
read_nothing(void *arg, const char *path, struct buffer *text)
{
    buffer_add_str(text, arg);
    return ERR_OK;
}

static void
load(struct config *c, const char *text)
{
    static const char *const files[] = {"the.conf"};
    struct config_report report;
    struct config_request request = {
        .files = files, .file_count = 1, .io = {.read = read_nothing, .arg = (void *)(uintptr_t)text}};
    bool good = config_load(c, &request, &report);
    if (!good)
        print_message("%.*s", (int)report.errors.len, (const char *)report.errors.data);
    assert_true(good);
    config_report_fini(&report);
}

/* `text`: the configuration, in which DIR stands for a new directory. */
static bool
try_open(struct world *w, const char *text)
{
    char whole[2048] = "";
    *w = (struct world){.dir = "/tmp/leveret-logger.XXXXXX"};
    assert_non_null(mkdtemp(w->dir));
    snprintf(whole, sizeof whole, "log.console = false\nlog.dir = %s\n%s", w->dir, text);
    load(&w->config, whole);
    return logger_init(&w->logger, &w->config, NULL, w->why, sizeof w->why);
}

static void
open_world(struct world *w, const char *text)
{
    assert_true(try_open(w, text));
}

static void
close_world(struct world *w)
{
    char command[128];
    logger_fini(&w->logger);
    config_fini(&w->config);
    snprintf(command, sizeof command, "rm -r %s", w->dir);
    assert_int_equal(system(command), 0);
}

/* What the file holds, without times and thread numbers: "[info] text\n...". Ends the logger, so that all is
 * written. */
static void
expect_file(struct world *w, const char *name, const char *expected)
{
    char path[128], line[4096], got[8192] = "";
    logger_fini(&w->logger);
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char *level = strchr(line, '['), *text = strstr(line, ".0> ");
        assert_true(level && text);
        *strchr(level, ' ') = 0;
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s %s", level, text + 4);
    }
    fclose(f);
    assert_string_equal(got, expected);
}

static void
say(struct world *w)
{
    struct log *l = &w->logger.log;
    log_debug(l, LOG_GLOBAL, "one");
    log_info(l, LOG_GLOBAL, "two");
    log_info(l, LOG_CONNECTION, "three");
    log_warning(l, LOG_CONNECTION, "four");
    log_info(l, LOG_AUDIT, "five");
}

static void
levels_of_output_and_category(void **state)
{
    static const struct {
        const char *config, *expected;
    } cases[] = {
        {"", "[info] two\n[info] connection: three\n[warning] connection: four\n[info] audit: five\n"},
        {"log.file.level = debug\n", "[debug] one\n[info] two\n[info] connection: three\n[warning] "
                                     "connection: four\n[info] audit: five\n"},
        {"log.file.level = debug\nlog.connection.level = error\n",
         "[debug] one\n[info] two\n[info] audit: five\n"},
        {"log.default.level = warning\n", "[warning] connection: four\n[info] audit: five\n"},
        {"log.file.level = warning\nlog.connection.level = debug\n", "[warning] connection: four\n"},
        {"log.default.level = none\nlog.connection.level = info\nlog.audit.level = none\n",
         "[info] connection: three\n[warning] connection: four\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        char text[512];
        snprintf(text, sizeof text, "log.file = a.log\n%s", cases[i].config);
        open_world(&w, text);
        say(&w);
        expect_file(&w, "a.log", cases[i].expected);
        close_world(&w);
    }
}

static void
a_category_with_a_file_of_its_own(void **state)
{
    struct world w;
    open_world(&w, "log.file = a.log\nlog.audit.file = audit.log\nlog.file.level = warning\n");
    say(&w);
    expect_file(&w, "audit.log", "[info] audit: five\n");
    expect_file(&w, "a.log", "[warning] connection: four\n");
    close_world(&w);
}

static void
a_level_set_at_run_time_is_for_all_outputs_until_levels_are_loaded_again(void **state)
{
    struct world w;
    open_world(&w, "log.file = a.log\nlog.file.level = error\n");
    log_set_level(&w.logger.log, LOG_CONNECTION, LOG_LEVEL_INFO);
    say(&w);
    assert_true(logger_set_levels(&w.logger, &w.config, w.why, sizeof w.why));
    say(&w);
    expect_file(&w, "a.log", "[info] connection: three\n[warning] connection: four\n");
    close_world(&w);
}

static void
json_lines_are_json(void **state)
{
    struct world w;
    char path[128], line[8192];
    open_world(&w, "log.file = a.log\nlog.file.formatter = json\n");
    log_info(&w.logger.log, LOG_QUEUE, "%s", "a \"quoted\"\nthing\x01 \xff");
    logger_fini(&w.logger);
    snprintf(path, sizeof path, "%s/a.log", w.dir);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    json_t *o = json_loads(line, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "msg")), "a \"quoted\"\\nthing\\x01 \\xff");
    assert_string_equal(json_string_value(json_object_get(o, "domain")), "rabbitmq.queue");
    json_decref(o);
    fclose(f);
    close_world(&w);
}

static void
what_is_logged_after_a_reopen_is_in_the_new_file(void **state)
{
    struct world w;
    char from[128], to[128];
    open_world(&w, "log.file = a.log\n");
    log_info(&w.logger.log, LOG_GLOBAL, "before");
    snprintf(from, sizeof from, "%s/a.log", w.dir);
    snprintf(to, sizeof to, "%s/b.log", w.dir);
    assert_int_equal(rename(from, to), 0);
    logger_reopen(&w.logger);
    log_info(&w.logger.log, LOG_GLOBAL, "after");
    logger_fini(&w.logger);
    struct buffer tail = {0};
    assert_int_equal(logger_file_tail(from, 1, 4096, &tail), ERR_OK);
    assert_non_null(memmem(tail.data, tail.len, "after", 5));
    buffer_fini(&tail);
    close_world(&w);
}

static void
rotating_now(void **state)
{
    struct world w;
    char path[128];
    struct stat st;
    open_world(&w, "log.file = a.log\nlog.file.rotation.count = 3\n");
    logger_rotate(&w.logger);
    log_info(&w.logger.log, LOG_GLOBAL, "after");
    expect_file(&w, "a.log", "[info] after\n");
    snprintf(path, sizeof path, "%s/a.log.0", w.dir);
    assert_int_equal(stat(path, &st), 0);
    close_world(&w);
}

/* /dev/full is a disk without room. */
static void
a_full_disk_loses_lines_and_says_so_when_there_is_room(void **state)
{
    struct logger_output o = {.kind = LOGGER_CONSOLE};
    struct logger_record r = {.level = LOG_LEVEL_INFO, .len = 3, .text = "one"};
    int ends[2], full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    char got[1024];
    assert_true(full >= 0);
    o.fd = full;
    logger_output_put(&o, &r);
    logger_output_put(&o, &r);
    assert_int_equal(o.lost, 2);
    assert_int_equal(pipe(ends), 0);
    o.fd = ends[1];
    logger_output_put(&o, &r);
    assert_int_equal(o.lost, 0);
    close(ends[1]);
    ssize_t n = read(ends[0], got, sizeof got - 1);
    assert_true(n > 0);
    got[n] = 0;
    assert_non_null(strstr(got, "[warning] <0.0.0> 2 log lines were lost here: No space left on device\n"));
    assert_non_null(strstr(got, "[info] <0.0.0> one\n"));
    close(ends[0]);
    close(full);
}

static void *
flood(void *arg)
{
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    for (int i = 0; i < 20000; i++)
        log_info((struct log *)arg, LOG_GLOBAL, "%s", text);
    return NULL;
}

/* However fast they come: memory stays bounded, and what is missing in the file is what it says is missing.
 */
static void
a_flood_of_lines_is_bounded_and_counted(void **state)
{
    struct world w;
    char path[128], line[8192];
    unsigned long long written = 0, lost = 0;
    pthread_t threads[2];
    open_world(&w, "log.file = a.log\n");
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, flood, &w.logger.log), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    logger_fini(&w.logger);
    snprintf(path, sizeof path, "%s/a.log", w.dir);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        const char *text = strstr(line, ".0> ");
        assert_non_null(text);
        if (text[4] == 'x')
            written++;
        else
            lost += strtoull(text + 4, NULL, 10);
    }
    assert_int_equal(written + lost, 40000);
    fclose(f);
    close_world(&w);
}

static void
outputs_are_located_files_first(void **state)
{
    struct world w;
    open_world(
        &w, "log.console = true\nlog.console.stdio = stderr\nlog.console.level = critical\nlog.file = a.log\n"
            "log.syslog = true\nlog.journald = true\nlog.audit.file = b.log\n");
    static const char *const expected[] = {"a.log", "b.log", "<stderr>", "<syslog>", "<journald>"};
    for (unsigned i = 0; i < 5; i++)
        assert_non_null(strstr(logger_location(&w.logger, i), expected[i]));
    assert_null(logger_location(&w.logger, 5));
    close_world(&w);
}

static void
what_cannot_be_refuses_the_start(void **state)
{
    static const char *const cases[][2] = {
        {"log.file = /proc/none/a.log\n", "cannot open the log file"},
        {"log.file.rotation.date = daily\n", "log.file.rotation.date = daily: expected"},
        {"log.adit.file = a.log\n", "log.adit.file: there is no log category 'adit'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        assert_false(try_open(&w, cases[i][0]));
        assert_non_null(strstr(w.why, cases[i][1]));
        log_critical(&w.logger.log, LOG_GLOBAL, "nobody hears this");
        close_world(&w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_of_output_and_category),
        cmocka_unit_test(a_category_with_a_file_of_its_own),
        cmocka_unit_test(a_level_set_at_run_time_is_for_all_outputs_until_levels_are_loaded_again),
        cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(what_is_logged_after_a_reopen_is_in_the_new_file),
        cmocka_unit_test(rotating_now),
        cmocka_unit_test(a_full_disk_loses_lines_and_says_so_when_there_is_room),
        cmocka_unit_test(a_flood_of_lines_is_bounded_and_counted),
        cmocka_unit_test(outputs_are_located_files_first),
        cmocka_unit_test(what_cannot_be_refuses_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
