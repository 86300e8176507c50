/* A cut through a journal that is being written, and a copy made at it while files would be used again. */
#include "io/file.h"
#include "store/journal_fixture.h"
#include "store/store_copy.h"

#include <stdio.h>

enum { MESSAGES = 3000, SEEDS = 25 };

static void
publish_many(struct rig *r)
{
    for (unsigned i = 0; i < 3 && r->published < MESSAGES && journal_bytes_waiting(r->journal) < 12000; i++)
        (void)rig_publish(r);
    if (r->published == MESSAGES)
        r->on_turn = NULL;
}

static bool
has_held(void *arg)
{
    struct rig *r = arg;
    return r->holds > 0;
}

static bool
has_published_all(void *arg)
{
    struct rig *r = arg;
    return r->published == MESSAGES;
}

/* What a backup does: pins, the cut, the manifest as of it. */
static void
begin(struct rig *r, struct store_cut *cut)
{
    store_pin(&r->store);
    journal_hold(r->journal);
    rig_set_turn(r, r->on_turn); /* a turn */
    assert_true(sim_run_until(r->sim, has_held, r, 5000));
    store_cut_whole(&r->store, cut);
    cut->ends = malloc(sizeof *cut->ends);
    assert_non_null(cut->ends);
    cut->end_count = 1;
    *cut->ends = (struct store_cut_end){
        .boot = r->store.boot, .chain = 0, .file = r->held_file, .offset = r->held_offset};
}

static void
copy(struct rig *r, const struct store_cut *cut)
{
    struct store_copy how = {.world = r->node, .dir = "/data", .target = "/copy"};
    if (store_copy(&how, cut, r->why, sizeof r->why) != ERR_OK)
        fail_msg("%s", r->why);
}

static void
the_copy_has_what_was_durable_at_the_cut_and_nothing_else(void **state)
{
    unsigned recycled = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig r;
        struct store_cut cut;
        rig_init(&r, seed);
        r.body_size = 700;
        r.releases_files = true;
        r.config.log_files_max = 1 + (unsigned)(seed % 3);
        rig_must_open(&r);
        rig_set_turn(&r, publish_many);
        sim_run_for(r.sim, 1 + sim_random(r.sim, 30));
        bool was_busy = r.published < MESSAGES;
        begin(&r, &cut);
        uint64_t confirmed = r.confirmed, low = cut.manifest.chains[0].low;
        sim_run_for(r.sim, 50);
        assert_int_equal(r.confirmed, confirmed); /* nothing behind the cut becomes durable */
        assert_true(!was_busy || r.published > confirmed);
        assert_int_equal(r.holds, 1);
        journal_resume(r.journal);
        rig_set_turn(&r, r.on_turn);
        assert_true(sim_run_until(r.sim, has_published_all, &r, 60000)); /* through many files */
        rig_settle(&r);
        recycled += journal_oldest_file(r.journal) > r.held_file;
        copy(&r, &cut);
        store_unpin(&r.store);
        rig_close(&r);
        store_cut_fini(&cut);
        r.config.dir = "/copy";
        struct rig_found found = rig_read(&r);
        assert_int_equal(found.damages + found.tails, 0);
        assert_int_equal(found.count ? found.last : confirmed, confirmed);
        assert_true(found.files == 0 || low <= r.held_file);
        r.config.dir = "/data";
        found = rig_read(&r); /* the original is what it was */
        assert_int_equal(found.last, MESSAGES);
        assert_int_equal(found.damages, 0);
        rig_fini(&r);
    }
    assert_true(recycled > SEEDS / 2); /* without pins those files would have been written over */
}

static unsigned file_count; /* of one listing */

static void
count_file(void *arg, const char *name)
{
    file_count++;
}

static unsigned
log_files(struct rig *r)
{
    file_count = 0;
    assert_int_equal(dir_list(r->node, "/data/store/log", count_file, NULL), ERR_OK);
    return file_count;
}

static void
what_was_to_be_deleted_goes_with_the_last_pin(void **state)
{
    struct rig r;
    rig_init(&r, 1);
    r.body_size = 700;
    r.releases_files = true;
    rig_must_open(&r);
    store_pin(&r.store);
    store_pin(&r.store);
    rig_run(&r, publish_many);
    assert_true(sim_run_until(r.sim, has_published_all, &r, 60000));
    sim_run_for(r.sim, 1000);
    unsigned pinned = log_files(&r);
    assert_true(pinned > 20);
    store_unpin(&r.store);
    assert_int_equal(log_files(&r), pinned);
    assert_true(store_is_pinned(&r.store));
    store_unpin(&r.store);
    assert_true(log_files(&r) <= 6);
    rig_close(&r);
    rig_fini(&r);
}

static void
a_hold_without_anything_to_write_is_told_at_once(void **state)
{
    struct rig r;
    rig_init(&r, 1);
    rig_must_open(&r);
    journal_hold(r.journal);
    rig_set_turn(&r, NULL);
    assert_true(sim_run_until(r.sim, has_held, &r, 1000));
    assert_int_equal(r.held_offset, STORE_BLOCK);
    rig_set_turn(&r, publish_many);
    sim_run_for(r.sim, 100);
    assert_int_equal(r.confirmed, 0);
    rig_close(&r); /* a stop in the middle of a cut keeps everything */
    assert_int_equal(rig_read(&r).last, r.published);
    rig_fini(&r);
}

static void
a_hold_may_be_taken_back_before_it_is_told(void **state)
{
    struct rig r;
    rig_init(&r, 1);
    rig_must_open(&r);
    rig_set_turn(&r, publish_many);
    sim_run_for(r.sim, 5);
    journal_hold(r.journal);
    journal_resume(r.journal);
    rig_settle(&r);
    assert_int_equal(r.holds, 0);
    assert_int_equal(r.confirmed, MESSAGES);
    rig_close(&r);
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_copy_has_what_was_durable_at_the_cut_and_nothing_else),
        cmocka_unit_test(what_was_to_be_deleted_goes_with_the_last_pin),
        cmocka_unit_test(a_hold_without_anything_to_write_is_told_at_once),
        cmocka_unit_test(a_hold_may_be_taken_back_before_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
