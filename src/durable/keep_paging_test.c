/*
 * Queues whose messages are on the disk: out and in again beside everything else that may happen to them. A
 * read takes as long as the test wants (rig_faults, latency).
 */
#include "durable/keep_fixture.h"
#include "io/file.h"

static const struct sim_disk_faults slow = {.latency_min_ns = 3000000000, .latency_max_ns = 3000000000};

/* All of `count` messages of queue 0 on the disk, written; returns the first one's number. */
static uint64_t
make_paged(struct rig *r, unsigned count)
{
    uint64_t first = rig_fill(r, 0, count, 200, RIG_PERSISTENT);
    rig_until(r, rig_has_answers);
    rig_page_out(r, 0);
    assert_int_equal(rig_queue(r, 0)->paged, count);
    assert_int_equal(queue_ready_count(rig_queue(r, 0)), count);
    rig_run(r, 10);
    return first;
}

/* Deliveries need no mark any more. */
static void
open_limit(struct rig *r, unsigned queue)
{
    struct rig_got got;
    rig_fill(r, queue, 1, 100, RIG_PERSISTENT);
    assert_true(rig_get(r, queue, true, &got));
}

/* ---- in again ---- */

static void
in_order_whatever_comes_behind(void **state)
{
    struct rig r;
    rig_init(&r, 1);
    rig_start(&r, 1);
    uint64_t first = make_paged(&r, 500);
    rig_fill(&r, 0, 100, 200, RIG_PERSISTENT);
    rig_page_out(&r, 0);
    rig_fill(&r, 0, 100, 200, 0);
    rig_expect(&r, 0, first, first + 699);
    rig_fini(&r);
}

static void
what_was_given_back_comes_first(void **state)
{
    struct rig r;
    struct rig_got got, again;
    rig_init(&r, 2);
    rig_start(&r, 1);
    uint64_t first = rig_fill(&r, 0, 100, 200, RIG_PERSISTENT);
    assert_true(rig_get(&r, 0, false, &got));
    rig_page_out(&r, 0);
    rig_settle(&r, &got, SETTLE_REQUEUE);
    assert_true(rig_get(&r, 0, false, &again));
    assert_true(again.number == first && again.redelivered && again.position == got.position);
    rig_settle(&r, &again, SETTLE_REQUEUE);
    rig_expect(&r, 0, first, first + 99);
    rig_fini(&r);
}

/* It has come in, is given back and stands before what is on the disk still. */
static void
a_read_message_that_is_given_back_is_in_its_place(void **state)
{
    struct rig r;
    struct rig_got got[50];
    rig_init(&r, 3);
    rig_start(&r, 1);
    uint64_t first = make_paged(&r, 3000);
    for (unsigned i = 0; i < 50; i++)
        assert_true(rig_get(&r, 0, false, &got[i]));
    for (unsigned i = 50; i-- > 0;)
        rig_settle(&r, &got[i], SETTLE_REQUEUE);
    rig_expect(&r, 0, first, first + 2999);
    rig_fini(&r);
}

/* ---- while it is read ---- */

static void
a_get_waits_and_is_answered_in_order(void **state)
{
    struct rig r;
    rig_init(&r, 4);
    rig_start(&r, 1);
    open_limit(&r, 0);
    uint64_t first = make_paged(&r, 10);
    rig_faults(&r, slow);
    unsigned replies = r.replies;
    for (unsigned i = 0; i < 12; i++)
        rig_ask(&r, 0, true);
    rig_run(&r, 1000);
    assert_int_equal(r.replies, replies);
    rig_run(&r, 10000);
    assert_int_equal(r.replies, replies + 12);
    assert_int_equal(r.got_count, 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(r.got[i].number, first + i);
    rig_fini(&r);
}

static void
a_get_that_waits_hears_of_a_purge(void **state)
{
    struct rig r;
    rig_init(&r, 5);
    rig_start(&r, 1);
    open_limit(&r, 0);
    make_paged(&r, 10);
    rig_faults(&r, slow);
    unsigned replies = r.replies;
    rig_ask(&r, 0, true);
    rig_purge(&r, 0);
    assert_int_equal(r.replies, replies + 2);
    rig_run(&r, 10000); /* the empty queue's working part goes before the read ends */
    assert_int_equal(r.got_count, 0);
    assert_int_equal(queue_ready_count(rig_queue(&r, 0)), 0);
    rig_fini(&r);
}

static void
a_message_of_three_queues_is_written_into_a_segment_once(void **state)
{
    struct rig r;
    rig_init(&r, 16);
    rig_start(&r, 1);
    uint64_t first = r.next;
    for (unsigned i = 0; i < 20; i++)
        rig_publish(&r, 0, 7, 800, RIG_PERSISTENT);
    rig_until(&r, rig_has_answers);
    for (unsigned queue = 0; queue < 3; queue++)
        rig_page_out(&r, queue);
    struct keep *k = rig_keep(&r, 0);
    assert_int_equal(rig_queue(&r, 0)->paged + rig_queue(&r, 1)->paged + rig_queue(&r, 2)->paged, 60);
    assert_non_null(k->open);
    assert_in_range(segment_size(k->open->segment), 20 * 800, 2 * 20 * 800);
    rig_power(&r);
    rig_start(&r, 1);
    for (unsigned queue = 0; queue < 3; queue++)
        rig_expect(&r, queue, first, first + 19);
    rig_fini(&r);
}

/* As when the purge was parked behind the get on its channel. */
static void
purge_once(struct rig *r)
{
    r->on_reply = NULL;
    rig_purge(r, 0);
}

static void
the_answer_of_a_get_makes_a_purge(void **state)
{
    struct rig r;
    rig_init(&r, 15);
    rig_start(&r, 1);
    open_limit(&r, 0);
    make_paged(&r, 10);
    rig_faults(&r, slow);
    unsigned replies = r.replies;
    for (unsigned i = 0; i < 3; i++)
        rig_ask(&r, 0, true);
    r.on_reply = purge_once;
    rig_faults(&r, (struct sim_disk_faults){0});
    rig_run(&r, 10000);
    assert_int_equal(r.replies, replies + 4);
    assert_int_equal(r.got_count, 1);
    rig_fini(&r);
}

static void
a_get_that_waits_hears_of_the_queues_end(void **state)
{
    struct rig r;
    rig_init(&r, 6);
    rig_start(&r, 1);
    open_limit(&r, 0);
    make_paged(&r, 10);
    rig_faults(&r, slow);
    unsigned replies = r.replies;
    rig_ask(&r, 0, true);
    rig_faults(&r, (struct sim_disk_faults){0});
    struct broker *b = rig_broker(&r, 0);
    courier_delete_id(b, r.queue_ids[0], 0, r.reply.to, 1);
    rig_run(&r, 10000);
    assert_int_equal(r.replies, replies + 2);
    assert_int_equal(pool_bytes_used(b->pool), 0);
    rig_fini(&r);
}

static void
a_consumer_that_leaves_takes_nothing_along(void **state)
{
    struct rig r;
    struct subscription s;
    rig_init(&r, 7);
    rig_start(&r, 1);
    open_limit(&r, 0);
    uint64_t first = make_paged(&r, 100);
    rig_faults(&r, slow);
    rig_consume(&r, 0, &s, 0, false);
    rig_run(&r, 100);
    courier_forget(rig_broker(&r, 0), &s);
    rig_run(&r, 10000);
    rig_faults(&r, (struct sim_disk_faults){0});
    assert_int_equal(r.got_count, 0);
    rig_expect(&r, 0, first, first + 99);
    rig_fini(&r);
}

/* The answer of a read meets a queue that was purged and filled again. */
static void
what_was_read_before_a_purge_is_not_wanted(void **state)
{
    struct rig r;
    struct subscription s;
    rig_init(&r, 8);
    rig_start(&r, 1);
    open_limit(&r, 0);
    make_paged(&r, 100);
    rig_faults(&r, slow);
    rig_consume(&r, 0, &s, 1, false);
    rig_run(&r, 100);
    rig_purge(&r, 0);
    uint64_t first = rig_fill(&r, 0, 50, 200, RIG_PERSISTENT);
    rig_run(&r, 20000);
    rig_faults(&r, (struct sim_disk_faults){0});
    courier_forget(rig_broker(&r, 0), &s);
    assert_int_equal(r.got_count, 1);
    assert_int_equal(r.got[0].number, first);
    rig_expect(&r, 0, first + 1, first + 49);
    rig_fini(&r);
}

/* ---- segments ---- */

/* Its last message was settled while its run in the open segment could still grow. */
static void
a_run_that_died_growing_leaves_with_its_segment(void **state)
{
    struct rig r;
    rig_init(&r, 9);
    rig_start(&r, 1);
    uint64_t first = make_paged(&r, 10);
    rig_expect(&r, 0, first, first + 9);
    rig_turn_log_over(&r, 1, 4);
    assert_int_equal(rig_files(&r, "segment"), 0);
    assert_int_equal(rig_queue(&r, 0)->kept->run_count, 0);
    first = make_paged(&r, 10);
    rig_expect(&r, 0, first, first + 9);
    rig_fini(&r);
}

static bool
is_drained(struct rig *r)
{
    return r->got_count == 2000;
}

/* A consumer that reads a deep queue to its end leaves nothing behind. */
static void
drained_segments_go(void **state)
{
    struct rig r;
    struct subscription s;
    rig_init(&r, 10);
    rig_start(&r, 1);
    uint64_t first = make_paged(&r, 2000);
    rig_turn_log_over(&r, 1, 3);
    assert_true(rig_files(&r, "segment") >= 6);
    rig_consume(&r, 0, &s, 0, true);
    rig_until(&r, is_drained);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(r.got[i].number, first + i);
    rig_turn_log_over(&r, 1, 1);
    assert_int_equal(rig_files(&r, "segment"), 0);
    assert_int_equal(pool_bytes_used(rig_broker(&r, 0)->pool), 0);
    rig_fini(&r);
}

static void
a_deleted_queues_segments_go(void **state)
{
    struct rig r;
    rig_init(&r, 11);
    rig_start(&r, 1);
    make_paged(&r, 2000);
    rig_turn_log_over(&r, 1, 3);
    rig_ask(&r, 0, true); /* a read is under way */
    rig_delete(&r, 0);
    rig_run(&r, 1000);
    assert_int_equal(rig_files(&r, "segment"), 0);
    rig_fini(&r);
}

/* A segment in which nothing lives, and that is still being read, outlives the log files that say so. */
static void
what_was_settled_in_a_segment_that_is_read_stays_settled(void **state)
{
    struct rig r;
    uint64_t numbers[100];
    rig_init(&r, 24);
    rig_start(&r, 1);
    make_paged(&r, 100);
    rig_turn_log_over(&r, 1, 3);
    struct keep *k = rig_keep(&r, 0);
    struct keep_segment *s = LIST_ENTRY(k->segments.next, struct keep_segment, node);
    assert_int_equal(s->state, KEEP_NAMED);
    s->pins++;
    assert_int_equal(rig_drain(&r, 0, numbers, 100), 100);
    assert_int_equal(s->state, KEEP_DOOMED);
    rig_turn_log_over(&r, 1, 3);
    rig_power(&r);
    rig_start(&r, 1);
    assert_int_equal(rig_drain(&r, 0, numbers, 100), 0);
    rig_fini(&r);
}

/* The file is there, and what stands in it is not: the others come, and it is said. */
static void
what_cannot_be_read_is_skipped_and_said(void **state)
{
    struct rig r;
    uint64_t numbers[1000];
    char path[STORE_PATH_MAX];
    uint8_t bytes[64] = {1, 2, 3};
    struct file *f;
    rig_init(&r, 12);
    rig_start(&r, 1);
    uint64_t first = make_paged(&r, 1000);
    rig_turn_log_over(&r, 1, 3);
    struct keep *k = rig_keep(&r, 0);
    struct segment *g = LIST_ENTRY(k->segments.next, struct keep_segment, node)->segment;
    store_segment_path(k->store, path, segment_id(g));
    assert_int_equal(file_open(r.machine, path, FILE_WRITE, &f), ERR_OK);
    assert_int_equal(file_pwrite(f, bytes, sizeof bytes, segment_size(g) / 2), ERR_OK);
    file_close(f);
    unsigned n = rig_drain(&r, 0, numbers, 1000);
    assert_true(n > 500 && n < 1000 && r.errors_logged >= 2);
    assert_int_equal(numbers[0], first);
    assert_int_equal(numbers[n - 1], first + 999);
    assert_int_equal(queue_ready_count(rig_queue(&r, 0)), 0);
    rig_run(&r, 1000);
    assert_true(rig_files(&r, "segment") >= 1);
    rig_fini(&r);
}

/* ---- under pressure, without rig_page_out() ---- */

static bool
is_within_memory(struct rig *r)
{
    return pool_bytes_used(rig_broker(r, 0)->pool) <= 3 << 20;
}

static void
transient_messages_leave_memory_and_do_not_outlive_the_node(void **state)
{
    struct rig r;
    rig_init(&r, 13);
    r.config.resident_bytes = 1 << 20;
    r.config.pressure_bytes = 2 << 20;
    rig_start(&r, 1);
    uint64_t plain = rig_fill(&r, RIG_TRANSIENT_QUEUE, 1500, 4000, 0);
    uint64_t mixed = r.next;
    for (unsigned i = 0; i < 1500; i++) {
        rig_publish(&r, 0, 1, 4000, i % 2 ? RIG_PERSISTENT : 0);
        if (i % 16 == 0)
            rig_run(&r, 1);
    }
    rig_until(&r, rig_has_answers);
    rig_until(&r, is_within_memory);
    assert_true(rig_queue(&r, 0)->paged > 500 && rig_queue(&r, RIG_TRANSIENT_QUEUE)->paged > 500);
    rig_expect(&r, RIG_TRANSIENT_QUEUE, plain, plain + 1499);
    struct rig_got got;
    assert_true(rig_get(&r, 0, false, &got) && got.number == mixed);
    rig_stop(&r);
    rig_start(&r, 1);
    rig_expect_every(&r, 0, mixed + 1, mixed + 1499, 2);
    rig_fini(&r);
}

static void
without_pressure_transient_queues_stay_in_memory(void **state)
{
    struct rig r;
    rig_init(&r, 14);
    r.config.resident_bytes = 1 << 20;
    rig_start(&r, 1);
    uint64_t first = rig_fill(&r, RIG_TRANSIENT_QUEUE, 1000, 4000, 0);
    assert_int_equal(rig_queue(&r, RIG_TRANSIENT_QUEUE)->paged, 0);
    rig_expect(&r, RIG_TRANSIENT_QUEUE, first, first + 999);
    rig_fini(&r);
}

/* Memory that no paging out can free is no reason to let them wait. */
static void
publishers_on_other_shards_go_on(void **state)
{
    struct rig r;
    rig_init(&r, 15);
    r.config.resident_bytes = 1 << 20;
    r.limits.publish_window_bytes = 16384;
    rig_start(&r, 2);
    rig_fill(&r, RIG_TRANSIENT_QUEUE, 1000, 4000, 0);
    unsigned waited = 0;
    for (unsigned i = 0; i < 1000; i++) {
        while (!rig_has_room(&r, 1, 1 << RIG_TRANSIENT_QUEUE)) {
            assert_true(waited++ < 5000);
            rig_run(&r, 1);
        }
        rig_publish(&r, 1, 1 << RIG_TRANSIENT_QUEUE, 4000, 0);
    }
    rig_run(&r, 10);
    assert_int_equal(queue_ready_count(rig_queue(&r, RIG_TRANSIENT_QUEUE)), 2000);
    rig_fini(&r);
}

/* The memory is another shard's, the backlog is here. */
static void
a_backlog_from_another_shard_leaves_memory(void **state)
{
    struct rig r;
    rig_init(&r, 19);
    r.config.resident_bytes = 2 << 20;
    rig_start(&r, 2);
    for (unsigned i = 0; i < 2500; i++) {
        while (!rig_has_room(&r, 1, 1))
            rig_run(&r, 1);
        rig_publish(&r, 1, 1, 4000, RIG_PERSISTENT);
    }
    rig_until(&r, rig_has_answers);
    rig_run(&r, 100);
    assert_true(rig_queue(&r, 0)->paged > 1500);
    assert_true(pool_bytes_used(r.node.brokers[1]->pool) < 4 << 20);
    rig_expect(&r, 0, 1, 2500);
    rig_fini(&r);
}

/* ---- redelivery ---- */

static void
redelivered_is_what_may_have_been_given_out(void **state)
{
    struct rig r;
    struct rig_got got;
    rig_init(&r, 16);
    rig_start(&r, 1);
    rig_fill(&r, 0, 10, 200, RIG_PERSISTENT);
    rig_fill(&r, 1, 10, 200, RIG_PERSISTENT);
    rig_until(&r, rig_has_answers);
    assert_true(rig_get(&r, 1, false, &got) && !got.redelivered);
    rig_power(&r);
    rig_start(&r, 1);
    for (unsigned i = 0; i < 10; i++) {
        assert_true(rig_get(&r, 0, false, &got) && !got.redelivered);
        assert_true(rig_get(&r, 1, false, &got) && got.redelivered);
        if (i > 2)
            rig_settle(&r, &got, SETTLE_ACK);
    }
    rig_stop(&r); /* now it is known exactly */
    rig_start(&r, 1);
    uint64_t fresh = rig_fill(&r, 0, 1, 200, RIG_PERSISTENT);
    rig_until(&r, rig_has_answers);
    for (unsigned i = 0; i < 10; i++)
        assert_true(rig_get(&r, 0, false, &got) && got.redelivered);
    assert_true(rig_get(&r, 0, false, &got) && got.number == fresh && !got.redelivered);
    rig_fini(&r);
}

/* The mark outlives the log file that it stands in. */
static void
a_mark_outlives_its_log_file(void **state)
{
    struct rig r;
    struct rig_got got;
    rig_init(&r, 17);
    rig_start(&r, 1);
    rig_fill(&r, 0, 10, 200, RIG_PERSISTENT);
    assert_true(rig_get(&r, 0, false, &got));
    rig_turn_log_over(&r, 1, 6);
    rig_power(&r);
    rig_start(&r, 1);
    rig_turn_log_over(&r, 1, 6);
    rig_power(&r);
    rig_start(&r, 1);
    assert_true(rig_get(&r, 0, false, &got) && got.redelivered);
    rig_fini(&r);
}

/* A consumer goes through many marks and never waits for good. */
static void
no_delivery_waits_for_ever(void **state)
{
    struct rig r;
    struct subscription s;
    rig_init(&r, 18);
    rig_start(&r, 1);
    rig_consume(&r, 0, &s, 0, true);
    for (unsigned i = 0; i < 40; i++)
        rig_fill(&r, 0, 450, 8, RIG_PERSISTENT);
    rig_run(&r, 100);
    assert_int_equal(r.got_count, 18000);
    assert_int_equal(queue_ready_count(rig_queue(&r, 0)), 0);
    rig_fini(&r);
}

/* ---- anything ---- */

struct model {
    uint64_t ready[4000]; /* numbers, in order */
    unsigned count;
    struct rig_got held[64];
    unsigned held_count;
};

static void
model_put(struct model *m, uint64_t number)
{
    unsigned i = m->count++;
    for (; i > 0 && m->ready[i - 1] > number; i--)
        m->ready[i] = m->ready[i - 1];
    m->ready[i] = number;
}

static void
act_get(struct rig *r, struct model *m)
{
    struct rig_got got;
    if (m->held_count == 64)
        return;
    bool has = rig_get(r, 0, false, &got);
    assert_int_equal(has, m->count > 0);
    if (!has)
        return;
    assert_int_equal(got.number, m->ready[0]);
    memmove(m->ready, m->ready + 1, --m->count * sizeof m->ready[0]);
    m->held[m->held_count++] = got;
}

static void
act_settle(struct rig *r, struct model *m, bool requeue)
{
    if (m->held_count == 0)
        return;
    unsigned i = (unsigned)sim_random(r->sim, m->held_count);
    struct rig_got got = m->held[i];
    m->held[i] = m->held[--m->held_count];
    rig_settle(r, &got, requeue ? SETTLE_REQUEUE : SETTLE_ACK);
    if (requeue)
        model_put(m, got.number);
}

/* What is known to be there comes again after the power was lost; acks that were not durable may have gone.
 */
static void
act_restart(struct rig *r, struct model *m)
{
    rig_until(r, rig_has_answers);
    rig_fill(r, 1, 1, 100, RIG_PERSISTENT); /* behind the acks */
    rig_until(r, rig_has_answers);
    rig_run(r, 50);
    if (sim_random(r->sim, 2))
        rig_power(r);
    else
        rig_stop(r);
    while (m->held_count > 0)
        model_put(m, m->held[--m->held_count].number);
    rig_start(r, 1);
}

static void
act(struct rig *r, struct model *m)
{
    uint64_t what = sim_random(r->sim, 100);
    if (what < 30)
        for (uint64_t n = sim_random(r->sim, 20); n > 0 && m->count < 3900; n--)
            model_put(m, rig_publish(r, 0, 1, (uint32_t)(8 + sim_random(r->sim, 1000)), RIG_PERSISTENT));
    else if (what < 60)
        act_get(r, m);
    else if (what < 85)
        act_settle(r, m, what < 70);
    else if (what < 94)
        rig_page_out(r, 0);
    else if (what < 98)
        rig_run(r, sim_random(r->sim, 20));
    else if (what == 98 && sim_random(r->sim, 4) == 0) {
        rig_purge(r, 0);
        m->count = 0;
    } else if (what == 99 && sim_random(r->sim, 3) == 0)
        act_restart(r, m);
}

static void
a_random_life_of_one_queue(void **state)
{
    struct model *m = malloc(sizeof *m);
    uint64_t compactions = 0, stored = 0;
    for (unsigned seed = 0; seed < 25; seed++) {
        struct rig r;
        rig_init(&r, 1000 + seed);
        r.config.store.segment_bytes = 8192;
        r.config.store.log_file_bytes = 32768;
        rig_start(&r, 1);
        m->count = m->held_count = 0;
        for (unsigned i = 0; i < 1200; i++)
            act(&r, m);
        compactions += rig_keep(&r, 0)->counts.compactions;
        stored += rig_keep(&r, 0)->counts.messages_stored;
        act_restart(&r, m);
        for (unsigned i = 0; i < m->count; i++) {
            struct rig_got got;
            assert_true(rig_get(&r, 0, true, &got));
            assert_int_equal(got.number, m->ready[i]);
        }
        rig_expect(&r, 0, 1, 0);
        rig_fini(&r);
    }
    free(m);
    assert_true(compactions > 0 && stored > 1000);
}

/* ---- what is shown of it ---- */

static void
figures_know_what_is_on_the_disk(void **state)
{
    struct rig r;
    struct queue_figures f;
    struct rig_got got;
    rig_init(&r, 23);
    rig_start(&r, 1);
    make_paged(&r, 100);
    rig_fill(&r, 0, 10, 50, 0);
    queue_tally_figures(rig_queue(&r, 0), &f);
    assert_true(f.ready == 110 && f.ready_in_memory == 10 && f.ready_bytes == 100 * 200 + 10 * 50);
    assert_true(f.memory_bytes == 10 * 50 && f.persistent == 100 && f.persistent_bytes == 100 * 200);
    assert_true(f.disk_writes == 100 && f.disk_reads == 0);
    assert_true(rig_get(&r, 0, true, &got));
    queue_tally_figures(rig_queue(&r, 0), &f);
    assert_true(f.disk_reads > 0 && f.ready == 109 && f.persistent == 99);
    assert_true(f.ready_bytes == 99 * 200 + 10 * 50 && f.persistent_bytes == 99 * 200);
    rig_purge(&r, 0);
    queue_tally_figures(rig_queue(&r, 0), &f);
    assert_true(f.ready == 0 && f.ready_bytes == 0 && f.persistent == 0 && f.persistent_bytes == 0);
    rig_check(&r);
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_know_what_is_on_the_disk),
        cmocka_unit_test(in_order_whatever_comes_behind),
        cmocka_unit_test(what_was_given_back_comes_first),
        cmocka_unit_test(a_read_message_that_is_given_back_is_in_its_place),
        cmocka_unit_test(a_get_waits_and_is_answered_in_order),
        cmocka_unit_test(a_get_that_waits_hears_of_a_purge),
        cmocka_unit_test(a_message_of_three_queues_is_written_into_a_segment_once),
        cmocka_unit_test(the_answer_of_a_get_makes_a_purge),
        cmocka_unit_test(a_get_that_waits_hears_of_the_queues_end),
        cmocka_unit_test(a_consumer_that_leaves_takes_nothing_along),
        cmocka_unit_test(what_was_read_before_a_purge_is_not_wanted),
        cmocka_unit_test(a_run_that_died_growing_leaves_with_its_segment),
        cmocka_unit_test(drained_segments_go),
        cmocka_unit_test(a_deleted_queues_segments_go),
        cmocka_unit_test(what_was_settled_in_a_segment_that_is_read_stays_settled),
        cmocka_unit_test(what_cannot_be_read_is_skipped_and_said),
        cmocka_unit_test(transient_messages_leave_memory_and_do_not_outlive_the_node),
        cmocka_unit_test(without_pressure_transient_queues_stay_in_memory),
        cmocka_unit_test(publishers_on_other_shards_go_on),
        cmocka_unit_test(a_backlog_from_another_shard_leaves_memory),
        cmocka_unit_test(redelivered_is_what_may_have_been_given_out),
        cmocka_unit_test(a_mark_outlives_its_log_file),
        cmocka_unit_test(no_delivery_waits_for_ever),
        cmocka_unit_test(a_random_life_of_one_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
