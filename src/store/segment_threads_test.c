/*
 * Segments on the machine: the test's thread appends and settles while the pager writes and reads and the
 * keeper syncs. For the thread sanitizer, mostly.
 */
#include "io/test_world.h"
#include "io/worker.h"
#include "store/manifest.h"
#include "store/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MESSAGES = 100000, RUN = 500, SIZE = 100, READ_EVERY = 20 };

static struct io_world *world;
static struct store store;
static struct worker *pager, *keeper;

static int
set_up(void **state)
{
    char why[512];
    struct store_config c;
    world = test_world_new(1);
    store_config_init(&c);
    c.dir = test_world_directory(world);
    if (store_open(&store, world, &c, NULL, why, sizeof why) != ERR_OK)
        return -1;
    pager = worker_new(world, "pager");
    keeper = worker_new(world, "keeper");
    return 0;
}

static int
tear_down(void **state)
{
    worker_free(pager);
    worker_free(keeper);
    store_close(&store);
    test_world_free(world);
    return 0;
}

struct reading {
    struct worker_job job;
    struct segment *g;
    struct segment_run run;
    uint64_t count;
    enum err e;
};

static void
on_entry(void *arg, uint64_t sequence, const struct record_message *m, bool is_transient)
{
    struct reading *r = arg;
    uint64_t inside;
    memcpy(&inside, m->body.data, sizeof inside);
    r->count += m->body.len == SIZE && inside == sequence;
}

static void
read_run(void *arg)
{
    struct reading *r = arg;
    struct segment_cursor c;
    bool done = false;
    segment_cursor_start(&r->run, &c);
    for (r->e = ERR_OK; r->e == ERR_OK && !done;)
        r->e = segment_read(r->g, &r->run, &c, 0, 20000, on_entry, r, &done);
}

struct ending {
    struct worker_job on_pager, on_keeper;
    struct segment *g;
    enum err e;
};

static void
sync_segment(void *arg)
{
    struct ending *end = arg;
    end->e = segment_sync(end->g);
    manifest_set_segment(store.manifest, &(struct manifest_segment){.id = segment_id(end->g), .size = 1});
    if (end->e == ERR_OK)
        end->e = manifest_commit(store.manifest);
}

static void
pass_on(void *arg)
{
    struct ending *end = arg;
    worker_submit(keeper, &end->on_keeper);
}

static void
append_one(struct segment *g, uint64_t i)
{
    uint8_t body[SIZE] = {0};
    memcpy(body, &i, sizeof i);
    struct record_message m = {.body = slice_of(body, SIZE), .body_size = SIZE};
    segment_append(g, (struct record_target){.queue_id = i / RUN % 3, .sequence = i, .epoch = 1}, &m, false,
                   0);
}

static void
threads_share_a_segment_in_peace(void **state)
{
    enum { READINGS = MESSAGES / RUN / READ_EVERY };
    static struct reading readings[READINGS];
    struct segment *g = segment_new(&store, pager), *loaded;
    unsigned started = 0;
    uint32_t runs;
    char why[512];
    for (uint64_t i = 0; i < MESSAGES; i++) {
        append_one(g, i);
        if (i % (RUN * READ_EVERY) != RUN / 2)
            continue;
        struct reading *r = &readings[started++];
        const struct segment_run *all = segment_runs(g, &runs);
        *r = (struct reading){.job = {.run = read_run, .arg = r}, .g = g, .run = all[runs - 1]};
        segment_flush(g);
        worker_submit(pager, &r->job);
        (void)!segment_settle(g, &r->run, 0, i - 10);
    }
    struct ending end = {
        .on_pager = {.run = pass_on, .arg = &end}, .on_keeper = {.run = sync_segment, .arg = &end}, .g = g};
    segment_seal(g);
    worker_submit(pager, &end.on_pager);
    (void)manifest_next_id(store.manifest);
    worker_free(pager);
    worker_free(keeper);
    pager = keeper = NULL;
    assert_int_equal(end.e, ERR_OK);
    assert_int_equal(started, READINGS);
    for (unsigned i = 0; i < READINGS; i++) {
        assert_int_equal(readings[i].e, ERR_OK);
        assert_int_equal(readings[i].count, RUN / 2 + 1);
    }
    assert_int_equal(segment_bytes_waiting(g), 0);
    assert_int_equal(segment_load(&store, segment_id(g), 0, &loaded, why, sizeof why), ERR_OK);
    assert_int_equal(segment_live_count(loaded), MESSAGES);
    assert_int_equal(segment_size(loaded), segment_size(g));
    segment_free(loaded);
    segment_free(g);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(threads_share_a_segment_in_peace, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
