/* What a configuration says of new virtual hosts: which keys belong together, and what is told of wrong ones.
 */
#include "app/config_vhost.h"

#include "app/config_show.h"
#include "app/config_test_files.h"
#include "broker/jsontext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

static bool
load(struct config *c, const char *text, char *errors, size_t size)
{
    const char *const files[] = {"a.conf", text, NULL}, *const names[] = {"a.conf"};
    struct config_request request = {.files = names, .file_count = 1, .io = test_files_io(files)};
    struct config_report report;
    bool is_good = config_load(c, &request, &report);
    snprintf(errors, size, "%.*s", SLICE_FMT(buffer_slice(&report.errors)));
    config_report_fini(&report);
    return is_good;
}

static void
add_name(void *arg, const char *name)
{
    buffer_add_fmt(arg, "%s;", name);
}

static void
expect_names(const struct config *c, enum config_vhost_kind kind, const char *expected)
{
    struct buffer names = {0};
    config_vhost_each(c, kind, add_name, &names);
    assert_true(slice_eq_str(buffer_slice(&names), expected));
    buffer_fini(&names);
}

static void
expect_definition(const struct config *c, enum config_vhost_kind kind, const char *name, const char *expected)
{
    json_t *definition = config_vhost_definition(c, kind, name);
    struct slice text = jsontext_copy(definition);
    if (!slice_eq_str(text, expected))
        fail_msg("%.*s, not %s", SLICE_FMT(text), expected);
    free((void *)text.data);
    json_decref(definition);
}

static void
keys_with_the_same_name_are_one_thing(void **state)
{
    struct config c;
    char errors[1024];
    assert_true(load(&c,
                     "default_limits.vhosts.10.max_queues = 3\n"
                     "default_limits.vhosts.2.pattern = ^a\n"
                     "default_limits.vhosts.2.max_connections = -1\n"
                     "default_limits.vhosts.b.max_connections = 7\n"
                     "default_policies.operator.all.expires = 1h30m\n"
                     "default_policies.operator.all.message_ttl = 250\n"
                     "default_policies.operator.all.max_length = 10\n"
                     "default_policies.operator.all.max_length_bytes = 2kB\n"
                     "default_policies.operator.all.max_in_memory_length = 11\n"
                     "default_policies.operator.all.max_in_memory_bytes = 12\n"
                     "default_policies.operator.all.delivery_limit = 13\n"
                     "default_policies.operator.all.classic_queues.ha_mode = nodes\n"
                     "default_policies.operator.all.classic_queues.ha_params = rabbit@a, rabbit@b\n"
                     "default_policies.operator.all.classic_queues.ha_sync_mode = automatic\n"
                     "default_policies.operator.all.classic_queues.queue_version = 2\n"
                     "default_policies.operator.two\\.five.classic_queues.ha_mode = exactly\n"
                     "default_policies.operator.two\\.five.classic_queues.ha_params = 2\n"
                     "default_policies.operator.two\\.five.queue_pattern = ^q\n"
                     "default_users.u.tags = monitoring\n",
                     errors, sizeof errors));
    expect_names(&c, CONFIG_VHOST_LIMITS, "2;10;b;");
    expect_names(&c, CONFIG_VHOST_POLICY, "all;two.five;");
    expect_names(&c, CONFIG_VHOST_USER, "u;");
    expect_definition(&c, CONFIG_VHOST_LIMITS, "2", "{\"max-connections\":-1}");
    expect_definition(&c, CONFIG_VHOST_LIMITS, "10", "{\"max-queues\":3}");
    expect_definition(&c, CONFIG_VHOST_POLICY, "all",
                      "{\"delivery-limit\":13,\"expires\":5400000,\"ha-mode\":\"nodes\",\"ha-params\":["
                      "\"rabbit@a\",\"rabbit@b\"],"
                      "\"ha-sync-mode\":\"automatic\",\"max-in-memory-bytes\":12,\"max-in-memory-length\":11,"
                      "\"max-length\":10,"
                      "\"max-length-bytes\":2000,\"message-ttl\":250,\"queue-version\":2}");
    expect_definition(&c, CONFIG_VHOST_POLICY, "two.five", "{\"ha-mode\":\"exactly\",\"ha-params\":2}");
    assert_string_equal(config_vhost_text(&c.vhost_policy_patterns, "two.five", ".*"), "^q");
    assert_string_equal(config_vhost_text(&c.vhost_policy_patterns, "all", ".*"), ".*");
    config_fini(&c);
}

static void
wrong_values_are_told_with_file_and_line(void **state)
{
    static const struct {
        const char *text, *error;
    } all[] = {
        {"default_policies.operator.p.expires = 0\n", "a.conf:1: default_policies.operator.p.expires = 0: "},
        {"default_policies.operator.p.expires = 1x\n",
         "a.conf:1: default_policies.operator.p.expires = 1x: "},
        {"default_policies.operator.p.expires = 1h30\n",
         "a.conf:1: default_policies.operator.p.expires = 1h30: "},
        {"default_policies.operator.p.expires = h\n", "a.conf:1: default_policies.operator.p.expires = h: "},
        {"default_policies.operator.p.expires = 99999999999999999999d\n", "a.conf:1: "},
        {"default_policies.operator.p.expires = 9999999999w9999999999w\n", "a.conf:1: "},
        {"default_policies.operator.p.max_length = 0\n",
         "a.conf:1: default_policies.operator.p.max_length = 0: "},
        {"\ndefault_policies.operator.p.max_length_bytes = many\n", "a.conf:2: "},
        {"default_policies.operator.p.vhost_pattern = [\n",
         "a.conf:1: default_policies.operator.p.vhost_pattern = [: expected a regular expression"},
        {"default_policies.operator.p.queue_pattern = (\n", "a.conf:1: "},
        {"default_policies.operator.p.apply_to = some\n", "a.conf:1: "},
        {"default_policies.operator.p.max_age = 5\n", "a.conf:1: there is no key"},
        {"\ndefault_policies.operator.p.classic_queues.ha_mode = most\n",
         "a.conf:2: default_policies.operator.p.classic_queues.ha_mode: <<\"most\">> is not a valid ha-mode "
         "value"},
        {"default_policies.operator.o.classic_queues.ha_mode = all\n"
         "default_policies.operator.p\\.q.classic_queues.ha_sync_mode = manual\n",
         "a.conf:2: default_policies.operator.p\\.q.classic_queues.ha_sync_mode: ha-mode must be specified"},
        {"default_policies.operator.p.classic_queues.queue_version = 3\n", "a.conf:1: "},
        {"default_limits.vhosts.1.pattern = *\n", "a.conf:1: "},
        {"default_limits.vhosts.1.max_queues = -2\n", "a.conf:1: "},
        {"default_limits.vhosts.1.max_connections = infinity\n", "a.conf:1: "},
        {"default_users.u.read = )\n", "a.conf:1: "},
        {"default_users.u.password = encrypted:xyz\n",
         "a.conf:1: default_users.u.password: encrypted values"},
        {"default_queue_type = stream\n", "a.conf:1: default_queue_type = stream: expected one of classic"},
        {"vhost_max = 0\n", "a.conf:1: "},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct config c;
        char errors[1024];
        if (load(&c, all[i].text, errors, sizeof errors) ||
            strncmp(errors, all[i].error, strlen(all[i].error)))
            fail_msg("%s: %s", all[i].text, errors);
        config_fini(&c);
    }
}

static void
passwords_are_not_shown(void **state)
{
    struct config c;
    char errors[1024];
    struct buffer shown = {0};
    assert_true(load(&c, "default_users.u.password = gosling\n", errors, sizeof errors));
    config_show_text(&c, &shown);
    buffer_add_u8(&shown, 0);
    assert_non_null(strstr((const char *)shown.data, "default_users.u.password = ********\n"));
    assert_null(strstr((const char *)shown.data, "gosling"));
    buffer_fini(&shown);
    config_fini(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_with_the_same_name_are_one_thing),
        cmocka_unit_test(wrong_values_are_told_with_file_and_line),
        cmocka_unit_test(passwords_are_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
