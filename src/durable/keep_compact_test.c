/* Segments that are mostly dead: compacted, at any moment of other events, and gone in the end. */
#include "durable/keep_fixture.h"
#include "io/file.h"

enum { MESSAGES = 600, NTH = 10 };

/* One start writes everything into segments, the next one finds it there alone. */
static void
thin(struct rig *r)
{
    rig_until(r, rig_has_answers);
    rig_kill(r);
    rig_start(r, 1);
    rig_thin(r, 0, NTH);
    rig_stop(r);
    rig_start_at_once(r, 1);
}

/* Queue 0 has every tenth of its messages left, in segments that the manifest names. */
static uint64_t
make_thin(struct rig *r)
{
    r->config.store.segment_bytes = 16384;
    rig_start(r, 1);
    uint64_t first = rig_fill(r, 0, MESSAGES, 200, RIG_PERSISTENT);
    thin(r);
    return first;
}

static bool
is_compacting(struct rig *r)
{
    return rig_keep(r, 0)->compaction != NULL;
}

static void
begin_compaction(struct rig *r)
{
    for (unsigned i = 0; i < 5000 && !is_compacting(r); i++)
        sim_step(r->sim);
    assert_true(is_compacting(r));
}

static bool
has_compacted(struct rig *r)
{
    return rig_keep(r, 0)->counts.compactions > 0 && !rig_keep(r, 0)->compaction;
}

static bool
has_no_segments(struct rig *r)
{
    return list_is_empty(&rig_keep(r, 0)->segments);
}

/* It ends, the survivors are there in order, and then nothing is left. */
static void
expect_thin(struct rig *r, uint64_t first)
{
    rig_purge(r, 1);
    rig_expect_every(r, 0, first, first + MESSAGES - NTH, NTH);
    rig_fill(r, 1, 1, 100, RIG_PERSISTENT);
    rig_purge(r, 1);
    rig_until(r, has_no_segments);
    assert_int_equal(rig_files(r, "segment"), 0);
}

static void
what_lives_survives(void **state)
{
    struct rig r;
    rig_init(&r, 1);
    uint64_t first = make_thin(&r);
    begin_compaction(&r);
    unsigned before = rig_files(&r, "segment");
    rig_until(&r, has_compacted);
    rig_run(&r, 100);
    assert_true(rig_files(&r, "segment") < before);
    expect_thin(&r, first);
    rig_fini(&r);
}

/* At each of its operations the power goes. */
static void
invariant_3_survivors_are_named_before_their_segment_goes(void **state)
{
    for (unsigned n = 1; n < 60; n++) {
        struct rig r;
        rig_init(&r, n);
        uint64_t first = make_thin(&r);
        begin_compaction(&r);
        rig_run(&r, 0);
        rig_faults(&r, (struct sim_disk_faults){.crash_at = n});
        sim_run_for(r.sim, 200);
        rig_faults(&r, (struct sim_disk_faults){0});
        rig_power(&r);
        rig_start(&r, 1);
        expect_thin(&r, first);
        rig_fini(&r);
    }
}

static void
settled_while_it_is_moved(void **state)
{
    for (unsigned n = 0; n < 40; n++) {
        struct rig r;
        rig_init(&r, n);
        make_thin(&r);
        begin_compaction(&r);
        for (unsigned i = 0; i < n; i++)
            sim_step(r.sim);
        rig_purge(&r, 0);
        rig_purge(&r, 1);
        rig_fill(&r, 1, 1, 100, RIG_PERSISTENT);
        rig_purge(&r, 1);
        rig_until(&r, has_no_segments);
        assert_int_equal(rig_files(&r, "segment"), 0);
        rig_kill(&r);
        rig_start(&r, 1);
        rig_expect(&r, 0, 1, 0);
        rig_fini(&r);
    }
}

static void
its_queue_is_deleted(void **state)
{
    for (unsigned n = 0; n < 40; n++) {
        struct rig r;
        rig_init(&r, n);
        make_thin(&r);
        begin_compaction(&r);
        for (unsigned i = 0; i < n; i++)
            sim_step(r.sim);
        rig_delete(&r, 0);
        r.queue_ids[0] = r.queue_ids[1];
        rig_purge(&r, 1);
        rig_fill(&r, 1, 1, 100, RIG_PERSISTENT);
        rig_purge(&r, 1);
        rig_until(&r, has_no_segments);
        assert_int_equal(rig_files(&r, "segment"), 0);
        rig_fini(&r);
    }
}

/* A byte of the file, far behind. */
static void
spoil(struct rig *r, const struct segment *g)
{
    char path[STORE_PATH_MAX];
    struct file *f;
    uint8_t bytes[64];
    memset(bytes, 0xa5, sizeof bytes);
    store_segment_path(durable_store(r->durable), path, segment_id(g));
    assert_int_equal(file_open(r->machine, path, FILE_WRITE, &f), ERR_OK);
    assert_int_equal(file_pwrite(f, bytes, sizeof bytes, segment_size(g) / 2), ERR_OK);
    file_close(f);
}

static bool
is_not_compacting(struct rig *r)
{
    return !is_compacting(r);
}

/* A chore names all that wait for it. */
static bool
is_none_left_behind(struct rig *r)
{
    struct keep *k = rig_keep(r, 0);
    unsigned sealed = 0;
    LIST_FOREACH (at, &k->segments)
        sealed += LIST_ENTRY(at, struct keep_segment, node)->state == KEEP_SEALED;
    return k->chore && sealed == k->chore->sealed_count;
}

/* There always is one that waits for the manifest. */
static void
it_ends_while_other_segments_are_sealed(void **state)
{
    enum { FIRST = 2, LAST = 7 };
    struct rig r;
    unsigned next = FIRST;
    rig_init(&r, 8);
    make_thin(&r);
    for (unsigned queue = FIRST; queue <= LAST; queue++)
        rig_fill(&r, queue, 3, 3000, RIG_PERSISTENT);
    rig_until(&r, rig_has_answers);
    begin_compaction(&r);
    while (is_compacting(&r)) {
        if (is_none_left_behind(&r)) {
            assert_true(next <= LAST);
            rig_page_out(&r, next++);
            keep_segment_seal(rig_keep(&r, 0));
        }
        sim_step(r.sim);
    }
    rig_fini(&r);
}

/* The segment that it was moved from is being read, and does not go yet. */
static void
settled_after_it_was_moved(void **state)
{
    struct rig r;
    uint64_t *numbers = calloc(RIG_NUMBERS, sizeof *numbers);
    struct keep_segment *from = NULL;
    rig_init(&r, 7);
    make_thin(&r);
    begin_compaction(&r);
    LIST_FOREACH (at, &rig_keep(&r, 0)->segments)
        if (LIST_ENTRY(at, struct keep_segment, node)->pins)
            from = LIST_ENTRY(at, struct keep_segment, node);
    assert_non_null(from);
    from->pins++;
    rig_until(&r, is_not_compacting);
    assert_int_equal(from->state, KEEP_DOOMED);
    rig_purge(&r, 1);
    assert_true(rig_drain(&r, 0, numbers, RIG_NUMBERS) > 0);
    rig_turn_log_over(&r, 1, 3);
    rig_power(&r);
    rig_start(&r, 1);
    assert_int_equal(rig_drain(&r, 0, numbers, RIG_NUMBERS), 0);
    free(numbers);
    rig_fini(&r);
}

/* What was moved before the damage was met is not there twice, not even when its new segment has gone; what
 * stands behind it is left out, and that is said; when it can be read again it comes with the next start. */
static void
a_damaged_segment_gives_nothing_twice(void **state)
{
    struct rig r;
    uint64_t *numbers = calloc(RIG_NUMBERS, sizeof *numbers);
    rig_init(&r, 5);
    r.config.store.segment_bytes = 1 << 20; /* more than is moved at once */
    r.config.store.log_file_bytes = 4 << 20;
    rig_start(&r, 1);
    rig_fill(&r, 0, 8000, 500, RIG_PERSISTENT);
    thin(&r);
    begin_compaction(&r);
    LIST_FOREACH (at, &rig_keep(&r, 0)->segments)
        if (LIST_ENTRY(at, struct keep_segment, node)->pins)
            spoil(&r, LIST_ENTRY(at, struct keep_segment, node)->segment);
    rig_until(&r, is_not_compacting);
    rig_purge(&r, 1);
    unsigned before = r.errors_logged, n = rig_drain(&r, 0, numbers, RIG_NUMBERS);
    assert_true(n > 600 && n < 800 && r.errors_logged > before);
    for (unsigned i = 1; i < n; i++)
        assert_true(numbers[i] > numbers[i - 1]);
    uint64_t checkpoints = rig_keep(&r, 0)->counts.checkpoints;
    rig_fill(&r, 1, 1000, 30000, RIG_PERSISTENT);
    rig_purge(&r, 1);
    rig_run(&r, 100);
    assert_true(rig_keep(&r, 0)->counts.checkpoints > checkpoints + 2);
    rig_power(&r);
    rig_start(&r, 1);
    uint64_t *left = calloc(RIG_NUMBERS, sizeof *left); /* the damage went with the power */
    assert_int_equal(rig_drain(&r, 0, left, RIG_NUMBERS), 800 - n);
    for (unsigned i = 0, k = 0; i < 800 - n; i++) {
        while (k < n && numbers[k] < left[i])
            k++;
        assert_true(k == n || numbers[k] != left[i]);
    }
    free(left);
    free(numbers);
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lives_survives),
        cmocka_unit_test(invariant_3_survivors_are_named_before_their_segment_goes),
        cmocka_unit_test(settled_while_it_is_moved),
        cmocka_unit_test(it_ends_while_other_segments_are_sealed),
        cmocka_unit_test(settled_after_it_was_moved),
        cmocka_unit_test(its_queue_is_deleted),
        cmocka_unit_test(a_damaged_segment_gives_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
