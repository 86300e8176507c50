/* Environment variables and rabbitmq-env.conf: what they set, who wins, and what is said of mistakes. */
#include "app/config_env.h"

#include "app/config_test_files.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

struct world {
    const char *const *variables; /* pairs */
    const char *const *files;
    const char *node;
    struct config_env env;
    struct config_report report;
    bool is_good;
    char errors[1024], warnings[1024];
};

static const char *
get_variable(void *arg, const char *name)
{
    const char *const *pairs = arg;
    for (size_t i = 0; pairs[i]; i += 2)
        if (strcmp(pairs[i], name) == 0)
            return pairs[i + 1];
    return NULL;
}

static void
read_world(struct world *w)
{
    struct config_env_request request = {
        .get = get_variable,
        .arg = (void *)w->variables,
        .host = "box.example.org",
        .node = w->node,
        .file = "/etc/rabbitmq/rabbitmq-env.conf",
        .io = test_files_io(w->files),
    };
    w->is_good = config_env_read(&w->env, &request, &w->report);
    snprintf(w->errors, sizeof w->errors, "%.*s", SLICE_FMT(buffer_slice(&w->report.errors)));
    snprintf(w->warnings, sizeof w->warnings, "%.*s", SLICE_FMT(buffer_slice(&w->report.warnings)));
}

static void
fini_world(struct world *w)
{
    config_env_fini(&w->env);
    config_report_fini(&w->report);
}

/* The whole way: the environment, and one file whose text is `conf`. */
static void
load(struct config *c, struct world *w, const char *conf)
{
    const char *const files[] = {"a.conf", conf, NULL};
    const char *const names[] = {"a.conf"};
    struct config_report report;
    read_world(w);
    assert_string_equal(w->errors, "");
    struct config_request request = {.files = names,
                                     .file_count = 1,
                                     .overrides = w->env.overrides,
                                     .override_count = w->env.override_count,
                                     .io = test_files_io(files)};
    bool is_good = config_load(c, &request, &report);
    snprintf(w->errors, sizeof w->errors, "%.*s", SLICE_FMT(buffer_slice(&report.errors)));
    config_report_fini(&report);
    assert_true(is_good == (w->errors[0] == 0));
}

#define NOTHING                                                                                              \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        NULL                                                                                                 \
    }

static void
a_node_has_rabbitmqs_name_without_any_variable(void **state)
{
    struct world w = {.variables = NOTHING, .files = NOTHING};
    struct config c;
    load(&c, &w, "");
    assert_string_equal(c.node_name, "rabbit@box");
    assert_string_equal(c.data_dir, "/var/lib/leveret");
    assert_null(c.cookie_file);
    assert_string_equal(w.warnings, "");
    config_fini(&c);
    fini_world(&w);
}

static void
rabbitmqs_layout_comes_from_its_variables(void **state)
{
    const char *const variables[] = {"RABBITMQ_MNESIA_BASE",
                                     "/var/lib/rabbitmq/mnesia",
                                     "RABBITMQ_LOG_BASE",
                                     "/var/log/rabbitmq",
                                     "RABBITMQ_NODENAME",
                                     "mouse",
                                     "HOME",
                                     "/var/lib/rabbitmq",
                                     "RABBITMQ_DIST_PORT",
                                     "30000",
                                     "RABBITMQ_NODE_PORT",
                                     "5673",
                                     "RABBITMQ_NODE_IP_ADDRESS",
                                     "::1",
                                     "RABBITMQ_DEFAULT_USER",
                                     "ops",
                                     "RABBITMQ_DEFAULT_PASS",
                                     "secret",
                                     "RABBITMQ_DEFAULT_VHOST",
                                     "v",
                                     "RABBITMQ_USE_LONGNAME",
                                     "true",
                                     "RABBITMQ_ERLANG_COOKIE",
                                     "CRUMBS",
                                     NULL};
    struct world w = {.variables = variables, .files = NOTHING};
    struct config c;
    load(&c, &w, "");
    assert_string_equal(w.errors, "");
    assert_string_equal(c.node_name, "mouse@box.example.org");
    assert_string_equal(c.data_dir, "/var/lib/rabbitmq/mnesia/mouse@box.example.org");
    assert_string_equal(c.cookie_file, "/var/lib/rabbitmq/.erlang.cookie");
    assert_string_equal(c.cookie, "CRUMBS");
    assert_string_equal(c.log_dir, "/var/log/rabbitmq");
    assert_string_equal(c.log_file, "mouse@box.example.org.log");
    assert_false(c.log_console);
    assert_int_equal(c.peer_listen.port, 30000);
    assert_int_equal(c.listeners_tcp.count, 1);
    assert_string_equal(c.listeners_tcp.items[0].address.host, "::1");
    assert_int_equal(c.listeners_tcp.items[0].address.port, 5673);
    assert_string_equal(c.default_user, "ops");
    assert_string_equal(c.default_pass, "secret");
    assert_string_equal(c.default_vhost, "v");
    config_fini(&c);
    fini_world(&w);
}

static void
the_command_lines_node_names_the_directories(void **state)
{
    const char *const variables[] = {"RABBITMQ_MNESIA_BASE", "/m", "RABBITMQ_PID_FILE", "/run/x.pid", NULL};
    struct world w = {.variables = variables, .files = NOTHING, .node = "a@b"};
    struct config c;
    load(&c, &w, "");
    assert_string_equal(c.data_dir, "/m/a@b");
    assert_string_equal(c.pid_file, "/run/x.pid");
    config_fini(&c);
    fini_world(&w);
}

static void
files_win_over_presets_and_not_over_log_variables(void **state)
{
    const char *const variables[] = {"RABBITMQ_NODE_PORT",
                                     "5673",
                                     "RABBITMQ_DEFAULT_USER",
                                     "ops",
                                     "RABBITMQ_LOGS",
                                     "-",
                                     "RABBITMQ_LOG",
                                     "warning,connection=debug,channel,+color",
                                     NULL};
    struct world w = {.variables = variables, .files = NOTHING};
    struct config c;
    load(&c, &w, "listeners.tcp.x = 1234\nlog.file = a.log\nlog.console = false\nlog.queue.level = error\n");
    assert_string_equal(w.errors, "");
    assert_int_equal(c.listeners_tcp.count, 1);
    assert_int_equal(c.listeners_tcp.items[0].address.port, 1234);
    assert_string_equal(c.default_user, "ops");
    assert_string_equal(c.log_file, "false");
    assert_true(c.log_console);
    assert_int_equal(c.log_levels.count, 3);
    assert_string_equal(c.log_levels.items[0].name, "channel");
    assert_int_equal(c.log_levels.items[0].value, LOG_LEVEL_INFO);
    assert_int_equal(c.log_levels.items[1].value, LOG_LEVEL_DEBUG);
    assert_string_equal(c.log_levels.items[2].name, "default");
    assert_int_equal(c.log_levels.items[2].value, LOG_LEVEL_WARNING);
    config_fini(&c);
    fini_world(&w);
}

static void
the_process_wins_over_the_file(void **state)
{
    const char *const variables[] = {
        "RABBITMQ_NODENAME", "a@h", "LEVERET_NODE_PORT", "2", "RABBITMQ_NODE_PORT", "1", NULL};
    const char *const files[] = {"/etc/rabbitmq/rabbitmq-env.conf",
                                 "NODENAME=b@h\nexport RABBITMQ_CONFIG_FILE=\"/x y/r\"\nCONFIG_FILES=/c\n"
                                 "NODE_PORT=3\nNODE_IP_ADDRESS=1.1.1.1\nRABBITMQ_NODE_IP_ADDRESS=2.2.2.2\n"
                                 "ADVANCED_CONFIG_FILE=/adv ENABLED_PLUGINS_FILE=/plugins\nCTL_ERL_ARGS=-x\n",
                                 NULL};
    struct world w = {.variables = variables, .files = files};
    struct config c;
    load(&c, &w, "");
    assert_string_equal(c.node_name, "a@h");
    assert_int_equal(c.listeners_tcp.items[0].address.port, 2);
    assert_string_equal(c.listeners_tcp.items[0].address.host, "2.2.2.2");
    assert_string_equal(w.env.config_file, "/x y/r");
    assert_string_equal(w.env.config_files, "/c");
    assert_string_equal(w.env.advanced_file, "/adv");
    assert_string_equal(w.env.plugins_file, "/plugins");
    assert_string_equal(w.env.file, "/etc/rabbitmq/rabbitmq-env.conf");
    assert_string_equal(w.warnings, "");
    config_fini(&c);
    fini_world(&w);
}

static void
wrong_values_are_told_with_their_place(void **state)
{
    const char *const variables[] = {"RABBITMQ_DIST_PORT", "much", NULL};
    const char *const files[] = {"/etc/rabbitmq/rabbitmq-env.conf", "\nNODE_PORT=many\n", NULL};
    struct world w = {.variables = variables, .files = files};
    struct config c;
    load(&c, &w, "");
    assert_string_equal(
        w.errors,
        "/etc/rabbitmq/rabbitmq-env.conf:2: NODE_PORT: listeners.tcp.default = many: expected a port, or "
        "address:port such as 127.0.0.1:5672 or [::1]:5672\n"
        "RABBITMQ_DIST_PORT: leveret.peer_listen = much: expected none, a port, or address:port such "
        "as 127.0.0.1:25672 or [::1]:25672\n");
    config_fini(&c);
    fini_world(&w);
}

static void
a_script_is_refused_with_its_line(void **state)
{
    const char *const files[] = {"/etc/rabbitmq/rabbitmq-env.conf", "NODENAME=a@b\nulimit -n 65536\n", NULL};
    struct world w = {.variables = NOTHING, .files = files};
    read_world(&w);
    assert_false(w.is_good);
    assert_string_equal(w.errors, "/etc/rabbitmq/rabbitmq-env.conf:2: only assignments are read here, and "
                                  "nothing is run: NAME=value\n");
    fini_world(&w);
    const char *const variables[] = {"RABBITMQ_CONF_ENV_FILE", "/nowhere", NULL};
    w = (struct world){.variables = variables, .files = NOTHING};
    read_world(&w);
    assert_string_equal(w.errors, "/nowhere: not found\n");
    fini_world(&w);
}

static void
what_has_no_effect_gets_one_warning(void **state)
{
    const char *const variables[] = {"RABBITMQ_SERVER_ERL_ARGS", "+K true", "RABBITMQ_VERSION", "3", NULL};
    const char *const files[] = {"/etc/rabbitmq/rabbitmq-env.conf", "PLUGINS_DIR=/p\nNODNAME=x\n", NULL};
    struct world w = {.variables = variables, .files = files};
    read_world(&w);
    assert_true(w.is_good);
    assert_string_equal(w.warnings,
                        "variables without effect here: NODNAME (/etc/rabbitmq/rabbitmq-env.conf:2), "
                        "/etc/rabbitmq/rabbitmq-env.conf:1: PLUGINS_DIR, RABBITMQ_SERVER_ERL_ARGS\n");
    fini_world(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_has_rabbitmqs_name_without_any_variable),
        cmocka_unit_test(rabbitmqs_layout_comes_from_its_variables),
        cmocka_unit_test(the_command_lines_node_names_the_directories),
        cmocka_unit_test(files_win_over_presets_and_not_over_log_variables),
        cmocka_unit_test(the_process_wins_over_the_file),
        cmocka_unit_test(wrong_values_are_told_with_their_place),
        cmocka_unit_test(a_script_is_refused_with_its_line),
        cmocka_unit_test(what_has_no_effect_gets_one_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
