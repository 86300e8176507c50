/* The command line: where options may stand, what they take, what is wrong with them. */
#include "ctl/options.h"

#include "ctl/ctl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct ctl_option own[] = {{"priority", 0, CTL_NUMBER},
                                        {"apply-to", 0, CTL_TEXT},
                                        {"pid", 'P', CTL_NUMBER},
                                        {"wait", 0, CTL_FLAG},
                                        {0}};
static const struct ctl_command command = {.name = "set_policy", .options = own};

#define PARSE(o, ...)                                                                                        \
    char *words_[] = {__VA_ARGS__};                                                                          \
    struct options o;                                                                                        \
    options_parse(&o, &command, (int)(sizeof words_ / sizeof *words_), words_)

static const char *
invalid_of(const struct options *o)
{
    return o->invalid.len ? (const char *)o->invalid.data : "";
}

static void
command_is_the_first_word_that_is_no_option(void **state)
{
    char *words[] = {"-q", "-p", "v1", "--timeout", "5", "list_queues", "name"};
    assert_string_equal(options_command(7, words), "list_queues");
    assert_null(options_command(5, words));
}

static void
options_stand_before_and_behind_the_command(void **state)
{
    PARSE(o, "-p", "v1", "set_policy", "a", "--priority", "5", "b", "-q", "--apply-to=queues", "c");
    assert_string_equal(o.command, "set_policy");
    assert_int_equal(o.arg_count, 3);
    assert_string_equal(o.args[2], "c");
    assert_null(o.args[3]);
    assert_string_equal(options_text(&o, "vhost", "/"), "v1");
    assert_int_equal(options_number(&o, "priority", 0), 5);
    assert_string_equal(options_text(&o, "apply-to", ""), "queues");
    assert_true(options_has(&o, "quiet"));
    assert_false(options_has(&o, "silent"));
    assert_string_equal(invalid_of(&o), "");
    options_fini(&o);
}

static void
last_of_several_wins(void **state)
{
    PARSE(o, "set_policy", "--priority", "5", "--priority", "-6", "-P", "7");
    assert_int_equal(options_number(&o, "priority", 0), -6);
    assert_int_equal(options_number(&o, "pid", 0), 7);
    assert_int_equal(options_number(&o, "missing", 9), 9);
    options_fini(&o);
}

static void
flag_is_switched_off_by_no(void **state)
{
    PARSE(o, "set_policy", "--no-wait", "--no-table-headers", "--quiet=false");
    assert_false(options_has(&o, "wait"));
    assert_false(options_flag(&o, "wait", true));
    assert_false(options_flag(&o, "table-headers", true));
    assert_true(options_flag(&o, "missing", true));
    assert_false(options_has(&o, "quiet"));
    assert_string_equal(invalid_of(&o), "");
    options_fini(&o);
}

static void
two_dashes_end_the_options(void **state)
{
    PARSE(o, "set_policy", "--", "--priority", "-q");
    assert_int_equal(o.arg_count, 2);
    assert_string_equal(o.args[0], "--priority");
    assert_false(options_has(&o, "quiet"));
    options_fini(&o);
}

static void
what_is_wrong_is_listed_line_by_line(void **state)
{
    PARSE(o, "set_policy", "--bogus", "x", "--priority", "y", "--nothing=1", "--vhost", "--apply-to", "z",
          "-Z");
    assert_string_equal(invalid_of(&o), "--bogus : \n--priority : y\n--nothing : 1\n--vhost : \n-Z : ");
    assert_string_equal(o.args[0], "x");
    options_fini(&o);
}

static void
dash_and_negative_numbers_are_values(void **state)
{
    PARSE(o, "set_policy", "-", "-5", "--apply-to", "-");
    assert_int_equal(o.arg_count, 2);
    assert_string_equal(o.args[1], "-5");
    assert_string_equal(options_text(&o, "apply-to", ""), "-");
    options_fini(&o);
}

static void
too_many_options_are_an_error(void **state)
{
    char *words[OPTIONS_MAX + 2];
    struct options o;
    words[0] = "set_policy";
    for (int i = 1; i < OPTIONS_MAX + 2; i++)
        words[i] = "-q";
    options_parse(&o, &command, OPTIONS_MAX + 2, words);
    assert_string_equal(invalid_of(&o), "-q : too many options");
    options_fini(&o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_is_the_first_word_that_is_no_option),
        cmocka_unit_test(options_stand_before_and_behind_the_command),
        cmocka_unit_test(last_of_several_wins),
        cmocka_unit_test(flag_is_switched_off_by_no),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(what_is_wrong_is_listed_line_by_line),
        cmocka_unit_test(dash_and_negative_numbers_are_values),
        cmocka_unit_test(too_many_options_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
