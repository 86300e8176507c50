/* Chains that were laid out by hand: what is read, what is called damage, and where. */
#include "store/chain.h"

#include "base/byteorder.h"
#include "io/file.h"
#include "io/sim.h"
#include "store/log_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

enum { FILE_SIZE = 16 * STORE_BLOCK, BOOT = 1, CHAIN = 2, READ_MAX = 256 };

struct world {
    struct io_world *node;
    struct store store;
    struct manifest_chain chain;
    enum store_sync sync;
    /* The file being laid out. */
    struct file *file;
    uint32_t number;
    uint64_t salt, offset, batch;
    /* What was read. */
    uint64_t read[READ_MAX]; /* numbers of batches */
    unsigned read_count, stop_after;
    unsigned damages, tails;
    uint32_t damage_file;
    uint64_t damage_offset;
    struct chain_end end;
    char why[512];
};

static int
set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct store_config config;
    assert_non_null(w);
    w->node = sim_node_new(sim_new(1), "n");
    store_config_init(&config);
    config.dir = "/data";
    assert_int_equal(dir_create(w->node, "/data"), ERR_OK);
    if (store_open(&w->store, w->node, &config, NULL, w->why, sizeof w->why) != ERR_OK)
        fail_msg("%s", w->why);
    w->chain = (struct manifest_chain){.boot = BOOT, .chain = CHAIN, .low = 1};
    *state = w;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *w = *state;
    file_close(w->file);
    free(w->end.last_records);
    store_close(&w->store);
    sim_free(sim_node_sim(w->node));
    free(w);
    return 0;
}

/* ---- laying out ---- */

static struct file *
open_file(struct world *w, uint32_t number)
{
    char path[STORE_PATH_MAX];
    struct file *f;
    store_log_path(&w->store, path, BOOT, CHAIN, number);
    assert_int_equal(file_open(w->node, path, FILE_WRITE | FILE_CREATE, &f), ERR_OK);
    return f;
}

static void
put(struct file *f, const void *bytes, size_t len, uint64_t offset)
{
    assert_int_equal(file_pwrite(f, bytes, len, offset), ERR_OK);
}

static struct log_file_header
header_of(const struct world *w, uint32_t number)
{
    return (struct log_file_header){.incarnation = w->store.incarnation,
                                    .salt = 1000 + number,
                                    .boot = BOOT,
                                    .number = number,
                                    .chain = CHAIN,
                                    .sync = (uint8_t)w->sync};
}

static void
put_header(struct file *f, const struct log_file_header *h)
{
    uint8_t block[STORE_BLOCK];
    log_file_header_put(block, h);
    put(f, block, sizeof block, 0);
}

/* From now on batches go there. */
static void
begin_file(struct world *w)
{
    struct log_file_header h = header_of(w, ++w->number);
    file_close(w->file);
    w->file = open_file(w, w->number);
    assert_int_equal(file_truncate(w->file, FILE_SIZE), ERR_OK);
    put_header(w->file, &h);
    w->salt = h.salt;
    w->offset = STORE_BLOCK;
}

/* A batch of so many blocks; returns where it stands. */
static uint64_t
put_batch(struct world *w, uint32_t blocks)
{
    uint32_t size = blocks * STORE_BLOCK - STORE_BATCH_HEADER - 10;
    uint8_t *batch = malloc(STORE_BATCH_HEADER + size), *command = malloc(size);
    struct batch_header h = {.payload_size = size, .record_count = 1, .number = ++w->batch};
    uint64_t at = w->offset;
    assert_true(batch && command);
    memset(command, 'x', size);
    assert_int_equal(record_put_meta(batch + STORE_BATCH_HEADER, 1, h.number, slice_of(command, size - 24)),
                     size);
    batch_seal(batch, &h, w->salt);
    put(w->file, batch, STORE_BATCH_HEADER + size, at);
    w->offset += (uint64_t)blocks * STORE_BLOCK;
    free(command);
    free(batch);
    return at;
}

static void
spoil(struct world *w, uint32_t number, uint64_t offset)
{
    struct file *f = open_file(w, number);
    put(f, "\xff\xfe\xfd", 3, offset);
    file_close(f);
}

/* Three files with 5 batches of one block each, and 5 of two. */
static void
lay_out(struct world *w)
{
    for (unsigned i = 0; i < 3; i++) {
        begin_file(w);
        for (uint32_t k = 0; k < 10; k++)
            (void)put_batch(w, k < 5 ? 1 : 2);
    }
}

static uint64_t
place_of(unsigned nth)
{
    return nth < 5 ? (nth + 1) * STORE_BLOCK : (nth * 2 - 4) * STORE_BLOCK;
}

/* ---- reading ---- */

static bool
on_batch(void *arg, const struct chain_file *f, uint64_t offset, const struct batch_header *h,
         struct slice records)
{
    struct world *w = arg;
    struct record r;
    assert_true(w->read_count < READ_MAX);
    w->read[w->read_count++] = h->number;
    assert_int_equal(record_parse(&records, &r), ERR_OK);
    assert_int_equal(r.index, h->number);
    assert_int_equal(records.len, 0);
    assert_true(f->chain == CHAIN && f->boot == BOOT && offset % STORE_BLOCK == 0);
    return w->read_count != w->stop_after;
}

static void
on_damage(void *arg, const struct chain_file *f, uint64_t offset, bool is_tail, const char *what)
{
    struct world *w = arg;
    if (w->damages + w->tails == 0) {
        w->damage_file = f->number;
        w->damage_offset = offset;
    }
    w->damages += !is_tail;
    w->tails += is_tail;
    assert_true(strlen(what) > 0);
}

static enum err
walk(struct world *w)
{
    const struct chain_visitor v = {.on_batch = on_batch, .on_damage = on_damage, .arg = w};
    w->read_count = w->damages = w->tails = 0;
    free(w->end.last_records);
    w->why[0] = 0;
    enum err e = chain_walk(&w->store, &w->chain, &v, &w->end, w->why, sizeof w->why);
    assert_int_equal(e != ERR_OK, w->why[0] != 0);
    if (e == ERR_OK)
        assert_int_equal(w->end.batches, w->read_count);
    assert_int_equal(w->end.is_damaged, w->damages > 0);
    return e;
}

/* first..last, but for those from..to. */
static void
assert_read(const struct world *w, uint64_t first, uint64_t last, uint64_t from, uint64_t to)
{
    unsigned i = 0;
    for (uint64_t n = first; n <= last; n++)
        if (n < from || n > to) {
            assert_true(i < w->read_count);
            assert_int_equal(w->read[i++], n);
        }
    assert_int_equal(w->read_count, i);
}

static void
assert_damage(const struct world *w, unsigned damages, unsigned tails, uint32_t file, uint64_t offset)
{
    assert_int_equal(w->damages, damages);
    assert_int_equal(w->tails, tails);
    if (damages + tails == 0)
        return;
    assert_int_equal(w->damage_file, file);
    assert_int_equal(w->damage_offset, offset);
    if (damages > 0)
        assert_int_equal(w->end.damaged_file, file);
}

static void
assert_last(const struct world *w, uint64_t number)
{
    struct slice in = slice_of(w->end.last_records, w->end.last_records_size);
    struct record r;
    assert_int_equal(w->end.last_batch, number);
    assert_int_equal(w->end.last_record_count, 1);
    assert_int_equal(record_parse(&in, &r), ERR_OK);
    assert_int_equal(r.index, number);
}

/* ---- whole chains ---- */

static void
all_batches_come_in_order(void **state)
{
    struct world *w = *state;
    lay_out(w);
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 1, 30, 0, 0);
    assert_damage(w, 0, 0, 0, 0);
    assert_int_equal(w->end.last_file, 3);
    assert_last(w, 30);
    w->chain.low = 2;
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 11, 30, 0, 0);
    assert_damage(w, 0, 0, 0, 0);
    w->stop_after = 4;
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 11, 14, 0, 0);
    assert_last(w, 14);
}

static void
an_empty_chain_has_no_batches(void **state)
{
    struct world *w = *state;
    begin_file(w);
    assert_int_equal(walk(w), ERR_OK);
    assert_int_equal(w->end.last_batch + w->end.batches + w->damages + w->tails, 0);
    assert_null(w->end.last_records);
    begin_file(w); /* the first batch was too large for the first file */
    (void)put_batch(w, 1);
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 1, 1, 0, 0);
    assert_damage(w, 0, 0, 0, 0);
}

static void
a_batch_larger_than_a_piece_is_read_whole(void **state)
{
    struct world *w = *state;
    begin_file(w);
    (void)put_batch(w, 1);
    (void)put_batch(w, 2500); /* 10 MB */
    (void)put_batch(w, 1);
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 1, 3, 0, 0);
    assert_damage(w, 0, 0, 0, 0);
}

/* ---- torn, corrupt, old ---- */

static void
a_torn_tail_ends_the_chain(void **state)
{
    struct world *w = *state;
    lay_out(w);
    spoil(w, 3, place_of(9) + STORE_BLOCK + 100);
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 1, 29, 0, 0);
    assert_damage(w, 0, 1, 3, place_of(9));
    assert_last(w, 29);
}

static void
a_bad_batch_with_a_later_one_is_corruption(void **state)
{
    struct world *w = *state;
    lay_out(w);
    for (unsigned nth = 0; nth < 10; nth++) {
        uint64_t at = place_of(nth);
        for (unsigned part = 0; part < 3; part++) { /* the magic, the number, the end of the records */
            uint64_t offset = part == 0 ? at : part == 1 ? at + 16 : at + (nth < 5 ? 4000 : 8100);
            uint8_t old[3];
            struct file *f = open_file(w, 2);
            size_t got;
            char path[STORE_PATH_MAX];
            struct file *in;
            store_log_path(&w->store, path, BOOT, CHAIN, 2);
            assert_int_equal(file_open(w->node, path, FILE_READ, &in), ERR_OK);
            assert_int_equal(file_pread(in, old, 3, offset, &got), ERR_OK);
            file_close(in);
            spoil(w, 2, offset);
            assert_int_equal(walk(w), ERR_OK);
            assert_read(w, 1, 30, 11 + nth, 11 + nth);
            assert_damage(w, 1, 0, 2, at);
            assert_last(w, 30);
            put(f, old, 3, offset);
            file_close(f);
        }
    }
    assert_int_equal(walk(w), ERR_OK);
    assert_damage(w, 0, 0, 0, 0);
}

static void
neighbouring_bad_batches_are_one_damage_and_others_are_others(void **state)
{
    struct world *w = *state;
    lay_out(w);
    for (unsigned nth = 3; nth < 10; nth++)
        spoil(w, 1, place_of(nth) + 70);
    spoil(w, 2, place_of(0) + 70);
    spoil(w, 3, place_of(4) + 70);
    assert_int_equal(walk(w), ERR_OK);
    assert_int_equal(w->damages, 2);
    assert_int_equal(w->end.damaged_file, 1);
    assert_int_equal(w->damage_offset, place_of(3));
    assert_int_equal(w->read_count, 30 - 9);
    assert_last(w, 30);
}

/* Not the one behind it, which has nothing wrong in it. */
static void
a_file_that_is_shorter_than_it_was_is_the_damaged_one(void **state)
{
    struct world *w = *state;
    lay_out(w);
    struct file *f = open_file(w, 2);
    assert_int_equal(file_truncate(f, place_of(7)), ERR_OK);
    file_close(f);
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 1, 30, 18, 20);
    assert_damage(w, 1, 0, 2, place_of(7));
}

static void
the_first_batches_of_the_low_file_can_be_bad(void **state)
{
    struct world *w = *state;
    lay_out(w);
    w->chain.low = 2;
    spoil(w, 2, place_of(0) + 70);
    spoil(w, 2, place_of(1) + 70);
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 13, 30, 0, 0);
    assert_damage(w, 1, 0, 2, place_of(0));
}

static void
old_content_of_a_file_is_no_batch(void **state)
{
    struct world *w = *state;
    struct log_file_header h;
    lay_out(w);
    /* File 1 becomes file 4: its batches have low numbers; as if they had the right ones, too. */
    for (unsigned round = 0; round < 2; round++) {
        w->batch = round ? 30 : 0;
        begin_file(w);
        for (uint32_t k = 0; k < 10; k++)
            (void)put_batch(w, k < 5 ? 1 : 2);
        h = header_of(w, 4);
        h.salt = 99;
        put_header(w->file, &h);
        w->number = 3;
        assert_int_equal(walk(w), ERR_OK);
        assert_read(w, 1, 30, 0, 0);
        assert_damage(w, 0, 0, 0, 0);
    }
    w->salt = 99;
    w->offset = STORE_BLOCK;
    w->batch = 30;
    (void)put_batch(w, 1);
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 1, 31, 0, 0);
    assert_damage(w, 0, 0, 0, 0);
}

static void
in_other_modes_the_first_bad_batch_is_the_end(void **state)
{
    struct world *w = *state;
    w->sync = STORE_SYNC_INTERVAL;
    lay_out(w);
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 1, 30, 0, 0);
    spoil(w, 2, place_of(3) + 70);
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 1, 13, 0, 0);
    assert_damage(w, 0, 1, 2, place_of(3));
    spoil(w, 2, place_of(3)); /* the next file does not go on with it either */
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 1, 13, 0, 0);
    spoil(w, 2, place_of(0));
    w->chain.low = 2;
    assert_int_equal(walk(w), ERR_OK);
    assert_int_equal(w->read_count, 0);
}

/* ---- files ---- */

static void
unlink_number(struct world *w, uint32_t number)
{
    char path[STORE_PATH_MAX];
    store_log_path(&w->store, path, BOOT, CHAIN, number);
    assert_int_equal(file_unlink(w->node, path), ERR_OK);
}

static void
a_missing_file_is_named(void **state)
{
    struct world *w = *state;
    lay_out(w);
    unlink_number(w, 2);
    assert_int_equal(walk(w), ERR_NOT_FOUND);
    assert_non_null(strstr(w->why, "log/1-2-2.log"));
    unlink_number(w, 1);
    assert_int_equal(walk(w), ERR_NOT_FOUND);
    assert_non_null(strstr(w->why, "log/1-2-1.log"));
    unlink_number(w, 3);
    assert_int_equal(walk(w), ERR_NOT_FOUND);
}

static void
a_bad_header_is_corruption_but_in_the_last_file(void **state)
{
    struct world *w = *state;
    lay_out(w);
    begin_file(w);
    spoil(w, 4, 20); /* prepared, and not ready yet */
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 1, 30, 0, 0);
    assert_damage(w, 0, 0, 0, 0);
    spoil(w, 3, 20);
    assert_int_equal(walk(w), ERR_CORRUPT);
    assert_non_null(strstr(w->why, "log/1-2-3.log"));
    assert_non_null(strstr(w->why, "or move this file and all later ones"));
    w->chain.low = 3; /* the manifest names it: without it no node starts */
    assert_int_equal(walk(w), ERR_CORRUPT);
    assert_null(strstr(w->why, "move"));
    w->chain.low = 1;
    unlink_number(w, 4); /* now it is the last one, but batches are in it */
    assert_int_equal(walk(w), ERR_OK);
    assert_read(w, 1, 20, 0, 0);
    assert_damage(w, 1, 0, 3, 0);
}

static void
a_file_under_anothers_name_is_none(void **state)
{
    struct world *w = *state;
    lay_out(w);
    begin_file(w);
    const struct log_file_header right = header_of(w, 4);
    struct log_file_header h[4] = {right, right, right, right};
    h[0].number = 1;
    h[1].boot = 9;
    h[2].chain = 9;
    h[3].incarnation++;
    for (unsigned i = 0; i < 4; i++) {
        put_header(w->file, &h[i]);
        w->offset = STORE_BLOCK;
        w->batch = 5;
        (void)put_batch(w, 1); /* of its earlier life */
        assert_int_equal(walk(w), ERR_OK);
        assert_read(w, 1, 30, 0, 0);
        assert_damage(w, 0, 0, 0, 0);
    }
    begin_file(w);
    assert_int_equal(walk(w), ERR_CORRUPT); /* in the middle it cannot be */
}

static void
a_newer_version_is_refused(void **state)
{
    struct world *w = *state;
    uint8_t block[STORE_BLOCK];
    struct log_file_header h;
    lay_out(w);
    h = header_of(w, 3);
    log_file_header_put(block, &h);
    le16_put(block + 8, STORE_MESSAGE_VERSION + 1);
    le64_put(block + 40, XXH3_64bits(block, 40));
    put(w->file, block, sizeof block, 0);
    assert_int_equal(walk(w), ERR_UNSUPPORTED);
    assert_non_null(strstr(w->why, "version"));
}

static void
a_damaged_file_can_be_moved_aside(void **state)
{
    struct world *w = *state;
    struct chain_file f;
    struct file_stat st;
    char path[STORE_PATH_MAX];
    lay_out(w);
    store_log_path(&w->store, path, BOOT, CHAIN, 1);
    assert_int_equal(chain_file_open(&w->store, path, w->store.incarnation, &f), ERR_OK);
    assert_true(f.number == 1 && f.size == FILE_SIZE && f.salt == 1001 && f.sync == STORE_SYNC_ALWAYS);
    assert_int_equal(chain_file_open(&w->store, path, 0, &f), ERR_OK);
    assert_int_equal(chain_file_open(&w->store, path, w->store.incarnation + 1, &f), ERR_CORRUPT);
    assert_int_equal(chain_quarantine(&w->store, &f), ERR_OK);
    assert_int_equal(file_stat(w->node, path, &st), ERR_NOT_FOUND);
    assert_int_equal(file_stat(w->node, "/data/store/quarantine/1-2-1.log", &st), ERR_OK);
    assert_int_equal(st.size, FILE_SIZE);
}

/* Bytes anywhere: what is intact is read, and nothing else. */
static void
any_bytes_may_be_wrong(void **state)
{
    struct world *w = *state;
    struct sim *sim = sim_node_sim(w->node);
    for (unsigned round = 0; round < 300; round++) {
        bool is_bad[31] = {false};
        unsigned expected = 0;
        uint64_t last = 0;
        w->number = 0;
        w->batch = 0;
        lay_out(w);
        for (uint64_t n = sim_random(sim, 12); n > 0; n--) {
            unsigned nth = (unsigned)sim_random(sim, 30);
            uint64_t size = nth % 10 < 5 ? STORE_BLOCK - 10 : 2 * STORE_BLOCK - 10;
            spoil(w, 1 + nth / 10, place_of(nth % 10) + sim_random(sim, size - 2));
            is_bad[nth + 1] = true;
        }
        assert_int_equal(walk(w), ERR_OK);
        for (unsigned n = 1; n <= 30; n++)
            if (!is_bad[n]) {
                assert_int_equal(w->read[expected++], n);
                last = n;
            }
        assert_int_equal(w->read_count, expected);
        assert_int_equal(w->end.last_batch, last);
        assert_int_equal(w->damages > 0, expected < last);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_batches_come_in_order),
        TEST(an_empty_chain_has_no_batches),
        TEST(a_batch_larger_than_a_piece_is_read_whole),
        TEST(a_torn_tail_ends_the_chain),
        TEST(a_bad_batch_with_a_later_one_is_corruption),
        TEST(neighbouring_bad_batches_are_one_damage_and_others_are_others),
        TEST(a_file_that_is_shorter_than_it_was_is_the_damaged_one),
        TEST(the_first_batches_of_the_low_file_can_be_bad),
        TEST(old_content_of_a_file_is_no_batch),
        TEST(in_other_modes_the_first_bad_batch_is_the_end),
        TEST(a_missing_file_is_named),
        TEST(a_bad_header_is_corruption_but_in_the_last_file),
        TEST(a_file_under_anothers_name_is_none),
        TEST(a_newer_version_is_refused),
        TEST(a_damaged_file_can_be_moved_aside),
        TEST(any_bytes_may_be_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
