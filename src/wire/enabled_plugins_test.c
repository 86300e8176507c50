/* enabled_plugins: names in, names out, and what is said of another file. */
#include "wire/enabled_plugins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

struct names {
    struct buffer text;
};

static void
on_name(void *arg, struct slice name)
{
    struct names *n = arg;
    buffer_add_fmt(&n->text, "%.*s ", SLICE_FMT(name));
}

static void
expect(const char *text, const char *names)
{
    struct names n = {0};
    struct erlang_error error;
    assert_true(enabled_plugins_read(slice_str(text), on_name, &n, &error));
    buffer_add_u8(&n.text, 0);
    assert_string_equal((const char *)n.text.data, names);
    buffer_fini(&n.text);
}

static void
expect_error(const char *text, unsigned line, const char *why)
{
    struct names n = {0};
    struct erlang_error error;
    assert_false(enabled_plugins_read(slice_str(text), on_name, &n, &error));
    assert_string_equal(error.text, why);
    assert_int_equal(error.line, line);
    assert_int_equal(n.text.len, 0);
}

static void
names_are_read(void **state)
{
    expect("[rabbitmq_management,rabbitmq_shovel].", "rabbitmq_management rabbitmq_shovel ");
    expect("%% mine\n[\n 'rabbitmq_top'\n].\n", "rabbitmq_top ");
    expect("[].", "");
    expect("", "");
}

static void
another_file_is_refused(void **state)
{
    expect_error("rabbitmq_management.", 1, "expected one list of plugins' names");
    expect_error("[a].\n[b].", 1, "expected one list of plugins' names");
    expect_error("[a,\n\"b\"].", 2, "a plugin's name is an atom");
    expect_error("[a", 1, "expected , or ]");
}

static void
what_is_written_is_read_again(void **state)
{
    struct slice names[] = {slice_str("rabbitmq_management"), slice_str("It's")};
    struct buffer out = {0};
    enabled_plugins_write(&out, names, 2);
    buffer_add_u8(&out, 0);
    assert_string_equal((const char *)out.data, "[rabbitmq_management,'It\\'s'].\n");
    expect((const char *)out.data, "rabbitmq_management It's ");
    buffer_clear(&out);
    enabled_plugins_write(&out, NULL, 0);
    buffer_add_u8(&out, 0);
    assert_string_equal((const char *)out.data, "[].\n");
    buffer_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read),
        cmocka_unit_test(another_file_is_refused),
        cmocka_unit_test(what_is_written_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
