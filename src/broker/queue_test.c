/*
 * A queue against a naive model: whatever happens, the next message is the ready one with the lowest
 * position, it goes to a consumer that can take it and that no able one of higher priority stands above, and
 * nothing waits while anybody can take.
 */
#include "broker/broker_fixture.h"
#include "broker/queue_tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CONSUMERS = 6, POSITIONS = 20000 };

enum place { NOWHERE, READY, UNACKED, GONE };

struct model_entry {
    enum place place;
    bool redelivered;
    int holder; /* consumer, or -1 for basic.get */
};

struct model_consumer {
    struct subscription s;
    bool is_there, no_ack, has_room;
    int64_t priority;
    uint32_t prefetch, unacked;
    uint64_t taken;
};

static struct {
    struct fixture f;
    struct broker *b;
    const struct queue_def *def;
    struct route *route;
    struct model_entry entries[POSITIONS];
    struct model_consumer consumers[CONSUMERS];
    uint64_t next, ready, canceled;
    uint32_t seed;
    struct op_reply last;
} w;

static uint32_t
chance(uint32_t n)
{
    w.seed = w.seed * 1664525u + 1013904223u;
    return (w.seed >> 8) % n;
}

static bool
able(const struct model_consumer *c)
{
    return c->is_there && c->has_room && (!c->prefetch || c->no_ack || c->unacked < c->prefetch);
}

static uint64_t
first_ready(void)
{
    uint64_t p = 0;
    while (p < w.next && w.entries[p].place != READY)
        p++;
    return p;
}

static bool
on_has_room(struct subscription *s)
{
    return ((struct model_consumer *)s)->has_room;
}

static void
take(uint64_t position, int holder, bool no_ack)
{
    w.entries[position].place = no_ack ? GONE : UNACKED;
    w.entries[position].holder = holder;
    w.ready--;
}

static void
on_deliver(struct subscription *s, struct message *m, uint64_t position, bool redelivered)
{
    struct model_consumer *c = (struct model_consumer *)s;
    assert_true(able(c));
    for (int i = 0; i < CONSUMERS; i++)
        assert_false(able(&w.consumers[i]) && w.consumers[i].priority > c->priority);
    position--; /* positions begin at 1, our numbers at 0 */
    assert_int_equal(position, first_ready());
    assert_int_equal(fixture_number(m), position);
    assert_int_equal(redelivered, w.entries[position].redelivered);
    take(position, (int)(c - w.consumers), c->no_ack);
    c->unacked += !c->no_ack;
    c->taken++;
}

static void
on_canceled(struct subscription *s)
{
    ((struct model_consumer *)s)->is_there = false;
    w.canceled++;
}

static void
on_replied(void *server, struct op_reply *r)
{
    (void)server;
    w.last = *r;
}

static const struct effects effects = {
    .has_room = on_has_room, .deliver = on_deliver, .canceled = on_canceled, .replied = on_replied};

static const struct channel_ref me = {.connection = 1, .channel = 1};

static int
setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    w.seed = 7;
    epoch_init(&w.f.epoch, 1);
    w.f.node.epoch = &w.f.epoch;
    fixture_meta_init(&w.f);
    w.b = broker_new(&w.f.node, NULL, &effects, NULL);
    w.def = fixture_queue(&w.f, "q", 0, false);
    w.route = fixture_route(&w.def, 1);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    free(w.route);
    broker_free(w.b);
    meta_free(w.f.node.meta);
    epoch_fini(&w.f.epoch);
    return 0;
}

static void
push(void)
{
    struct message *m = fixture_message(w.b, w.next, 16);
    unsigned pending;
    assert_int_equal(courier_publish(w.b, w.route, &m, me, 0, false, &pending), PUBLISH_DONE);
    assert_null(m);
    w.entries[w.next++] = (struct model_entry){.place = READY};
    w.ready++;
}

static void
consume(int i, const struct consumer_options *options)
{
    struct model_consumer *c = &w.consumers[i];
    courier_consume(w.b, w.def, &c->s, options, me, 1);
    if (w.last.code)
        return;
    c->is_there = true;
    c->no_ack = options->no_ack;
    c->priority = options->priority;
    c->prefetch = options->prefetch_count;
    c->unacked = 0;
    c->taken = 0;
}

static void
room(int i, bool has_room)
{
    w.consumers[i].has_room = has_room;
    if (has_room && w.consumers[i].is_there && w.consumers[i].s.stalled)
        courier_resume(w.b, &w.consumers[i].s);
}

static void
settle(uint64_t position, enum settle how)
{
    struct model_entry *e = &w.entries[position];
    courier_settle(w.b, 0, w.def->id, position + 1, how);
    if (e->place != UNACKED)
        return; /* ignored */
    if (e->holder >= 0)
        w.consumers[e->holder].unacked--;
    e->place = how == SETTLE_REQUEUE ? READY : GONE;
    e->redelivered = true;
    w.ready += how == SETTLE_REQUEUE;
}

static void
turn(void)
{
    while (broker_turn(w.b))
        ;
    broker_check(w.b);
    for (int i = 0; w.ready && i < CONSUMERS; i++)
        assert_false(able(&w.consumers[i]));
    assert_int_equal(w.ready, queue_ready_count(queue_of(w.b, w.def)));
}

/* Those that left keep what they have: their place in the model must not be taken before it is settled. */
static bool
holds_anything(int i)
{
    for (uint64_t p = 0; p < w.next; p++)
        if (w.entries[p].place == UNACKED && w.entries[p].holder == i)
            return true;
    return false;
}

static void
come_or_go(int i)
{
    struct model_consumer *c = &w.consumers[i];
    if (c->is_there && chance(2)) {
        courier_cancel(w.b, &c->s, me, 2);
        c->is_there = false;
    } else if (c->is_there) {
        courier_forget(w.b, &c->s);
        c->is_there = false;
    } else if (!holds_anything(i))
        consume(i, &(struct consumer_options){.prefetch_count = (uint16_t)chance(4),
                                              .no_ack = chance(4) == 0,
                                              .priority = (int32_t)chance(3) - 1});
}

static void
get(void)
{
    uint64_t first = first_ready();
    bool no_ack = chance(2);
    courier_get(w.b, w.def, me, 3, no_ack);
    assert_int_equal(w.last.message != NULL, first < w.next);
    if (!w.last.message)
        return;
    assert_int_equal(w.last.position, first + 1);
    assert_int_equal(w.last.redelivered, w.entries[first].redelivered);
    take(first, -1, no_ack);
    assert_int_equal(w.last.message_count, w.ready);
    message_drop(w.b, &w.last.message);
}

static void
purge(void)
{
    uint64_t ready = w.ready;
    courier_purge(w.b, w.def, me, 4);
    assert_int_equal(w.last.message_count, ready);
    for (uint64_t p = 0; p < w.next; p++)
        if (w.entries[p].place == READY)
            w.entries[p].place = GONE;
    w.ready = 0;
}

static void
settle_all(enum settle how)
{
    for (uint64_t p = 0; p < w.next; p++)
        if (w.entries[p].place == UNACKED)
            settle(p, how);
}

static void
test_random_operations_against_the_model(void **state)
{
    (void)state;
    for (int step = 0; step < 12000; step++) {
        switch (chance(12)) {
        case 0:
        case 1:
        case 2: push(); break;
        case 3:
        case 4:
        case 5:
            if (w.next)
                settle(w.next - 1 - chance(w.next < 40 ? (uint32_t)w.next : 40), (enum settle)chance(3));
            break;
        case 6: get(); break;
        case 7: room((int)chance(CONSUMERS), chance(2)); break;
        case 8:
            if (chance(3) == 0)
                come_or_go((int)chance(CONSUMERS));
            break;
        case 9:
            if (chance(100) == 0)
                purge();
            else if (chance(50) == 0)
                settle_all(SETTLE_REQUEUE);
            break;
        default: turn(); break;
        }
    }
    for (int i = 0; i < CONSUMERS; i++)
        if (w.consumers[i].is_there)
            courier_forget(w.b, &w.consumers[i].s);
    settle_all(SETTLE_ACK);
    purge();
    broker_check(w.b);
    assert_true(broker_is_idle(w.b));
}

static void
test_purge_of_a_queue_that_never_gave_anything_out(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        push();
    purge();
    broker_check(w.b);
    assert_true(broker_is_idle(w.b));
}

static void
test_equal_consumers_get_equal_shares(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        w.consumers[i].has_room = true;
        consume(i, &(struct consumer_options){.no_ack = true});
    }
    for (int i = 0; i < 300; i++)
        push();
    turn();
    for (int i = 0; i < 3; i++)
        assert_int_equal(w.consumers[i].taken, 100);
}

static void
test_a_full_consumer_leaves_its_share_to_the_next(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        w.consumers[i].has_room = true;
        consume(i, &(struct consumer_options){.prefetch_count = i == 0 ? 1 : 0});
    }
    for (int i = 0; i < 10; i++)
        push();
    turn();
    assert_int_equal(w.consumers[0].taken, 1);
    assert_int_equal(w.consumers[1].taken, 9);
}

static void
test_a_turn_is_shared_between_queues(void **state)
{
    (void)state;
    w.consumers[0].has_room = true;
    consume(0, &(struct consumer_options){.no_ack = true});
    for (int i = 0; i < 100; i++)
        push();
    assert_true(broker_turn(w.b));
    assert_int_equal(w.consumers[0].taken, FIXTURE_TURN_MESSAGES);
    assert_false(broker_turn(w.b));
    assert_int_equal(w.consumers[0].taken, 100);
}

static void
test_an_exclusive_consumer_is_alone(void **state)
{
    (void)state;
    consume(0, &(struct consumer_options){.exclusive = true});
    consume(1, &(struct consumer_options){0});
    assert_int_equal(w.last.code, 403);
    assert_string_equal(w.last.text, "queue 'q' in vhost '/' in exclusive use");
    courier_cancel(w.b, &w.consumers[0].s, me, 1);
    consume(1, &(struct consumer_options){0});
    assert_int_equal(w.last.code, 0);
    consume(2, &(struct consumer_options){.exclusive = true});
    assert_int_equal(w.last.code, 403);
    courier_counts(w.b, w.def, me, 1);
    assert_int_equal(w.last.consumer_count, 1);
    courier_forget(w.b, &w.consumers[1].s);
}

static void
test_closing_cancels_consumers_and_drops_messages(void **state)
{
    (void)state;
    w.consumers[0].has_room = true;
    consume(0, &(struct consumer_options){.prefetch_count = 2});
    consume(1, &(struct consumer_options){0});
    for (int i = 0; i < 5; i++)
        push();
    turn();
    assert_int_equal(queue_close(queue_of(w.b, w.def)), 3);
    assert_int_equal(w.canceled, 2);
    courier_settle(w.b, 0, w.def->id, 1, SETTLE_ACK);
    assert_true(broker_is_idle(w.b));
}

static void
test_a_deleted_queue_is_not_opened_again_by_an_old_route(void **state)
{
    (void)state;
    push();
    struct meta_result result = {0};
    epoch_wake(&w.f.epoch, 0); /* a turn during which the route and the definition stay valid */
    meta_apply(w.f.node.meta, &(struct meta_command){.kind = META_QUEUE_DELETE, .queue_id = w.def->id},
               &result);
    queue_close(queue_find(w.b, w.def->id));
    ((struct queue_def *)(uintptr_t)w.def)->runtime = NULL; /* close did not find the definition any more */
    struct message *m = fixture_message(w.b, 1, 16);
    unsigned pending;
    assert_int_equal(courier_publish(w.b, w.route, &m, me, 0, false, &pending), PUBLISH_DONE);
    assert_true(broker_is_idle(w.b));
}

/* What is shown: fixture messages have 16 bytes each. */
static void
test_figures_follow_what_happens(void **state)
{
    struct queue_figures f;
    struct queue *q = queue_of(w.b, w.def);
    queue_tally_figures(q, &f);
    assert_true(f.ready == 0 && f.memory > 0 && !f.is_taken_at_once && !f.has_head_timestamp);
    for (int i = 0; i < 10; i++)
        push();
    uint64_t empty = f.memory;
    room(0, true);
    consume(0, &(struct consumer_options){.prefetch_count = 3});
    turn();
    queue_tally_figures(q, &f);
    assert_true(f.ready == 7 && f.unacked == 3 && f.consumers == 1 && !f.is_taken_at_once);
    assert_true(f.ready_bytes == 7 * 16 && f.unacked_bytes == 3 * 16 && f.memory_bytes == 10 * 16);
    assert_true(f.ready_in_memory == 7 && f.persistent == 0 && f.memory > empty + 10 * 16);
    settle(0, SETTLE_ACK);
    settle(1, SETTLE_REQUEUE);
    turn();
    queue_tally_figures(q, &f);
    assert_true(f.ready == 6 && f.unacked == 3 && f.ready_bytes == 6 * 16 && f.unacked_bytes == 3 * 16);
    assert_int_equal(queue_purge(q), 6);
    queue_tally_figures(q, &f);
    assert_true(f.ready == 0 && f.ready_bytes == 0 && f.unacked == 3 && f.unacked_bytes == 3 * 16);
    broker_check(w.b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_operations_against_the_model, setup, teardown),
        cmocka_unit_test_setup_teardown(test_purge_of_a_queue_that_never_gave_anything_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_equal_consumers_get_equal_shares, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_consumer_leaves_its_share_to_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_turn_is_shared_between_queues, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_exclusive_consumer_is_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closing_cancels_consumers_and_drops_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_figures_follow_what_happens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_deleted_queue_is_not_opened_again_by_an_old_route, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
