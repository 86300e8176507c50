/* The classic form: what of it is the same as a key of rabbitmq.conf, and what is said of the rest. */
#include "app/config_classic.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

static enum err
read_text(void *arg, const char *path, struct buffer *text)
{
    const char *const *texts = arg; /* of rabbitmq.conf and advanced.config */
    const char *found = texts[strcmp(path, "rabbitmq.conf") != 0];
    buffer_add_str(text, found);
    return ERR_OK;
}

struct loaded {
    bool is_good;
    struct config config;
    char errors[2048], warnings[2048];
};

static void
load(struct loaded *l, const char *conf, const char *classic)
{
    const char *texts[] = {conf, classic};
    static const char *const names[] = {"rabbitmq.conf", "advanced.config"};
    struct config_request request = {
        .files = names, .file_count = 2, .io = {.read = read_text, .arg = texts}};
    struct config_report report;
    l->is_good = config_load(&l->config, &request, &report);
    snprintf(l->errors, sizeof l->errors, "%.*s", SLICE_FMT(buffer_slice(&report.errors)));
    snprintf(l->warnings, sizeof l->warnings, "%.*s", SLICE_FMT(buffer_slice(&report.warnings)));
    config_report_fini(&report);
}

static void
load_good(struct loaded *l, const char *conf, const char *classic)
{
    load(l, conf, classic);
    assert_string_equal(l->errors, "");
    assert_true(l->is_good);
}

static void
expect_errors(const char *classic, const char *errors)
{
    struct loaded l;
    load(&l, "", classic);
    assert_string_equal(l.errors, errors);
    assert_false(l.is_good);
    config_fini(&l.config);
}

static void
the_common_keys_are_taken(void **state)
{
    struct loaded l;
    load_good(&l, "",
              "[{rabbit,\n"
              "  [{tcp_listeners, [5672, {\"127.0.0.1\", 5673}, {\"::1\", 5674}, {{10,0,0,1}, 5675},\n"
              "                    {{0,0,0,0,0,0,0,1}, 5676}]},\n"
              "   {loopback_users, []},\n"
              "   {default_user, <<\"ops\">>}, {default_pass, <<\"s#cret\">>}, {default_vhost, <<\"/x\">>},\n"
              "   {default_permissions, [<<\"c\">>, <<\"w\">>, <<\"r\">>]},\n"
              "   {default_user_tags, [administrator, 'my.tag']},\n"
              "   {auth_mechanisms, ['PLAIN', 'EXTERNAL']},\n"
              "   {heartbeat, 580}, {frame_max, 65536}, {channel_max, 100}, {connection_max, infinity},\n"
              "   {vm_memory_high_watermark, 0.4}, {disk_free_limit, \"1GB\"},\n"
              "   {log_levels, [{connection, warning}, {channel, debug}]},\n"
              "   {tcp_listen_options, [binary, {packet, raw}, {backlog, 256}, {nodelay, true},\n"
              "                         {linger, {true, 0}}, {keepalive, true}]}]}].\n");
    const struct config *c = &l.config;
    assert_int_equal(c->listeners_tcp.count, 5);
    assert_string_equal(c->listeners_tcp.items[1].address.host, "127.0.0.1");
    assert_int_equal(c->listeners_tcp.items[1].address.port, 5673);
    assert_string_equal(c->listeners_tcp.items[2].address.host, "::1");
    assert_string_equal(c->listeners_tcp.items[3].address.host, "10.0.0.1");
    assert_string_equal(c->listeners_tcp.items[4].address.host, "0:0:0:0:0:0:0:1");
    assert_int_equal(c->loopback_users.count, 0);
    assert_string_equal(c->default_user, "ops");
    assert_string_equal(c->default_pass, "s#cret");
    assert_string_equal(c->default_vhost, "/x");
    assert_string_equal(c->default_permission_configure, "c");
    assert_string_equal(c->default_permission_write, "w");
    assert_string_equal(c->default_permission_read, "r");
    assert_int_equal(c->default_user_tags.count, 2);
    assert_string_equal(c->default_user_tags.items[1].name, "my.tag");
    assert_int_equal(c->auth_mechanisms.items[1].value, CONFIG_MECHANISM_EXTERNAL);
    assert_int_equal(c->heartbeat_s, 580);
    assert_int_equal(c->frame_max, 65536);
    assert_int_equal(c->channel_max, 100);
    assert_true(c->max_connections == CONFIG_INFINITY);
    assert_true(c->memory_watermark_ratio == 0.4);
    assert_int_equal(c->disk_free_bytes, 1000000000);
    assert_int_equal(c->log_levels.count, 2);
    assert_int_equal(c->log_levels.items[0].value, LOG_LEVEL_DEBUG);
    assert_int_equal(c->tcp_backlog, 256);
    assert_true(c->tcp_keepalive);
    assert_string_equal(l.warnings, "keys without effect here: rabbit.tcp_listen_options.linger "
                                    "(advanced.config:13, not known here)\n");
    config_fini(&l.config);
}

static void
an_option_list_is_taken_option_by_option(void **state)
{
    struct loaded l;
    load_good(
        &l, "ssl_options.depth = 3\nssl_options.certfile = /old.pem\n",
        "[{rabbit, [{ssl_listeners, [5671]},\n"
        "  {ssl_options, [{cacertfile, \"/ca.pem\"}, {certfile, \"/cert.pem\"}, {keyfile, \"/key.pem\"},\n"
        "     {verify, verify_peer}, {fail_if_no_peer_cert, true}, {versions, ['tlsv1.2']},\n"
        "     {ciphers, [\"ECDHE-RSA-AES256-GCM-SHA384\"]}]}]}].\n");
    assert_int_equal(l.config.listeners_ssl.items[0].address.port, 5671);
    assert_string_equal(l.config.ssl_certfile, "/cert.pem");
    assert_int_equal(l.config.ssl_depth, 3);
    assert_int_equal(l.config.ssl_verify, CONFIG_VERIFY_PEER);
    assert_true(l.config.ssl_fail_if_no_peer_cert);
    assert_int_equal(l.config.ssl_versions.count, 1);
    assert_int_equal(l.config.ssl_versions.items[0].value, CONFIG_TLS_1_2);
    assert_string_equal(l.config.ssl_ciphers.items[0].text, "ECDHE-RSA-AES256-GCM-SHA384");
    config_fini(&l.config);
}

static void
limits_come_in_several_forms(void **state)
{
    struct loaded l;
    load_good(&l, "",
              "[{rabbit, [{vm_memory_high_watermark, {absolute, \"2GB\"}},\n"
              "           {disk_free_limit, {mem_relative, 1.5}}]}].");
    assert_int_equal(l.config.memory_watermark_bytes, 2000000000);
    assert_true(l.config.disk_free_ratio == 1.5);
    config_fini(&l.config);
    load_good(&l, "vm_memory_high_watermark.relative = 0.7\ndisk_free_limit.relative = 3\n",
              "[{rabbit, [{vm_memory_high_watermark, {absolute, 1000}}, {disk_free_limit, 77}]}].");
    assert_int_equal(l.config.memory_watermark_bytes, 1000);
    assert_true(l.config.disk_free_ratio == 0);
    assert_int_equal(l.config.disk_free_bytes, 77);
    config_fini(&l.config);
    load_good(&l, "vm_memory_high_watermark.absolute = 1GB\n",
              "[{rabbit, [{vm_memory_high_watermark, {relative, 0.25}}]}].");
    assert_int_equal(l.config.memory_watermark_bytes, 0);
    assert_true(l.config.memory_watermark_ratio == 0.25);
    config_fini(&l.config);
}

static void
it_wins_over_rabbitmq_conf_key_by_key(void **state)
{
    struct loaded l;
    load_good(&l, "heartbeat = 10\nchannel_max = 5\nlisteners.tcp.a = 1000\nlisteners.tcp.b = 1001\n",
              "[{rabbit, [{heartbeat, 20}, {tcp_listeners, [2000]}]}].");
    assert_int_equal(l.config.heartbeat_s, 20);
    assert_int_equal(l.config.channel_max, 5);
    assert_int_equal(l.config.listeners_tcp.count, 1);
    assert_int_equal(l.config.listeners_tcp.items[0].address.port, 2000);
    config_fini(&l.config);
}

static void
the_log_is_configured_as_since_3_7(void **state)
{
    struct loaded l;
    load_good(&l, "",
              "[{rabbit, [{log, [{console, [{enabled, false}, {level, error}]},\n"
              "                  {file, [{file, \"r.log\"}, {level, debug}]},\n"
              "                  {categories, [{queue, [{level, none}]}]}]}]}].");
    assert_false(l.config.log_console);
    assert_int_equal(l.config.log_console_level, LOG_LEVEL_ERROR);
    assert_string_equal(l.config.log_file, "r.log");
    assert_int_equal(l.config.log_file_level, LOG_LEVEL_DEBUG);
    assert_string_equal(l.config.log_levels.items[0].name, "queue");
    config_fini(&l.config);
}

static void
what_is_for_later_is_kept_as_it_stands(void **state)
{
    struct loaded l;
    load_good(&l, "",
              "[{rabbit, [{cluster_nodes, {['rabbit@a', 'rabbit@b'], disc}}]},\n"
              " {rabbitmq_shovel, [{shovels, [{mine, [{queue, <<\"q\">>}]}]}]}].");
    const struct erlang_term *nodes = config_classic_kept(&l.config, "rabbit", "cluster_nodes");
    assert_non_null(nodes);
    assert_int_equal(nodes->first->count, 2);
    const struct erlang_term *shovels = config_classic_kept(&l.config, "rabbitmq_shovel", "shovels");
    assert_non_null(shovels);
    assert_true(slice_eq_str(shovels->first->first->text, "mine"));
    assert_null(config_classic_kept(&l.config, "rabbitmq_shovel", "none"));
    assert_string_equal(l.warnings, "");
    assert_int_equal(l.config.files_count, 2);
    assert_string_equal(l.config.files[1], "advanced.config");
    config_fini(&l.config);
}

static void
what_is_not_known_gets_one_warning(void **state)
{
    struct loaded l;
    load_good(&l, "num_acceptors.tcp = 1\n",
              "[{rabbit, [{hipe_compile, true}, {no_such_thing, [1]}]},\n"
              " {rabbitmq_management, [{listener, [{port, 15672}, {ssl, false}]}, {rates_mode, basic}]},\n"
              " {kernel, [{net_ticktime, 60}]}, {sasl, [{errlog_type, error}]}].");
    assert_string_equal(l.warnings,
                        "keys without effect here: rabbit.no_such_thing (advanced.config:1, not known here); "
                        "sasl.errlog_type (advanced.config:3, not known here); "
                        "num_acceptors.tcp (rabbitmq.conf:1, accepting is the shards' work); "
                        "hipe_compile (advanced.config:1, no Erlang); "
                        "management.tcp.port (advanced.config:2, not in this version); "
                        "management.rates_mode (advanced.config:2, not in this version); "
                        "net_ticktime (advanced.config:3, not in this version)\n");
    config_fini(&l.config);
}

static void
a_touched_file_says_nothing(void **state)
{
    struct loaded l;
    load_good(&l, "", "");
    config_fini(&l.config);
    load_good(&l, "", "% nothing yet\n");
    config_fini(&l.config);
    load_good(&l, "", "[].");
    config_fini(&l.config);
    load_good(&l, "", "[{rabbit, []}, {rabbitmq_shovel, [{shovels, []}]}].");
    config_fini(&l.config);
}

static void
wrong_shapes_are_refused_with_their_line(void **state)
{
    expect_errors("[{rabbit,\n [{tcp_listeners, 5672}]}].",
                  "advanced.config:2: rabbit.tcp_listeners: expected a list of ports or {address, port}\n");
    expect_errors("[{rabbit,\n [{tcp_listeners, [\n\"5672\"]}]}].",
                  "advanced.config:3: rabbit.tcp_listeners: expected a list of ports or {address, port}\n");
    expect_errors("[{rabbit,\n [{heartbeat, [60]}]}].",
                  "advanced.config:2: rabbit.heartbeat: expected a number, an atom or text\n");
    expect_errors("[{rabbit, [{heartbeat, fast}]}].",
                  "advanced.config:1: heartbeat = fast: expected a number from 0 to 65535\n");
    expect_errors("[{rabbit, [{default_pass, {encrypted, <<\"x\">>}}]}].",
                  "advanced.config:1: rabbit.default_pass: expected text; encrypted values are not read\n");
    expect_errors("[{rabbit, [{auth_backends, [rabbit_auth_backend_ldap]}]}].",
                  "advanced.config:1: auth_backends.1 = rabbit_auth_backend_ldap: expected one of internal, "
                  "rabbit_auth_backend_internal, cache, rabbit_auth_backend_cache\n");
    expect_errors("[{rabbit, [{auth_backends, [{a, b}]}]}].",
                  "advanced.config:1: rabbit.auth_backends: expected a list of names\n");
    expect_errors("[{rabbit, [{ssl_options, [{crl_check, true}]}]}].",
                  "advanced.config:1: ssl_options.crl_check: revocation lists are not looked at\n");
    expect_errors("[{rabbit, [{default_permissions, [<<\".*\">>]}]}].",
                  "advanced.config:1: rabbit.default_permissions: expected a list of three patterns: "
                  "configure, write, read\n");
    expect_errors("[rabbit].", "advanced.config:1: the file: expected {application, [{key, value}]}\n");
    expect_errors("{rabbit, []}.",
                  "advanced.config:1: the file: expected one list of {application, [{key, value}]}\n");
    expect_errors("[].\n[].",
                  "advanced.config:2: the file: expected one list of {application, [{key, value}]}\n");
    expect_errors("[{rabbit, [\n", "advanced.config:2: the file ends inside a term\n");
    expect_errors("[{rabbit, [{default_user, <<\"a\\nb\">>}]}].",
                  "advanced.config:1: a value has a control character in it, or is not UTF-8\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_common_keys_are_taken),
        cmocka_unit_test(an_option_list_is_taken_option_by_option),
        cmocka_unit_test(limits_come_in_several_forms),
        cmocka_unit_test(it_wins_over_rabbitmq_conf_key_by_key),
        cmocka_unit_test(the_log_is_configured_as_since_3_7),
        cmocka_unit_test(what_is_for_later_is_kept_as_it_stands),
        cmocka_unit_test(what_is_not_known_gets_one_warning),
        cmocka_unit_test(a_touched_file_says_nothing),
        cmocka_unit_test(wrong_shapes_are_refused_with_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
