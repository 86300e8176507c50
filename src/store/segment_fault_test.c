/* Segments under damage, faults, a full disk and power losses. */
#include "base/byteorder.h"
#include "io/file.h"
#include "store/manifest.h"
#include "store/segment.h"
#include "store/segment_fixture.h"
#include "store/segment_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

static struct segment_fixture x;
static char why[512];

static int
set_up(void **state)
{
    segment_fixture_init(&x, 1);
    return 0;
}

static int
tear_down(void **state)
{
    segment_fixture_fini(&x);
    return 0;
}

static void
anew(uint64_t seed)
{
    segment_fixture_fini(&x);
    segment_fixture_init(&x, seed);
}

/* ---- damage ---- */

static void
ignore(void *arg, uint64_t sequence, const struct record_message *m, bool is_transient)
{
}

/* Everything of the file that can be read is read. */
static enum err
read_all(uint64_t id, uint32_t generation)
{
    struct segment *g;
    enum err e = segment_load(&x.store, id, generation, &g, why, sizeof why);
    if (e != ERR_OK)
        return e;
    uint32_t count;
    const struct segment_run *runs = segment_runs(g, &count);
    for (uint32_t i = 0; e == ERR_OK && i < count; i++) {
        struct segment_cursor c;
        bool done = false;
        segment_cursor_start(&runs[i], &c);
        while (e == ERR_OK && !done)
            e = segment_read(g, &runs[i], &c, 0, 1 << 20, ignore, NULL, &done);
    }
    segment_free(g);
    return e;
}

static struct file *
open_path(const char *path)
{
    struct file *f = NULL;
    assert_int_equal(file_open(x.node, path, FILE_READ | FILE_WRITE, &f), ERR_OK);
    return f;
}

static void
flip(struct file *f, uint64_t offset, uint8_t bits)
{
    uint8_t byte;
    size_t got;
    assert_int_equal(file_pread(f, &byte, 1, offset, &got), ERR_OK);
    byte ^= bits;
    assert_int_equal(file_pwrite(f, &byte, 1, offset), ERR_OK);
}

/* Each byte flipped, then each shorter file. */
static void
spoil_everywhere(const char *path, uint32_t generation)
{
    uint64_t size, id = segment_id(x.segment);
    struct file *f = open_path(path);
    assert_int_equal(file_size(f, &size), ERR_OK);
    assert_int_equal(read_all(id, generation), ERR_OK);
    for (uint64_t i = 0; i < size; i++) {
        flip(f, i, (uint8_t)(1 << i % 8));
        if (read_all(id, generation) != ERR_CORRUPT)
            fail_msg("byte %llu of %s", (unsigned long long)i, path);
        flip(f, i, (uint8_t)(1 << i % 8));
    }
    assert_int_equal(read_all(id, generation), ERR_OK);
    while (size-- > 0) {
        assert_int_equal(file_truncate(f, size), ERR_OK);
        assert_int_equal(read_all(id, generation), ERR_CORRUPT);
    }
    assert_non_null(strstr(why, path));
    file_close(f);
}

static void
make_whole(unsigned entries, size_t body_max)
{
    x.segment = segment_new(&x.store, x.pager);
    segment_fixture_fill(&x, entries, body_max);
    segment_seal(x.segment);
    segment_fixture_drain(&x);
    assert_int_equal(segment_sync(x.segment), ERR_OK);
}

static uint32_t
make_acks(void)
{
    uint32_t generation;
    segment_fixture_settle_some(&x);
    struct segment_acks *a = segment_acks_take(x.segment, &generation);
    assert_int_equal(segment_acks_write(&x.store, a), ERR_OK);
    free(a);
    return generation;
}

static void
every_flipped_or_missing_byte_is_noticed(void **state)
{
    char path[STORE_PATH_MAX];
    make_whole(40, 30);
    uint32_t generation = make_acks();
    store_acks_path(&x.store, path, segment_id(x.segment), generation);
    spoil_everywhere(path, generation);
    store_segment_path(&x.store, path, segment_id(x.segment));
    spoil_everywhere(path, 0);
}

/* As an entry would stand there that was damaged before its checksum was made: whatever the lengths say. */
static void
lengths_that_do_not_fit_are_corrupt(void **state)
{
    static const uint64_t strange[] = {0, 1, 24, 25, 33, 34, 255, 0x7fffffff, UINT32_MAX, UINT64_MAX};
    static const struct {
        unsigned offset, bytes;
    } fields[] = {{0, 4}, {16, 1}, {18, 1}, {19, 2}, {21, 4}, {25, 8}, {17, 8}};
    char path[STORE_PATH_MAX];
    unsigned corrupt = 0, tried = 0;
    make_whole(30, 30);
    store_segment_path(&x.store, path, segment_id(x.segment));
    struct file *f = open_path(path);
    uint8_t entry[512], kept[512];
    for (uint64_t offset = SEGMENT_HEADER; offset < SEGMENT_HEADER + 1500; offset += le32_get(kept)) {
        size_t got, size;
        assert_int_equal(file_pread(f, kept, sizeof kept, offset, &got), ERR_OK);
        size = le32_get(kept);
        for (unsigned i = 0; i < 70; i++) {
            uint64_t v = strange[i / 7];
            memcpy(entry, kept, size);
            memcpy(entry + fields[i % 7].offset, &v, fields[i % 7].bytes);
            le32_put(entry + 4, (uint32_t)XXH3_64bits_withSeed(entry + 8, size - 8, segment_id(x.segment)));
            assert_int_equal(file_pwrite(f, entry, size, offset), ERR_OK);
            enum err e = read_all(segment_id(x.segment), 0);
            assert_true(e == ERR_CORRUPT || e == ERR_OK);
            corrupt += e == ERR_CORRUPT;
            tried++;
        }
        assert_int_equal(file_pwrite(f, kept, size, offset), ERR_OK);
    }
    file_close(f);
    assert_int_equal(read_all(segment_id(x.segment), 0), ERR_OK);
    assert_true(corrupt > tried / 2 && corrupt < tried);
}

/* Puts a value into the entry at `offset`, with a right checksum, looks, and puts things back. */
static enum err
read_forged(struct file *f, uint64_t offset, unsigned field, uint64_t value)
{
    uint8_t kept[512], forged[512];
    size_t got;
    assert_int_equal(file_pread(f, kept, sizeof kept, offset, &got), ERR_OK);
    size_t size = le32_get(kept);
    memcpy(forged, kept, size);
    le64_put(forged + field, value);
    le32_put(forged + 4, (uint32_t)XXH3_64bits_withSeed(forged + 8, size - 8, segment_id(x.segment)));
    assert_int_equal(file_pwrite(f, forged, size, offset), ERR_OK);
    enum err e = read_all(segment_id(x.segment), 0);
    assert_int_equal(file_pwrite(f, kept, size, offset), ERR_OK);
    return e;
}

/* Entries with right checksums that cannot be, in the places of the sequence (8) and the distance (17). */
static void
entries_that_contradict_their_run_are_corrupt(void **state)
{
    static const struct record_target at[] = {{1, 5, 1}, {1, 6, 1}, {1, 7, 1}, {2, 1, 1}, {2, 2, 1}};
    char path[STORE_PATH_MAX];
    uint64_t offsets[5];
    x.segment = segment_new(&x.store, x.pager);
    for (unsigned i = 0; i < 5; i++) {
        offsets[i] = segment_size(x.segment);
        segment_fixture_append(&x, at[i], 10, false, i < 3 ? -1 : 1);
    }
    segment_seal(x.segment);
    segment_fixture_drain(&x);
    store_segment_path(&x.store, path, segment_id(x.segment));
    struct file *f = open_path(path);
    assert_int_equal(read_forged(f, offsets[1], 8, 6), ERR_OK);
    assert_int_equal(read_forged(f, offsets[1], 8, 5), ERR_CORRUPT);
    assert_int_equal(read_forged(f, offsets[0], 8, 4), ERR_CORRUPT);
    assert_int_equal(read_forged(f, offsets[2], 8, 8), ERR_CORRUPT);
    assert_int_equal(read_forged(f, offsets[4], 17, offsets[4] - offsets[0]), ERR_OK);
    assert_int_equal(read_forged(f, offsets[4], 17, offsets[4] - offsets[3]), ERR_CORRUPT);
    assert_int_equal(read_forged(f, offsets[4], 17, offsets[4] - 1), ERR_CORRUPT);
    assert_int_equal(read_forged(f, offsets[4], 17, offsets[4]), ERR_CORRUPT);
    assert_int_equal(read_forged(f, offsets[4], 17, offsets[4] + 1), ERR_CORRUPT);
    assert_int_equal(read_forged(f, offsets[4], 17, UINT64_MAX), ERR_CORRUPT);
    file_close(f);
}

/* The footer of a segment whose index was changed, as load would see it. */
static enum err
parse_forged(void)
{
    struct segment_trailer t;
    struct segment_index ix;
    struct buffer b = {0};
    segment_footer_put(&x.segment->ix, x.segment->absent, 1, SEGMENT_HEADER + 100, &b);
    assert_int_equal(
        segment_trailer_parse(b.data + b.len - SEGMENT_TRAILER, 1, SEGMENT_HEADER + 100 + b.len, &t), ERR_OK);
    enum err e = segment_footer_parse(slice_of(b.data, b.len - SEGMENT_TRAILER), &t, &ix);
    if (e == ERR_OK)
        segment_index_fini(&ix);
    buffer_fini(&b);
    return e;
}

/* A footer with a right checksum that cannot be: two runs, of 60 and of 40 bytes. */
static void
a_footer_that_contradicts_itself_is_corrupt(void **state)
{
    x.segment = segment_new(&x.store, x.pager);
    segment_fixture_append(&x, (struct record_target){1, 1, 1}, 0, true, -1);
    segment_fixture_append(&x, (struct record_target){1, 3, 1}, 0, false, -1);
    segment_fixture_append(&x, (struct record_target){2, 7, 1}, 0, false, -1);
    struct segment_run *runs = x.segment->ix.runs;
    struct segment_body body = {.id = 9, .bit = 3};
    free(x.segment->ix.bodies);
    x.segment->ix.bodies = malloc(2 * sizeof body);
    x.segment->ix.bodies[0] = x.segment->ix.bodies[1] = body;
    x.segment->ix.body_count = 1;
    runs[0].length = 60;
    runs[1].length = 40;
    x.segment->absent = realloc(x.segment->absent, 2 * sizeof(uint64_t));
    x.segment->absent[1] = 0;
#define FORGED(place, value)                                                                                 \
    {                                                                                                        \
        __typeof__(place) kept = place;                                                                      \
        place = value;                                                                                       \
        assert_int_equal(parse_forged(), ERR_CORRUPT);                                                       \
        place = kept;                                                                                        \
        assert_int_equal(parse_forged(), ERR_OK);                                                            \
    }
    assert_int_equal(parse_forged(), ERR_OK);
    FORGED(runs[1].length, 41);
    FORGED(runs[1].length, 39);
    FORGED(runs[0].length, UINT64_MAX);
    FORGED(runs[0].last, 0);
    FORGED(runs[0].last, UINT32_MAX);
    FORGED(runs[0].last, 5); /* three live in a run of two entries */
    FORGED(runs[0].count, 0);
    FORGED(runs[0].count, 3); /* 60 bytes are too few for them */
    FORGED(runs[0].count, 4);
    FORGED(runs[1].count, 2);
    FORGED(x.segment->absent[0], 0); /* the same */
    FORGED(x.segment->ix.bits, 65);
    FORGED(x.segment->ix.bodies[0].bit, 4);
    FORGED(x.segment->ix.bodies[0].id, 0);
    FORGED(x.segment->ix.body_count, 2);
#undef FORGED
}

static void
a_newer_version_is_told_from_damage(void **state)
{
    char path[STORE_PATH_MAX];
    uint8_t trailer[SEGMENT_TRAILER];
    uint64_t size;
    size_t got;
    make_whole(10, 30);
    store_segment_path(&x.store, path, segment_id(x.segment));
    struct file *f = open_path(path);
    assert_int_equal(file_size(f, &size), ERR_OK);
    assert_int_equal(file_pread(f, trailer, sizeof trailer, size - sizeof trailer, &got), ERR_OK);
    le32_put(trailer + 8, STORE_MESSAGE_VERSION + 1);
    le64_put(trailer + 56, XXH3_64bits(trailer, 56));
    assert_int_equal(file_pwrite(f, trailer, sizeof trailer, size - sizeof trailer), ERR_OK);
    file_close(f);
    assert_int_equal(read_all(segment_id(x.segment), 0), ERR_UNSUPPORTED);
    assert_non_null(strstr(why, "newer version"));
}

/* ---- the disk ---- */

static void
a_full_disk_is_a_state_that_ends(void **state)
{
    for (unsigned seed = 1; seed < 30; seed++) {
        anew(seed);
        x.segment = segment_new(&x.store, x.pager);
        struct sim_disk_faults faults = {.capacity_bytes = 300000 + seed * 20000};
        sim_disk_set_faults(x.node, &faults);
        segment_fixture_fill(&x, 1000, 3000); /* 1.2 MB, five chunks */
        if (seed % 3 == 0)
            segment_flush(x.segment);
        if (seed % 3 > 0)
            segment_seal(x.segment);
        segment_fixture_drain(&x);
        assert_true(segment_bytes_waiting(x.segment) > 100000);
        segment_flush(x.segment);
        segment_fixture_drain(&x);
        assert_true(segment_bytes_waiting(x.segment) > 100000);
        if (seed % 3 > 0)
            assert_int_equal(segment_sync(x.segment), ERR_NO_SPACE);
        assert_int_equal(store_failure(&x.store), ERR_OK);
        sim_disk_set_faults(x.node, &(struct sim_disk_faults){0});
        if (seed % 3 == 0)
            segment_seal(x.segment);
        else
            segment_flush(x.segment);
        segment_fixture_drain(&x);
        assert_int_equal(segment_bytes_waiting(x.segment), 0);
        assert_int_equal(segment_sync(x.segment), ERR_OK);
        segment_fixture_judge(&x, x.segment, false, 1 << 20);
        struct segment *g;
        assert_int_equal(segment_load(&x.store, segment_id(x.segment), 0, &g, why, sizeof why), ERR_OK);
        segment_fixture_judge(&x, g, true, 1 << 20);
        segment_free(g);
    }
}

/* Nothing of it is left, and the same bytes can be written again. */
static void
an_ack_file_on_a_full_disk_is_written_later(void **state)
{
    char path[STORE_PATH_MAX];
    struct file_stat st;
    uint32_t generation;
    make_whole(300, 30);
    segment_fixture_settle_some(&x);
    struct segment_acks *a = segment_acks_take(x.segment, &generation);
    store_acks_path(&x.store, path, segment_id(x.segment), generation);
    for (unsigned nth = 1; nth <= 4; nth++) { /* create, two writes, sync */
        sim_disk_set_faults(x.node, &(struct sim_disk_faults){.fail_at = nth, .fail_with = ERR_NO_SPACE});
        assert_int_equal(segment_acks_write(&x.store, a), ERR_NO_SPACE);
        sim_disk_set_faults(x.node, &(struct sim_disk_faults){0});
        assert_int_equal(file_stat(x.node, path, &st), ERR_NOT_FOUND);
        assert_int_equal(store_failure(&x.store), ERR_OK);
    }
    assert_int_equal(segment_acks_write(&x.store, a), ERR_OK);
    free(a);
    assert_int_equal(read_all(segment_id(x.segment), generation), ERR_OK);
}

/* The steps of a checkpoint: a segment, its name in the manifest, an ack file, its name. Returns how many
 * names were committed. */
static unsigned
checkpoint(uint64_t *id)
{
    char path[STORE_PATH_MAX];
    uint32_t generation;
    x.segment = segment_new(&x.store, x.pager);
    *id = segment_id(x.segment);
    segment_fixture_fill(&x, 300, 1500);
    segment_seal(x.segment);
    segment_fixture_drain(&x);
    if (segment_sync(x.segment) != ERR_OK)
        return 0;
    struct manifest_segment row = {.id = *id, .size = segment_size(x.segment)};
    manifest_set_segment(x.store.manifest, &row);
    if (manifest_commit(x.store.manifest) != ERR_OK)
        return 0;
    for (unsigned i = 1; i <= 2; i++) {
        segment_fixture_settle_some(&x);
        struct segment_acks *a = segment_acks_take(x.segment, &generation);
        enum err e = segment_acks_write(&x.store, a);
        free(a);
        store_path(&x.store, path, "segment");
        if (e != ERR_OK || dir_sync(x.node, path) != ERR_OK)
            return i;
        row.acks_generation = generation;
        manifest_set_segment(x.store.manifest, &row);
        if (manifest_commit(x.store.manifest) != ERR_OK)
            return i;
        store_acks_path(&x.store, path, *id, generation - 1);
        (void)!file_unlink(x.node, path);
    }
    return 3;
}

static void
judge_checkpoint(uint64_t id, unsigned committed)
{
    struct manifest_view v;
    struct segment *g;
    manifest_view(x.store.manifest, &v);
    assert_true(v.segment_count <= 1 && v.segment_count >= (committed > 0));
    if (v.segment_count == 1) {
        assert_int_equal(v.segments[0].id, id);
        assert_true(v.segments[0].acks_generation + 1 >= committed);
        assert_true(v.segments[0].acks_generation <= committed);
        if (segment_load(&x.store, id, v.segments[0].acks_generation, &g, why, sizeof why) != ERR_OK)
            fail_msg("%s", why);
        if (v.segments[0].acks_generation == 0)
            for (size_t i = 0; i < x.count; i++)
                x.entries[i].is_settled = false;
        if (v.segments[0].acks_generation != 1) /* of which not all that is settled by now was in the file */
            segment_fixture_judge(&x, g, true, 1 << 20);
        segment_free(g);
    }
    manifest_view_free(&v);
}

static void
fail_from(uint64_t nth, bool fail_on)
{
    sim_disk_set_faults(x.node,
                        &(struct sim_disk_faults){.fail_at = nth, .fail_with = ERR_IO, .fail_on = fail_on});
}

static void
a_crash_at_any_operation_leaves_whole_files(void **state)
{
    uint64_t id, nth = 0;
    for (bool is_hit = true; is_hit;) {
        nth++;
        for (uint64_t seed = 0; seed < 8; seed++) {
            anew(seed);
            uint64_t before = sim_disk_operations(x.node);
            fail_from(nth, true);
            unsigned committed = checkpoint(&id);
            is_hit = sim_disk_operations(x.node) >= before + nth;
            fail_from(0, false);
            segment_fixture_crash(&x);
            judge_checkpoint(id, committed);
        }
    }
    assert_true(nth > 20);
}

/* Nothing crashes, one operation fails: then the store has failed, or what was asked for is there. */
static void
a_failed_operation_fails_the_store_or_nothing(void **state)
{
    uint64_t id, nth = 0;
    for (bool is_hit = true; is_hit;) {
        nth++;
        anew(nth);
        uint64_t before = sim_disk_operations(x.node);
        fail_from(nth, false);
        unsigned committed = checkpoint(&id);
        is_hit = sim_disk_operations(x.node) >= before + nth;
        fail_from(0, false);
        if (committed < 3 && store_failure(&x.store) == ERR_OK) { /* the test's own dir_sync */
            assert_true(committed > 0);
            continue;
        }
        assert_int_equal(committed < 3, store_failure(&x.store) != ERR_OK);
        assert_int_equal(segment_bytes_waiting(x.segment), 0);
        segment_fixture_crash(&x);
        judge_checkpoint(id, committed);
    }
    assert_true(nth > 20);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_flipped_or_missing_byte_is_noticed),
        TEST(lengths_that_do_not_fit_are_corrupt),
        TEST(entries_that_contradict_their_run_are_corrupt),
        TEST(a_footer_that_contradicts_itself_is_corrupt),
        TEST(a_newer_version_is_told_from_damage),
        TEST(a_full_disk_is_a_state_that_ends),
        TEST(an_ack_file_on_a_full_disk_is_written_later),
        TEST(a_crash_at_any_operation_leaves_whole_files),
        TEST(a_failed_operation_fails_the_store_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
