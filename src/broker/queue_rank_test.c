/*
 * Priorities against a naive model: an array of messages in the order of their arrival. The next one is the
 * first of the highest priority that is ready, whatever was requeued, purged or dropped before.
 */
#include "broker/queue_rank.h"

#include "broker/broker_fixture.h"
#include "broker/queue_tally.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { NUMBERS = 20000, NO_PRIORITY = -1 };

enum place { READY, UNACKED, GONE };

struct model_entry {
    enum place place;
    unsigned rank;
    bool redelivered;
    uint64_t position; /* as a session knows it, while it is unacked */
    int64_t deadline;  /* 0: none */
};

static struct {
    struct fixture f;
    struct broker *b;
    const struct queue_def *def;
    struct route *route;
    struct subscription consumer;
    bool is_consuming, has_room, no_ack;
    struct model_entry entries[NUMBERS];
    uint64_t next, delivered;
    unsigned priority_max;
    uint64_t length_max;
    uint32_t seed;
    struct op_reply last;
} w;

static const struct channel_ref me = {.connection = 1, .channel = 1};

static uint32_t
chance(uint32_t n)
{
    w.seed = w.seed * 1664525u + 1013904223u;
    return (w.seed >> 8) % n;
}

/* ---- the model ---- */

static uint64_t
first_ready(void)
{
    uint64_t first = w.next;
    for (uint64_t n = 0; n < w.next; n++)
        if (w.entries[n].place == READY && (first == w.next || w.entries[n].rank > w.entries[first].rank))
            first = n;
    return first;
}

static uint64_t
ready_count(void)
{
    uint64_t count = 0;
    for (uint64_t n = 0; n < w.next; n++)
        count += w.entries[n].place == READY;
    return count;
}

static uint64_t
first_of(unsigned rank)
{
    uint64_t n = 0;
    while (n < w.next && (w.entries[n].place != READY || w.entries[n].rank != rank))
        n++;
    return n;
}

/* What is too much goes first, then what has expired at the head of each priority. */
static void
model_settles(void)
{
    while (!(w.is_consuming && w.has_room) && ready_count() > w.length_max)
        w.entries[first_ready()].place = GONE;
    for (unsigned rank = 0; rank <= w.priority_max; rank++)
        for (uint64_t n; (n = first_of(rank)) < w.next; w.entries[n].place = GONE)
            if (!w.entries[n].deadline || w.entries[n].deadline > (int64_t)w.b->now_ms)
                break;
}

/* ---- the queue ---- */

static bool
on_has_room(struct subscription *s)
{
    return w.has_room;
}

static void
take(uint64_t number, uint64_t position, bool redelivered, bool no_ack)
{
    struct model_entry *e = &w.entries[number];
    assert_int_equal(number, first_ready());
    assert_int_equal(redelivered, e->redelivered);
    e->place = no_ack ? GONE : UNACKED;
    e->position = position;
}

static void
on_deliver(struct subscription *s, struct message *m, uint64_t position, bool redelivered)
{
    for (unsigned rank = 0; rank <= w.priority_max; rank++) /* an expired one is never given out */
        for (uint64_t n; (n = first_of(rank)) < w.next && w.entries[n].deadline &&
                         w.entries[n].deadline <= (int64_t)w.b->now_ms;)
            w.entries[n].place = GONE;
    take(fixture_number(m), position, redelivered, w.no_ack);
    w.delivered++;
}

static void
on_canceled(struct subscription *s)
{
}

static void
on_replied(void *server, struct op_reply *r)
{
    w.last = *r;
}

static const struct effects effects = {
    .has_room = on_has_room, .deliver = on_deliver, .canceled = on_canceled, .replied = on_replied};

static void
declare(unsigned priority_max, uint64_t length_max)
{
    struct buffer arguments = {0};
    table_add_int32(&arguments, "x-max-priority", (int32_t)priority_max);
    if (length_max != UINT64_MAX)
        table_add_int64(&arguments, "x-max-length", (int64_t)length_max);
    struct meta_result result = {0};
    struct meta_command command = {.kind = META_QUEUE_DECLARE,
                                   .vhost = slice_str("/"),
                                   .name = slice_str("q"),
                                   .arguments = buffer_slice(&arguments)};
    meta_apply(w.f.node.meta, &command, &result);
    assert_int_equal(result.code, 0);
    buffer_fini(&arguments);
    w.def = queue_def_find(w.f.vhost, slice_str("q"));
    w.route = fixture_route(&w.def, 1);
    w.priority_max = priority_max;
    w.length_max = length_max;
}

static int
setup(void **state)
{
    memset(&w, 0, sizeof w);
    w.seed = 3;
    epoch_init(&w.f.epoch, 1);
    w.f.node.epoch = &w.f.epoch;
    fixture_meta_init(&w.f);
    w.b = broker_new(&w.f.node, NULL, &effects, NULL);
    w.b->now_ms = 1000;
    return 0;
}

static int
teardown(void **state)
{
    free(w.route);
    broker_free(w.b);
    meta_free(w.f.node.meta);
    epoch_fini(&w.f.epoch);
    return 0;
}

static void
push(int priority, const char *expiration)
{
    uint8_t run[64];
    struct properties p = {0};
    if (priority != NO_PRIORITY) {
        p.flags |= PROPERTY_FLAG(PROPERTY_PRIORITY);
        p.priority = (uint8_t)priority;
    }
    if (expiration) {
        p.flags |= PROPERTY_FLAG(PROPERTY_EXPIRATION);
        p.expiration = slice_str(expiration);
    }
    struct message *m = message_new(w.b, slice_str("x"), slice_str("key"),
                                    slice_of(run, properties_encode(run, &p)), sizeof w.next);
    memcpy(message_body_mut(m), &w.next, sizeof w.next);
    unsigned pending, wanted = priority < 0 ? 0 : (unsigned)priority;
    int64_t ttl = expiration ? strtol(expiration, NULL, 10) : 0;
    w.entries[w.next++] = (struct model_entry){.rank = wanted < w.priority_max ? wanted : w.priority_max,
                                               .deadline = ttl ? (int64_t)w.b->now_ms + ttl : 0};
    assert_int_equal(courier_publish(w.b, w.route, &m, me, 0, false, &pending), PUBLISH_DONE);
}

static void
turn(void)
{
    struct queue *q = queue_find(w.b, w.def->id);
    if (q)
        queue_mark_dirty(q); /* as a timer would */
    while (broker_turn(w.b))
        ;
    model_settles();
    broker_check(w.b);
    if (q)
        assert_int_equal(queue_ready_count(q), ready_count());
}

static void
get(bool no_ack)
{
    turn();
    uint64_t first = first_ready();
    courier_get(w.b, w.def, me, 3, no_ack);
    assert_int_equal(w.last.message != NULL, first < w.next);
    if (!w.last.message)
        return;
    take(fixture_number(w.last.message), w.last.position, w.last.redelivered, no_ack);
    assert_int_equal(w.last.message_count, ready_count());
    message_drop(w.b, &w.last.message);
}

static void
settle(uint64_t number, enum settle how)
{
    struct model_entry *e = &w.entries[number];
    if (e->place != UNACKED)
        return;
    courier_settle(w.b, 0, w.def->id, e->position, how);
    e->place = how == SETTLE_REQUEUE ? READY : GONE;
    e->redelivered = true;
}

static void
purge(void)
{
    turn();
    uint64_t ready = ready_count();
    courier_purge(w.b, w.def, me, 4);
    assert_int_equal(w.last.message_count, ready);
    for (uint64_t n = 0; n < w.next; n++)
        if (w.entries[n].place == READY)
            w.entries[n].place = GONE;
}

static void
come_or_go(void)
{
    if (w.is_consuming) {
        courier_forget(w.b, &w.consumer);
        w.is_consuming = false;
        return;
    }
    for (uint64_t n = 0; n < w.next; n++)
        settle(n, SETTLE_ACK);
    w.no_ack = chance(2);
    memset(&w.consumer, 0, sizeof w.consumer);
    courier_consume(w.b, w.def, &w.consumer, &(struct consumer_options){.no_ack = w.no_ack}, me, 1);
    assert_int_equal(w.last.code, 0);
    w.is_consuming = true;
}

/* None, or up to one above the maximum, as far as an octet goes. */
static int
any_priority(void)
{
    uint32_t values = w.priority_max + 3;
    return (int)chance(values < UINT8_MAX + 2 ? values : UINT8_MAX + 2) - 1;
}

static void
step(void)
{
    static const char *const ttls[] = {NULL, NULL, NULL, "5", "40", "400"};
    switch (chance(14)) {
    case 0:
    case 1:
    case 2:
    case 3: push(any_priority(), ttls[chance(6)]); break;
    case 4:
    case 5:
    case 6: settle(w.next ? chance((uint32_t)w.next) : 0, (enum settle)chance(3)); break;
    case 7:
    case 8: get(chance(2)); break;
    case 9:
        w.has_room = !w.has_room;
        if (w.has_room && w.is_consuming && w.consumer.stalled)
            courier_resume(w.b, &w.consumer);
        break;
    case 10:
        if (chance(60) == 0)
            purge();
        break;
    case 11:
        if (chance(10) == 0)
            come_or_go();
        break;
    case 12: w.b->now_ms += chance(20); break;
    default: break;
    }
    turn();
}

static void
run(unsigned priority_max, uint64_t length_max, uint32_t seed)
{
    declare(priority_max, length_max);
    w.seed = seed;
    for (int i = 0; i < 4000; i++)
        step();
    assert_true(w.delivered > 100);
    if (w.is_consuming)
        come_or_go();
    for (uint64_t n = 0; n < w.next; n++)
        settle(n, SETTLE_ACK);
    purge();
    broker_check(w.b);
    assert_true(broker_is_idle(w.b));
}

static void
test_random_operations_with_ten_priorities(void **state)
{
    run(10, UINT64_MAX, 1);
}

static void
test_random_operations_with_255_priorities(void **state)
{
    run(255, UINT64_MAX, 2);
}

static void
test_random_operations_within_a_limit(void **state)
{
    run(4, 12, 3);
}

/* What is asked of the queue is of all of it. */
static void
test_figures_are_of_all_priorities(void **state)
{
    declare(9, UINT64_MAX);
    for (int i = 0; i < 30; i++)
        push(i % 10, NULL);
    get(false);
    struct queue_figures f;
    queue_tally_figures(queue_find(w.b, w.def->id), &f);
    assert_int_equal(f.ready, 29);
    assert_int_equal(f.unacked, 1);
    assert_int_equal(f.ready_bytes, 29 * sizeof w.next);
    assert_int_equal(f.memory_bytes, 30 * sizeof w.next);
    assert_int_equal(queue_unacked_count(queue_find(w.b, w.def->id)), 1);
    assert_int_equal(w.b->queues_opened, 1);
}

/* A deleted queue leaves nothing of its ranks behind, and its late acks meet nobody. */
static void
test_deleting_drops_every_priority(void **state)
{
    declare(9, UINT64_MAX);
    for (int i = 0; i < 30; i++)
        push(i % 10, NULL);
    get(false);
    queue_close(queue_find(w.b, w.def->id));
    broker_check(w.b);
    assert_true(broker_is_idle(w.b));
    courier_settle(w.b, 0, w.def->id, w.entries[9].position, SETTLE_ACK);
    broker_check(w.b);
}

/* As a server-named queue has after 65,536 boots of one data directory. */
static void
test_a_queue_whose_id_has_no_bits_left_is_plain(void **state)
{
    struct queue q = {.id = QUEUE_RANK_BELOW + 1};
    queue_rank_open(&q, 9);
    assert_null(q.ranks);
    assert_ptr_equal(queue_rank_get(&q, 0), &q);
    assert_null(queue_rank_get(&q, 5));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_random_operations_with_ten_priorities),
        TEST(test_random_operations_with_255_priorities),
        TEST(test_random_operations_within_a_limit),
        TEST(test_figures_are_of_all_priorities),
        TEST(test_deleting_drops_every_priority),
        cmocka_unit_test(test_a_queue_whose_id_has_no_bits_left_is_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
