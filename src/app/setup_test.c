/* From the configuration to the layers below. */
#include "app/setup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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

static void
load_text(struct config *c, const char *lines)
{
    struct server_config ignored;
    struct buffer text = {0};
    buffer_add_str(&text, lines);
    load(c, &text, &ignored);
}

static void
the_store_gets_what_the_configuration_says(void **state)
{
    (void)state;
    struct config c;
    struct durable_config d = {.snapshot_bytes = 77};
    load_text(&c,
              "leveret.data_dir = /d\nleveret.store.sync = interval\nleveret.store.sync_interval = 20\n"
              "leveret.store.log_file_size = 1048577\nleveret.store.log_files = 5\n"
              "leveret.store.segment_size = 2MiB\nleveret.queue_memory = 3MiB\n"
              "vm_memory_high_watermark.absolute = 1000MB\nvm_memory_high_watermark_paging_ratio = 0.25\n");
    setup_durable(&d, &c);
    assert_string_equal(d.store.dir, "/d");
    assert_int_equal(d.store.sync, STORE_SYNC_INTERVAL);
    assert_int_equal(d.store.sync_interval_ms, 20);
    assert_int_equal(d.store.log_file_bytes, 1048576 + STORE_BLOCK);
    assert_int_equal(d.store.log_files_max, 5);
    assert_int_equal(d.store.segment_bytes, 2 << 20);
    assert_int_equal(d.resident_bytes, 3 << 20);
    assert_int_equal(d.pressure_bytes, 250000000);
    assert_int_equal(d.snapshot_bytes, 77);
    config_fini(&c);
}

static void
each_way_to_sync_has_its_word(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        enum store_sync sync;
    } rows[] = {
        {"always", STORE_SYNC_ALWAYS}, {"interval", STORE_SYNC_INTERVAL}, {"never", STORE_SYNC_NEVER}};
    for (unsigned i = 0; i < 3; i++) {
        struct config c;
        char line[64];
        snprintf(line, sizeof line, "leveret.store.sync = %s\n", rows[i].word);
        load_text(&c, line);
        struct durable_config d = {0};
        setup_durable(&d, &c);
        assert_int_equal(d.store.sync, rows[i].sync);
        config_fini(&c);
    }
}

static void
the_disk_limit_is_absolute_unless_it_is_relative(void **state)
{
    (void)state;
    struct config c;
    load_text(&c, "");
    assert_int_equal(setup_disk_free_limit(&c), 50000000);
    config_fini(&c);
    load_text(&c, "disk_free_limit.absolute = 2GB\n");
    assert_int_equal(setup_disk_free_limit(&c), 2000000000);
    config_fini(&c);
    load_text(&c, "disk_free_limit.absolute = 2GB\ndisk_free_limit.relative = 1.5\n"
                  "total_memory_available_override_value = 1GB\n");
    assert_int_equal(setup_disk_free_limit(&c), 1500000000);
    config_fini(&c);
}

static void
test_rules_for_new_passwords(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why, *password;
        bool is_accepted;
    } cases[] = {
        {"", "", "x", true},
        {"credential_validator.validation_backend = rabbit_credential_validator_min_password_length\n", "",
         "four", false},
        {"credential_validator.validation_backend = rabbit_credential_validator_min_password_length\n"
         "credential_validator.min_length = 4\n",
         "", "four", true},
        {"credential_validator.validation_backend = rabbit_credential_validator_password_regexp\n"
         "credential_validator.regexp = ^[a-z]+$\n",
         "", "four4", false},
        {"credential_validator.validation_backend = rabbit_credential_validator_password_regexp\n"
         "credential_validator.regexp = (\n",
         "credential_validator.regexp: missing closing parenthesis at offset 1", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config c;
        struct server_config out;
        struct buffer text = {0};
        struct credential_rules *rules;
        char why[512] = "", lack[CREDENTIAL_TEXT_SIZE];
        buffer_add_str(&text, cases[i].text);
        load(&c, &text, &out);
        bool good = setup_credentials(&rules, &c, why, sizeof why);
        assert_string_equal(why, cases[i].why);
        assert_int_equal(good, !*cases[i].why);
        if (good)
            assert_int_equal(credential_is_accepted(rules, slice_str(cases[i].password), lack),
                             cases[i].is_accepted);
        credential_rules_free(rules);
        config_fini(&c);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_for_new_passwords),
        cmocka_unit_test(test_no_loopback_users_left_the_default),
        cmocka_unit_test(the_store_gets_what_the_configuration_says),
        cmocka_unit_test(each_way_to_sync_has_its_word),
        cmocka_unit_test(the_disk_limit_is_absolute_unless_it_is_relative),
        cmocka_unit_test(test_as_many_loopback_users_as_fit_were_one_too_many),
    };
    return cmocka_run_group_tests_name("setup", tests, NULL, NULL);
}
