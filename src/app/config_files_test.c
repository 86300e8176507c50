/* Where configuration files are found, and in which order they count. */
#include "app/config_files.h"

#include "app/config_test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

/* The files found, each with a comma behind it, and what is said. */
static void
expect(const char *const *files, const struct config_env *env, const char *found, const char *said)
{
    struct config_files f = {0};
    struct config_report report = {0};
    struct config_io io = test_files_io(files);
    struct buffer paths = {0};
    bool is_good = config_files_find(&f, config_files_dir(&f, "/p", &io), env, &io, &report);
    for (size_t i = 0; i < f.count; i++)
        buffer_add_fmt(&paths, "%s,", f.paths[i]);
    buffer_add_u8(&paths, 0);
    assert_string_equal((const char *)paths.data, found);
    buffer_add_slice(&report.warnings, buffer_slice(&report.errors));
    buffer_add_u8(&report.warnings, 0);
    assert_string_equal((const char *)report.warnings.data, said);
    assert_true(is_good == (report.error_count == 0));
    buffer_fini(&paths);
    config_report_fini(&report);
    config_files_fini(&f);
}

#define FILES(...)                                                                                           \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

static const struct config_env no_env;

static void
rabbitmqs_files_are_read_in_its_order(void **state)
{
    expect(FILES("/elsewhere", ""), &no_env, "", "");
    expect(FILES("/p/etc/rabbitmq/advanced.config", "", "/p/etc/rabbitmq/conf.d/20.conf", "",
                 "/p/etc/rabbitmq/conf.d/10.conf", "", "/p/etc/rabbitmq/conf.d/readme.txt", "",
                 "/p/etc/rabbitmq/rabbitmq.conf", ""),
           &no_env,
           "/p/etc/rabbitmq/rabbitmq.conf,/p/etc/rabbitmq/conf.d/10.conf,/p/etc/rabbitmq/conf.d/20.conf,"
           "/p/etc/rabbitmq/advanced.config,",
           "");
    expect(FILES("/p/etc/rabbitmq/conf.d/10.conf", ""), &no_env, "/p/etc/rabbitmq/conf.d/10.conf,", "");
}

static void
a_classic_main_file_comes_instead_of_advanced_config(void **state)
{
    expect(FILES("/p/etc/rabbitmq/rabbitmq.config", "[].", "/p/etc/rabbitmq/conf.d/10.conf", "",
                 "/p/etc/rabbitmq/advanced.config", "[]."),
           &no_env, "/p/etc/rabbitmq/conf.d/10.conf,/p/etc/rabbitmq/rabbitmq.config,", "");
    expect(FILES("/p/etc/rabbitmq/rabbitmq.config", "", "/p/etc/rabbitmq/rabbitmq.conf", ""), &no_env,
           "/p/etc/rabbitmq/rabbitmq.config,",
           "/p/etc/rabbitmq/rabbitmq.conf: not read, because there is a file in the classic form beside it "
           "(.config)\n");
}

static void
leverets_own_directory_comes_first(void **state)
{
    expect(FILES("/p/etc/rabbitmq/rabbitmq.conf", "", "/p/etc/rabbitmq/conf.d/1.conf", "",
                 "/p/etc/leveret/leveret.conf", "", "/p/etc/leveret/conf.d/2.conf", ""),
           &no_env, "/p/etc/leveret/leveret.conf,/p/etc/leveret/conf.d/2.conf,", "");
}

static void
variables_name_other_places(void **state)
{
    const struct config_env env = {
        .config_file = "/x/main", .config_files = "/x/more", .advanced_file = "/x/adv"};
    expect(FILES("/x/main.conf", "", "/x/more/b", "", "/x/more/a.txt", "", "/x/adv", "",
                 "/p/etc/rabbitmq/"
                 "rabbitmq.conf",
                 ""),
           &env, "/x/main.conf,/x/more/a.txt,/x/more/b,/x/adv,", "");
    const struct config_env whole = {.config_file = "/x/main.conf", .config_files = "/x/more/*.c"};
    expect(FILES("/x/main.conf", "", "/x/more/b.c", "", "/x/more/a.txt", ""), &whole,
           "/x/main.conf,/x/more/b.c,", "");
    expect(FILES("/x/main", " % terms\n[].", "/p/etc/rabbitmq/advanced.config", ""),
           &(struct config_env){.config_file = "/x/main"}, "/x/main,", "");
    expect(FILES("/y", ""), &env, "",
           "/x/main: RABBITMQ_CONFIG_FILE names no file\n"
           "/x/adv: RABBITMQ_ADVANCED_CONFIG_FILE names no file\n");
}

static void
their_number_is_bounded(void **state)
{
    enum { MANY = CONFIG_FILES_MAX + 1 };
    static char names[MANY][48];
    const char *files[MANY * 2 + 1] = {0};
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "/p/etc/rabbitmq/conf.d/%03u.conf", i);
        files[2 * i] = names[i];
        files[2 * i + 1] = "";
    }
    struct config_files f = {0};
    struct config_report report = {0};
    struct config_io io = test_files_io(files);
    assert_false(config_files_find(&f, "/p/etc/rabbitmq", &no_env, &io, &report));
    assert_int_equal(f.count, CONFIG_FILES_MAX);
    assert_int_equal(report.error_count, 1);
    config_report_fini(&report);
    config_files_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rabbitmqs_files_are_read_in_its_order),
        cmocka_unit_test(a_classic_main_file_comes_instead_of_advanced_config),
        cmocka_unit_test(leverets_own_directory_comes_first),
        cmocka_unit_test(variables_name_other_places),
        cmocka_unit_test(their_number_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
