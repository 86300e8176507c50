/* Segments: what is appended is read, what is settled stays settled; runs, ack files, bodies. */
#include "store/segment.h"

#include "base/byteorder.h"
#include "io/file.h"
#include "store/manifest.h"
#include "store/segment_fixture.h"
#include "store/segment_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static struct record_target
at(uint64_t queue_id, uint64_t sequence)
{
    return (struct record_target){.queue_id = queue_id, .sequence = sequence, .epoch = STORE_EPOCH_ALONE};
}

static void
append(uint64_t queue_id, uint64_t sequence, bool is_transient)
{
    segment_fixture_append(&x, at(queue_id, sequence), 50, is_transient, -1);
}

static void
finish(void)
{
    segment_seal(x.segment);
    segment_fixture_drain(&x);
    assert_int_equal(segment_sync(x.segment), ERR_OK);
}

static struct segment *
must_load(uint32_t generation)
{
    struct segment *g;
    if (segment_load(&x.store, segment_id(x.segment), generation, &g, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    return g;
}

static void
judge_loaded(uint32_t generation, size_t bytes)
{
    struct segment *g = must_load(generation);
    assert_int_equal(segment_size(g), segment_size(x.segment));
    segment_fixture_judge(&x, g, true, bytes);
    segment_free(g);
}

static void
what_is_appended_is_read_before_and_after_a_restart(void **state)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        anew(seed);
        x.segment = segment_new(&x.store, x.pager);
        segment_fixture_fill(&x, 100 * seed, seed % 4 ? 1500 : 60000);
        segment_flush(x.segment);
        segment_fixture_drain(&x);
        assert_int_equal(segment_bytes_waiting(x.segment), 0);
        segment_fixture_judge(&x, x.segment, false, 1);
        segment_seal(x.segment);
        assert_true(segment_bytes_waiting(x.segment) > 0);
        segment_fixture_drain(&x);
        assert_int_equal(segment_sync(x.segment), ERR_OK);
        assert_int_equal(segment_sync(x.segment), ERR_OK);
        assert_true(segment_durable_count(x.segment) < x.count);
        segment_fixture_settle_some(&x);
        segment_fixture_judge(&x, x.segment, false, 100000);
        for (size_t i = 0; i < x.count; i++)
            x.entries[i].is_settled = false;
        judge_loaded(0, 1);
        judge_loaded(0, 70000);
        judge_loaded(0, 1 << 24);
    }
}

static void
a_segment_tells_whether_an_entry_may_expire(void **state)
{
    for (unsigned sequence = 1; sequence <= 2; sequence++) { /* of queue 1 the second expires: the fixture */
        anew(sequence);
        x.segment = segment_new(&x.store, x.pager);
        append(1, sequence, false);
        assert_int_equal(segment_may_expire(x.segment), sequence == 2);
        finish();
        struct segment *g = must_load(0);
        assert_int_equal(segment_may_expire(g), sequence == 2);
        segment_free(g);
    }
}

static void
is_body(void *arg, uint64_t sequence, const struct record_message *m, bool is_transient)
{
    assert_true(slice_eq(m->body, *(const struct slice *)arg));
}

static void
entries_larger_than_a_chunk_and_a_window_are_read(void **state)
{
    enum { SIZE = (2 << 20) + 3 };
    uint8_t *body = malloc(SIZE);
    memset(body, 'b', SIZE);
    struct record_message m = {.body = slice_of(body, SIZE), .body_size = SIZE};
    x.segment = segment_new(&x.store, x.pager);
    append(1, 1, false);
    uint64_t first = segment_append(x.segment, at(9, 1), &m, false, 0);
    assert_int_equal(segment_append(x.segment, at(9, 2), &m, false, first), first + SIZE + 33);
    append(1, 2, false);
    uint64_t size = segment_size(x.segment);
    assert_int_equal(segment_append(x.segment, at(9, 3), &m, false, first), size);
    finish();
    uint32_t count;
    const struct segment_run *runs = segment_runs(x.segment, &count);
    assert_int_equal(count, 4);
    assert_int_equal(runs[1].count, 2);
    for (unsigned i = 1; i < 4; i += 2) {
        struct segment_cursor c;
        bool done;
        segment_cursor_start(&runs[i], &c);
        assert_int_equal(segment_read(x.segment, &runs[i], &c, 0, 1, is_body, &m.body, &done), ERR_OK);
        assert_int_equal(done, i == 3);
    }
    free(body);
}

static void
runs_follow_queue_epoch_and_gap(void **state)
{
    uint32_t count;
    x.segment = segment_new(&x.store, x.pager);
    append(1, 10, false);
    append(1, 11, false);
    append(1, 12 + SEGMENT_GAP_MAX, false);
    append(1, 14 + 2 * SEGMENT_GAP_MAX, false);
    append(1, 14, false);
    append(2, 15, false);
    segment_fixture_append(&x, (struct record_target){.queue_id = 2, .sequence = 16, .epoch = 7}, 1, false,
                           -1);
    append(2, 16, false);
    const struct segment_run *runs = segment_runs(x.segment, &count);
    assert_int_equal(count, 6);
    assert_true(runs[0].first == 10 && runs[0].last == 12 + SEGMENT_GAP_MAX && runs[0].count == 3);
    assert_true(runs[1].first == 14 + 2 * SEGMENT_GAP_MAX && runs[1].bit == SEGMENT_GAP_MAX + 3);
    assert_true(runs[2].first == 14 && runs[3].queue_id == 2 && runs[4].epoch == 7 && runs[5].epoch == 1);
    assert_int_equal(segment_run_live(x.segment, &runs[0]), 3);
    assert_false(segment_is_live(x.segment, &runs[0], 12));
    assert_false(segment_is_live(x.segment, &runs[0], 9));
    assert_false(segment_is_live(x.segment, &runs[0], 13 + SEGMENT_GAP_MAX));
    finish();
    judge_loaded(0, 1000);
}

static void
settling_counts_what_was_alive(void **state)
{
    uint32_t count;
    x.segment = segment_new(&x.store, x.pager);
    append(5, 90, false);
    struct segment_run early = *segment_runs(x.segment, &count);
    for (uint64_t s = 91; s < 400; s++)
        if (s % 10)
            append(5, s, false);
    append(6, 1, false);
    assert_int_equal(segment_run_live(x.segment, &early), 280);
    assert_int_equal(segment_settle(x.segment, &early, 0, 99), 10);
    assert_int_equal(segment_settle(x.segment, &early, 95, 101), 1);
    assert_int_equal(segment_settle(x.segment, &early, 100, 100), 0);
    assert_int_equal(segment_settle(x.segment, &early, 63 + 90, 65 + 90), 3);
    assert_int_equal(segment_settle(x.segment, &early, 390, UINT64_MAX), 9);
    assert_int_equal(segment_settle(x.segment, &early, 400, 500), 0);
    assert_int_equal(segment_settle(x.segment, &early, 0, 89), 0);
    assert_int_equal(segment_run_live(x.segment, &early), 280 - 23);
    assert_int_equal(segment_live_count(x.segment), 281 - 23);
    uint64_t next;
    assert_true(segment_next_live(x.segment, &early, 0, &next));
    assert_int_equal(next, 102);
    assert_true(segment_next_live(x.segment, &early, 153, &next));
    assert_int_equal(next, 156);
    assert_false(segment_next_live(x.segment, &early, 390, &next));
    assert_int_equal(segment_settle(x.segment, &early, 0, UINT64_MAX), 280 - 23);
    assert_false(segment_next_live(x.segment, &early, 0, &next));
    assert_int_equal(segment_live_count(x.segment), 1);
}

static enum err
write_acks(struct segment *g, uint32_t *generation)
{
    struct segment_acks *a = segment_acks_take(g, generation);
    enum err e = segment_acks_write(&x.store, a);
    free(a);
    return e;
}

static void
ack_files_hold_what_is_settled(void **state)
{
    for (unsigned seed = 1; seed <= 10; seed++) {
        anew(seed);
        x.segment = segment_new(&x.store, x.pager);
        segment_fixture_fill(&x, 700, 100);
        finish();
        struct segment *loaded = must_load(0);
        segment_free(x.segment);
        x.segment = loaded; /* transient entries of it are settled from the start */
        for (size_t i = 0; i < x.count; i++)
            x.entries[i].is_settled = x.entries[i].is_transient;
        for (uint32_t round = 1; round <= 3; round++) {
            uint32_t generation;
            assert_false(segment_is_dirty(x.segment));
            segment_fixture_settle_some(&x);
            assert_true(segment_is_dirty(x.segment));
            assert_int_equal(write_acks(x.segment, &generation), ERR_OK);
            assert_int_equal(generation, round);
            judge_loaded(generation, 5000);
        }
    }
}

/* No bit is set in the footer, and one in the ack file. */
static void
a_bitmap_without_bits_needs_no_memory(void **state)
{
    uint32_t count, generation;
    x.segment = segment_new(&x.store, x.pager);
    for (uint64_t s = 1; s <= 100; s++)
        append(1, s, false);
    finish();
    struct segment *g = must_load(0);
    assert_null(g->ix.dead);
    segment_fixture_judge(&x, g, true, 1000);
    struct segment_run run = *segment_runs(g, &count);
    x.entries[77].is_settled = true;
    assert_int_equal(segment_settle(g, &run, 78, 78), 1);
    assert_int_equal(write_acks(g, &generation), ERR_OK);
    segment_fixture_judge(&x, g, true, 1000);
    segment_free(g);
    judge_loaded(1, 1000);
}

static void
settled_transient_entries_make_nothing_dirty(void **state)
{
    uint32_t count;
    x.segment = segment_new(&x.store, x.pager);
    append(1, 1, true);
    append(1, 3, true);
    assert_int_equal(segment_durable_count(x.segment), 0);
    append(1, 4, false);
    assert_int_equal(segment_durable_count(x.segment), 1);
    finish();
    struct segment_run run = *segment_runs(x.segment, &count);
    assert_int_equal(segment_settle(x.segment, &run, 1, 3), 2);
    assert_false(segment_is_dirty(x.segment));
    assert_int_equal(segment_settle(x.segment, &run, 4, 4), 1);
    assert_true(segment_is_dirty(x.segment));
}

struct listed {
    uint64_t count, sum;
    struct segment *g;
};

static void
on_body(void *arg, const struct segment_run *run, uint64_t sequence, uint64_t body_id)
{
    struct listed *l = arg;
    assert_int_equal(segment_body_of(l->g, run, sequence), body_id);
    l->count++;
    l->sum += body_id;
}

static void
body_files_are_known_by_entry(void **state)
{
    x.segment = segment_new(&x.store, x.pager);
    segment_fixture_fill(&x, 1000, 10);
    finish();
    struct listed want = {0};
    for (size_t i = 0; i < x.count; i++) {
        want.count += x.entries[i].body_file != 0;
        want.sum += x.entries[i].body_file;
    }
    assert_true(want.count > 50);
    struct listed live = {.g = x.segment}, loaded = {.g = must_load(0)};
    segment_bodies(live.g, on_body, &live);
    segment_bodies(loaded.g, on_body, &loaded);
    segment_free(loaded.g);
    assert_true(live.count == want.count && live.sum == want.sum);
    assert_true(loaded.count == want.count && loaded.sum == want.sum);
}

struct heard {
    uint64_t first, last, count;
};

static void
hear(void *arg, uint64_t sequence, const struct record_message *m, bool is_transient)
{
    struct heard *h = arg;
    if (h->count++ == 0)
        h->first = sequence;
    else
        assert_true(sequence > h->last);
    h->last = sequence;
}

static void
a_cursor_reads_on_in_a_run_that_has_grown(void **state)
{
    uint32_t count;
    bool done;
    struct heard h = {0};
    x.segment = segment_new(&x.store, x.pager);
    for (uint64_t s = 1; s <= 10; s++)
        append(1, s, false);
    struct segment_run run = *segment_runs(x.segment, &count);
    struct segment_cursor c;
    segment_cursor_start(&run, &c);
    assert_int_equal(segment_read(x.segment, &run, &c, 0, 1, hear, &h, &done), ERR_NO_SPACE);
    segment_flush(x.segment);
    segment_flush(x.segment);
    segment_fixture_drain(&x);
    assert_int_equal(segment_read(x.segment, &run, &c, 4, 1, hear, &h, &done), ERR_OK);
    assert_true(h.count == 1 && h.first == 4 && c.next == 5 && !done);
    assert_int_equal(segment_read(x.segment, &run, &c, 0, 1 << 20, hear, &h, &done), ERR_OK);
    assert_true(done && h.count == 7 && h.last == 10);
    append(1, 11, false);
    append(1, 20, false);
    segment_seal(x.segment);
    segment_fixture_drain(&x);
    assert_int_equal(segment_read(x.segment, &run, &c, 0, 1, hear, &h, &done), ERR_OK);
    assert_true(done && h.count == 7);
    run = *segment_runs(x.segment, &count);
    assert_int_equal(segment_read(x.segment, &run, &c, 20, 1 << 20, hear, &h, &done), ERR_OK);
    assert_true(done && h.count == 8 && h.last == 20);
}

static void
reading_steps_over_what_is_below_from(void **state)
{
    uint32_t count;
    bool done;
    struct heard h = {0};
    x.segment = segment_new(&x.store, x.pager);
    for (uint64_t s = 1; s <= 5000; s++)
        append(1, s, false);
    finish();
    struct segment_run run = *segment_runs(x.segment, &count);
    struct segment_cursor c;
    segment_cursor_start(&run, &c);
    assert_int_equal(segment_read(x.segment, &run, &c, 4990, 1 << 20, hear, &h, &done), ERR_OK);
    assert_true(done && h.first == 4990 && h.count == 11);
}

static void
a_deleted_file_is_not_found(void **state)
{
    char path[STORE_PATH_MAX];
    uint32_t count;
    bool done;
    struct segment *g;
    struct heard h = {0};
    x.segment = segment_new(&x.store, x.pager);
    append(1, 1, false);
    finish();
    store_segment_path(&x.store, path, segment_id(x.segment));
    assert_int_equal(file_unlink(x.node, path), ERR_OK);
    struct segment_run run = *segment_runs(x.segment, &count);
    struct segment_cursor c;
    segment_cursor_start(&run, &c);
    assert_int_equal(segment_read(x.segment, &run, &c, 0, 1, hear, &h, &done), ERR_NOT_FOUND);
    assert_int_equal(segment_load(&x.store, segment_id(x.segment), 0, &g, why, sizeof why), ERR_NOT_FOUND);
    assert_non_null(strstr(why, path));
}

static void
an_empty_segment_is_whole(void **state)
{
    x.segment = segment_new(&x.store, x.pager);
    finish();
    judge_loaded(0, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_appended_is_read_before_and_after_a_restart),
        TEST(a_segment_tells_whether_an_entry_may_expire),
        TEST(entries_larger_than_a_chunk_and_a_window_are_read),
        TEST(runs_follow_queue_epoch_and_gap),
        TEST(settling_counts_what_was_alive),
        TEST(ack_files_hold_what_is_settled),
        TEST(a_bitmap_without_bits_needs_no_memory),
        TEST(settled_transient_entries_make_nothing_dirty),
        TEST(body_files_are_known_by_entry),
        TEST(a_cursor_reads_on_in_a_run_that_has_grown),
        TEST(reading_steps_over_what_is_below_from),
        TEST(a_deleted_file_is_not_found),
        TEST(an_empty_segment_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
