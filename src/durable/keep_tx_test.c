/* Transactions in the store: all or nothing, over shards, boots, log files and segments. */
#include "durable/keep_fixture.h"

enum { SEQ = 1000 }; /* a transaction's number, far from those of other publishes */

static void
invariant_5_a_group_without_its_end_is_discarded(void **state)
{
    struct rig r;
    rig_init(&r, 1);
    rig_start(&r, 1);
    for (unsigned i = 0; i < 5; i++)
        rig_tx_publish(&r, 0, 3, 100, SEQ);
    uint64_t last = rig_publish(&r, 0, 1, 100, RIG_PERSISTENT);
    rig_run(&r, 100);
    assert_int_equal(r.answers[last], 1);
    rig_power(&r);
    rig_start(&r, 1);
    rig_expect(&r, 0, last, last);
    rig_expect(&r, 1, 1, 0);
    rig_fini(&r);
}

/* The name of a transaction is the same for all shards, and one of them has its end. */
static void
the_end_on_one_shard_completes_nothing_on_another(void **state)
{
    struct rig r;
    rig_init(&r, 2);
    rig_start(&r, 2);
    uint64_t here = rig_tx_publish(&r, 0, 1, 100, SEQ);
    rig_tx_publish(&r, 0, 2, 100, SEQ);
    assert_true(rig_tx_end(&r, 0, 0, SEQ));
    rig_run(&r, 100);
    rig_power(&r);
    rig_start(&r, 2);
    rig_expect(&r, 0, here, here);
    rig_expect(&r, 1, 1, 0);
    rig_fini(&r);
}

/* Channels count anew after a restart, and the last batch of the old chain, with an end, begins the new one.
 */
static void
the_end_in_an_earlier_boot_completes_nothing_in_this_one(void **state)
{
    struct rig r;
    rig_init(&r, 3);
    rig_start(&r, 1);
    uint64_t before = rig_tx_publish(&r, 0, 1, 100, SEQ);
    assert_true(rig_tx_end(&r, 0, 0, SEQ));
    rig_run(&r, 100);
    rig_kill(&r);
    rig_start(&r, 1);
    rig_tx_publish(&r, 0, 1, 100, SEQ);
    rig_run(&r, 100);
    rig_kill(&r);
    rig_start(&r, 1);
    rig_expect(&r, 0, before, before);
    rig_fini(&r);
}

static void
take_all(struct rig *r, unsigned queue, struct rig_got *got, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_true(rig_get(r, queue, false, &got[i]));
}

static void
ack_all(struct rig *r, const struct rig_got *got, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        rig_tx_ack(r, 0, &got[i], SEQ);
}

/* Neither an ack file nor the deletion of a segment may say what the log does not say yet. */
static void
an_ack_reaches_segments_with_its_transactions_end(void **state)
{
    struct rig r;
    struct rig_got got[20];
    rig_init(&r, 4);
    rig_start(&r, 1);
    uint64_t first = rig_fill(&r, 0, 20, 200, RIG_PERSISTENT);
    rig_page_out(&r, 0);
    rig_turn_log_over(&r, 1, 4);
    take_all(&r, 0, got, 20);
    ack_all(&r, got, 20);
    rig_turn_log_over(&r, 1, 1);
    rig_power(&r);
    rig_start(&r, 1);
    rig_expect(&r, 0, first, first + 19);
    rig_fini(&r);
}

static void
an_acked_message_outlives_its_log_file_until_the_end(void **state)
{
    struct rig r;
    struct rig_got got[20];
    rig_init(&r, 5);
    rig_start(&r, 1);
    uint64_t first = rig_fill(&r, 0, 20, 200, RIG_PERSISTENT);
    struct journal *j = rig_keep(&r, 0)->journal;
    while (journal_current_file(j) - journal_oldest_file(j) < r.config.store.log_files_max) {
        rig_fill(&r, 1, 20, 500, RIG_PERSISTENT);
        rig_purge(&r, 1);
    }
    take_all(&r, 0, got, 20);
    ack_all(&r, got, 20);
    rig_turn_log_over(&r, 1, 1);
    rig_power(&r);
    rig_start(&r, 1);
    rig_expect(&r, 0, first, first + 19);
    rig_fini(&r);
}

/* Every second one is acked, so that a checkpoint writes them into gaps of the run that their neighbours
 * make. */
static void
an_acked_message_in_the_gap_of_a_run_is_found_again(void **state)
{
    struct rig r;
    struct rig_got got[20];
    rig_init(&r, 15);
    rig_start(&r, 1);
    uint64_t first = rig_fill(&r, 0, 20, 200, RIG_PERSISTENT);
    struct journal *j = rig_keep(&r, 0)->journal;
    while (journal_current_file(j) - journal_oldest_file(j) < r.config.store.log_files_max) {
        rig_fill(&r, 1, 20, 500, RIG_PERSISTENT);
        rig_purge(&r, 1);
    }
    take_all(&r, 0, got, 20);
    for (unsigned i = 1; i < 20; i += 2)
        rig_tx_ack(&r, 0, &got[i], 77);
    rig_turn_log_over(&r, 1, 1);
    rig_power(&r);
    rig_start(&r, 1);
    rig_expect(&r, 0, first, first + 19);
    rig_fini(&r);
}

static void
with_its_end_an_ack_is_for_good(void **state)
{
    struct rig r;
    struct rig_got got[20];
    rig_init(&r, 6);
    rig_start(&r, 1);
    rig_fill(&r, 0, 20, 200, RIG_PERSISTENT);
    take_all(&r, 0, got, 10);
    rig_page_out(&r, 0);
    rig_turn_log_over(&r, 1, 4);
    take_all(&r, 0, got + 10, 10);
    ack_all(&r, got, 20);
    assert_true(rig_tx_end(&r, 0, 0, SEQ));
    rig_run(&r, 10);
    assert_int_equal(r.answers[SEQ], 1);
    rig_turn_log_over(&r, 1, 4);
    assert_int_equal(rig_files(&r, "segment"), 0);
    assert_int_equal(pool_bytes_used(rig_broker(&r, 0)->pool), 0);
    rig_power(&r);
    rig_start(&r, 1);
    rig_expect(&r, 0, 1, 0);
    rig_fini(&r);
}

/* A publish of a transaction that is still open does not leave for a segment. */
static void
an_open_transaction_is_not_paged_out(void **state)
{
    struct rig r;
    rig_init(&r, 7);
    rig_start(&r, 1);
    for (unsigned i = 0; i < 10; i++)
        rig_tx_publish(&r, 0, 1, 200, SEQ);
    rig_run(&r, 10);
    rig_page_out(&r, 0);
    assert_int_equal(rig_queue(&r, 0)->paged, 0);
    assert_true(rig_tx_end(&r, 0, 0, SEQ));
    rig_page_out(&r, 0);
    assert_int_equal(rig_queue(&r, 0)->paged, 10);
    rig_expect(&r, 0, 1, 10);
    rig_fini(&r);
}

static void
a_deleted_queue_takes_its_acks_along(void **state)
{
    struct rig r;
    struct rig_got got[20];
    rig_init(&r, 8);
    rig_start(&r, 1);
    rig_fill(&r, 0, 20, 200, RIG_PERSISTENT);
    take_all(&r, 0, got, 20);
    ack_all(&r, got, 20);
    rig_delete(&r, 0);
    assert_true(rig_tx_end(&r, 0, 0, SEQ));
    rig_run(&r, 100);
    assert_int_equal(r.answers[SEQ], 1);
    assert_int_equal(pool_bytes_used(r.node.brokers[0]->pool), 0);
    rig_fini(&r);
}

static void
a_commit_of_acks_is_refused_when_nothing_is_kept(void **state)
{
    struct rig r;
    struct rig_got got[20];
    rig_init(&r, 9);
    rig_start(&r, 1);
    rig_fill(&r, 0, 20, 200, RIG_PERSISTENT);
    take_all(&r, 0, got, 20);
    ack_all(&r, got, 10);
    rig_faults(&r, (struct sim_disk_faults){.fail_at = 1, .fail_with = ERR_IO, .fail_on = true});
    rig_run(&r, 100);
    ack_all(&r, got + 10, 10);
    assert_true(rig_tx_end(&r, 0, 0, SEQ));
    rig_run(&r, 100);
    assert_true(r.answers[SEQ] & 128);
    assert_int_equal(pool_bytes_used(rig_broker(&r, 0)->pool), 0);
    rig_faults(&r, (struct sim_disk_faults){0});
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invariant_5_a_group_without_its_end_is_discarded),
        cmocka_unit_test(the_end_on_one_shard_completes_nothing_on_another),
        cmocka_unit_test(the_end_in_an_earlier_boot_completes_nothing_in_this_one),
        cmocka_unit_test(an_ack_reaches_segments_with_its_transactions_end),
        cmocka_unit_test(an_acked_message_outlives_its_log_file_until_the_end),
        cmocka_unit_test(an_acked_message_in_the_gap_of_a_run_is_found_again),
        cmocka_unit_test(with_its_end_an_ack_is_for_good),
        cmocka_unit_test(an_open_transaction_is_not_paged_out),
        cmocka_unit_test(a_deleted_queue_takes_its_acks_along),
        cmocka_unit_test(a_commit_of_acks_is_refused_when_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
