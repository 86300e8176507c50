/* Plugins: which need which, and the file's text. */
#include "mgmt/plugins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static plugins_set
one(const char *name)
{
    int i = plugins_find(slice_str(name));
    assert_true(i >= 0);
    return (plugins_set)1 << i;
}

static void
rows_are_in_order_and_their_needs_exist(void **state)
{
    for (unsigned i = 0; i < plugins_row_count; i++) {
        if (i > 0)
            assert_true(strcmp(plugins_rows[i - 1].name, plugins_rows[i].name) < 0);
        plugins_with_needs((plugins_set)1 << i); /* stops at a name that is no row */
    }
}

static void
what_a_plugin_needs_comes_with_it(void **state)
{
    plugins_set all = plugins_with_needs(one("rabbitmq_management"));
    assert_true(all & one("rabbitmq_web_dispatch"));
    assert_true(all & one("cowlib"));
    assert_int_equal(plugins_shown(all), one("rabbitmq_management") | one("rabbitmq_management_agent") |
                                             one("rabbitmq_web_dispatch"));
}

static void
what_needs_a_plugin_goes_with_it(void **state)
{
    plugins_set set = one("rabbitmq_management") | one("rabbitmq_shovel") | one("rabbitmq_random_exchange");
    assert_int_equal(plugins_without(set, one("amqp_client")), one("rabbitmq_random_exchange"));
}

static void
enabling_what_is_needed_anyway_adds_nothing(void **state)
{
    plugins_set before = one("rabbitmq_shovel");
    assert_int_equal(plugins_after(before, PLUGINS_ENABLE, one("amqp_client")), before);
    assert_int_equal(plugins_after(before, PLUGINS_ENABLE, one("rabbitmq_prometheus")),
                     before | one("rabbitmq_prometheus"));
    assert_int_equal(plugins_after(before, PLUGINS_DISABLE, one("amqp_client")), 0);
    assert_int_equal(plugins_after(before, PLUGINS_SET, one("rabbitmq_management")),
                     one("rabbitmq_management"));
}

static void
file_is_a_list_of_atoms(void **state)
{
    plugins_set set;
    assert_int_equal(plugins_parse(slice_str("[rabbitmq_management,rabbitmq_shovel]."), &set), ERR_OK);
    assert_int_equal(set, one("rabbitmq_management") | one("rabbitmq_shovel"));
    assert_int_equal(plugins_parse(slice_str("% comment\n [ 'amqp_client' , nosuch ] .\n"), &set), ERR_OK);
    assert_int_equal(set, one("amqp_client"));
    assert_int_equal(plugins_parse(slice_str("[]."), &set), ERR_OK);
    assert_int_equal(set, 0);
    assert_int_equal(plugins_parse(slice_str(""), &set), ERR_OK);
}

static void
file_of_another_shape_is_refused_and_changes_nothing(void **state)
{
    static const char *const bad[] = {"[",  "[a",     "[a b].", "[a,b]", "[a]. x",
                                      "a.", "[[a]].", "['a].",  "[,]."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        plugins_set set = 7;
        assert_int_equal(plugins_parse(slice_str(bad[i]), &set), ERR_SYNTAX);
        assert_int_equal(set, 7);
    }
}

static void
what_is_saved_is_loaded_again(void **state)
{
    char dir[] = "/tmp/plugins-XXXXXX", path[64];
    plugins_set set;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/enabled_plugins", dir);
    assert_int_equal(plugins_load(path, &set), ERR_OK);
    assert_int_equal(set, 0);
    assert_int_equal(plugins_save(path, one("rabbitmq_shovel") | one("amqp_client")), ERR_OK);
    assert_int_equal(plugins_load(path, &set), ERR_OK);
    assert_int_equal(set, one("rabbitmq_shovel") | one("amqp_client"));
    unlink(path);
    rmdir(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_in_order_and_their_needs_exist),
        cmocka_unit_test(what_a_plugin_needs_comes_with_it),
        cmocka_unit_test(what_needs_a_plugin_goes_with_it),
        cmocka_unit_test(enabling_what_is_needed_anyway_adds_nothing),
        cmocka_unit_test(file_is_a_list_of_atoms),
        cmocka_unit_test(file_of_another_shape_is_refused_and_changes_nothing),
        cmocka_unit_test(what_is_saved_is_loaded_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
