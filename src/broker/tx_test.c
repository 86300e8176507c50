/* Transactions: kept in order within a budget, replayed on commit, dropped or handed back on rollback. */
#include "broker/tx.h"

#include "broker/broker_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct {
    struct fixture f;
    struct broker *b;
    struct tx tx;
    uint64_t published[32], settled[32], restored[32];
    unsigned published_count, settled_count, restored_count;
    unsigned room;         /* publishes until there is no room */
    unsigned settles_left; /* until the commit's part of the turn is over */
    enum publish_result result;
    char keys[64];
} w;

static int
setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    w.room = w.settles_left = 100;
    epoch_init(&w.f.epoch, 1);
    w.f.node.epoch = &w.f.epoch;
    fixture_meta_init(&w.f);
    w.b = broker_new(&w.f.node, NULL, NULL, NULL);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    tx_fini(w.b, &w.tx);
    assert_int_equal(pool_bytes_used(w.b->pool), 0);
    broker_free(w.b);
    meta_free(w.f.node.meta);
    epoch_fini(&w.f.epoch);
    return 0;
}

static bool
replay_publish(void *arg, struct tx *tx, struct tx_publish *p)
{
    (void)arg;
    if (w.room-- == 0)
        return false;
    assert_int_equal(w.settled_count, 0); /* publishes come first */
    w.published[w.published_count++] = fixture_number(p->message);
    const uint8_t *at = p->extra_keys;
    for (unsigned i = 0; i < p->extra_count; i++) {
        struct slice key = tx_next_key(&at);
        memcpy(w.keys + strlen(w.keys), key.data, key.len);
        w.keys[strlen(w.keys)] = ';';
    }
    message_drop(w.b, &p->message);
    tx_published(tx, w.result, 2);
    return true;
}

static bool
replay_settle(void *arg, struct tx *tx, const struct tx_settle *s)
{
    (void)arg;
    if (w.settles_left-- == 0)
        return false;
    w.settled[w.settled_count++] = s->delivery_tag;
    return true;
}

static void
restore(void *arg, const struct tx_settle *s)
{
    (void)arg;
    w.restored[w.restored_count++] = s->delivery_tag;
}

static bool
replay_end(void *arg, struct tx *tx, unsigned shard)
{
    return false;
}

static const struct tx_replay replay = {replay_publish, replay_settle, replay_end};

static void
add(uint64_t number)
{
    struct message *m = fixture_message(w.b, number, 16);
    assert_true(tx_add_publish(w.b, &w.tx, &m, NULL, 0, false));
    assert_null(m);
    assert_true(tx_add_settle(w.b, &w.tx, &(struct tx_settle){.delivery_tag = number}));
}

static void
test_commit_replays_publishes_then_settles(void **state)
{
    (void)state;
    add(1);
    struct message *m = fixture_message(w.b, 2, 16);
    struct slice keys[] = {slice_str("cc"), slice_str(""), slice_str("bcc")};
    assert_true(tx_add_publish(w.b, &w.tx, &m, keys, 3, true));
    add(3);
    assert_int_equal(tx_commit(w.b, &w.tx, &replay, NULL), TX_COMMITTED);
    assert_int_equal(w.published_count, 3);
    assert_int_equal(w.published[2], 3);
    assert_int_equal(w.settled_count, 2);
    assert_string_equal(w.keys, "cc;;bcc;");
    assert_int_equal(tx_commit(w.b, &w.tx, &replay, NULL), TX_COMMITTED);
    assert_int_equal(w.published_count, 3);
}

static void
test_commit_waits_for_every_answer(void **state)
{
    (void)state;
    w.result = PUBLISH_PENDING;
    add(1);
    assert_int_equal(tx_commit(w.b, &w.tx, &replay, NULL), TX_PENDING);
    assert_int_equal(tx_answered(w.b, &w.tx, w.tx.seq + 1, w.tx.seq + 1, false), TX_PENDING);
    assert_int_equal(tx_answered(w.b, &w.tx, w.tx.seq, w.tx.seq, false), TX_PENDING);
    assert_int_equal(tx_answered(w.b, &w.tx, w.tx.seq, w.tx.seq, false), TX_COMMITTED);
    w.settled_count = 0;
    add(2);
    assert_int_equal(tx_commit(w.b, &w.tx, &replay, NULL), TX_PENDING);
    assert_int_equal(tx_answered(w.b, &w.tx, w.tx.seq, w.tx.seq, true), TX_PENDING);
    assert_int_equal(tx_answered(w.b, &w.tx, w.tx.seq, w.tx.seq, false), TX_FAILED);
}

static void
test_commit_goes_on_where_there_was_no_room(void **state)
{
    (void)state;
    w.room = 1;
    add(1);
    add(2);
    assert_int_equal(tx_commit(w.b, &w.tx, &replay, NULL), TX_AGAIN);
    assert_int_equal(w.settled_count, 0);
    w.room = 5;
    assert_int_equal(tx_commit(w.b, &w.tx, &replay, NULL), TX_COMMITTED);
    assert_int_equal(w.published_count, 2);
    assert_int_equal(w.settled_count, 2);
}

static void
test_commit_goes_on_among_its_settles(void **state)
{
    (void)state;
    w.settles_left = 1;
    add(1);
    add(2);
    add(3);
    assert_int_equal(tx_commit(w.b, &w.tx, &replay, NULL), TX_AGAIN);
    assert_int_equal(w.settled_count, 1);
    w.settles_left = 5;
    assert_int_equal(tx_commit(w.b, &w.tx, &replay, NULL), TX_COMMITTED);
    assert_int_equal(w.published_count, 3);
    assert_int_equal(w.settled_count, 3);
    assert_int_equal(w.settled[2], 3);
}

static void
test_rollback_drops_publishes_and_gives_settles_back(void **state)
{
    (void)state;
    add(1);
    add(2);
    tx_rollback(w.b, &w.tx, restore, NULL);
    assert_int_equal(w.restored_count, 2);
    assert_int_equal(w.restored[0], 1);
    assert_int_equal(tx_commit(w.b, &w.tx, &replay, NULL), TX_COMMITTED);
    assert_int_equal(w.published_count + w.settled_count, 0);
}

static void
test_the_budget_refuses(void **state)
{
    (void)state;
    struct message *m = fixture_message(w.b, 1, FIXTURE_TX_BYTES);
    assert_false(tx_add_publish(w.b, &w.tx, &m, NULL, 0, false));
    assert_non_null(m);
    message_drop(w.b, &m);
    uint64_t taken = 0;
    while (tx_add_settle(w.b, &w.tx, &(struct tx_settle){.delivery_tag = taken}))
        taken++;
    assert_int_equal(taken, FIXTURE_TX_BYTES / sizeof(struct tx_settle));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commit_replays_publishes_then_settles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commit_waits_for_every_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commit_goes_on_where_there_was_no_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commit_goes_on_among_its_settles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rollback_drops_publishes_and_gives_settles_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_budget_refuses, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
