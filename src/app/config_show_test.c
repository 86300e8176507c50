/* A configuration that is shown could be written into a file, and then says the same. */
#include "app/config_show.h"

#include "app/config_test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

static void
load(struct config *c, const char *text)
{
    const char *const files[] = {"a.conf", text, NULL}, *const names[] = {"a.conf"};
    struct config_io io = test_files_io(files);
    io.probe = NULL;
    struct config_request request = {.files = names, .file_count = 1, .io = io};
    struct config_report report;
    if (!config_load(c, &request, &report))
        fail_msg("%.*s", SLICE_FMT(buffer_slice(&report.errors)));
    config_report_fini(&report);
}

static void
what_is_shown_says_the_same_in_a_file(void **state)
{
    struct config first, second;
    struct buffer text = {0};
    load(&first,
         "loopback_users.a\\.b = true\nlisteners.tcp = none\nheartbeat = 7\nmax_connections = 9\n"
         "vm_memory_high_watermark.relative = 0.25\nlog.connection.level = none\nssl_options.depth = 2\n"
         "log.console.level = warning\nssl_options.versions.1 = tlsv1.3\ncluster_name = ' "
         "my#name'\ndefault_permissions.read = ''\n");
    config_show_text(&first, &text);
    buffer_add_u8(&text, 0);
    assert_non_null(strstr((const char *)text.data, "loopback_users.a\\.b = true\n"));
    assert_non_null(strstr((const char *)text.data, "listeners.tcp = none\n"));
    assert_non_null(strstr((const char *)text.data, "vm_memory_high_watermark.relative = 0.25\n"));
    load(&second, (const char *)text.data);
    for (size_t i = 0; i < config_row_count; i++)
        if (config_rows[i].type != CONFIG_SECRET && !config_show_same(&first, &second, &config_rows[i]))
            fail_msg("%s differs", config_rows[i].name);
    buffer_fini(&text);
    config_fini(&first);
    config_fini(&second);
}

static void
a_secret_is_never_shown(void **state)
{
    struct config c;
    struct buffer text = {0};
    load(&c, "default_pass = hunter2\nssl_options.password = hunter2\n");
    config_show_text(&c, &text);
    buffer_add_u8(&text, 0);
    assert_null(strstr((const char *)text.data, "hunter2"));
    assert_non_null(strstr((const char *)text.data, "default_pass = ********\n"));
    buffer_fini(&text);
    config_fini(&c);
}

static void
differences_are_seen_row_by_row(void **state)
{
    struct config a, b;
    load(&a, "heartbeat = 7\nloopback_users.x = true\ndefault_pass = a\n");
    load(&b, "heartbeat = 8\nloopback_users.y = true\ndefault_pass = b\nlog.file.level = info\n");
    unsigned differ = 0;
    for (size_t i = 0; i < config_row_count; i++)
        differ += !config_show_same(&a, &b, &config_rows[i]);
    assert_int_equal(differ, 4);
    config_fini(&a);
    config_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown_says_the_same_in_a_file),
        cmocka_unit_test(a_secret_is_never_shown),
        cmocka_unit_test(differences_are_seen_row_by_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
