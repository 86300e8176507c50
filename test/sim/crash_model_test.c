/* Each thing that the model of crashes has to find, and what it must let pass. */
#include "crash_model.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { MESSAGES_MAX = 16 };

/* A message as its client sent it. */
struct sent {
    struct buffer properties, body;
    const char *key;
};

static struct {
    struct trial t;
    struct crash_model m;
    struct sent sent[MESSAGES_MAX];
    char found[512];
} w;

static void
on_finding(void *arg, const char *text)
{
    snprintf(w.found, sizeof w.found, "%s", text);
}

static int
setup(void **state)
{
    w = (typeof(w)){.t = {.workload = "crash_model_test", .seed = 1, .is_timeless = true}};
    trial_begin_world(&w.t);
    crash_model_init(&w.m, &w.t);
    w.m.on_finding = on_finding;
    return 0;
}

static int
teardown(void **state)
{
    crash_model_fini(&w.m);
    for (int i = 0; i < MESSAGES_MAX; i++) {
        buffer_fini(&w.sent[i].properties);
        buffer_fini(&w.sent[i].body);
    }
    trial_end_down(&w.t);
    return 0;
}

static uint64_t
publish(uint32_t tx, int queue, bool is_persistent)
{
    struct sent s = {.key = crash_queue_names[queue]};
    uint64_t number =
        crash_model_publish(&w.m, 1, tx, "", s.key, 1u << queue, is_persistent, 50, &s.properties, &s.body);
    assert_true(number < MESSAGES_MAX);
    w.sent[number] = s;
    return number;
}

static uint64_t
confirmed(int queue)
{
    uint64_t number = publish(0, queue, true);
    crash_model_confirmed(&w.m, number);
    return number;
}

static struct crash_delivery
delivery(int queue, uint64_t number, bool redelivered)
{
    const struct sent *s = &w.sent[number];
    return (struct crash_delivery){.queue = queue,
                                   .holder = 2,
                                   .redelivered = redelivered,
                                   .exchange = slice_str(""),
                                   .key = slice_str(s->key),
                                   .properties = buffer_slice(&s->properties),
                                   .body = buffer_slice(&s->body)};
}

static void
give(int queue, uint64_t number, bool redelivered)
{
    struct crash_delivery d = delivery(queue, number, redelivered);
    crash_model_asked(&w.m, queue, false);
    assert_int_equal(crash_model_given(&w.m, &d), number);
}

static void
crash(void)
{
    crash_model_ended(&w.m, (const uint8_t[CRASH_QUEUES]){0, 0, 1, 1});
}

/* What a queue holds, in order. */
static void
look(int queue, unsigned count, const uint64_t *numbers, bool redelivered)
{
    crash_look_begin(&w.m, queue);
    for (unsigned i = 0; i < count; i++) {
        struct crash_delivery d = delivery(queue, numbers[i], redelivered);
        (void)crash_look_at(&w.m, &d);
    }
    crash_look_end(&w.m);
    crash_look_txs(&w.m);
}
#define LOOK(queue, redelivered, ...)                                                                        \
    look(queue, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (uint64_t[]){__VA_ARGS__}, redelivered)

static void
expect(const char *what)
{
    if (!what) {
        assert_string_equal(w.found, "");
        return;
    }
    if (!strstr(w.found, what))
        fail_msg("found '%s' instead of '%s'", w.found, what);
    w.found[0] = 0;
}

static void
test_confirmed_is_there_or_lost(void **state)
{
    uint64_t a = confirmed(1), b = confirmed(1), c = publish(0, 1, true);
    crash();
    LOOK(1, false, a, b, c);
    expect(NULL);
    crash();
    LOOK(1, true, a, c);
    expect("m1 of cq1 is lost");
}

static void
test_unconfirmed_may_be_there_but_then_stays_so(void **state)
{
    uint64_t a = publish(0, 1, true), b = publish(0, 1, true);
    crash();
    LOOK(1, false, b);
    expect(NULL);
    crash();
    LOOK(1, true, a, b);
    expect("m0 in cq1 has come again");
}

static void
test_an_ack_may_be_kept_or_not_until_a_confirm_says_so(void **state)
{
    uint64_t a = confirmed(2), b = confirmed(2);
    give(2, a, false);
    give(2, b, false);
    crash_model_settle(&w.m, 2, a, 0);
    crash_model_settle(&w.m, 2, b, 0);
    crash_model_handled(&w.m, 2, a);
    uint64_t c = confirmed(2);
    crash();
    LOOK(2, true, b, c);
    expect(NULL);
    crash();
    LOOK(2, true, a, b, c);
    expect("m0 in cq2 has come again");
}

static void
test_an_ack_before_a_confirm_on_the_queue_is_kept(void **state)
{
    uint64_t a = confirmed(2);
    give(2, a, false);
    crash_model_settle(&w.m, 2, a, 0);
    crash_model_handled(&w.m, 2, a);
    (void)confirmed(2);
    crash();
    LOOK(2, true, a, 1);
    expect("m0 in cq2 has come again");
}

static void
test_an_ack_before_a_confirm_elsewhere_is_open(void **state)
{
    uint64_t a = confirmed(2);
    give(2, a, false);
    crash_model_settle(&w.m, 2, a, 0);
    crash_model_handled(&w.m, 2, a);
    (void)confirmed(3);
    crash();
    LOOK(2, true, a);
    expect(NULL);
}

static void
test_twice_is_found(void **state)
{
    uint64_t a = confirmed(1);
    crash();
    LOOK(1, false, a, a);
    expect("m0 is in cq1 twice");
}

static void
test_order_is_kept(void **state)
{
    uint64_t a = confirmed(1), b = confirmed(1);
    crash();
    LOOK(1, false, b, a);
    expect("m0 stands behind m1");
}

static void
test_ghosts_and_changes_are_found(void **state)
{
    uint64_t a = confirmed(1), b = confirmed(2);
    crash();
    struct crash_delivery d = delivery(1, a, false);
    d.queue = 2;
    crash_look_begin(&w.m, 2);
    assert_true(crash_look_at(&w.m, &d) == UINT64_MAX);
    expect("m0 is in cq2, where it was not routed");
    d = delivery(2, b, false);
    d.properties = slice_of(d.properties.data, 2);
    assert_true(crash_look_at(&w.m, &d) == UINT64_MAX);
    expect("a ghost in cq2");
    d = delivery(2, b, false);
    w.sent[b].body.data[7] ^= 1;
    assert_true(crash_look_at(&w.m, &d) == UINT64_MAX);
    expect("other bytes in the body");
    w.sent[b].body.data[7] ^= 1;
    assert_int_equal(crash_look_at(&w.m, &d), b);
    crash_look_end(&w.m);
    expect(NULL);
}

static void
test_redelivered_is_set_where_it_was_given_and_nowhere_else(void **state)
{
    uint64_t a = confirmed(1), b = confirmed(2);
    give(1, a, false);
    crash();
    LOOK(1, false, a);
    expect("m0 in cq1 was given out before");
    LOOK(2, true, b);
    expect("m1 in cq2 is redelivered, and nobody ever got it");
}

static void
test_transient_and_non_durable_are_gone(void **state)
{
    uint64_t a = publish(0, 1, false), b = confirmed(CRASH_FLEETING);
    crash_model_confirmed(&w.m, a);
    crash();
    look(1, 0, NULL, false);
    look(CRASH_FLEETING, 0, NULL, false);
    expect(NULL);
    crash();
    LOOK(1, true, a);
    expect("m0 in cq1 has come again");
    LOOK(CRASH_FLEETING, true, b);
    expect("m1 in fleeting has come again");
}

static void
test_a_transaction_is_all_or_nothing_on_a_shard(void **state)
{
    uint64_t before = confirmed(0);
    give(0, before, false);
    uint32_t tx = crash_model_tx(&w.m);
    uint64_t a = publish(tx, 0, true), b = publish(tx, 1, true), c = publish(tx, 2, true);
    crash_model_settle(&w.m, 0, before, tx);
    crash_model_commit(&w.m, tx);
    crash();
    LOOK(2, false, c);
    look(0, 1, &before, true);
    expect(NULL);
    LOOK(1, false, b);
    expect("transaction 1 was done in part on shard 0");
    (void)a;
}

static void
test_a_committed_transaction_holds_and_others_never_were(void **state)
{
    uint64_t before = confirmed(0);
    give(0, before, false);
    uint32_t done = crash_model_tx(&w.m), open = crash_model_tx(&w.m);
    uint64_t a = publish(done, 0, true), b = publish(open, 0, true);
    crash_model_settle(&w.m, 0, before, done);
    crash_model_commit(&w.m, done);
    crash_model_committed(&w.m, done);
    crash();
    look(0, 1, &before, true);
    expect("m1 of cq0 is lost");
    LOOK(0, true, before);
    expect("m0 in cq0 has come again");
    LOOK(0, true, b);
    expect("m2 in cq0 is of a transaction that never was");
    (void)a;
}

static void
test_purged_and_deleted(void **state)
{
    uint64_t a = confirmed(CRASH_PURGED), b = confirmed(CRASH_COMING);
    crash_model_doubt(&w.m, CRASH_PURGED);
    crash_model_deleted(&w.m, CRASH_COMING);
    crash();
    look(CRASH_PURGED, 0, NULL, false);
    expect(NULL);
    LOOK(CRASH_COMING, false, b);
    expect("m1 in coming has come again");
    (void)a;
}

static void
test_a_purge_before_a_confirm_on_the_queue_is_kept(void **state)
{
    uint64_t a = confirmed(CRASH_SHORT), before = w.m.count;
    crash_model_doubt(&w.m, CRASH_SHORT);
    crash_model_purged(&w.m, CRASH_SHORT, before);
    crash();
    LOOK(CRASH_SHORT, false, a); /* nobody said that it was */
    expect(NULL);
    crash_model_doubt(&w.m, CRASH_SHORT);
    crash_model_purged(&w.m, CRASH_SHORT, before);
    uint64_t b = confirmed(CRASH_SHORT);
    crash();
    LOOK(CRASH_SHORT, true, b);
    expect(NULL);
    LOOK(CRASH_SHORT, true, a);
    expect("cq.short does not hold");
}

static void
test_what_is_held_is_not_given_to_another(void **state)
{
    uint64_t a = confirmed(1);
    give(1, a, false);
    give(1, a, true);
    expect("m0 in cq1 has come again: channel 2 holds it");
    crash_model_left(&w.m, 2);
    give(1, a, true);
    expect(NULL);
}

static void
test_higher_priorities_come_first(void **state)
{
    uint64_t a = confirmed(CRASH_RANKED), b = confirmed(CRASH_RANKED), c = confirmed(CRASH_RANKED);
    w.m.messages[a].content.priority = w.m.messages[c].content.priority = 0;
    w.m.messages[b].content.priority = 3;
    crash();
    LOOK(CRASH_RANKED, false, b, a, c);
    expect(NULL);
    crash();
    LOOK(CRASH_RANKED, true, a, b, c);
    expect("m1 of priority 3 stands behind others of 0");
    LOOK(CRASH_RANKED, true, b, c, a);
    expect("m0 stands behind m2");
}

static void
test_what_expires_is_there_as_long_as_it_has_time(void **state)
{
    uint64_t a = confirmed(CRASH_TIMED);
    crash();
    LOOK(CRASH_TIMED, false, a);
    expect(NULL);
    look(CRASH_TIMED, 0, NULL, false);
    expect("m0 of cq.timed is lost");
}

static void
test_what_has_expired_does_not_come(void **state)
{
    uint64_t a = confirmed(CRASH_TIMED), b = confirmed(CRASH_TIMED);
    crash();
    sim_run_for(w.t.sim, 400);
    LOOK(CRASH_TIMED, false, a);
    expect("m0 is in cq.timed after its time");
    look(CRASH_TIMED, 0, NULL, false);
    expect(NULL);
    (void)b;
}

static void
test_a_limit_keeps_the_last_ones(void **state)
{
    uint64_t m[9];
    for (int i = 0; i < 9; i++) {
        m[i] = publish(0, CRASH_SHORT, true);
        w.m.messages[m[i]].content.priority = 0;
    }
    crash_model_confirmed(&w.m, m[7]);
    crash();
    look(CRASH_SHORT, 7, m + 1, false); /* m8 was not kept */
    expect(NULL);
    look(CRASH_SHORT, 6, m + 2, true);
    expect("cq.short does not hold the last ones");
}

static void
test_what_a_limit_dropped_stays_away(void **state)
{
    uint64_t m[8];
    for (int i = 0; i < 8; i++) {
        m[i] = confirmed(CRASH_SHORT);
        w.m.messages[m[i]].content.priority = 0;
    }
    w.m.messages[m[7]].content.priority = 1; /* so it is the one that goes */
    crash();
    look(CRASH_SHORT, 7, m, false);
    expect(NULL);
    crash();
    crash_look_begin(&w.m, CRASH_SHORT);
    struct crash_delivery d = delivery(CRASH_SHORT, m[7], true);
    (void)crash_look_at(&w.m, &d);
    expect("m7 in cq.short has come again");
    crash_look_end(&w.m);
}

static void
test_returns_are_counted(void **state)
{
    uint64_t a = confirmed(CRASH_COUNTED);
    give(CRASH_COUNTED, a, false);
    crash_model_requeue(&w.m, CRASH_COUNTED, a);
    struct crash_delivery d = delivery(CRASH_COUNTED, a, true);
    assert_true(crash_model_given(&w.m, &d) == UINT64_MAX);
    expect("m0 of cq.counted came back more often than its count says: 0");
    for (int i = 0; i < 3; i++)
        crash_model_requeue(&w.m, CRASH_COUNTED, a);
    look(CRASH_COUNTED, 0, NULL, false); /* by its limit */
    expect(NULL);
}

static void
test_a_quorum_queue_keeps_transient_messages(void **state)
{
    uint64_t a = publish(0, CRASH_COUNTED, false);
    crash_model_confirmed(&w.m, a);
    crash();
    look(CRASH_COUNTED, 0, NULL, false);
    expect("m0 of cq.counted is lost");
}

static void
test_a_quorum_queue_gives_out_what_is_kept(void **state)
{
    uint64_t a = publish(0, CRASH_COUNTED, true);
    give(CRASH_COUNTED, a, false);
    crash();
    look(CRASH_COUNTED, 0, NULL, false);
    expect("m0 of cq.counted is lost");
}

static void
test_what_was_refused_stays_away(void **state)
{
    uint64_t m[10];
    for (int i = 0; i < 9; i++)
        m[i] = confirmed(CRASH_FULL);
    m[9] = publish(0, CRASH_FULL, true);
    crash_model_refused(&w.m, m[9]);
    crash();
    look(CRASH_FULL, 9, m, false);
    expect(NULL);
    crash();
    look(CRASH_FULL, 9, m + 1, true);
    expect("m0 of cq.full is lost");
    crash_look_begin(&w.m, CRASH_FULL);
    struct crash_delivery d = delivery(CRASH_FULL, m[9], true);
    (void)crash_look_at(&w.m, &d);
    expect("m9 in cq.full has come again");
    crash_look_end(&w.m);
}

static void
test_a_queue_with_room_does_not_refuse(void **state)
{
    for (int i = 0; i < 8; i++)
        (void)confirmed(CRASH_FULL);
    crash_model_refused(&w.m, publish(0, CRASH_FULL, true));
    expect("m8 was refused, and cq.full has room");
}

static void
test_a_queue_that_refuses_has_no_more_than_its_length(void **state)
{
    uint64_t m[10];
    for (int i = 0; i < 10; i++)
        m[i] = confirmed(CRASH_FULL);
    crash();
    look(CRASH_FULL, 10, m, false);
    expect("cq.full has more than its length");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_confirmed_is_there_or_lost),
        T(test_unconfirmed_may_be_there_but_then_stays_so),
        T(test_an_ack_may_be_kept_or_not_until_a_confirm_says_so),
        T(test_an_ack_before_a_confirm_on_the_queue_is_kept),
        T(test_an_ack_before_a_confirm_elsewhere_is_open),
        T(test_twice_is_found),
        T(test_order_is_kept),
        T(test_ghosts_and_changes_are_found),
        T(test_redelivered_is_set_where_it_was_given_and_nowhere_else),
        T(test_transient_and_non_durable_are_gone),
        T(test_a_transaction_is_all_or_nothing_on_a_shard),
        T(test_a_committed_transaction_holds_and_others_never_were),
        T(test_purged_and_deleted),
        T(test_a_purge_before_a_confirm_on_the_queue_is_kept),
        T(test_what_is_held_is_not_given_to_another),
        T(test_higher_priorities_come_first),
        T(test_what_expires_is_there_as_long_as_it_has_time),
        T(test_what_has_expired_does_not_come),
        T(test_a_limit_keeps_the_last_ones),
        T(test_what_a_limit_dropped_stays_away),
        T(test_returns_are_counted),
        T(test_a_quorum_queue_keeps_transient_messages),
        T(test_a_quorum_queue_gives_out_what_is_kept),
        T(test_what_was_refused_stays_away),
        T(test_a_queue_with_room_does_not_refuse),
        T(test_a_queue_that_refuses_has_no_more_than_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
