/* Starts: after crashes, with another number of shards, with damage. */
#include "durable/keep_fixture.h"
#include "io/file.h"

static void
answered(struct rig *r)
{
    rig_until(r, rig_has_answers);
}

/* ---- another number of shards ---- */

enum { QUEUES = 6, EACH = 40, LIVES_MAX = 6 };

struct all {
    struct rig r;
    uint64_t numbers[QUEUES][EACH * LIVES_MAX];
    unsigned count;
};

static void
add_to_all(struct all *a)
{
    struct rig *r = &a->r;
    for (unsigned end = a->count + EACH; a->count < end; a->count++)
        for (unsigned q = 0; q < QUEUES; q++)
            a->numbers[q][a->count] = rig_publish(r, rig_broker(r, q)->index, 1u << q, 300, RIG_PERSISTENT);
    answered(r);
}

static void
expect_all(struct all *a)
{
    struct rig_got got;
    for (unsigned q = 0; q < QUEUES; q++) {
        for (unsigned i = 0; i < a->count; i++)
            assert_true(rig_get(&a->r, q, true, &got) && got.number == a->numbers[q][i]);
        assert_false(rig_get(&a->r, q, true, &got));
    }
}

/* Some is on the disk only, some in segments and log, some in the log; the start waits for old chains to go,
 * or the next one finds them, too. */
static void
next_life(struct all *a, unsigned variant, unsigned shards)
{
    for (unsigned q = 0; q < QUEUES; q += 2)
        rig_page_out(&a->r, q);
    if (variant & 1)
        rig_turn_log_over(&a->r, 7, 2);
    add_to_all(a);
    if (variant & 2)
        rig_stop(&a->r);
    else
        rig_power(&a->r);
    if (variant & 4)
        rig_start(&a->r, shards);
    else
        rig_start_at_once(&a->r, shards);
}

static void
with_shards(const unsigned *shards, unsigned lives)
{
    struct all *a = malloc(sizeof *a);
    for (unsigned variant = 0; variant < 16; variant++) {
        rig_init(&a->r, variant * 10 + lives);
        a->count = 0;
        rig_start(&a->r, shards[0]);
        add_to_all(a);
        for (unsigned i = 1; i < lives; i++)
            next_life(a, variant * i, shards[i]);
        expect_all(a);
        rig_fini(&a->r);
    }
    free(a);
}

static void
fewer_shards(void **state)
{
    with_shards((unsigned[]){2, 1}, 2);
    with_shards((unsigned[]){3, 1, 1}, 3);
}

static void
more_shards(void **state)
{
    with_shards((unsigned[]){1, 3}, 2);
    with_shards((unsigned[]){1, 2, 3}, 3);
}

static void
fewer_and_more_again(void **state)
{
    with_shards((unsigned[]){3, 2, 3}, 3);
    with_shards((unsigned[]){3, 2, 3, 1, 2}, 5);
}

/* ---- the same thing found twice ---- */

static void
invariant_3_replay_is_idempotent(void **state)
{
    struct rig r;
    rig_init(&r, 1);
    rig_start(&r, 1);
    uint64_t first = rig_fill(&r, 0, 50, 300, RIG_PERSISTENT);
    answered(&r);
    rig_page_out(&r, 0);
    rig_turn_log_over(&r, 1, 3); /* in a segment, and in the log of this boot no more */
    uint64_t numbers[20];
    assert_int_equal(rig_drain(&r, 0, numbers, 10), 10);
    rig_fill(&r, 0, 50, 300, RIG_PERSISTENT); /* in the log */
    answered(&r);
    uint64_t last = r.next - 1;
    rig_run(&r, 100);
    for (unsigned i = 0; i < 5; i++) { /* each start reads all older chains, and none gets rid of them */
        rig_kill(&r);
        rig_start_at_once(&r, 1);
    }
    struct rig_got got;
    for (uint64_t n = first + 10; n < first + 50; n++)
        assert_true(rig_get(&r, 0, true, &got) && got.number == n);
    for (uint64_t n = last - 49; n <= last; n++)
        assert_true(rig_get(&r, 0, true, &got) && got.number == n);
    rig_expect(&r, 0, 1, 0);
    rig_fini(&r);
}

/* The log file of a message that is still in its queue is used again only when a segment has it. */
static void
invariant_3_survivors_outlive_their_log_file(void **state)
{
    for (unsigned seed = 0; seed < 10; seed++) {
        struct rig r;
        rig_init(&r, seed);
        rig_start(&r, 1);
        uint64_t first = rig_fill(&r, 0, 20, 300, RIG_PERSISTENT);
        answered(&r);
        struct rig_got got;
        assert_true(rig_get(&r, 0, false, &got)); /* it has it, and does not say so */
        uint32_t file = journal_oldest_file(rig_keep(&r, 0)->journal);
        rig_turn_log_over(&r, 1, 2 + seed % 4);
        assert_true(journal_oldest_file(rig_keep(&r, 0)->journal) > file);
        rig_power(&r);
        rig_start(&r, 1);
        rig_expect(&r, 0, first, first + 19);
        rig_fini(&r);
    }
}

/* An identity is (queue, epoch, sequence): positions are not given out again while anything knows them. */
static void
invariant_15_an_identity_is_never_given_twice(void **state)
{
    struct rig r;
    struct rig_got got;
    rig_init(&r, 3);
    rig_start(&r, 1);
    rig_fill(&r, 0, 10, 300, RIG_PERSISTENT);
    uint64_t position = 0;
    while (rig_get(&r, 0, false, &got)) {
        assert_true(got.position > position);
        position = got.position;
        rig_settle(&r, &got, SETTLE_ACK);
    }
    rig_fill(&r, 1, 1, 300, RIG_PERSISTENT);
    answered(&r);
    for (unsigned life = 0; life < 3; life++) {
        rig_kill(&r);
        rig_start_at_once(&r, 1);
        uint64_t fresh = rig_fill(&r, 0, 1, 300, RIG_PERSISTENT);
        answered(&r);
        assert_true(rig_get(&r, 0, true, &got) && got.number == fresh && got.position > position);
        position = got.position;
        rig_run(&r, 100);
    }
    rig_fini(&r);
}

/* ---- the last batch ---- */

struct newest {
    char name[64];
};

static void
find_newest(void *arg, const char *name)
{
    struct newest *n = arg;
    uint32_t boot, number;
    uint16_t chain;
    if (store_parse_log_name(name, &boot, &chain, &number) && boot == 1 && chain == 0 && number == 1)
        snprintf(n->name, sizeof n->name, "/data/store/log/%s", name);
}

/* The blocks of the old chain's last batch never reached the disk: the new chain has it all the same. */
static void
invariant_2_the_last_batch_stands_in_the_new_chain(void **state)
{
    struct rig r;
    struct newest newest = {0};
    rig_init(&r, 4);
    rig_start(&r, 1);
    uint64_t number = rig_publish(&r, 0, 1, 300, RIG_PERSISTENT);
    answered(&r);
    rig_kill(&r);
    rig_start_at_once(&r, 1);
    assert_int_equal(dir_list(r.machine, "/data/store/log", find_newest, &newest), ERR_OK);
    struct file *f;
    uint8_t zeros[STORE_BLOCK] = {0};
    assert_int_equal(file_open(r.machine, newest.name, FILE_WRITE, &f), ERR_OK);
    assert_int_equal(file_pwrite(f, zeros, sizeof zeros, STORE_BLOCK), ERR_OK);
    file_close(f);
    rig_kill(&r);
    rig_start(&r, 1);
    rig_expect(&r, 0, number, number);
    rig_fini(&r);
}

/* ---- what never was ---- */

static void
invariant_4_what_is_gone_before_its_batch_is_not_written(void **state)
{
    struct rig r;
    struct subscription s;
    rig_init(&r, 5);
    rig_start(&r, 1);
    rig_consume(&r, 0, &s, 0, true);
    rig_fill(&r, 0, 1, 300, RIG_PERSISTENT); /* the first delivery waits for its mark */
    rig_run(&r, 100);
    uint64_t before = journal_counts(rig_keep(&r, 0)->journal).payload_bytes;
    rig_fill(&r, 0, 500, 300, RIG_PERSISTENT);
    answered(&r);
    assert_int_equal(journal_counts(rig_keep(&r, 0)->journal).payload_bytes, before);
    assert_int_equal(r.got_count, 501);
    rig_fini(&r);
}

/* The batch is frozen: then the ack has to be logged. */
static void
invariant_4_not_once_the_batch_is_frozen(void **state)
{
    struct rig r;
    struct rig_got got;
    rig_init(&r, 6);
    rig_start(&r, 1);
    rig_fill(&r, 0, 1, 300, RIG_PERSISTENT);
    assert_true(rig_get(&r, 0, true, &got));
    rig_faults(&r, (struct sim_disk_faults){.latency_min_ns = 100000000, .latency_max_ns = 100000000});
    rig_publish(&r, 0, 1, 300, RIG_PERSISTENT);
    rig_run(&r, 10);
    assert_true(rig_get(&r, 0, true, &got));
    rig_faults(&r, (struct sim_disk_faults){0});
    answered(&r);
    rig_fill(&r, 1, 1, 300, RIG_PERSISTENT);
    answered(&r);
    rig_power(&r);
    rig_start(&r, 1);
    rig_expect(&r, 0, 1, 0);
    rig_fini(&r);
}

/* ---- a disk that fails ---- */

static void
invariant_7_a_failure_latches(void **state)
{
    struct rig r;
    struct subscription s;
    rig_init(&r, 7);
    rig_start(&r, 2);
    uint64_t first = rig_fill(&r, 0, 10, 300, RIG_PERSISTENT);
    answered(&r);
    rig_faults(&r, (struct sim_disk_faults){.fail_at = 1, .fail_with = ERR_IO});
    uint64_t lost = rig_publish(&r, 0, 1, 300, RIG_PERSISTENT);
    answered(&r);
    assert_true(r.answers[lost] & 128);
    for (unsigned i = 0; i < 10; i++) { /* the disk works again: nobody believes it */
        uint64_t n = rig_publish(&r, i % 2, 3, 300, RIG_PERSISTENT);
        answered(&r);
        rig_run(&r, 10);
        assert_true(r.answers[n] & 128);
    }
    assert_true(r.errors_logged > 0);
    rig_consume(&r, 0, &s, 0, true); /* and nobody waits */
    rig_run(&r, 100);
    assert_true(r.got_count >= 10 && r.got[0].number == first);
    rig_stop(&r);
    rig_start(&r, 2);
    struct rig_got got;
    for (unsigned i = 0; i < 10; i++)
        assert_true(rig_get(&r, 0, true, &got) && got.number == first + i && got.redelivered);
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_shards),
        cmocka_unit_test(more_shards),
        cmocka_unit_test(fewer_and_more_again),
        cmocka_unit_test(invariant_3_replay_is_idempotent),
        cmocka_unit_test(invariant_3_survivors_outlive_their_log_file),
        cmocka_unit_test(invariant_15_an_identity_is_never_given_twice),
        cmocka_unit_test(invariant_2_the_last_batch_stands_in_the_new_chain),
        cmocka_unit_test(invariant_4_what_is_gone_before_its_batch_is_not_written),
        cmocka_unit_test(invariant_4_not_once_the_batch_is_frozen),
        cmocka_unit_test(invariant_7_a_failure_latches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
