/* From the configuration to the layers below. */
#include "app/setup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static enum err
read_text(void *arg, const char *path, struct buffer *text)
{
    (void)path;
    buffer_add_slice(text, buffer_slice(arg));
    return ERR_OK;
}

static void
load(struct config *c, struct buffer *text, struct server_config *out)
{
    const char *files[] = {"a.conf"};
    struct config_request request = {.files = files, .file_count = 1, .io = {.read = read_text, .arg = text}};
    struct config_report report;
    assert_true(config_load(c, &request, &report));
    config_report_fini(&report);
    setup_server(out, c);
    buffer_fini(text);
}

static void
test_no_loopback_users_left_the_default(void **state)
{
    (void)state;
    struct config c;
    struct server_config out;
    struct buffer text = {0};
    buffer_add_str(&text, "loopback_users = none\n");
    load(&c, &text, &out);
    assert_int_equal(out.loopback_users_count, 0);
    config_fini(&c);
}

static void
test_as_many_loopback_users_as_fit_were_one_too_many(void **state)
{
    (void)state;
    struct config c;
    struct server_config out;
    struct buffer text = {0};
    for (unsigned i = 0; i < SERVER_LOOPBACK_USERS_MAX; i++)
        buffer_add_fmt(&text, "loopback_users.u%02u = true\n", i);
    load(&c, &text, &out);
    assert_int_equal(out.loopback_users_count, SERVER_LOOPBACK_USERS_MAX);
    assert_true(slice_eq_str(out.loopback_users[0], "u00"));
    assert_true(slice_eq_str(out.loopback_users[SERVER_LOOPBACK_USERS_MAX - 1], "u63"));
    config_fini(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_loopback_users_left_the_default),
        cmocka_unit_test(test_as_many_loopback_users_as_fit_were_one_too_many),
    };
    return cmocka_run_group_tests_name("setup", tests, NULL, NULL);
}
