/* Messages over STORE_BODY_INLINE_MAX: their bodies' files, from the publish to the end. */
#include "durable/keep_fixture.h"
#include "io/file.h"
#include "store/body.h"

enum { LARGE = 1200 << 10 };

static void
answered(struct rig *r)
{
    rig_until(r, rig_has_answers);
    rig_run(r, 10);
}

/* One small message makes what was settled before it durable; then a chore deletes. */
static void
settle_down(struct rig *r, unsigned queue)
{
    rig_fill(r, queue, 1, 100, RIG_PERSISTENT);
    answered(r);
    rig_run(r, 100);
}

static void
invariant_6_one_file_for_all_queues_of_a_shard(void **state)
{
    struct rig r;
    struct rig_got got;
    rig_init(&r, 1);
    rig_start(&r, 2);
    uint64_t number = rig_publish(&r, 0, 1 | 2 | 4 | 8, LARGE, RIG_PERSISTENT);
    answered(&r);
    assert_int_equal(r.answers[number], 4);
    assert_int_equal(rig_files(&r, "body"), 2); /* one on each shard */
    rig_power(&r);
    rig_start(&r, 2);
    for (unsigned queue = 0; queue < 4; queue++) {
        assert_int_equal(rig_files(&r, "body"), queue == 3 ? 1 : 2);
        assert_true(rig_get(&r, queue, false, &got) && got.number == number);
        rig_settle(&r, &got, SETTLE_ACK);
        rig_run(&r, 100);
    }
    assert_int_equal(rig_files(&r, "body"), 0);
    rig_fini(&r);
}

/* A queue that is not durable has the same message: paged out and read, or deleted, it takes no body along.
 */
static void
a_queue_that_keeps_nothing_takes_no_body_along(void **state)
{
    for (unsigned is_deleted = 0; is_deleted < 2; is_deleted++) {
        struct rig r;
        struct rig_got got;
        rig_init(&r, 9);
        rig_start(&r, 1);
        rig_fill(&r, RIG_TRANSIENT_QUEUE, 1, 100, RIG_PERSISTENT);
        uint64_t number = rig_publish(&r, 0, 1 | 1u << RIG_TRANSIENT_QUEUE, LARGE, RIG_PERSISTENT);
        answered(&r);
        rig_page_out(&r, RIG_TRANSIENT_QUEUE);
        if (is_deleted)
            rig_delete(&r, RIG_TRANSIENT_QUEUE);
        else
            while (rig_get(&r, RIG_TRANSIENT_QUEUE, false, &got))
                rig_settle(&r, &got, SETTLE_ACK);
        settle_down(&r, 1);
        assert_int_equal(rig_files(&r, "body"), 1);
        rig_power(&r);
        rig_start(&r, 1);
        assert_true(rig_get(&r, 0, false, &got) && got.number == number);
        rig_fini(&r);
    }
}

/* Whatever else of its segment is settled and kept: a read that fails is no ack. */
static void
what_could_not_be_read_is_there_after_the_next_start(void **state)
{
    unsigned failed = 0;
    for (unsigned n = 1; n < 8; n++) {
        struct rig r;
        struct rig_got got[3];
        uint64_t numbers[3];
        rig_init(&r, n);
        rig_start(&r, 1);
        uint64_t first = rig_fill(&r, 0, 1, 100, RIG_PERSISTENT);
        rig_publish(&r, 0, 1, LARGE, RIG_PERSISTENT);
        rig_fill(&r, 0, 1, 100, RIG_PERSISTENT);
        answered(&r);
        rig_page_out(&r, 0);
        assert_true(rig_get(&r, 0, false, &got[0]) && got[0].number == first);
        rig_run(&r, 100);
        rig_page_out(&r, 0);
        rig_faults(&r, (struct sim_disk_faults){.fail_at = n, .fail_with = ERR_IO});
        unsigned count = 1;
        while (count < 3 && rig_get(&r, 0, false, &got[count]))
            count++;
        rig_faults(&r, (struct sim_disk_faults){0});
        bool is_lost = count == 2 && got[1].number == first + 2;
        for (unsigned i = 0; is_lost && i < count; i++)
            rig_settle(&r, &got[i], SETTLE_ACK);
        if (is_lost)
            rig_turn_log_over(&r, 0, 3); /* ack files are written */
        rig_power(&r);
        rig_start(&r, 1);
        unsigned left = rig_drain(&r, 0, numbers, 3);
        if (is_lost)
            assert_true(left == 1 && numbers[0] == first + 1);
        failed += is_lost;
        rig_fini(&r);
    }
    assert_true(failed > 0);
}

/* The second copy in memory is the first one's equal, and is no more mistaken for it. */
static void
read_again_for_one_queue_while_another_has_it(void **state)
{
    struct rig r;
    struct rig_got got;
    rig_init(&r, 2);
    rig_start(&r, 1);
    uint64_t number = rig_publish(&r, 0, 3, LARGE, RIG_PERSISTENT);
    answered(&r);
    for (unsigned i = 0; i < 2; i++) {
        rig_page_out(&r, 0);
        assert_int_equal(rig_queue(&r, 0)->paged, 1);
        assert_true(rig_get(&r, 0, false, &got) && got.number == number);
        assert_int_equal(idmap_count(&rig_keep(&r, 0)->larges), i == 0 ? 2 : 1); /* a start reads no body */
        if (i == 0) {
            rig_kill(&r);
            rig_start(&r, 1);
        }
    }
    rig_settle(&r, &got, SETTLE_ACK);
    assert_true(rig_get(&r, 1, true, &got) && got.number == number);
    assert_int_equal(idmap_count(&rig_keep(&r, 0)->larges), 0);
    settle_down(&r, 2);
    assert_int_equal(rig_files(&r, "body"), 0);
    assert_int_equal(idmap_count(&rig_keep(&r, 0)->bodies), 0);
    rig_fini(&r);
}

static void
a_body_goes_when_the_ack_is_durable_and_not_before(void **state)
{
    struct rig r;
    struct rig_got got;
    rig_init(&r, 3);
    rig_start(&r, 1);
    uint64_t number = rig_publish(&r, 0, 1, LARGE, RIG_PERSISTENT);
    answered(&r);
    assert_true(rig_get(&r, 0, false, &got));
    rig_faults(&r, (struct sim_disk_faults){.latency_min_ns = 1000000000, .latency_max_ns = 1000000000});
    rig_settle(&r, &got, SETTLE_ACK);
    rig_run(&r, 500); /* the batch with the ack is under way */
    rig_faults(&r, (struct sim_disk_faults){0});
    rig_power(&r);
    rig_start(&r, 1);
    assert_int_equal(rig_files(&r, "body"), 1);
    assert_true(rig_get(&r, 0, false, &got) && got.number == number && got.redelivered);
    rig_settle(&r, &got, SETTLE_ACK);
    rig_run(&r, 100);
    assert_int_equal(rig_files(&r, "body"), 0);
    rig_fini(&r);
}

static void
paged_out_purged_deleted_nothing_is_left(void **state)
{
    struct rig r;
    rig_init(&r, 4);
    rig_start(&r, 1);
    for (unsigned i = 0; i < 3; i++)
        rig_publish(&r, 0, 3, LARGE, RIG_PERSISTENT);
    answered(&r);
    rig_page_out(&r, 0);
    rig_page_out(&r, 1);
    assert_int_equal(pool_bytes_used(rig_broker(&r, 0)->pool), 0);
    rig_purge(&r, 0);
    rig_run(&r, 100);
    assert_int_equal(rig_files(&r, "body"), 3);
    rig_delete(&r, 1);
    rig_run(&r, 100); /* and nobody publishes anything more */
    assert_int_equal(rig_files(&r, "body"), 0);
    rig_fini(&r);
}

static void
never_written_never_there(void **state)
{
    struct rig r;
    rig_init(&r, 5);
    rig_start(&r, 1);
    struct subscription s;
    rig_fill(&r, 0, 1, 100, RIG_PERSISTENT); /* the first delivery waits for its mark; not so the next */
    rig_consume(&r, 0, &s, 0, true);
    rig_run(&r, 100);
    assert_int_equal(r.got_count, 1);
    uint64_t number = rig_publish(&r, 0, 1, LARGE, RIG_PERSISTENT);
    answered(&r);
    assert_int_equal(r.answers[number], 1);
    assert_int_equal(r.got_count, 2);
    rig_run(&r, 100);
    assert_int_equal(rig_files(&r, "body"), 0);
    rig_fini(&r);
}

static void
left_over_files_go_at_the_next_start(void **state)
{
    struct rig r;
    uint8_t body[100] = {0};
    rig_init(&r, 6);
    rig_start(&r, 1);
    uint64_t number = rig_publish(&r, 0, 1, LARGE, RIG_PERSISTENT);
    answered(&r);
    struct store *s = durable_store(r.durable);
    assert_int_equal(body_write(s, manifest_next_id(s->manifest), slice_of(body, sizeof body)), ERR_OK);
    assert_int_equal(rig_files(&r, "body"), 2);
    rig_kill(&r);
    rig_start(&r, 1);
    assert_int_equal(rig_files(&r, "body"), 1);
    rig_expect(&r, 0, number, number);
    rig_fini(&r);
}

/* One of the held that stands in the segment that is being compacted, not moved yet; -1: none. */
static int
find_unmoved(struct rig *r, const struct rig_got *held, int count)
{
    for (int i = 0; rig_keep(r, 0)->compaction && i < count; i++) {
        struct keep_run *run = keep_run_find(rig_queue(r, 0)->kept, held[i].position);
        if (run && run->segment->pins > 0)
            return i;
    }
    return -1;
}

static void
settled_while_its_segment_is_compacted(void **state)
{
    struct rig r;
    struct rig_got held[20], got;
    int count = 0, at = -1;
    rig_init(&r, 7);
    r.config.store.segment_bytes = 8192;
    r.config.resident_bytes = 1;
    rig_start(&r, 1);
    for (unsigned i = 0; i < 400; i++)
        rig_publish(&r, 0, 1, i % 20 ? 200 : LARGE, RIG_PERSISTENT);
    answered(&r);
    rig_kill(&r); /* the next start writes everything into segments */
    rig_start(&r, 1);
    while (rig_get(&r, 0, false, &got))
        if (got.number % 20 == 1)
            held[count++] = got;
        else
            rig_settle(&r, &got, SETTLE_ACK);
    assert_int_equal(count, 20);
    for (unsigned i = 0; i < 5000 && (at = find_unmoved(&r, held, count)) < 0; i++) {
        rig_publish(&r, 0, 2, 2000, RIG_PERSISTENT); /* until a checkpoint looks at the segments */
        if (i % 8 == 0)
            rig_purge(&r, 1);
        sim_step(r.sim);
    }
    assert_true(at >= 0);
    rig_settle(&r, &held[at], SETTLE_ACK);
    settle_down(&r, 3);
    rig_run(&r, 1000);
    assert_int_equal(rig_files(&r, "body"), 19);
    for (int i = 0; i < 20; i++)
        if (i != at)
            rig_settle(&r, &held[i], SETTLE_ACK);
    settle_down(&r, 3);
    assert_int_equal(rig_files(&r, "body"), 0);
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invariant_6_one_file_for_all_queues_of_a_shard),
        cmocka_unit_test(a_queue_that_keeps_nothing_takes_no_body_along),
        cmocka_unit_test(what_could_not_be_read_is_there_after_the_next_start),
        cmocka_unit_test(read_again_for_one_queue_while_another_has_it),
        cmocka_unit_test(a_body_goes_when_the_ack_is_durable_and_not_before),
        cmocka_unit_test(paged_out_purged_deleted_nothing_is_left),
        cmocka_unit_test(never_written_never_there),
        cmocka_unit_test(left_over_files_go_at_the_next_start),
        cmocka_unit_test(settled_while_its_segment_is_compacted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
