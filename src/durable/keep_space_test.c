/* A disk that is full for a while, at any moment: nothing is lost, nothing hangs, and everything goes on. */
#include "durable/keep_fixture.h"
#include "io/file.h"

struct sum {
    struct rig *r;
    const char *folder;
    uint64_t bytes;
};

static void
add_file(void *arg, const char *name)
{
    struct sum *s = arg;
    char path[256];
    struct file *f;
    uint64_t size = 0;
    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    if (file_open(s->r->machine, path, FILE_READ, &f) != ERR_OK)
        return;
    if (file_size(f, &size) == ERR_OK)
        s->bytes += size;
    file_close(f);
}

static uint64_t
bytes_on_disk(struct rig *r)
{
    static const char *const folders[] = {"/data/store", "/data/store/log", "/data/store/segment",
                                          "/data/store/body", "/data/store/snapshot"};
    struct sum s = {.r = r};
    for (unsigned i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        s.folder = folders[i];
        assert_int_equal(dir_list(r->machine, s.folder, add_file, &s), ERR_OK);
    }
    return s.bytes;
}

static bool
has_no_segments(struct rig *r)
{
    return list_is_empty(&rig_keep(r, 0)->segments) && !rig_keep(r, 0)->chore;
}

/* Two hundred messages each of two queues, one of them paged out; log files are turned over. */
static void
work(struct rig *r, unsigned step)
{
    if (step < 200)
        rig_publish(r, 0, 1 + 2 * (step % 2), 400, RIG_PERSISTENT);
    else if (step < 500)
        rig_publish(r, 0, 4, 400, RIG_PERSISTENT);
    if (step % 50 == 49)
        rig_page_out(r, 0);
    if (step % 60 == 59)
        rig_purge(r, 2);
    if (step % 4 == 0)
        rig_run(r, 2);
}

static void
full_for_a_while(void **state)
{
    unsigned short_runs = 0;
    for (unsigned from = 0; from < 400; from += 20)
        for (unsigned room = 0; room < 3; room++) {
            struct rig r;
            rig_init(&r, from);
            r.config.store.segment_bytes = 16384;
            r.config.store.log_file_bytes = 32768;
            rig_start(&r, 1);
            for (unsigned step = 0; step < 500; step++) {
                if (step == from)
                    rig_faults(&r,
                               (struct sim_disk_faults){.capacity_bytes = bytes_on_disk(&r) + room * 20000});
                work(&r, step);
                if (step == from + 100) {
                    rig_run(&r, 2000);
                    short_runs += !rig_has_answers(&r);
                    rig_faults(&r, (struct sim_disk_faults){0});
                }
            }
            rig_until(&r, rig_has_answers);
            rig_purge(&r, 2);
            rig_run(&r, 1000);
            assert_int_equal(store_failure(durable_store(r.durable)), ERR_OK);
            if (from % 40)
                rig_power(&r);
            if (from % 40)
                rig_start(&r, 1);
            rig_expect_every(&r, 1, 2, 200, 2);
            rig_expect(&r, 0, 1, 200);
            rig_turn_log_over(&r, 2, 4);
            rig_until(&r, has_no_segments);
            assert_int_equal(rig_files(&r, "segment"), 0);
            rig_fini(&r);
        }
    assert_true(short_runs > 10);
}

/* Consumers go on: what they take makes room. */
static void
what_is_not_written_yet_can_be_read(void **state)
{
    struct rig r;
    rig_init(&r, 2);
    rig_start(&r, 1);
    uint64_t first = rig_fill(&r, 0, 300, 200, RIG_PERSISTENT);
    rig_until(&r, rig_has_answers);
    struct rig_got got;
    assert_true(rig_get(&r, 0, true, &got));
    rig_run(&r, 1000); /* the next log file is there */
    rig_faults(&r, (struct sim_disk_faults){.capacity_bytes = 1});
    rig_page_out(&r, 0);
    rig_run(&r, 1000);
    assert_int_equal(rig_queue(&r, 0)->paged, 299);
    rig_expect(&r, 0, first + 1, first + 299);
    rig_faults(&r, (struct sim_disk_faults){0});
    rig_fini(&r);
}

/* A new segment has no room: the dead ones make it. */
static void
dead_segments_go_first(void **state)
{
    struct rig r;
    rig_init(&r, 3);
    r.config.store.segment_bytes = 65536;
    rig_start(&r, 1);
    uint64_t first = rig_fill(&r, 0, 1000, 200, RIG_PERSISTENT);
    rig_until(&r, rig_has_answers);
    rig_kill(&r); /* everything is written into segments */
    rig_start(&r, 1);
    rig_fill(&r, 1, 350, 200, RIG_PERSISTENT);
    rig_until(&r, rig_has_answers);
    rig_run(&r, 1000); /* the next log file is there */
    assert_true(rig_files(&r, "segment") >= 4);
    rig_faults(&r, (struct sim_disk_faults){.capacity_bytes = bytes_on_disk(&r) + 4000});
    rig_page_out(&r, 1);
    uint64_t numbers[900];
    assert_int_equal(rig_drain(&r, 0, numbers, 900), 900);
    rig_run(&r, 5000);
    assert_null(rig_keep(&r, 0)->chore);
    assert_true(rig_files(&r, "segment") <= 5); /* old and new ones, and an ack file */
    rig_expect(&r, 0, first + 900, first + 999);
    rig_expect(&r, 1, first + 1000, first + 1349);
    rig_fini(&r);
}

/* A sync for which there is no space is the end: what a segment did not get then never will be. */
static void
nobody_waits_for_room_when_the_store_has_failed(void **state)
{
    unsigned failed = 0;
    for (unsigned n = 1; n < 30; n++) {
        struct rig r;
        rig_init(&r, n);
        rig_start(&r, 1);
        rig_fill(&r, 0, 20, 200, RIG_PERSISTENT);
        rig_until(&r, rig_has_answers);
        rig_faults(&r, (struct sim_disk_faults){.fail_at = n, .fail_with = ERR_NO_SPACE, .fail_on = true});
        rig_page_out(&r, 0);
        for (unsigned i = 0; i < 5; i++) {
            rig_fill(&r, 1, 1, 100, RIG_PERSISTENT);
            rig_run(&r, 10);
        }
        unsigned replies = r.replies;
        rig_ask(&r, 0, true);
        rig_run(&r, 20000);
        if (store_failure(durable_store(r.durable)) != ERR_OK) {
            assert_int_equal(r.replies, replies + 1);
            failed++;
        }
        rig_fini(&r);
    }
    assert_true(failed > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_for_a_while),
        cmocka_unit_test(what_is_not_written_yet_can_be_read),
        cmocka_unit_test(dead_segments_go_first),
        cmocka_unit_test(nobody_waits_for_room_when_the_store_has_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
