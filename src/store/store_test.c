/* Opening a store: what is made, what is deleted, what is refused and with which words. */
#include "store/store.h"

#include "io/file.h"
#include "io/sim.h"
#include "store/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIR "/data"

static struct io_world *node;
static char why[512];

static int
set_up(void **state)
{
    node = sim_node_new(sim_new(1), "n");
    return dir_create(node, DIR) != ERR_OK || dir_sync(node, "/") != ERR_OK;
}

static int
tear_down(void **state)
{
    sim_free(sim_node_sim(node));
    return 0;
}

static enum err
try_open(struct store *s)
{
    struct store_config c;
    store_config_init(&c);
    c.dir = DIR;
    why[0] = 0;
    return store_open(s, node, &c, NULL, why, sizeof why);
}

static void
must_open(struct store *s)
{
    if (try_open(s) != ERR_OK)
        fail_msg("%s", why);
}

static void
make_file(const char *path, size_t size)
{
    struct file *f;
    char zeros[64] = {0};
    assert_int_equal(file_open(node, path, FILE_WRITE | FILE_CREATE, &f), ERR_OK);
    assert_int_equal(file_pwrite(f, zeros, size, 0), ERR_OK);
    assert_int_equal(file_sync(f), ERR_OK);
    file_close(f);
}

static bool
is_there(const char *path)
{
    struct file_stat st;
    return file_stat(node, path, &st) == ERR_OK;
}

static void
assert_says(const char *text)
{
    if (!strstr(why, text))
        fail_msg("\"%s\" does not say \"%s\"", why, text);
}

static void
a_new_store_is_made_and_found_again(void **state)
{
    struct store s;
    struct file_stat st;
    must_open(&s);
    assert_string_equal(why,
                        ""); /* what is as it should be is no complaint: the node logs what stands there */
    assert_true(s.is_new);
    assert_int_equal(s.boot, 1);
    assert_true(s.incarnation != 0);
    assert_string_equal(s.dir, DIR "/store");
    uint64_t incarnation = s.incarnation;
    static const char *const subdirs[] = {"log", "segment", "body", "snapshot", "quarantine"};
    for (unsigned i = 0; i < 5; i++) {
        char path[128];
        snprintf(path, sizeof path, DIR "/store/%s", subdirs[i]);
        assert_int_equal(file_stat(node, path, &st), ERR_OK);
        assert_true(st.is_directory);
    }
    make_file(DIR "/store/log/1-0-1.log", 1);
    manifest_set_chain(s.manifest, &(struct manifest_chain){.boot = 1, .low = 1});
    assert_int_equal(manifest_commit(s.manifest), ERR_OK);
    store_close(&s);
    must_open(&s);
    assert_false(s.is_new);
    assert_int_equal(s.boot, 2);
    assert_int_equal(s.incarnation, incarnation);
    store_close(&s);
}

static void
names_are_parsed_as_they_are_made(void **state)
{
    struct store s;
    char path[STORE_PATH_MAX];
    uint32_t boot, number;
    uint16_t chain;
    uint64_t id;
    must_open(&s);
    store_log_path(&s, path, 4000000000u, 17, 3);
    assert_string_equal(path, DIR "/store/log/4000000000-17-3.log");
    assert_true(store_parse_log_name(strrchr(path, '/') + 1, &boot, &chain, &number));
    assert_true(boot == 4000000000u && chain == 17 && number == 3);
    store_log_path(&s, path, 1, STORE_CHAIN_META, 2);
    assert_string_equal(path, DIR "/store/log/1-meta-2.log");
    assert_true(store_parse_log_name(strrchr(path, '/') + 1, &boot, &chain, &number));
    assert_true(boot == 1 && chain == STORE_CHAIN_META && number == 2);
    store_acks_path(&s, path, UINT64_MAX, UINT32_MAX);
    assert_true(store_parse_acks_name(strrchr(path, '/') + 1, &id, &number));
    assert_true(id == UINT64_MAX && number == UINT32_MAX);
    store_segment_path(&s, path, 12);
    assert_true(store_parse_id_name(strrchr(path, '/') + 1, ".segment", &id) && id == 12);
    store_body_path(&s, path, 13);
    assert_true(store_parse_id_name(strrchr(path, '/') + 1, ".body", &id) && id == 13);
    store_snapshot_path(&s, path, 14);
    assert_true(store_parse_id_name(strrchr(path, '/') + 1, ".snapshot", &id) && id == 14);
    static const char *const strange[] = {"",         "1-2.log",    "1-2-3.log~",         "a-2-3.log",
                                          "1--3.log", "01-2-3.log", "4294967296-0-1.log", "1-65535-1.log",
                                          "1-2-3"};
    for (unsigned i = 0; i < sizeof strange / sizeof *strange; i++)
        assert_false(store_parse_log_name(strange[i], &boot, &chain, &number));
    assert_false(store_parse_id_name("18446744073709551616.body", ".body", &id));
    assert_false(store_parse_id_name("1.body", ".segment", &id));
    assert_false(store_parse_acks_name("1.acks", &id, &number));
    store_close(&s);
}

/* A store with a chain, a segment with acks, a snapshot. */
static void
make_furnished(void)
{
    struct store s;
    must_open(&s);
    make_file(DIR "/store/segment/1.segment", 10);
    make_file(DIR "/store/segment/1-2.acks", 1);
    make_file(DIR "/store/snapshot/2.snapshot", 1);
    make_file(DIR "/store/log/1-0-3.log", 1);
    assert_int_equal(dir_sync(node, DIR "/store/segment"), ERR_OK);
    assert_int_equal(dir_sync(node, DIR "/store/snapshot"), ERR_OK);
    assert_int_equal(dir_sync(node, DIR "/store/log"), ERR_OK);
    for (unsigned i = 0; i < 3; i++)
        (void)manifest_next_id(s.manifest);
    manifest_set_segment(s.manifest, &(struct manifest_segment){.id = 1, .size = 10, .acks_generation = 2});
    manifest_set_snapshot(s.manifest, 2, 1, 1);
    manifest_set_chain(s.manifest, &(struct manifest_chain){.boot = 1, .low = 3});
    assert_int_equal(manifest_commit(s.manifest), ERR_OK);
    store_close(&s);
}

static void
what_the_manifest_does_not_name_is_deleted(void **state)
{
    static const char *const gone[] = {
        DIR "/store/MANIFEST.new",        DIR "/store/log/1-0-2.log",    DIR "/store/log/1-1-1.log",
        DIR "/store/log/1-meta-1.log",    DIR "/store/log/2-0-1.log",    DIR "/store/segment/2.segment",
        DIR "/store/segment/1-1.acks",    DIR "/store/segment/1-3.acks", DIR "/store/segment/3-1.acks",
        DIR "/store/snapshot/1.snapshot",
    };
    static const char *const stay[] = {
        DIR "/store/MANIFEST",         DIR "/store/log/1-0-3.log",
        DIR "/store/log/1-0-4.log",    DIR "/store/segment/1.segment",
        DIR "/store/segment/1-2.acks", DIR "/store/snapshot/2.snapshot",
        DIR "/store/body/9.body",      DIR "/store/quarantine/1-0-1.log",
        DIR "/store/log/notes.txt",    DIR "/store/README",
    };
    struct store s;
    make_furnished();
    for (unsigned i = 0; i < sizeof gone / sizeof *gone; i++)
        make_file(gone[i], 1);
    for (unsigned i = 0; i < sizeof stay / sizeof *stay; i++)
        if (!is_there(stay[i]))
            make_file(stay[i], 1);
    assert_int_equal(store_open_offline(&s, node, DIR, why, sizeof why), ERR_OK);
    assert_int_equal(s.boot, 1);
    store_close(&s);
    for (unsigned i = 0; i < sizeof gone / sizeof *gone; i++)
        assert_true(is_there(gone[i])); /* reading only */
    must_open(&s);
    for (unsigned i = 0; i < sizeof gone / sizeof *gone; i++)
        if (is_there(gone[i]))
            fail_msg("%s was not deleted", gone[i]);
    for (unsigned i = 0; i < sizeof stay / sizeof *stay; i++)
        if (!is_there(stay[i]))
            fail_msg("%s was deleted", stay[i]);
    store_close(&s);
}

static void
a_named_file_that_is_missing_is_told(void **state)
{
    static const char *const named[] = {
        DIR "/store/log/1-0-3.log",
        DIR "/store/segment/1.segment",
        DIR "/store/segment/1-2.acks",
        DIR "/store/snapshot/2.snapshot",
    };
    struct store s;
    make_furnished();
    for (unsigned i = 0; i < sizeof named / sizeof *named; i++) {
        assert_int_equal(file_rename(node, named[i], DIR "/aside"), ERR_OK);
        assert_int_equal(try_open(&s), ERR_NOT_FOUND);
        assert_says(named[i]);
        assert_says("missing");
        assert_says("backup");
        assert_int_equal(file_rename(node, DIR "/aside", named[i]), ERR_OK);
    }
    must_open(&s);
    store_close(&s);
    make_file(DIR "/store/segment/1.segment", 11);
    assert_int_equal(try_open(&s), ERR_CORRUPT);
    assert_says("/store/segment/1.segment has 11 bytes, but 10");
}

static void
files_without_a_manifest_are_no_new_store(void **state)
{
    static const char *const files[] = {
        DIR "/store/log/1-0-1.log",
        DIR "/store/segment/1.segment",
        DIR "/store/body/1.body",
        DIR "/store/snapshot/1.snapshot",
    };
    struct store s;
    must_open(&s);
    store_close(&s);
    assert_int_equal(file_unlink(node, DIR "/store/MANIFEST"), ERR_OK);
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        make_file(files[i], 1);
        assert_int_equal(try_open(&s), ERR_CORRUPT);
        assert_says(files[i]);
        assert_says("MANIFEST is missing");
        assert_says("backup");
        assert_true(is_there(files[i]));
        assert_int_equal(file_unlink(node, files[i]), ERR_OK);
    }
    must_open(&s);
    assert_true(s.is_new);
    store_close(&s);
}

static void
a_damaged_or_newer_manifest_is_refused_with_words(void **state)
{
    struct store s;
    struct file *f;
    must_open(&s);
    struct manifest_view v;
    manifest_view(s.manifest, &v);
    store_close(&s);
    assert_int_equal(file_open(node, DIR "/store/MANIFEST", FILE_WRITE, &f), ERR_OK);
    assert_int_equal(file_pwrite(f, "x", 1, 20), ERR_OK);
    assert_int_equal(try_open(&s), ERR_CORRUPT);
    assert_says(DIR "/store/MANIFEST is damaged");
    file_close(f);
    assert_int_equal(store_open_offline(&s, node, DIR, why, sizeof why), ERR_CORRUPT);
    assert_int_equal(store_open_offline(&s, node, "/", why, sizeof why), ERR_NOT_FOUND);
    assert_says("is not the data directory");
}

static void
a_directory_that_cannot_be_is_told(void **state)
{
    struct store s;
    struct store_config c;
    char *longest = malloc(5001);
    memset(longest, 'x', 5000);
    longest[5000] = 0;
    store_config_init(&c);
    c.dir = longest;
    assert_int_equal(store_open(&s, node, &c, NULL, why, sizeof why), ERR_LIMIT);
    assert_says("too long");
    free(longest);
    c.dir = "/nowhere";
    assert_int_equal(store_open(&s, node, &c, NULL, why, sizeof why), ERR_NOT_FOUND);
    assert_says("/nowhere/store");
}

/* Opening for the first and for the second time, with every operation failing, and then losing power. */
static void
opening_survives_every_failure(void **state)
{
    for (uint64_t at = 1;; at++) {
        tear_down(state);
        assert_int_equal(set_up(state), 0);
        if (at % 2)
            make_furnished();
        struct store s;
        uint64_t before = sim_disk_operations(node);
        sim_disk_set_faults(
            node, &(struct sim_disk_faults){.fail_at = (at + 1) / 2, .fail_with = ERR_IO, .fail_on = true});
        enum err e = try_open(&s);
        bool is_hit = sim_disk_operations(node) >= before + (at + 1) / 2;
        if (is_hit && e != ERR_OK)
            assert_true(strlen(why) > 20 && strstr(why, DIR));
        assert_int_equal(e == ERR_OK, !is_hit);
        if (e == ERR_OK)
            store_close(&s);
        sim_disk_set_faults(node, &(struct sim_disk_faults){0});
        sim_node_crash(node);
        must_open(&s);
        assert_int_equal(s.is_new, at % 2 == 0);
        store_close(&s);
        if (!is_hit && at % 2 == 0) {
            assert_true(at > 20);
            return;
        }
    }
}

struct heard {
    unsigned count;
    char text[LOG_TEXT_MAX];
};

static void
hear(void *arg, enum log_category category, enum log_level level, const char *text)
{
    struct heard *h = arg;
    h->count++;
    snprintf(h->text, sizeof h->text, "%s", text);
    assert_int_equal(level, LOG_LEVEL_CRITICAL);
}

static void
only_the_first_failure_is_told(void **state)
{
    static struct heard heard;
    struct log log;
    struct store s;
    log_init(&log, hear, &heard, LOG_LEVEL_INFO);
    must_open(&s);
    s.log = &log;
    assert_int_equal(store_failure(&s), ERR_OK);
    store_fail(&s, ERR_IO, "sync", "/data/x");
    store_fail(&s, ERR_NO_SPACE, "write", "/data/y");
    assert_int_equal(store_failure(&s), ERR_IO);
    assert_int_equal(heard.count, 1);
    assert_non_null(strstr(heard.text, "cannot sync /data/x: input/output error"));
    store_close(&s);
}

static void
open_and_mark(bool is_marked, bool marks, bool is_pinned)
{
    struct store s;
    must_open(&s);
    assert_int_equal(s.is_marked, is_marked);
    if (is_pinned)
        store_pin(&s);
    if (marks)
        assert_int_equal(store_mark(&s), ERR_OK);
    store_forget_mark(&s);
    if (is_pinned)
        store_unpin(&s);
    store_close(&s);
}

/* What an earlier boot's mark said is in the log by now; what this boot's says is nowhere else. */
static void
a_mark_goes_only_when_nobody_needs_it(void **state)
{
    open_and_mark(false, true, false);
    open_and_mark(true, true, false);
    open_and_mark(true, false, true); /* a backup under way copies it */
    open_and_mark(true, false, false);
    open_and_mark(false, false, false);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_new_store_is_made_and_found_again),
        TEST(names_are_parsed_as_they_are_made),
        TEST(what_the_manifest_does_not_name_is_deleted),
        TEST(a_named_file_that_is_missing_is_told),
        TEST(files_without_a_manifest_are_no_new_store),
        TEST(a_damaged_or_newer_manifest_is_refused_with_words),
        TEST(a_directory_that_cannot_be_is_told),
        TEST(opening_survives_every_failure),
        TEST(only_the_first_failure_is_told),
        TEST(a_mark_goes_only_when_nobody_needs_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
