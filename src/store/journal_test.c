/* The journal: batches, files, elision, modes, space, its end. journal_crash_test.c has crashes and faults.
 */
#include "store/journal_fixture.h"

#include "io/file.h"

#include <stdio.h>

static void
publish_three(struct rig *r)
{
    for (unsigned i = 0; i < 3; i++)
        (void)rig_publish(r);
    r->on_turn = NULL;
}

/* One in every turn. */
static void
publish_until_100(struct rig *r)
{
    (void)rig_publish(r);
    if (r->published == 100)
        r->on_turn = NULL;
}

static void
assert_clean(const struct rig_found *f)
{
    assert_int_equal(f->damages, 0);
    assert_int_equal(f->tails, 0);
}

/* ---- batches ---- */

static void
ops_of_one_turn_are_one_batch(void **state)
{
    struct rig r;
    rig_init(&r, 1);
    rig_must_open(&r);
    assert_int_equal(journal_batch(r.journal), 1);
    rig_run(&r, publish_three);
    assert_int_equal(r.confirmed, 3);
    assert_int_equal(r.released, 3);
    assert_int_equal(r.durable, 1);
    assert_int_equal(journal_batch(r.journal), 2);
    assert_int_equal(journal_bytes_waiting(r.journal), 0);
    struct journal_counts c = journal_counts(r.journal);
    assert_true(c.batches == 1 && c.records == 3 && c.written_bytes == STORE_BLOCK);
    rig_close(&r);
    struct rig_found found = rig_read(&r);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.batches, 1);
    assert_clean(&found);
    rig_fini(&r);
}

static void
more_gathers_while_a_batch_is_under_way(void **state)
{
    struct rig r;
    rig_init(&r, 2);
    rig_must_open(&r);
    rig_run(&r, publish_until_100);
    assert_int_equal(r.confirmed, 100);
    /* Turns take up to 20 us, a job of the writer 50 to 300: on_frozen has checked that they do not overlap.
     */
    assert_true(r.durable > 1 && r.durable < 50);
    rig_close(&r);
    struct rig_found found = rig_read(&r);
    assert_int_equal(found.count, 100);
    assert_int_equal(found.batches, r.durable);
    assert_clean(&found);
    rig_fini(&r);
}

struct answerer {
    struct rig rig;
    unsigned turns_since; /* the first batch was told to be durable */
    bool answers;
};

/* One message; a second while it is written; an answer in the turn behind the one in which the first is told.
 */
static void
publish_and_answer(struct rig *r)
{
    struct answerer *a = (struct answerer *)r;
    if (r->published < 2)
        (void)rig_publish(r);
    if (r->durable == 0 || a->turns_since++ == 0)
        return;
    if (a->answers)
        (void)rig_publish(r);
    r->on_turn = NULL;
}

static uint64_t
batches_with_slow_syncs(bool answers, uint64_t expected)
{
    struct answerer a = {.answers = answers};
    rig_init(&a.rig, 3);
    rig_must_open(&a.rig);
    sim_disk_set_faults(a.rig.node,
                        &(struct sim_disk_faults){.latency_min_ns = 2000000, .latency_max_ns = 3000000});
    rig_run(&a.rig, publish_and_answer);
    uint64_t batches = a.rig.durable;
    assert_int_equal(a.rig.confirmed, expected);
    rig_close(&a.rig);
    rig_fini(&a.rig);
    return batches;
}

static void
where_syncs_are_slow_the_answers_to_a_batch_are_in_the_next_one(void **state)
{
    assert_int_equal(batches_with_slow_syncs(true, 3), 2);
}

static void
who_waits_for_no_answer_waits_a_millisecond(void **state)
{
    assert_int_equal(batches_with_slow_syncs(false, 2), 2);
}

static void
look_at_the_open_batch(struct rig *r)
{
    struct journal_op *op;
    assert_null(journal_last_op(r->journal));
    assert_null(journal_open_op(r->journal, 0));
    uint64_t before = journal_bytes_waiting(r->journal);
    uint32_t index = rig_publish(r);
    assert_true(journal_bytes_waiting(r->journal) >= before + r->body_size);
    assert_int_equal(journal_open_op(r->journal, index)->sequence, r->published);
    assert_ptr_equal(journal_last_op(r->journal), journal_open_op(r->journal, index));
    assert_int_equal(journal_append(r->journal, &op), index + 1);
    *op = (struct journal_op){.type = JOURNAL_DELIVERED, .queue_id = 1, .sequence = 5, .epoch = 1};
    journal_turn(r->journal);
    assert_null(journal_open_op(r->journal, index)); /* frozen */
    assert_true(journal_bytes_waiting(r->journal) >= before + r->body_size);
    r->on_turn = NULL;
}

static void
ops_can_be_found_until_they_are_frozen(void **state)
{
    struct rig r;
    rig_init(&r, 3);
    rig_must_open(&r);
    rig_run(&r, look_at_the_open_batch);
    rig_close(&r);
    rig_fini(&r);
}

/* ---- elision ---- */

static void
publish_and_take_back(struct rig *r)
{
    for (unsigned i = 0; i < 3; i++)
        journal_open_op(r->journal, rig_publish(r))->type = JOURNAL_NOTHING;
    r->on_turn = NULL;
}

static void
take_back_the_last(struct rig *r)
{
    (void)rig_publish(r);
    journal_open_op(r->journal, rig_publish(r))->type = JOURNAL_NOTHING;
    r->on_turn = NULL;
}

static void
what_is_elided_is_not_written_and_yet_done(void **state)
{
    struct rig r;
    rig_init(&r, 4);
    rig_must_open(&r);
    sim_run_for(r.sim, 100); /* the next file is prepared */
    uint64_t operations = sim_disk_operations(r.node);
    rig_run(&r, publish_and_take_back);
    assert_int_equal(r.confirmed, 3);
    assert_int_equal(r.released, 3);
    assert_int_equal(sim_disk_operations(r.node), operations);
    struct journal_counts c = journal_counts(r.journal);
    assert_true(c.batches == 0 && c.written_bytes == 0 && c.elided_ops == 3);
    r.published = 0; /* they never were: sequences go on from 1 */
    rig_run(&r, take_back_the_last);
    c = journal_counts(r.journal);
    assert_true(c.batches == 1 && c.records == 1 && c.elided_ops == 4);
    assert_int_equal(r.durable, 2);
    rig_close(&r);
    struct rig_found found = rig_read(&r); /* on the disk there is no gap in the numbers */
    assert_int_equal(found.batches, 1);
    assert_int_equal(found.last, 1);
    assert_clean(&found);
    rig_fini(&r);
}

/* ---- files ---- */

struct listing {
    struct rig *rig;
    unsigned count;
    uint64_t largest, bytes;
    uint32_t lowest, highest;
};

static void
list_file(void *arg, const char *name)
{
    struct listing *l = arg;
    char path[256];
    struct file_stat st;
    uint32_t boot, number;
    uint16_t chain;
    assert_true(store_parse_log_name(name, &boot, &chain, &number));
    snprintf(path, sizeof path, "/data/store/log/%s", name);
    assert_int_equal(file_stat(l->rig->node, path, &st), ERR_OK);
    l->count++;
    l->bytes += st.size;
    l->largest = st.size > l->largest ? st.size : l->largest;
    l->lowest = l->lowest && l->lowest < number ? l->lowest : number;
    l->highest = number > l->highest ? number : l->highest;
}

static struct listing
list_files(struct rig *r)
{
    struct listing l = {.rig = r};
    assert_int_equal(dir_list(r->node, "/data/store/log", list_file, &l), ERR_OK);
    return l;
}

/* About 12 KiB a batch: five of them fill a file. */
static void
publish_big_until_2000(struct rig *r)
{
    if (journal_bytes_waiting(r->journal) > 12000)
        return;
    (void)rig_publish(r);
    if (r->published == 2000)
        r->on_turn = NULL;
}

static void
full_files_are_used_again_and_never_show_old_batches(void **state)
{
    struct rig r;
    rig_init(&r, 5);
    r.body_size = 1000;
    r.releases_files = true;
    rig_must_open(&r);
    rig_run(&r, publish_big_until_2000);
    assert_int_equal(r.confirmed, 2000);
    assert_true(journal_counts(r.journal).files > 30);
    assert_true(r.full_events > 20);
    assert_int_equal(journal_current_file(r.journal), journal_counts(r.journal).files);
    assert_int_equal(journal_current_file(r.journal) - journal_oldest_file(r.journal), 2);
    sim_run_for(r.sim, 1000);
    struct listing l = list_files(&r);
    assert_true(l.count <= 5); /* two full, current, next, spare */
    assert_int_equal(l.highest, journal_current_file(r.journal) + 1);
    assert_int_equal(l.bytes, l.count * r.config.log_file_bytes);
    rig_close(&r);
    struct rig_found found = rig_read(&r);
    assert_int_equal(found.last, 2000);
    assert_true(found.count < 400 && found.first > 1600);
    assert_int_equal(found.files, 3);
    assert_clean(&found);
    rig_fini(&r);
}

static void
publish_a_huge_batch(struct rig *r)
{
    for (unsigned i = 0; i < 30; i++)
        (void)rig_publish(r);
    r->on_turn = NULL;
}

static void
a_batch_larger_than_a_file_has_one_of_its_size(void **state)
{
    struct rig r;
    rig_init(&r, 6);
    r.body_size = 10000;
    r.releases_files = true;
    rig_must_open(&r);
    rig_run(&r, publish_a_huge_batch);
    assert_int_equal(r.confirmed, 30);
    assert_true(list_files(&r).largest > 300000);
    rig_run(&r, publish_a_huge_batch); /* and at once another one */
    assert_int_equal(r.confirmed, 60);
    r.body_size = 1000;
    rig_run(&r, publish_big_until_2000);
    sim_run_for(r.sim, 1000);
    assert_int_equal(list_files(&r).largest, r.config.log_file_bytes); /* it was not used again */
    rig_close(&r);
    struct rig_found found = rig_read(&r);
    assert_int_equal(found.last, 2000);
    assert_clean(&found);
    rig_fini(&r);
}

/* ---- opening ---- */

static void
publish_300(struct rig *r)
{
    if (journal_bytes_waiting(r->journal) > 1000000)
        return;
    (void)rig_publish(r);
    if (r->published == 300)
        r->on_turn = NULL;
}

static void
what_is_replayed_is_the_first_batch(void **state)
{
    struct rig r;
    rig_init(&r, 7);
    rig_must_open(&r);
    rig_run(&r, publish_three);
    rig_close(&r);

    uint8_t records[2 * RECORD_SMALL_MAX];
    struct record_target at = {.queue_id = 1, .sequence = 2, .epoch = 3};
    size_t size = record_put_settle(records, at, 4, 0);
    size += record_put_tx_end(records + size, 9);
    r.replayed = slice_of(records, size);
    r.replayed_records = 2;
    r.frozen = r.durable = 1; /* it counts as a batch */
    rig_must_open(&r);
    assert_int_equal(journal_batch(r.journal), 2);
    assert_int_equal(journal_durable_batch(r.journal), 1);
    sim_node_crash(r.node);
    rig_close(&r);
    struct rig_found found = rig_read(&r);
    assert_int_equal(found.batches, 2); /* the old chain's and this */
    assert_int_equal(found.records, 5);
    rig_fini(&r);
}

/* The start waits for the first file only, and so it is small; it is not used again. */
static void
the_first_file_is_small_but_has_room_for_the_replay(void **state)
{
    struct rig r;
    uint8_t *records = malloc(6 << 20);
    assert_non_null(records);
    struct slice command = {.data = calloc(1, 5 << 20), .len = 5 << 20};
    assert_non_null(command.data);
    size_t size = record_put_meta(records, 1, 1, command);
    free((void *)command.data);
    for (unsigned i = 0; i < 2; i++) {
        rig_init(&r, i);
        r.config.log_file_bytes = 8 << 20;
        r.config.log_files_max = 1;
        r.releases_files = true;
        r.body_size = 100000;
        r.replayed = slice_of(records, size);
        r.replayed_records = i;
        r.frozen = r.durable = i;
        rig_must_open(&r);
        struct listing l = list_files(&r);
        assert_int_equal(l.count, 1);
        assert_int_equal(l.bytes, i ? STORE_BLOCK + batch_footprint(size) : 4 << 20);
        rig_run(&r, publish_300);
        sim_run_for(r.sim, 1000);
        l = list_files(&r);
        assert_int_equal(l.bytes, l.count * r.config.log_file_bytes);
        rig_close(&r);
        struct rig_found found = rig_read(&r);
        assert_int_equal(found.last, 300);
        assert_clean(&found);
        rig_fini(&r);
    }
    free(records);
}

static void
publish_two_of_ten(struct rig *r)
{
    if (r->published == 10) {
        r->on_turn = NULL;
        shards_stop(r->shards);
        return;
    }
    (void)rig_publish(r);
}

static void
the_rest_is_written_at_the_end(void **state)
{
    for (unsigned seed = 0; seed < 20; seed++) {
        struct rig r;
        rig_init(&r, seed);
        r.body_size = seed % 2 ? 100 : 60000; /* also when the rest needs a file, or several */
        rig_must_open(&r);
        rig_set_turn(&r, publish_two_of_ten);
        shards_join(r.shards);
        assert_int_equal(r.published, 10);
        assert_true(r.confirmed < 10);
        rig_close(&r);
        sim_node_crash(r.node);
        struct rig_found found = rig_read(&r);
        assert_int_equal(found.count, 10);
        assert_clean(&found);
        rig_fini(&r);
    }
}

/* ---- failing ---- */

static void
another_parts_failure_ends_the_journal_too(void **state)
{
    struct rig r;
    rig_init(&r, 14);
    rig_must_open(&r);
    rig_run(&r, publish_three);
    uint64_t written = journal_counts(r.journal).written_bytes;
    store_fail(&r.store, ERR_IO, "sync", "a segment");
    rig_set_turn(&r, publish_three); /* on_failed is told once: on_failed() checks that */
    sim_run_for(r.sim, 10);
    assert_int_equal(r.failures, 1);
    assert_int_equal(r.failed_with, ERR_IO);
    assert_int_equal(r.held, 0);
    rig_set_turn(&r, publish_three);
    sim_run_for(r.sim, 10);
    assert_int_equal(r.held, 0);
    assert_int_equal(r.confirmed, 3);
    assert_int_equal(journal_counts(r.journal).written_bytes, written);
    rig_close(&r);
    struct rig_found found = rig_read(&r);
    assert_int_equal(found.count, 3);
    rig_fini(&r);
}

/* ---- bodies in files of their own ---- */

static void
a_large_body_has_a_file_and_the_record_its_number(void **state)
{
    struct rig r;
    char path[STORE_PATH_MAX];
    struct file_stat st;
    rig_init(&r, 8);
    r.body_size = 5000;
    r.has_bodies_in_files = true;
    rig_must_open(&r);
    rig_run(&r, publish_three);
    assert_true(journal_counts(r.journal).payload_bytes < 500);
    for (uint64_t id = 1; id <= 3; id++) {
        store_body_path(&r.store, path, id);
        assert_int_equal(file_stat(r.node, path, &st), ERR_OK);
        assert_true(st.size >= 5000);
    }
    rig_close(&r);
    struct rig_found found = rig_read(&r);
    assert_int_equal(found.count, 3);
    rig_fini(&r);
}

/* ---- modes ---- */

static void
publish_one(struct rig *r)
{
    (void)rig_publish(r);
    r->on_turn = NULL;
}

/* Disk operations that one batch needs. */
static uint64_t
operations_of_a_batch(enum store_sync sync)
{
    struct rig r;
    rig_init(&r, 9);
    r.config.sync = sync;
    rig_must_open(&r);
    sim_run_for(r.sim, 100);
    uint64_t before = sim_disk_operations(r.node);
    rig_run(&r, publish_one);
    uint64_t operations = sim_disk_operations(r.node) - before;
    rig_close(&r);
    rig_fini(&r);
    return operations;
}

/* How many of 30 power losses, `ms` after the confirm, took something confirmed. */
static unsigned
losses(enum store_sync sync, uint64_t ms)
{
    unsigned lost = 0;
    for (unsigned seed = 0; seed < 30; seed++) {
        struct rig r;
        rig_init(&r, seed);
        r.config.sync = sync;
        r.config.sync_interval_ms = 200;
        r.body_size = 2000; /* through several files */
        rig_must_open(&r);
        sim_run_for(r.sim, 100);
        rig_run(&r, publish_until_100);
        assert_int_equal(r.confirmed, 100);
        sim_run_for(r.sim, ms);
        sim_node_crash(r.node);
        rig_close(&r);
        struct rig_found found = rig_read(&r);
        assert_int_equal(found.damages, 0);
        assert_true(found.count == 0 || found.first == 1);
        lost += found.count < 100;
        rig_fini(&r);
    }
    return lost;
}

static void
each_mode_syncs_when_it_says(void **state)
{
    assert_int_equal(operations_of_a_batch(STORE_SYNC_ALWAYS), 2);
    assert_int_equal(operations_of_a_batch(STORE_SYNC_INTERVAL), 1);
    assert_int_equal(operations_of_a_batch(STORE_SYNC_NEVER), 1);
    assert_int_equal(losses(STORE_SYNC_ALWAYS, 0), 0);
    assert_true(losses(STORE_SYNC_INTERVAL, 0) > 10);
    assert_int_equal(losses(STORE_SYNC_INTERVAL, 210), 0);
    assert_true(losses(STORE_SYNC_NEVER, 10000) > 10);
}

/* ---- space ---- */

static bool
is_short(void *arg)
{
    struct rig *r = arg;
    return r->is_short;
}

static void
a_full_disk_holds_batches_up_until_there_is_room(void **state)
{
    struct rig r;
    rig_init(&r, 10);
    r.body_size = 1000;
    r.config.log_files_max = 1000;
    rig_must_open(&r);
    sim_run_for(r.sim, 100);
    /* Current and next are there; a third one has no room. */
    sim_disk_set_faults(r.node, &(struct sim_disk_faults){.capacity_bytes = 150000});
    rig_set_turn(&r, publish_big_until_2000);
    assert_true(sim_run_until(r.sim, is_short, &r, 5000));
    sim_run_for(r.sim, 2000);
    assert_int_equal(r.failures, 0);
    assert_int_equal(r.space_events, 1); /* once, whatever the number of attempts */
    uint64_t stuck = r.confirmed;
    assert_true(stuck > 50 && stuck < 200);
    assert_int_equal(list_files(&r).count, 2); /* a half one takes no room */
    sim_run_for(r.sim, 2000);
    assert_int_equal(r.confirmed, stuck);
    sim_disk_set_faults(r.node, &(struct sim_disk_faults){0});
    rig_settle(&r);
    assert_int_equal(r.confirmed, 2000);
    assert_int_equal(r.space_events, 2);
    rig_close(&r);
    struct rig_found found = rig_read(&r);
    assert_int_equal(found.count, 2000);
    assert_clean(&found);
    rig_fini(&r);
}

static void
a_released_file_is_room(void **state)
{
    struct rig r;
    rig_init(&r, 11);
    r.body_size = 1000;
    r.config.log_files_max = 1000;
    rig_must_open(&r);
    sim_run_for(r.sim, 100);
    sim_disk_set_faults(r.node, &(struct sim_disk_faults){.capacity_bytes = 150000});
    rig_set_turn(&r, publish_big_until_2000);
    assert_true(sim_run_until(r.sim, is_short, &r, 5000));
    sim_run_for(r.sim, 2000);
    uint64_t stuck = r.confirmed;
    assert_int_equal(journal_oldest_file(r.journal), 1);
    journal_release(r.journal, 1);
    journal_release(r.journal, 1); /* harmless */
    sim_run_for(r.sim, 100);
    assert_int_equal(journal_oldest_file(r.journal), 2);
    assert_true(r.confirmed > stuck);
    sim_disk_set_faults(r.node, &(struct sim_disk_faults){0});
    rig_settle(&r);
    rig_close(&r);
    rig_fini(&r);
}

static void
a_body_without_room_waits_too(void **state)
{
    struct rig r;
    rig_init(&r, 12);
    r.body_size = 50000;
    r.has_bodies_in_files = true;
    rig_must_open(&r);
    sim_run_for(r.sim, 100);
    sim_disk_set_faults(r.node, &(struct sim_disk_faults){.capacity_bytes = 200000});
    rig_set_turn(&r, publish_three);
    assert_true(sim_run_until(r.sim, is_short, &r, 5000));
    sim_run_for(r.sim, 2000);
    assert_int_equal(r.failures + r.confirmed, 0);
    sim_disk_set_faults(r.node, &(struct sim_disk_faults){0});
    rig_settle(&r);
    assert_int_equal(r.confirmed, 3);
    assert_false(r.is_short);
    rig_close(&r);
    rig_fini(&r);
}

/* ---- memory ---- */

static void
publish_10000_at_once(struct rig *r)
{
    for (unsigned i = 0; i < 10000; i++)
        (void)rig_publish(r);
    r->on_turn = NULL;
}

static void
a_burst_leaves_little_behind(void **state)
{
    struct rig r;
    struct journal_footprint f;
    rig_init(&r, 13);
    r.config.log_file_bytes = 4 << 20;
    rig_must_open(&r);
    rig_run(&r, publish_10000_at_once);
    f = journal_footprint(r.journal);
    assert_true(f.ops_bytes + f.encoder_bytes > 500000);
    sim_run_for(r.sim, 3000);
    f = journal_footprint(r.journal);
    assert_true(f.ops_bytes + f.encoder_bytes < 4096);
    rig_run(&r, publish_three);
    rig_close(&r);
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_of_one_turn_are_one_batch),
        cmocka_unit_test(more_gathers_while_a_batch_is_under_way),
        cmocka_unit_test(where_syncs_are_slow_the_answers_to_a_batch_are_in_the_next_one),
        cmocka_unit_test(who_waits_for_no_answer_waits_a_millisecond),
        cmocka_unit_test(ops_can_be_found_until_they_are_frozen),
        cmocka_unit_test(what_is_elided_is_not_written_and_yet_done),
        cmocka_unit_test(full_files_are_used_again_and_never_show_old_batches),
        cmocka_unit_test(a_batch_larger_than_a_file_has_one_of_its_size),
        cmocka_unit_test(what_is_replayed_is_the_first_batch),
        cmocka_unit_test(the_first_file_is_small_but_has_room_for_the_replay),
        cmocka_unit_test(another_parts_failure_ends_the_journal_too),
        cmocka_unit_test(the_rest_is_written_at_the_end),
        cmocka_unit_test(a_large_body_has_a_file_and_the_record_its_number),
        cmocka_unit_test(each_mode_syncs_when_it_says),
        cmocka_unit_test(a_full_disk_holds_batches_up_until_there_is_room),
        cmocka_unit_test(a_released_file_is_room),
        cmocka_unit_test(a_body_without_room_waits_too),
        cmocka_unit_test(a_burst_leaves_little_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
