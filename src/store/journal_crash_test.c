/* Crashes and faults at every disk operation of a journal's life: what was confirmed is there, without gaps.
 */
#include "store/journal_fixture.h"

#include "io/file.h"

enum { MESSAGES = 60 };

/* A few in each batch, of every size up to some blocks, through several files that are used again. */
static void
publish_some(struct rig *r)
{
    if (r->published == MESSAGES) {
        r->on_turn = NULL;
        return;
    }
    if (journal_bytes_waiting(r->journal) > 10000)
        return;
    r->body_size = (size_t)sim_random(r->sim, 2) ? 50 : (size_t)sim_random(r->sim, 9000);
    (void)rig_publish(r);
}

static void
begin(struct rig *r, uint64_t seed, enum store_sync sync)
{
    rig_init(r, seed);
    r->config.sync = sync;
    r->config.log_file_bytes = 32 << 10;
    r->config.sync_interval_ms = 1;
    r->releases_files = true;
}

/* From opening to closing. */
static void
live(struct rig *r)
{
    if (rig_open(r) != ERR_OK)
        return;
    rig_run(r, publish_some);
    rig_close(r);
}

/* False: it never came to that operation. */
static bool
crash_at(uint64_t seed, uint64_t n, enum store_sync sync, bool keeps, bool bodies)
{
    struct rig r;
    begin(&r, seed, sync);
    r.has_bodies_in_files = bodies;
    sim_disk_set_faults(r.node, &(struct sim_disk_faults){.crash_at = n, .crash_keeps = keeps});
    live(&r);
    bool has_crashed = sim_node_crashes(r.node) > 0;
    sim_run_for(r.sim, 0); /* if it began outside of an event */
    sim_disk_set_faults(r.node, &(struct sim_disk_faults){0});
    struct rig_found found = rig_read(&r);
    assert_int_equal(found.damages, 0);
    if (sync == STORE_SYNC_ALWAYS || keeps)
        rig_check_confirmed(&r, &found);
    if (!has_crashed)
        assert_int_equal(r.confirmed, MESSAGES);
    rig_fini(&r);
    return has_crashed;
}

static void
what_was_confirmed_survives_a_crash_at_every_operation(void **state)
{
    for (unsigned round = 0; round < 6; round++) {
        uint64_t n = 1;
        while (crash_at(1000 * round + n, n, STORE_SYNC_ALWAYS, round == 5, false))
            n++;
        assert_true(n > 100);
    }
}

static void
a_body_is_there_before_the_record_that_names_it(void **state)
{
    for (unsigned round = 0; round < 3; round++) {
        uint64_t n = 1;
        enum store_sync sync = round == 2 ? STORE_SYNC_NEVER : STORE_SYNC_ALWAYS;
        while (crash_at(1000 * round + n, n, sync, false, true))
            n++;
        assert_true(n > 200);
    }
}

/* A later batch may be there without an earlier one: then the log ends before it, and that is no damage. */
static void
in_other_modes_the_log_ends_at_the_first_bad_batch(void **state)
{
    for (unsigned round = 0; round < 4; round++) {
        uint64_t n = 1;
        enum store_sync sync = round % 2 ? STORE_SYNC_INTERVAL : STORE_SYNC_NEVER;
        while (crash_at(1000 * round + n, n, sync, round == 3, false))
            n++;
        assert_true(n > 60);
    }
}

/* ---- anything, at random ---- */

/* Sizes from nothing to several files, bodies in files, ops taken back, a disk that is full now and then. */
static void
publish_anything(struct rig *r)
{
    uint64_t chance = sim_random(r->sim, 100);
    if (r->published >= 300)
        r->on_turn = NULL;
    if (r->published >= 300 || journal_bytes_waiting(r->journal) > 300000)
        return;
    r->has_bodies_in_files = chance < 5;
    r->body_size = (size_t)sim_random(r->sim, chance < 2 ? 150000 : chance < 20 ? 20000 : 200);
    uint32_t index = rig_publish(r);
    if (chance > 70) {
        journal_open_op(r->journal, index)->type = JOURNAL_NOTHING;
        r->published--;
    }
    if (chance == 50)
        sim_disk_set_faults(r->node, &(struct sim_disk_faults){.capacity_bytes = 200000});
}

static void
make_room(void *arg)
{
    struct rig *r = arg;
    sim_disk_set_faults(r->node, &(struct sim_disk_faults){0});
    sim_at(r->sim, 1000, make_room, r);
}

static void
a_random_life_keeps_its_promises(void **state)
{
    unsigned crashed = 0, whole = 0, shortages = 0;
    for (unsigned seed = 0; seed < 150; seed++) {
        struct rig r;
        begin(&r, seed, STORE_SYNC_ALWAYS);
        r.config.log_file_bytes = (uint64_t)STORE_BLOCK << (1 + sim_random(r.sim, 6));
        sim_at(r.sim, 1000, make_room, &r);
        rig_must_open(&r);
        rig_set_turn(&r, publish_anything);
        if (seed % 2) {
            sim_run_for(r.sim, sim_random(r.sim, 1000));
            sim_node_crash(r.node);
            crashed++;
        } else {
            rig_settle(&r);
            assert_int_equal(r.confirmed, 300);
            whole++;
        }
        shortages += r.space_events > 0;
        rig_close(&r);
        struct rig_found found = rig_read(&r);
        assert_int_equal(found.damages, 0);
        rig_check_confirmed(&r, &found);
        rig_fini(&r);
    }
    assert_true(crashed == 75 && whole == 75 && shortages > 30);
}

struct tally {
    unsigned failed, retried, refused;
};

/* False: it never came to that operation. */
static bool
fail_at(uint64_t n, enum err fault, bool on, struct tally *tally)
{
    struct rig r;
    begin(&r, n, STORE_SYNC_ALWAYS);
    uint64_t before = sim_disk_operations(r.node);
    sim_disk_set_faults(r.node, &(struct sim_disk_faults){
                                    .fail_at = n, .fail_with = fault, .fail_on = on && fault == ERR_IO});
    bool is_open = rig_open(&r) == ERR_OK;
    if (is_open) {
        rig_run(&r, publish_some);
        tally->failed += r.failures > 0;
        tally->retried += r.space_events > 0;
        assert_int_equal(r.failures > 0, store_failure(&r.store) != ERR_OK);
        if (r.failures == 0)
            assert_int_equal(r.confirmed, MESSAGES);
        assert_false(r.is_short && r.failures == 0);
        rig_close(&r);
    }
    tally->refused += !is_open;
    bool has_failed = sim_disk_operations(r.node) - before >= n;
    sim_disk_set_faults(r.node, &(struct sim_disk_faults){0});
    sim_node_crash(r.node); /* a sync that failed has left nothing to rely on */
    struct rig_found found = rig_read(&r);
    assert_int_equal(found.damages, 0);
    rig_check_confirmed(&r, &found);
    rig_fini(&r);
    return has_failed;
}

static void
every_failing_operation_fails_clean_or_is_tried_again(void **state)
{
    struct tally tally = {0};
    for (uint64_t n = 1; fail_at(n, ERR_IO, false, &tally); n++)
        ;
    assert_true(tally.failed > 50 && tally.refused > 5 && tally.retried == 0);
    tally = (struct tally){0};
    for (uint64_t n = 1; fail_at(n, ERR_IO, true, &tally); n++)
        ;
    assert_true(tally.failed > 50 && tally.refused > 5);
    tally = (struct tally){0};
    for (uint64_t n = 1; fail_at(n, ERR_NO_SPACE, false, &tally); n++)
        ;
    assert_true(tally.retried > 5 && tally.failed > 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_confirmed_survives_a_crash_at_every_operation),
        cmocka_unit_test(a_body_is_there_before_the_record_that_names_it),
        cmocka_unit_test(in_other_modes_the_log_ends_at_the_first_bad_batch),
        cmocka_unit_test(a_random_life_keeps_its_promises),
        cmocka_unit_test(every_failing_operation_fails_clean_or_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
