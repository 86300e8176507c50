/* Configuration: what files and options say, and what a person is told about mistakes. */
#include "app/config.h"

#include "app/config_row.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

/* Files that exist only here: pairs of name and text. */
struct files {
    const char *const *pairs;
};

static enum err
read_file(void *arg, const char *path, struct buffer *text)
{
    const struct files *files = arg;
    for (size_t i = 0; files->pairs[i]; i += 2)
        if (strcmp(files->pairs[i], path) == 0) {
            buffer_add_str(text, files->pairs[i + 1]);
            return ERR_OK;
        }
    return ERR_NOT_FOUND;
}

static enum err
probe_file(void *arg, const char *path)
{
    (void)arg;
    return strstr(path, "missing") ? ERR_NOT_FOUND : ERR_OK;
}

struct loaded {
    bool is_good;
    struct config config;
    struct config_report report;
    char *errors, *warnings;
};

static char *
text_of(const struct buffer *b)
{
    char *text = malloc(b->len + 1);
    assert_non_null(text);
    if (b->len > 0)
        memcpy(text, b->data, b->len);
    text[b->len] = 0;
    return text;
}

static struct loaded
load_with(const char *text, const struct config_override *overrides, size_t n)
{
    struct loaded l;
    const char *pairs[] = {"a.conf", text, NULL};
    struct files files = {pairs};
    const char *names[] = {"a.conf"};
    struct config_request request = {.files = names,
                                     .file_count = 1,
                                     .overrides = overrides,
                                     .override_count = n,
                                     .io = {.read = read_file, .probe = probe_file, .arg = &files}};
    l.is_good = config_load(&l.config, &request, &l.report);
    l.errors = text_of(&l.report.errors);
    l.warnings = text_of(&l.report.warnings);
    return l;
}

static struct loaded
load(const char *text)
{
    return load_with(text, NULL, 0);
}

static void
unload(struct loaded *l)
{
    config_fini(&l->config);
    config_report_fini(&l->report);
    free(l->errors);
    free(l->warnings);
}

/* The text is refused with exactly these lines. */
static void
expect_errors(const char *text, const char *errors)
{
    struct loaded l = load(text);
    assert_string_equal(l.errors, errors);
    assert_false(l.is_good);
    unload(&l);
}

static struct loaded
load_good(const char *text)
{
    struct loaded l = load(text);
    assert_string_equal(l.errors, "");
    assert_true(l.is_good);
    return l;
}

static void
an_empty_file_gives_the_defaults(void **state)
{
    struct loaded l = load_good("\n# nothing\n");
    const struct config *c = &l.config;
    assert_int_equal(c->listeners_tcp.count, 1);
    assert_int_equal(c->listeners_tcp.items[0].address.port, 5672);
    assert_string_equal(c->listeners_tcp.items[0].address.host, "");
    assert_int_equal(c->listeners_ssl.count, 0);
    assert_int_equal(c->heartbeat_s, 60);
    assert_int_equal(c->frame_max, 131072);
    assert_int_equal(c->channel_max, 2047);
    assert_true(c->max_connections == CONFIG_INFINITY);
    assert_int_equal(c->max_message_size, 134217728);
    assert_true(c->memory_watermark_ratio > 0.59 && c->memory_watermark_ratio < 0.61);
    assert_int_equal(c->memory_watermark_bytes, 0);
    assert_true(c->memory_paging_ratio == 0.5);
    assert_int_equal(c->disk_free_bytes, 50000000);
    assert_true(c->disk_free_ratio == 0);
    assert_int_equal(c->store_sync, CONFIG_SYNC_ALWAYS);
    assert_int_equal(c->store_log_file, 32 << 20);
    assert_int_equal(c->store_log_files, 3);
    assert_int_equal(c->store_segment, 64 << 20);
    assert_int_equal(c->queue_memory, 24 << 20);
    assert_string_equal(c->default_user, "guest");
    assert_int_equal(c->auth_mechanisms.count, 2);
    assert_int_equal(c->auth_mechanisms.items[1].value, CONFIG_MECHANISM_AMQPLAIN);
    assert_string_equal(c->loopback_users.items[0].name, "guest");
    assert_null(c->ssl_certfile);
    assert_int_equal(c->log_file_level, -1);
    assert_int_equal(c->log_levels.items[0].value, LOG_LEVEL_INFO);
    assert_int_equal(c->connection_output_max, 4 << 20);
    assert_string_equal(l.warnings, "");
    unload(&l);
}

static void
values_are_read_in_rabbitmqs_format(void **state)
{
    struct loaded l = load_good("heartbeat=10\r\n"
                                "  frame_max  =  1MiB   # a comment\n"
                                "max_connections = 5000\n"
                                "default_pass = 'a#b c ' # quoted\n"
                                "cluster_name = \"x\"\n"
                                "proxy_protocol = on\n"
                                "vm_memory_high_watermark.absolute = 2GB\n"
                                "default_permissions.read = ''\n"
                                "log.console.level = emergency\n"
                                "log.connection.level = debug");
    const struct config *c = &l.config;
    assert_int_equal(c->heartbeat_s, 10);
    assert_int_equal(c->frame_max, 1 << 20);
    assert_int_equal(c->max_connections, 5000);
    assert_string_equal(c->default_pass, "a#b c ");
    assert_string_equal(c->cluster_name, "\"x\"");
    assert_true(c->proxy_protocol);
    assert_int_equal(c->memory_watermark_bytes, 2000000000);
    assert_string_equal(c->default_permission_read, "");
    assert_int_equal(c->log_console_level, LOG_LEVEL_CRITICAL);
    assert_int_equal(c->log_levels.count, 1);
    assert_string_equal(c->log_levels.items[0].name, "connection");
    unload(&l);
}

static void
a_ratio_has_its_own_bound(void **state)
{
    struct loaded l = load_good("disk_free_limit.relative = 1.5\n");
    assert_true(l.config.disk_free_ratio == 1.5);
    unload(&l);
    expect_errors("vm_memory_high_watermark_paging_ratio = 1.5\ndisk_free_limit.relative = 0\n",
                  "a.conf:1: vm_memory_high_watermark_paging_ratio = 1.5: expected a number above 0 and at "
                  "most 1, such as 0.6\n"
                  "a.conf:2: disk_free_limit.relative = 0: expected a number above 0 and at most 1000, such "
                  "as 0.6\n");
}

static void
a_later_line_wins_and_a_replaced_wrong_value_does_not_matter(void **state)
{
    struct loaded l = load_good("heartbeat = many\nconnection_max = 3\nheartbeat = 5\nmax_connections = 4\n");
    assert_int_equal(l.config.heartbeat_s, 5);
    assert_int_equal(l.config.max_connections, 4);
    unload(&l);
}

static void
a_later_file_wins(void **state)
{
    const char *pairs[] = {"a", "heartbeat = 1\nchannel_max = 7", "b", "heartbeat = 2", NULL};
    struct files files = {pairs};
    const char *names[] = {"a", "b"};
    struct config_request request = {
        .files = names, .file_count = 2, .io = {.read = read_file, .arg = &files}};
    struct config c;
    struct config_report report;
    assert_true(config_load(&c, &request, &report));
    assert_int_equal(c.heartbeat_s, 2);
    assert_int_equal(c.channel_max, 7);
    config_fini(&c);
    config_report_fini(&report);
}

static void
addresses_take_ports_and_both_families(void **state)
{
    struct loaded l = load_good("listeners.tcp.d = ::1:5674\n"
                                "listeners.tcp.10 = [::]:5675\n"
                                "listeners.tcp.9 = 127.0.0.1:5673\n"
                                "listeners.tcp.c = 5672\n");
    const struct config_list *list = &l.config.listeners_tcp;
    assert_int_equal(list->count, 4);
    assert_string_equal(list->items[0].address.host, "127.0.0.1");
    assert_int_equal(list->items[0].address.port, 5673);
    assert_string_equal(list->items[1].address.host, "::");
    assert_string_equal(list->items[2].name, "c");
    assert_string_equal(list->items[2].address.host, "");
    assert_string_equal(list->items[3].address.host, "::1");
    unload(&l);
    expect_errors(
        "listeners.tcp.a = localhost:5672\nlisteners.tcp.b = 70000\nlisteners.tcp.c = [127.0.0.1]:1\n"
        "listeners.tcp.d = :5672\n",
        "a.conf:1: listeners.tcp.a = localhost:5672: expected a port, or address:port such as "
        "127.0.0.1:5672 or [::1]:5672\n"
        "a.conf:2: listeners.tcp.b = 70000: expected a port, or address:port such as "
        "127.0.0.1:5672 or [::1]:5672\n"
        "a.conf:3: listeners.tcp.c = [127.0.0.1]:1: expected a port, or address:port such as "
        "127.0.0.1:5672 or [::1]:5672\n"
        "a.conf:4: listeners.tcp.d = :5672: expected a port, or address:port such as "
        "127.0.0.1:5672 or [::1]:5672\n");
}

static void
naming_a_list_replaces_its_default_and_none_empties_it(void **state)
{
    struct loaded l = load_good("loopback_users.bob\\.x = true\ndefault_user_tags.administrator = false\n"
                                "listeners.tcp = none\nlisteners.tcp.a = 5672\nauth_mechanisms.2 = PLAIN\n"
                                "auth_mechanisms.1 = EXTERNAL\n");
    assert_int_equal(l.config.loopback_users.count, 1);
    assert_string_equal(l.config.loopback_users.items[0].name, "bob.x");
    assert_int_equal(l.config.default_user_tags.count, 0);
    assert_int_equal(l.config.listeners_tcp.count, 0);
    assert_int_equal(l.config.auth_mechanisms.items[0].value, CONFIG_MECHANISM_EXTERNAL);
    unload(&l);
    expect_errors("loopback_users = guest\n",
                  "a.conf:1: loopback_users = guest: without a further part this key only takes none\n");
}

static void
an_option_replaces_what_the_files_say_about_its_row(void **state)
{
    struct config_override overrides[] = {{"--listen", "listeners.tcp.1", "127.0.0.1:0", CONFIG_OPTION},
                                          {"--listen", "listeners.tcp.2", "[::1]:0", CONFIG_OPTION},
                                          {"--shards", "leveret.shards", "3", CONFIG_OPTION}};
    struct loaded l =
        load_with("listeners.tcp.default = 1\nlisteners.tcp.1 = 2\nleveret.shards = 1\n", overrides, 3);
    assert_true(l.is_good);
    assert_int_equal(l.config.listeners_tcp.count, 2);
    assert_string_equal(l.config.listeners_tcp.items[1].address.host, "::1");
    assert_int_equal(l.config.shards, 3);
    unload(&l);
    overrides[0] = (struct config_override){"--shards", "leveret.shards", "lots", CONFIG_OPTION};
    l = load_with("", overrides, 1);
    assert_string_equal(l.errors, "--shards: leveret.shards = lots: expected a number from 0 to 128\n");
    unload(&l);
}

static void
all_errors_are_told_with_file_and_line(void **state)
{
    expect_errors(
        "heartbeat = 65536\n\nhearbeat = 3\nnonsense\nchannel_max = \nfoo = 1\n"
        "ssl_options.versions.1 = tlsv1.1\nvm_memory_high_watermark.relative = 60%\nlog.console = maybe\n"
        "max_message_size = 1.5GB\nlisteners.tpc.default = 1\nlog.quue.level = info\n"
        "x = 'y\nx = 'y' z\nframe_max = 1XB\n",
        "a.conf:4: expected `key = value` or a comment after #\n"
        "a.conf:5: there is no value after the = (an empty one is written '')\n"
        "a.conf:13: the quote is not closed\n"
        "a.conf:14: there is something after the closing quote\n"
        "a.conf:3: there is no key hearbeat; did you mean heartbeat?\n"
        "a.conf:6: there is no key foo\n"
        "a.conf:11: there is no key listeners.tpc.default; did you mean listeners.tcp.default?\n"
        "a.conf:7: ssl_options.versions.1 = tlsv1.1: expected one of tlsv1.2, tlsv1.3\n"
        "a.conf:1: heartbeat = 65536: expected a number from 0 to 65535\n"
        "a.conf:15: frame_max = 1XB: expected bytes, or a size such as 64MB or 1GiB, from 0 to 1073741824\n"
        "a.conf:10: max_message_size = 1.5GB: expected bytes, or a size such as 64MB or 1GiB, from 1 to "
        "536870912\n"
        "a.conf:8: vm_memory_high_watermark.relative = 60%: expected a number above 0 and at most 1, such as "
        "0.6\n"
        "a.conf:9: log.console = maybe: expected true or false\n"
        "a.conf:12: log.quue.level = info: there is no such log category\n");
}

static void
at_most_twenty_errors_are_shown(void **state)
{
    struct buffer text = {0};
    for (int i = 0; i < 30; i++)
        buffer_add_fmt(&text, "nokey%d = 1\n", i);
    buffer_add_u8(&text, 0);
    struct loaded l = load((const char *)text.data);
    size_t lines = 0;
    for (const char *p = l.errors; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, CONFIG_ERRORS_MAX + 1);
    assert_int_equal(l.report.error_count, 30);
    assert_non_null(strstr(l.errors, "and 10 more errors\n"));
    unload(&l);
    buffer_fini(&text);
}

static void
rabbitmqs_keys_without_effect_give_one_warning(void **state)
{
    struct loaded l = load_good("num_acceptors.tcp = 10\nmanagement.tcp.port = 15672\nlog.ra.level = info\n"
                                "log.syslog.multiline_mode = false\n");
    assert_string_equal(l.warnings,
                        "keys without effect here: num_acceptors.tcp (a.conf:1, accepting is the shards' "
                        "work); management.tcp.port (a.conf:2, not in this version); "
                        "log.ra.level (a.conf:3, no such category); "
                        "log.syslog.multiline_mode (a.conf:4, a message is one line)\n");
    unload(&l);
}

static void
what_would_weaken_security_is_refused(void **state)
{
    expect_errors(
        "auth_backends.1 = ldap\n",
        "a.conf:1: auth_backends.1 = ldap: expected one of internal, rabbit_auth_backend_internal, cache, "
        "rabbit_auth_backend_cache\n");
    expect_errors("auth_backends.1 = cache\nauth_cache.cached_backend = http\n",
                  "a.conf:2: auth_cache.cached_backend = http: expected one of internal, "
                  "rabbit_auth_backend_internal\n");
    expect_errors("ssl_options.crl_check = true\n",
                  "a.conf:1: ssl_options.crl_check: revocation lists are not looked at\n");
    expect_errors("password_hashing_module = rabbit_password_hashing_sha512\n",
                  "a.conf:1: password_hashing_module = rabbit_password_hashing_sha512: expected "
                  "rabbit_password_hashing_sha256\n");
}

static void
a_secret_is_never_shown(void **state)
{
    expect_errors(
        "default_pass = encrypted:abcdef\nanonymous_login_pass = $(PASS)\n",
        "a.conf:2: anonymous_login_pass: environment variables are not read; write the value\n"
        "a.conf:1: default_pass: encrypted values are not read; write the value and protect the file\n");
}

static void
a_file_that_is_too_long_is_told(void **state)
{
    char *text = malloc(CONFIG_FILE_BYTES_MAX + 2);
    memset(text, '#', CONFIG_FILE_BYTES_MAX + 1);
    text[CONFIG_FILE_BYTES_MAX + 1] = 0;
    expect_errors(text, "a.conf: " CONFIG_TOO_LONG "\n");
    free(text);
}

static void
files_are_looked_for(void **state)
{
    expect_errors("ssl_options.certfile = /missing.pem\n",
                  "a.conf:1: ssl_options.certfile = /missing.pem: not found\n");
    const char *names[] = {"nowhere"};
    const char *pairs[] = {NULL};
    struct files files = {pairs};
    struct config_request request = {
        .files = names, .file_count = 1, .io = {.read = read_file, .arg = &files}};
    struct config c;
    struct config_report report;
    assert_false(config_load(&c, &request, &report));
    char *errors = text_of(&report.errors);
    assert_string_equal(errors, "nowhere: not found\n");
    free(errors);
    config_fini(&c);
    config_report_fini(&report);
}

static void
a_list_has_a_limit(void **state)
{
    struct buffer text = {0};
    for (int i = 0; i <= CONFIG_LIST_MAX; i++)
        buffer_add_fmt(&text, "loopback_users.u%02d = true\n", i);
    buffer_add_u8(&text, 0);
    expect_errors((const char *)text.data,
                  "a.conf:65: loopback_users.u64 = true: this list has too many elements\n");
    buffer_fini(&text);
}

static void
keys_that_contradict_each_other_are_refused(void **state)
{
    expect_errors("listeners.ssl.default = 5671\n",
                  "a.conf:1: a TLS listener needs ssl_options.certfile and ssl_options.keyfile\n");
    expect_errors("ssl_options.verify = verify_peer\n",
                  "a.conf:1: ssl_options.verify = verify_peer needs ssl_options.cacertfile\n");
    expect_errors(
        "ssl_options.fail_if_no_peer_cert = true\n",
        "a.conf:1: ssl_options.fail_if_no_peer_cert = true needs ssl_options.verify = verify_peer\n");
    expect_errors("frame_max = 4095\n", "a.conf:1: frame_max: expected 0 or at least 4096\n");
    expect_errors(
        "leveret.connection_output_low = 1MiB\n",
        "a.conf:1: leveret.connection_output_low: expected less than leveret.connection_output_high\n");
    expect_errors("auth_mechanisms = none\n", "a.conf:1: auth_mechanisms: at least one is needed\n");
}

static void
a_relative_watermark_wins_over_an_absolute_one_as_in_rabbitmq(void **state)
{
    struct loaded l =
        load_good("vm_memory_high_watermark.absolute = 1GB\nvm_memory_high_watermark.relative = 0.25\n");
    assert_int_equal(l.config.memory_watermark_bytes, 0);
    assert_true(l.config.memory_watermark_ratio == 0.25);
    unload(&l);
}

static void
broken_bytes_are_refused_and_never_echoed(void **state)
{
    expect_errors("a\xff = 1\nheartbeat = 1\x1b[2J\n", "a.conf:1: the line is not UTF-8\n"
                                                       "a.conf:2: the line has a control character in it\n");
    struct loaded l = load_good("\xef\xbb\xbfheartbeat = 3");
    assert_int_equal(l.config.heartbeat_s, 3);
    unload(&l);
}

static void
a_long_value_is_cut_in_a_message(void **state)
{
    char text[700];
    snprintf(text, sizeof text, "heartbeat = x%0600d\n", 0);
    struct loaded l = load(text);
    assert_false(l.is_good);
    assert_true(strlen(l.errors) < 250);
    unload(&l);
    snprintf(text, sizeof text, "%0600d = 1\n", 0);
    l = load(text);
    assert_false(l.is_good);
    assert_non_null(strstr(l.errors, "a.conf:1: there is no key 000"));
    unload(&l);
}

static void
every_row_is_found_by_its_own_name(void **state)
{
    for (size_t i = 0; i < config_row_count; i++) {
        struct config_match match = config_row_find(slice_str(config_rows[i].name));
        assert_ptr_equal(match.row, &config_rows[i]);
    }
    for (size_t i = 0; i < config_ignored_count; i++) {
        struct config_match match = config_row_find(slice_str(config_ignored_rows[i].pattern));
        assert_ptr_equal(match.ignored, &config_ignored_rows[i]);
    }
}

static void
the_pages_name_every_key(void **state)
{
    struct buffer text = {0}, markdown = {0};
    config_doc_text(&text);
    config_doc_markdown(&markdown);
    for (size_t i = 0; i < config_row_count; i++) {
        assert_non_null(memmem(text.data, text.len, config_rows[i].name, strlen(config_rows[i].name)));
        assert_non_null(
            memmem(markdown.data, markdown.len, config_rows[i].text, strlen(config_rows[i].text)));
    }
    buffer_fini(&text);
    buffer_fini(&markdown);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_gives_the_defaults),
        cmocka_unit_test(values_are_read_in_rabbitmqs_format),
        cmocka_unit_test(a_ratio_has_its_own_bound),
        cmocka_unit_test(a_later_line_wins_and_a_replaced_wrong_value_does_not_matter),
        cmocka_unit_test(a_later_file_wins),
        cmocka_unit_test(addresses_take_ports_and_both_families),
        cmocka_unit_test(naming_a_list_replaces_its_default_and_none_empties_it),
        cmocka_unit_test(an_option_replaces_what_the_files_say_about_its_row),
        cmocka_unit_test(all_errors_are_told_with_file_and_line),
        cmocka_unit_test(at_most_twenty_errors_are_shown),
        cmocka_unit_test(rabbitmqs_keys_without_effect_give_one_warning),
        cmocka_unit_test(what_would_weaken_security_is_refused),
        cmocka_unit_test(a_secret_is_never_shown),
        cmocka_unit_test(a_file_that_is_too_long_is_told),
        cmocka_unit_test(files_are_looked_for),
        cmocka_unit_test(a_list_has_a_limit),
        cmocka_unit_test(keys_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_relative_watermark_wins_over_an_absolute_one_as_in_rabbitmq),
        cmocka_unit_test(broken_bytes_are_refused_and_never_echoed),
        cmocka_unit_test(a_long_value_is_cut_in_a_message),
        cmocka_unit_test(every_row_is_found_by_its_own_name),
        cmocka_unit_test(the_pages_name_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
