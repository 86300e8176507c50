/* Check, dump and copy of a store that was written by hand: every kind of file, every kind of record. */
#include "base/check.h"
#include "io/file.h"
#include "io/sim.h"
#include "io/worker.h"
#include "store/body.h"
#include "store/chain.h"
#include "store/log_file.h"
#include "store/segment.h"
#include "store/store_check.h"
#include "store/store_copy.h"
#include "store/store_dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BIG = 5000, PATHS_MAX = 32 };

struct tools {
    struct sim *sim;
    struct io_world *node;
    struct store store;
    uint64_t segment, body;
    char why[512];
    struct buffer text; /* of a dump, or of a check's problems */
    struct store_check_counts counts;
};

/* ---- making one ---- */

static void
must(struct tools *t, enum err e)
{
    if (e != ERR_OK)
        fail_msg("%s: %s", err_text(e), t->why);
}

static const struct record_message hello = {.exchange = {(const uint8_t *)"x\"", 2},
                                            .routing_key = {(const uint8_t *)"hello", 5},
                                            .properties = {(const uint8_t *)"pp", 2},
                                            .body = {(const uint8_t *)"tex\n", 4},
                                            .body_size = 4,
                                            .flags = 3};

/* A file of a chain: its header, then batches with these records each. */
static void
write_log(struct tools *t, uint16_t chain, uint32_t number, uint64_t first_batch,
          const struct buffer *batches, const uint32_t *records, unsigned count)
{
    char path[STORE_PATH_MAX];
    struct file *f;
    uint8_t block[STORE_BLOCK];
    uint64_t at = STORE_BLOCK, salt = 1000 * chain + number;
    struct log_file_header h = {.incarnation = t->store.incarnation,
                                .salt = salt,
                                .boot = t->store.boot,
                                .number = number,
                                .chain = chain,
                                .sync = STORE_SYNC_ALWAYS};
    log_file_header_put(block, &h);
    store_log_path(&t->store, path, t->store.boot, chain, number);
    must(t, file_open(t->node, path, FILE_WRITE | FILE_CREATE, &f));
    must(t, file_pwrite(f, block, sizeof block, 0));
    for (unsigned i = 0; i < count; i++) {
        uint64_t size = batch_footprint(batches[i].len);
        uint8_t *batch = calloc(1, size);
        CHECK(batch);
        memcpy(batch + STORE_BATCH_HEADER, batches[i].data, batches[i].len);
        struct batch_header b = {(uint32_t)batches[i].len, records[i], first_batch + i};
        batch_seal(batch, &b, salt);
        must(t, file_pwrite(f, batch, size, at));
        at += size;
        free(batch);
    }
    must(t, file_truncate(f, at + 2 * STORE_BLOCK));
    must(t, file_sync(f));
    file_close(f);
}

static void
add_publish(struct buffer *b, const struct record_message *m, uint64_t queue, uint64_t sequence,
            unsigned count, uint64_t tx)
{
    struct record_target targets[2] = {{queue, sequence, 1}, {queue + 1, sequence, 1}};
    size_t size = record_publish_size(m, count, tx != 0);
    b->len += record_put_publish(buffer_reserve(b, size), m, targets, count, tx);
}

static void
write_logs(struct tools *t)
{
    struct buffer b[4] = {0};
    struct record_message big = {.body_size = BIG, .body_file = t->body};
    struct record_target at = {12, 55, 1};
    add_publish(&b[0], &hello, 12, 55, 2, 0);
    add_publish(&b[1], &hello, 12, 56, 1, 9);
    b[1].len += record_put_settle(buffer_reserve(&b[1], RECORD_SMALL_MAX), at, 2, 9);
    b[1].len += record_put_tx_end(buffer_reserve(&b[1], RECORD_SMALL_MAX), 9);
    add_publish(&b[2], &big, 12, 57, 1, 0);
    b[2].len +=
        record_put_delivered(buffer_reserve(&b[2], RECORD_SMALL_MAX), (struct record_target){12, 8192, 1});
    b[3].len += record_put_meta(buffer_reserve(&b[3], 64), 1, 77, slice_str("command"));
    write_log(t, 0, 4, 16, b, (uint32_t[]){1, 3}, 2);
    write_log(t, 0, 5, 18, b + 2, (uint32_t[]){2}, 1);
    write_log(t, STORE_CHAIN_META, 1, 1, b + 3, (uint32_t[]){1}, 1);
    for (unsigned i = 0; i < 4; i++)
        buffer_fini(&b[i]);
    manifest_set_chain(t->store.manifest, &(struct manifest_chain){t->store.boot, 0, 4});
    manifest_set_chain(t->store.manifest, &(struct manifest_chain){t->store.boot, STORE_CHAIN_META, 1});
}

static bool
is_written(void *arg)
{
    return segment_bytes_waiting(arg) == 0;
}

static void
write_segment(struct tools *t)
{
    struct worker *pager = worker_new(t->node, "pager");
    struct segment *g = segment_new(&t->store, pager), *sealed;
    struct record_message big = {.body_size = BIG, .body_file = t->body};
    segment_append(g, (struct record_target){12, 1, 1}, &hello, false, 0);
    segment_append(g, (struct record_target){12, 2, 1}, &hello, true, 0);
    uint64_t offset = segment_append(g, (struct record_target){12, 3, 1}, &hello, false, 0);
    segment_append(g, (struct record_target){13, 7, 1}, &hello, false, offset);
    segment_append(g, (struct record_target){13, 8, 1}, &big, false, 0);
    segment_seal(g);
    assert_true(sim_run_until(t->sim, is_written, g, 10000));
    worker_free(pager);
    must(t, segment_sync(g));
    t->segment = segment_id(g);
    uint64_t size = segment_size(g);
    segment_free(g);
    must(t, segment_load(&t->store, t->segment, 0, &sealed, t->why, sizeof t->why));
    uint32_t generation, runs;
    const struct segment_run *run = segment_runs(sealed, &runs);
    assert_int_equal(segment_settle(sealed, run, 1, 1), 1);
    struct segment_acks *acks = segment_acks_take(sealed, &generation);
    must(t, segment_acks_write(&t->store, acks));
    free(acks);
    segment_free(sealed);
    char path[STORE_PATH_MAX];
    struct file_stat st;
    store_segment_path(&t->store, path, t->segment);
    must(t, file_stat(t->node, path, &st));
    (void)size;
    manifest_set_segment(t->store.manifest, &(struct manifest_segment){t->segment, st.size, generation});
}

static void
write_snapshot(struct tools *t)
{
    char path[STORE_PATH_MAX];
    struct file *f;
    uint64_t id = manifest_next_id(t->store.manifest);
    store_snapshot_path(&t->store, path, id);
    must(t, file_open(t->node, path, FILE_WRITE | FILE_CREATE, &f));
    must(t, file_pwrite(f, "snapshot", 8, 0));
    must(t, file_sync(f));
    file_close(f);
    manifest_set_snapshot(t->store.manifest, id, 1, 76);
}

static int
set_up(void **state)
{
    static const char *const subdirs[] = {"/data/store/log", "/data/store/segment", "/data/store/body",
                                          "/data/store/snapshot"};
    struct tools *t = calloc(1, sizeof *t);
    uint8_t *body = calloc(1, BIG);
    struct store_config config;
    CHECK(t && body);
    t->sim = sim_new(1);
    t->node = sim_node_new(t->sim, "n");
    must(t, dir_create(t->node, "/data"));
    must(t, dir_sync(t->node, "/"));
    store_config_init(&config);
    config.dir = "/data";
    must(t, store_open(&t->store, t->node, &config, NULL, t->why, sizeof t->why));
    t->body = manifest_next_id(t->store.manifest);
    must(t, body_write(&t->store, t->body, slice_of(body, BIG)));
    write_segment(t);
    write_snapshot(t);
    write_logs(t);
    for (unsigned i = 0; i < sizeof subdirs / sizeof *subdirs; i++)
        must(t, dir_sync(t->node, subdirs[i]));
    must(t, manifest_commit(t->store.manifest));
    store_close(&t->store);
    free(body);
    *state = t;
    return 0;
}

static int
tear_down(void **state)
{
    struct tools *t = *state;
    buffer_fini(&t->text);
    sim_free(t->sim);
    free(t);
    return 0;
}

/* ---- using the tools ---- */

static void
on_line(void *arg, struct slice line)
{
    struct tools *t = arg;
    buffer_add_slice(&t->text, line);
}

/* The dump of a directory's store in `text`. */
static bool
dump(struct tools *t, const char *dir, bool with_bodies)
{
    struct store s;
    struct store_dump how = {.with_bodies = with_bodies, .on_line = on_line, .arg = t};
    buffer_clear(&t->text);
    must(t, store_open_offline(&s, t->node, dir, t->why, sizeof t->why));
    bool good = store_dump(&s, &how);
    store_close(&s);
    buffer_add_u8(&t->text, 0);
    return good;
}

static void
on_problem(void *arg, const char *path, uint64_t offset, bool is_damage, const char *what)
{
    struct tools *t = arg;
    buffer_add_fmt(&t->text, "%s %llu %s%s\n", path, (unsigned long long)offset,
                   is_damage ? "" : "unreadable ", what);
}

static void
on_progress(void *arg, uint64_t done, uint64_t total)
{
    assert_true(done <= total);
}

static void
check(struct tools *t, const char *dir)
{
    struct store s;
    struct store_check how = {.on_problem = on_problem, .on_progress = on_progress, .arg = t};
    buffer_clear(&t->text);
    must(t, store_open_offline(&s, t->node, dir, t->why, sizeof t->why));
    store_check(&s, &how, &t->counts);
    store_close(&s);
    buffer_add_u8(&t->text, 0);
}

static const char *
text(const struct tools *t)
{
    return (const char *)t->text.data;
}

static void
a_dump_has_a_line_for_each_thing(void **state)
{
    struct tools *t = *state;
    assert_true(dump(t, "/data", true));
    const char *first = strchr(text(t), '\n') + 1;
    assert_int_equal(strncmp(text(t), "manifest incarnation=", 21), 0);
    static const char expected[] =
        "snapshot id=3 term=1 index=76 size=8\n"
        "log file=log/1-0-4.log boot=1 chain=0 number=4 sync=always size=20480\n"
        "log file=log/1-0-5.log boot=1 chain=0 number=5 sync=always size=16384\n"
        "batch number=16 file=log/1-0-4.log offset=4096 records=1 bytes=77\n"
        "publish queue=12 sequence=55 epoch=1 exchange=\"x\\x22\" routing-key=\"hello\" flags=3 properties=2 "
        "body=4 text=\"tex\\x0a\"\n"
        "publish queue=13 sequence=55 epoch=1 exchange=\"x\\x22\" routing-key=\"hello\" flags=3 properties=2 "
        "body=4 text=\"tex\\x0a\"\n"
        "batch number=17 file=log/1-0-4.log offset=8192 records=3 bytes=121\n"
        "publish queue=12 sequence=56 epoch=1 exchange=\"x\\x22\" routing-key=\"hello\" flags=3 properties=2 "
        "body=4 tx=9 text=\"tex\\x0a\"\n"
        "settle queue=12 first=55 count=2 epoch=1 tx=9\n"
        "tx-end tx=9\n"
        "batch number=18 file=log/1-0-5.log offset=4096 records=2 bytes=80\n"
        "publish queue=12 sequence=57 epoch=1 exchange=\"\" routing-key=\"\" flags=0 properties=0 body=5000 "
        "body-file=1\n"
        "delivered queue=12 below=8192 epoch=1\n"
        "log file=log/1-meta-1.log boot=1 chain=65535 number=1 sync=always size=16384\n"
        "batch number=1 file=log/1-meta-1.log offset=4096 records=1 bytes=31\n"
        "meta term=1 index=77 bytes=7\n"
        "segment id=2 size=";
    if (strncmp(first, expected, sizeof expected - 1) != 0)
        fail_msg("%s", text(t));
    assert_non_null(strstr(text(t),
                           "entries=5 live=3\nrun segment=2 queue=12 epoch=1 first=1 last=3 entries=3 "
                           "live=1 offset=64 "));
    assert_non_null(strstr(text(t), "entry segment=2 queue=12 sequence=1 live=no exchange=\"x\\x22\""));
    assert_non_null(strstr(text(t), "sequence=2 live=no exchange=\"x\\x22\" routing-key=\"hello\" flags=3 "
                                    "properties=2 body=4 transient=yes text=\"tex\\x0a\"\n"));
    assert_non_null(strstr(text(t), "entry segment=2 queue=13 sequence=7 live=yes exchange=\"x\\x22\""));
    assert_non_null(strstr(text(t), "sequence=8 live=yes exchange=\"\" routing-key=\"\" flags=0 properties=0 "
                                    "body=5000 body-file=1\nbody id=1 size=5064\n"));
    assert_true(dump(t, "/data", false));
    assert_null(strstr(text(t), "text="));
}

static void
a_good_store_has_no_problem(void **state)
{
    struct tools *t = *state;
    check(t, "/data");
    assert_string_equal(text(t), "");
    assert_int_equal(t->counts.damages + t->counts.unreadable + t->counts.tails, 0);
    assert_int_equal(t->counts.log_files, 3);
    assert_int_equal(t->counts.batches, 4);
    assert_int_equal(t->counts.records, 7);
    assert_int_equal(t->counts.entries, 5);
    assert_int_equal(t->counts.live_entries, 3);
    assert_int_equal(t->counts.bodies, 1);
}

/* ---- damage ---- */

static void
flip(struct tools *t, const char *path, uint64_t offset)
{
    struct file *f;
    uint8_t byte;
    size_t got;
    must(t, file_open(t->node, path, FILE_READ | FILE_WRITE, &f));
    must(t, file_pread(f, &byte, 1, offset, &got));
    assert_int_equal(got, 1);
    byte ^= 0x10;
    must(t, file_pwrite(f, &byte, 1, offset));
    file_close(f);
}

static uint64_t
size_of(struct tools *t, const char *path)
{
    struct file_stat st;
    must(t, file_stat(t->node, path, &st));
    return st.size;
}

/* Each wrong byte of the file is found, and named by its path. */
static void
flip_all(struct tools *t, const char *path, uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at < to; at++) {
        flip(t, path, at);
        check(t, "/data");
        if (t->counts.damages == 0 || !strstr(text(t), path))
            fail_msg("byte %llu of %s: %s", (unsigned long long)at, path, text(t));
        if (at % 16 == 0 && !strstr(path, "body"))
            assert_false(dump(t, "/data", true)); /* it does not read bodies' files */
        flip(t, path, at);
    }
    check(t, "/data");
    assert_int_equal(t->counts.damages, 0);
}

static void
every_wrong_byte_of_a_segment_and_its_acks_is_found(void **state)
{
    struct tools *t = *state;
    flip_all(t, "/data/store/segment/2.segment", 0, size_of(t, "/data/store/segment/2.segment"));
    flip_all(t, "/data/store/segment/2-1.acks", 0, size_of(t, "/data/store/segment/2-1.acks"));
}

static void
every_wrong_byte_of_a_body_is_found(void **state)
{
    struct tools *t = *state;
    flip_all(t, "/data/store/body/1.body", 0, 200);
    flip_all(t, "/data/store/body/1.body", 64 + BIG - 1, 64 + BIG);
}

static void
every_wrong_byte_of_a_batch_with_one_behind_it_is_found(void **state)
{
    struct tools *t = *state;
    flip_all(t, "/data/store/log/1-0-4.log", 4096, 4096 + STORE_BATCH_HEADER + 77);
    flip(t, "/data/store/log/1-0-4.log", 8192 + 70);
    check(t, "/data");
    assert_int_equal(t->counts.damages, 1);
    assert_non_null(strstr(text(t), "/data/store/log/1-0-4.log 8192 "));
    assert_int_equal(t->counts.batches, 3); /* the one behind it is looked at all the same */
}

static void
a_torn_last_batch_is_no_damage(void **state)
{
    struct tools *t = *state;
    flip(t, "/data/store/log/1-meta-1.log", 4096 + 70);
    check(t, "/data");
    assert_int_equal(t->counts.damages, 0);
    assert_int_equal(t->counts.tails, 1);
    assert_int_equal(t->counts.batches, 3);
    assert_true(dump(t, "/data", false));
    assert_non_null(strstr(text(t), "\ntail file=log/1-meta-1.log offset=4096 what="));
}

static void
a_missing_file_is_damage(void **state)
{
    static const char *const paths[] = {"/data/store/log/1-0-4.log", "/data/store/segment/2.segment",
                                        "/data/store/segment/2-1.acks", "/data/store/body/1.body",
                                        "/data/store/snapshot/3.snapshot"};
    struct tools *t = *state;
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        must(t, file_rename(t->node, paths[i], "/data/aside"));
        check(t, "/data");
        if (t->counts.damages == 0)
            fail_msg("%s", paths[i]);
        must(t, file_rename(t->node, "/data/aside", paths[i]));
    }
    check(t, "/data");
    assert_int_equal(t->counts.damages, 0);
}

static enum err
refuse_snapshot(void *arg, struct store *s, uint64_t id, char *why, size_t why_size)
{
    assert_int_equal(id, 3);
    snprintf(why, why_size, "not readable, says the layer above");
    return ERR_CORRUPT;
}

static enum err
refuse_command(void *arg, struct slice command)
{
    return slice_eq_str(command, "command") ? ERR_UNSUPPORTED : ERR_OK;
}

static void
the_layer_above_looks_at_what_it_knows(void **state)
{
    struct tools *t = *state;
    struct store s;
    struct store_check how = {
        .on_problem = on_problem, .on_snapshot = refuse_snapshot, .on_meta = refuse_command, .arg = t};
    must(t, store_open_offline(&s, t->node, "/data", t->why, sizeof t->why));
    store_check(&s, &how, &t->counts);
    store_close(&s);
    buffer_add_u8(&t->text, 0);
    assert_int_equal(t->counts.damages, 2);
    assert_non_null(strstr(text(t), "3.snapshot 0 not readable, says the layer above\n"));
    assert_non_null(strstr(text(t), "1-meta-1.log 4096 the command with index 77: not supported\n"));
}

/* ---- copies ---- */

static enum err
copy_whole(struct tools *t, const char *target)
{
    struct store s;
    struct store_cut cut, parsed;
    struct buffer line = {0};
    struct store_copy how = {.world = t->node, .dir = "/data", .target = target, .on_progress = on_progress};
    must(t, store_open_offline(&s, t->node, "/data", t->why, sizeof t->why));
    store_cut_whole(&s, &cut);
    store_close(&s);
    store_cut_format(&cut, &line); /* as it comes from a node */
    must(t, store_cut_parse(buffer_slice(&line), &parsed));
    enum err e = store_copy(&how, &parsed, t->why, sizeof t->why);
    buffer_fini(&line);
    store_cut_fini(&parsed);
    store_cut_fini(&cut);
    return e;
}

/* All lines of a dump but the first, which has the incarnation. */
static char *
dump_of(struct tools *t, const char *dir)
{
    assert_true(dump(t, dir, true));
    return strdup(strchr(text(t), '\n'));
}

static void
a_copy_is_the_same_under_another_identity(void **state)
{
    struct tools *t = *state;
    char *before = dump_of(t, "/data");
    char *first = strndup(text(t), (size_t)(strchr(text(t), '\n') - text(t)));
    must(t, copy_whole(t, "/copy"));
    sim_node_crash(t->node); /* everything of it is synced */
    char *after = dump_of(t, "/copy");
    assert_string_equal(before, after);
    assert_int_not_equal(strncmp(first, text(t), strlen(first)), 0);
    check(t, "/copy");
    assert_int_equal(t->counts.damages + t->counts.tails, 0);
    struct store s;
    struct store_config config;
    store_config_init(&config);
    config.dir = "/copy";
    must(t, store_open(&s, t->node, &config, NULL, t->why, sizeof t->why)); /* a node starts on it */
    assert_int_equal(s.boot, 2);
    store_close(&s);
    free(before);
    free(after);
    free(first);
}

/* The name of the copy is in a directory, too. */
static void
a_finished_copy_is_there_after_a_power_failure(void **state)
{
    struct tools *t = *state;
    char target[64], path[128];
    struct file_stat st;
    for (unsigned i = 0; i < 10; i++) {
        snprintf(target, sizeof target, "/copy%u", i);
        snprintf(path, sizeof path, "%s/store/MANIFEST", target);
        must(t, copy_whole(t, target));
        sim_node_crash(t->node);
        assert_int_equal(file_stat(t->node, path, &st), ERR_OK);
    }
}

static void
a_copy_has_the_mark_of_unmarked_deliveries(void **state)
{
    struct tools *t = *state;
    struct file *f;
    struct file_stat st;
    must(t, copy_whole(t, "/copy1"));
    assert_int_equal(file_stat(t->node, "/copy1/store/UNMARKED", &st), ERR_NOT_FOUND);
    must(t, file_open(t->node, "/data/store/UNMARKED", FILE_WRITE | FILE_CREATE, &f));
    file_close(f);
    must(t, copy_whole(t, "/copy2"));
    sim_node_crash(t->node);
    assert_int_equal(file_stat(t->node, "/copy2/store/UNMARKED", &st), ERR_OK);
}

static void
make_zeros(struct tools *t, const char *path)
{
    static const uint8_t zeros[2 * STORE_BLOCK];
    struct file *f;
    must(t, file_open(t->node, path, FILE_WRITE | FILE_CREATE, &f));
    must(t, file_pwrite(f, zeros, sizeof zeros, 0));
    file_close(f);
}

static void
a_copy_ends_at_the_cut(void **state)
{
    struct tools *t = *state;
    struct store s;
    struct store_cut cut;
    struct store_copy how = {.world = t->node, .dir = "/data", .target = "/copy"};
    must(t, store_open_offline(&s, t->node, "/data", t->why, sizeof t->why));
    store_cut_whole(&s, &cut);
    store_close(&s);
    struct store_cut_end end = {.boot = 1, .chain = 0, .file = 4, .offset = 8192};
    cut.ends = malloc(sizeof end);
    *cut.ends = end;
    cut.end_count = 1;
    must(t, store_copy(&how, &cut, t->why, sizeof t->why));
    store_cut_fini(&cut);
    check(t, "/copy");
    assert_int_equal(t->counts.damages, 0);
    assert_int_equal(t->counts.log_files, 2);
    assert_int_equal(t->counts.batches, 2);
    assert_true(dump(t, "/copy", false));
    assert_non_null(strstr(text(t), "batch number=16 "));
    assert_null(strstr(text(t), "batch number=17 "));
    assert_null(strstr(text(t), "batch number=18 "));
}

/* The copy would end before it, without a word, and what stands behind it be lost. */
static void
a_copy_of_a_log_with_a_file_missing_is_refused(void **state)
{
    struct tools *t = *state;
    must(t, file_rename(t->node, "/data/store/log/1-0-4.log", "/data/aside"));
    assert_int_equal(copy_whole(t, "/copy1"), ERR_CORRUPT);
    assert_non_null(strstr(t->why, "/data/store/log/1-0-4.log"));
    must(t, file_rename(t->node, "/data/aside", "/data/store/log/1-0-4.log"));
    must(t, file_rename(t->node, "/data/store/log/1-0-5.log", "/data/store/log/1-0-6.log"));
    assert_int_equal(copy_whole(t, "/copy2"), ERR_CORRUPT);
    assert_non_null(strstr(t->why, "/data/store/log/1-0-5.log: not found"));
}

/* A node that was killed while it prepared its next log file leaves one of zeros. */
static void
a_log_file_that_was_being_prepared_does_not_prevent_a_copy(void **state)
{
    struct tools *t = *state;
    make_zeros(t, "/data/store/log/1-0-6.log");
    must(t, copy_whole(t, "/copy"));
    check(t, "/copy");
    assert_int_equal(t->counts.damages, 0);
    assert_int_equal(t->counts.batches, 4);
    make_zeros(t, "/data/store/log/1-0-7.log"); /* now one before the last has no header: no accident */
    assert_int_equal(copy_whole(t, "/copy2"), ERR_CORRUPT);
    assert_non_null(strstr(t->why, "/data/store/log/1-0-6.log"));
}

static void
a_copy_does_not_go_into_a_directory_with_something_in_it(void **state)
{
    struct tools *t = *state;
    must(t, dir_create(t->node, "/copy"));
    must(t, copy_whole(t, "/copy")); /* an empty one is fine */
    assert_int_equal(copy_whole(t, "/copy"), ERR_EXISTS);
    assert_non_null(strstr(t->why, "/copy is not empty: store is there"));
    check(t, "/copy"); /* and is what it was */
    assert_int_equal(t->counts.damages, 0);
    assert_int_not_equal(copy_whole(t, "/no/where"), ERR_OK);
    assert_non_null(strstr(t->why, "/no/where"));
}

/* Whatever fails: an error is told, and what is there is no store. */
static void
a_copy_that_fails_anywhere_is_no_store(void **state)
{
    struct tools *t = *state;
    for (uint64_t n = 1;; n++) {
        char target[64];
        struct file_stat st;
        snprintf(target, sizeof target, "/copy%llu", (unsigned long long)n);
        struct store s;
        struct store_cut cut;
        struct store_copy how = {.world = t->node, .dir = "/data", .target = target};
        must(t, store_open_offline(&s, t->node, "/data", t->why, sizeof t->why));
        store_cut_whole(&s, &cut);
        store_close(&s);
        sim_disk_set_faults(t->node, &(struct sim_disk_faults){.fail_at = n, .fail_with = ERR_NO_SPACE});
        uint64_t before = sim_disk_operations(t->node);
        enum err e = store_copy(&how, &cut, t->why, sizeof t->why);
        bool has_failed = sim_disk_operations(t->node) - before >= n;
        sim_disk_set_faults(t->node, &(struct sim_disk_faults){0});
        store_cut_fini(&cut);
        if (!has_failed) {
            assert_int_equal(e, ERR_OK);
            assert_true(n > 30);
            break;
        }
        assert_int_not_equal(e, ERR_OK);
        char path[128];
        snprintf(path, sizeof path, "%s/store/MANIFEST", target);
        assert_int_equal(file_stat(t->node, path, &st), ERR_NOT_FOUND);
    }
}

static void
what_is_no_cut_is_refused(void **state)
{
    struct tools *t = *state;
    struct store s;
    struct store_cut cut;
    struct buffer line = {0};
    (void)state;
    must(t, store_open_offline(&s, t->node, "/data", t->why, sizeof t->why));
    store_cut_whole(&s, &cut);
    store_close(&s);
    store_cut_format(&cut, &line);
    store_cut_fini(&cut);
    struct slice whole = buffer_slice(&line);
    for (size_t len = 0; len < whole.len; len++)
        assert_int_not_equal(store_cut_parse(slice_of(whole.data, len), &cut), ERR_OK);
    buffer_add_str(&line, " 1-0-4-8192 1-65535-1-4096");
    must(t, store_cut_parse(buffer_slice(&line), &cut));
    assert_int_equal(cut.end_count, 2);
    assert_int_equal(cut.ends[1].chain, STORE_CHAIN_META);
    assert_int_equal(cut.ends[0].offset, 8192);
    store_cut_fini(&cut);
    buffer_add_str(&line, " 1-0-4");
    assert_int_equal(store_cut_parse(buffer_slice(&line), &cut), ERR_CORRUPT);
    buffer_fini(&line);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_dump_has_a_line_for_each_thing),
        TEST(a_good_store_has_no_problem),
        TEST(every_wrong_byte_of_a_segment_and_its_acks_is_found),
        TEST(every_wrong_byte_of_a_body_is_found),
        TEST(every_wrong_byte_of_a_batch_with_one_behind_it_is_found),
        TEST(a_torn_last_batch_is_no_damage),
        TEST(a_missing_file_is_damage),
        TEST(the_layer_above_looks_at_what_it_knows),
        TEST(a_copy_is_the_same_under_another_identity),
        TEST(a_finished_copy_is_there_after_a_power_failure),
        TEST(a_copy_has_the_mark_of_unmarked_deliveries),
        TEST(a_copy_ends_at_the_cut),
        TEST(a_copy_of_a_log_with_a_file_missing_is_refused),
        TEST(a_log_file_that_was_being_prepared_does_not_prevent_a_copy),
        TEST(a_copy_does_not_go_into_a_directory_with_something_in_it),
        TEST(a_copy_that_fails_anywhere_is_no_store),
        TEST(what_is_no_cut_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
