/* The command line: what becomes an override, and what is refused. */
#include "app/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* after its own prerequisites */
#include <cmocka.h>

static struct options options;
static char error[OPTIONS_ERROR_SIZE];

#define PARSE(...) parse((char *[]){"leveret", ##__VA_ARGS__, NULL})

static bool
parse(char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    return options_parse(&options, argc, argv, error);
}

static void
nothing_means_run(void **state)
{
    assert_true(PARSE());
    assert_int_equal(options.action, OPTIONS_RUN);
    assert_int_equal(options.file_count, 0);
    assert_int_equal(options.override_count, 0);
}

static void
options_become_overrides_that_name_themselves(void **state)
{
    assert_true(PARSE("--config", "a", "--config=b", "--data-dir", "/d", "--listen", "127.0.0.1:1",
                      "--listen=2", "--node=rabbit@x", "--shards", "3", "--detached", "--peer=1",
                      "--http=2"));
    assert_int_equal(options.file_count, 2);
    assert_string_equal(options.files[1], "b");
    assert_true(options.is_detached);
    assert_int_equal(options.override_count, 7);
    assert_string_equal(options.overrides[0].origin, "--data-dir");
    assert_string_equal(options.overrides[0].key, "leveret.data_dir");
    assert_string_equal(options.overrides[0].value, "/d");
    assert_string_equal(options.overrides[1].key, "listeners.tcp.2");
    assert_string_equal(options.overrides[2].key, "listeners.tcp.3");
    assert_string_equal(options.overrides[4].value, "3");
    assert_true(PARSE("--listen", "none"));
    assert_string_equal(options.overrides[0].key, "listeners.tcp");
}

static void
every_override_is_taken_by_the_configuration(void **state)
{
    assert_true(PARSE("--data-dir", "/d", "--listen", "127.0.0.1:0", "--node=rabbit@x", "--shards", "3",
                      "--peer=1", "--http=2"));
    struct config config;
    struct config_report report;
    struct config_request request = {.overrides = options.overrides,
                                     .override_count = options.override_count};
    assert_true(config_load(&config, &request, &report));
    assert_string_equal(config.data_dir, "/d");
    assert_string_equal(config.node_name, "rabbit@x");
    assert_int_equal(config.listeners_tcp.count, 1);
    config_fini(&config);
    config_report_fini(&report);
}

static void
actions_are_told_apart(void **state)
{
    assert_true(PARSE("--check-config") && options.action == OPTIONS_CHECK_CONFIG);
    assert_true(PARSE("--version") && options.action == OPTIONS_VERSION);
    assert_true(PARSE("--help") && options.action == OPTIONS_HELP);
    assert_true(PARSE("-h") && options.action == OPTIONS_HELP);
    assert_true(PARSE("--help-config") && options.action == OPTIONS_HELP_CONFIG);
}

static void
what_is_unknown_is_refused_by_name(void **state)
{
    assert_false(PARSE("--prot", "3"));
    assert_string_equal(error, "there is no option --prot");
    assert_false(PARSE("-x"));
    assert_string_equal(error, "there is no option -x");
    assert_false(PARSE("--version=3"));
    assert_string_equal(error, "--version takes no value");
    assert_false(PARSE("--shards"));
    assert_string_equal(error, "--shards needs a value");
    assert_false(PARSE("start"));
    assert_string_equal(error, "start is no option; see leveret --help");
    assert_false(PARSE("--config=1", "--config=2", "--config=3", "--config=4", "--config=5", "--config=6",
                       "--config=7", "--config=8", "--config=9"));
    assert_string_equal(error, "--config may be given 8 times at most");
}

static void
the_help_names_every_option(void **state)
{
    struct buffer out = {0};
    options_help(&out);
    assert_non_null(memmem(out.data, out.len, "  --listen ADDR:PORT  accept", 28));
    assert_non_null(memmem(out.data, out.len, "--help-config", 13));
    buffer_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_means_run),
        cmocka_unit_test(options_become_overrides_that_name_themselves),
        cmocka_unit_test(every_override_is_taken_by_the_configuration),
        cmocka_unit_test(actions_are_told_apart),
        cmocka_unit_test(what_is_unknown_is_refused_by_name),
        cmocka_unit_test(the_help_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
