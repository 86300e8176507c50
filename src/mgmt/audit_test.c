/* What a line of the audit log says, and what never gets into one. */
#include "mgmt/audit.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct {
    char text[LOG_TEXT_MAX];
    enum log_level level;
    unsigned lines;
} last;

static void
keep(void *arg, enum log_category category, enum log_level level, const char *text)
{
    assert_int_equal(category, LOG_AUDIT);
    snprintf(last.text, sizeof last.text, "%s", text);
    last.level = level;
    last.lines++;
}

static void
write_entry(const char *command, json_t *arguments, const char *user, const char *failure)
{
    struct log log;
    log_init(&log, keep, NULL, LOG_LEVEL_INFO);
    audit_write(&log, &(struct audit_entry){.command = command,
                                            .arguments = arguments,
                                            .user = user,
                                            .origin = "uid 0, pid 4711",
                                            .failure = failure});
    json_decref(arguments);
}

static void
change_is_told_with_who_and_what(void **state)
{
    write_entry("set_permissions",
                json_pack("{s:s,s:s,s:s,s:s,s:s}", "read", "", "write", ".*", "user", "u\"1", "configure",
                          "^a", "vhost", "/"),
                "ops@host", NULL);
    assert_string_equal(last.text,
                        "done by \"ops@host\" (uid 0, pid 4711): set_permissions user=\"u\\\"1\" vhost=\"/\" "
                        "configure=\"^a\" write=\".*\" read=\"\"");
    assert_int_equal(last.level, LOG_LEVEL_INFO);
    write_entry("delete_user", json_pack("{s:s}", "name", "x"), "", "no_such_user");
    assert_string_equal(last.text, "refused to (uid 0, pid 4711), no_such_user: delete_user name=\"x\"");
    assert_int_equal(last.level, LOG_LEVEL_WARNING);
    write_entry("stop_app", NULL, NULL, NULL);
    assert_string_equal(last.text, "done by (uid 0, pid 4711): stop_app");
}

static void
secrets_are_named_and_not_shown(void **state)
{
    write_entry("add_user", json_pack("{s:s,s:s}", "name", "u", "password", "hunter2"), "ops@host", NULL);
    assert_non_null(strstr(last.text, "name=\"u\" password=(not shown)"));
    assert_null(strstr(last.text, "hunter2"));
    write_entry("set_parameter",
                json_pack("{s:s,s:s,s:s,s:s}", "component", "shovel", "name", "s", "vhost", "/", "value",
                          "{\"src-uri\":\"amqp://u:hunter2@h\"}"),
                "ops@host", "bad_argument");
    assert_non_null(strstr(last.text, "component=\"shovel\" value=(not shown)"));
    assert_null(strstr(last.text, "hunter2"));
    write_entry("new_thing", json_pack("{s:s}", "never_heard_of", "hunter2"), "ops@host", NULL);
    assert_non_null(strstr(last.text, "never_heard_of=(not shown)"));
    assert_null(strstr(last.text, "hunter2"));
}

/* Neither by forged ends of line nor by arguments that fill the line. */
static void
nobody_hides_behind_their_words(void **state)
{
    char name[3 * LOG_TEXT_MAX];
    unsigned before = last.lines;
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = 0;
    write_entry("delete_queue", json_pack("{s:s}", "name", name), "ops\ndone by \"root", NULL);
    assert_int_equal(last.lines, before + 1);
    assert_non_null(
        strstr(last.text, "done by \"ops\\ndone by \\\"root\" (uid 0, pid 4711): delete_queue name=\"xxx"));
    assert_true(strlen(last.text) < 2 * AUDIT_VALUE_MAX + 100);
}

static void
silenced_category_is_silent(void **state)
{
    struct log log;
    unsigned before = last.lines;
    log_init(&log, keep, NULL, LOG_LEVEL_INFO);
    log_set_level(&log, LOG_AUDIT, LOG_LEVEL_WARNING);
    audit_write(&log, &(struct audit_entry){.command = "stop_app", .origin = "uid 0, pid 1"});
    assert_int_equal(last.lines, before);
    audit_write(&log,
                &(struct audit_entry){.command = "stop_app", .origin = "uid 0, pid 1", .failure = "refused"});
    assert_int_equal(last.lines, before + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(change_is_told_with_who_and_what),
        cmocka_unit_test(secrets_are_named_and_not_shown),
        cmocka_unit_test(nobody_hides_behind_their_words),
        cmocka_unit_test(silenced_category_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
