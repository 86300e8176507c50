/*
 * Rules against a naive model: an array of messages in their order. After every step those that have expired
 * at its head and those that are too many are taken off it, and then the queue must hold what the array
 * holds, and give it out in that order. Time is a number; its passing marks the queue dirty, as its timer
 * would.
 */
#include "broker/queue_rules.h"

#include "base/check.h"
#include "broker/broker_fixture.h"
#include "broker/queue_impl.h"
#include "wire/properties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { POSITIONS = 40000, NEVER = -1 };

enum place { READY, UNACKED, GONE };

struct model_entry {
    enum place place;
    int64_t deadline; /* NEVER; or when */
    bool at_once;
    uint32_t size;
};

static struct {
    struct fixture f;
    struct broker *b;
    const struct queue_def *def;
    struct route *route;
    struct queue *q;
    struct subscription consumer;
    bool is_consuming, has_room;
    struct model_entry entries[POSITIONS];
    uint64_t next, delivered;
    uint32_t seed;
    struct queue_settings settings;
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
    uint64_t p = 0;
    while (p < w.next && w.entries[p].place != READY)
        p++;
    return p;
}

static bool
is_too_much(uint64_t count, uint64_t bytes)
{
    return count > (uint64_t)w.settings.length_max || bytes > (uint64_t)w.settings.length_bytes_max;
}

static bool
is_over(void)
{
    uint64_t count = 0, bytes = 0;
    for (uint64_t p = 0; p < w.next; p++)
        if (w.entries[p].place == READY) {
            count++;
            bytes += w.entries[p].size;
        }
    return is_too_much(count, bytes);
}

static bool
can_take(void)
{
    return w.is_consuming && w.has_room;
}

/* What must be gone by now: nothing of it may be delivered from here on. */
static void
model_settles(void)
{
    uint64_t p;
    while (!can_take() && !w.settings.is_rejecting && is_over())
        w.entries[first_ready()].place = GONE;
    for (; (p = first_ready()) < w.next; w.entries[p].place = GONE) {
        const struct model_entry *e = &w.entries[p];
        bool is_due = e->at_once ? !can_take() : e->deadline != NEVER && e->deadline <= (int64_t)w.b->now_ms;
        if (!is_due)
            break;
    }
}

static uint64_t
ready_count(void)
{
    uint64_t n = 0;
    for (uint64_t p = 0; p < w.next; p++)
        n += w.entries[p].place == READY;
    return n;
}

/* ---- the queue ---- */

static bool
on_has_room(struct subscription *s)
{
    return w.has_room;
}

static void
on_deliver(struct subscription *s, struct message *m, uint64_t position, bool redelivered)
{
    model_settles();
    assert_int_equal(position - 1, first_ready());
    assert_int_equal(fixture_number(m), position - 1);
    w.entries[position - 1].place = GONE;
    w.delivered++;
}

static void
on_replied(void *server, struct op_reply *r)
{
    w.last = *r;
}

static void
on_canceled(struct subscription *s)
{
    w.is_consuming = false;
}

static const struct effects effects = {
    .has_room = on_has_room, .deliver = on_deliver, .replied = on_replied, .canceled = on_canceled};

static int
set_up(void **state)
{
    memset(&w, 0, sizeof w);
    w.seed = 11;
    epoch_init(&w.f.epoch, 1);
    w.f.node.epoch = &w.f.epoch;
    fixture_meta_init(&w.f);
    w.b = broker_new(&w.f.node, NULL, &effects, NULL);
    w.b->now_ms = 1000;
    w.def = fixture_queue(&w.f, "q", 0, false);
    w.route = fixture_route(&w.def, 1);
    w.q = queue_of(w.b, w.def);
    queue_settings_of(w.def, &w.settings);
    return 0;
}

static int
tear_down(void **state)
{
    free(w.route);
    broker_free(w.b);
    meta_free(w.f.node.meta);
    epoch_fini(&w.f.epoch);
    return 0;
}

static void
turn(void)
{
    while (broker_turn(w.b))
        ;
    model_settles();
    broker_check(w.b);
    assert_int_equal(ready_count(), queue_ready_count(w.q));
}

/* As if a policy had changed. */
static void
set(struct queue_settings s)
{
    queue_rules_get(w.q)->settings = w.settings = s;
    queue_mark_dirty(w.q);
    turn();
}

static void
pass(uint64_t ms)
{
    w.b->now_ms += ms;
    queue_mark_dirty(w.q);
    turn();
}

static struct message *
message(uint32_t size, int64_t ttl)
{
    uint8_t run[64];
    char text[24];
    struct properties p = {0};
    if (ttl != NEVER) {
        snprintf(text, sizeof text, "%lld", (long long)ttl);
        p.flags = PROPERTY_FLAG(PROPERTY_EXPIRATION);
        p.expiration = slice_str(text);
    }
    struct message *m =
        message_new(w.b, slice_str("x"), slice_str("key"), slice_of(run, properties_encode(run, &p)), size);
    memset(message_body_mut(m), 0, size);
    memcpy(message_body_mut(m), &w.next, sizeof w.next);
    return m;
}

/* False: refused. */
static bool
push(uint32_t size, int64_t ttl)
{
    CHECK(w.next < POSITIONS);
    struct message *m = message(size, ttl);
    unsigned pending;
    uint64_t queue_ttl = (uint64_t)w.settings.message_ttl_ms;
    if (w.settings.message_ttl_ms != QUEUE_SETTING_NONE && (ttl == NEVER || queue_ttl < (uint64_t)ttl))
        ttl = w.settings.message_ttl_ms;
    struct model_entry *e = &w.entries[w.next];
    *e = (struct model_entry){.place = READY,
                              .size = size,
                              .at_once = ttl == 0,
                              .deadline = ttl == NEVER ? NEVER : (int64_t)w.b->now_ms + ttl};
    w.next++;
    bool is_refused = w.settings.is_rejecting && (can_take() ? is_too_much(1, size) : is_over());
    if (is_refused)
        w.next--;
    enum publish_result how = courier_publish(w.b, w.route, &m, me, 0, false, &pending);
    assert_int_equal(how, is_refused ? PUBLISH_REJECTED : PUBLISH_DONE);
    return !is_refused;
}

static uint64_t
get(void)
{
    courier_get(w.b, w.def, me, 1, false);
    model_settles();
    uint64_t p = first_ready();
    if (!w.last.message) {
        assert_int_equal(p, w.next);
        return UINT64_MAX;
    }
    assert_int_equal(w.last.position - 1, p);
    message_drop(w.b, &w.last.message);
    w.entries[p].place = UNACKED;
    return p;
}

static void
settle(uint64_t p, enum settle how)
{
    courier_settle(w.b, 0, w.def->id, p + 1, how);
    w.entries[p].place = how == SETTLE_REQUEUE ? READY : GONE;
}

static void
consume(bool is_on)
{
    if (is_on == w.is_consuming)
        return;
    struct consumer_options options = {.no_ack = true};
    w.is_consuming = is_on;
    if (is_on)
        courier_consume(w.b, w.def, &w.consumer, &options, me, 2);
    else
        courier_cancel(w.b, &w.consumer, me, 3);
}

static void
room(bool has_room)
{
    w.has_room = has_room;
    if (has_room && w.is_consuming && w.consumer.stalled)
        courier_resume(w.b, &w.consumer);
}

/* ---- tests ---- */

static struct queue_settings
none(void)
{
    struct queue_settings s;
    queue_settings_of(w.def, &s);
    return s;
}

static void
a_plain_queue_has_no_rules(void **state)
{
    push(8, NEVER);
    turn();
    assert_null(w.q->rules);
    assert_int_equal(w.q->messages->entries.entry_size, sizeof(struct queue_entry));
    assert_true(sizeof(struct queue) <= 320);
}

static void
a_message_with_a_ttl_makes_the_entries_before_it_wider(void **state)
{
    for (int i = 0; i < 1000; i++)
        push(8, NEVER);
    push(8, 50);
    turn();
    for (int i = 0; i < 1000; i++)
        settle(get(), SETTLE_ACK);
    assert_int_equal(ready_count(), 1);
    pass(49);
    assert_int_equal(ready_count(), 1);
    pass(1);
    assert_int_equal(ready_count(), 0);
}

static void
a_lowered_limit_drops_in_slices(void **state)
{
    for (int i = 0; i < 3 * QUEUE_SLICE; i++)
        push(8, NEVER);
    turn();
    struct queue_settings s = none();
    s.length_max = 10;
    queue_rules_get(w.q)->settings = w.settings = s;
    queue_mark_dirty(w.q);
    assert_true(broker_turn(w.b));
    assert_int_equal(queue_ready_count(w.q), 2 * QUEUE_SLICE);
    turn();
    assert_int_equal(ready_count(), 10);
}

static void
what_expires_together_goes_in_slices(void **state)
{
    for (int i = 0; i < 3 * QUEUE_SLICE; i++)
        push(8, 100);
    turn();
    w.b->now_ms += 100;
    queue_mark_dirty(w.q);
    assert_true(broker_turn(w.b));
    assert_int_equal(queue_ready_count(w.q), 2 * QUEUE_SLICE);
    turn();
    assert_int_equal(ready_count(), 0);
}

static void
a_get_beside_more_than_a_slice_of_expired_ones_waits(void **state)
{
    for (int i = 0; i < 2 * QUEUE_SLICE; i++)
        push(8, 100);
    push(8, NEVER);
    turn();
    w.b->now_ms += 100;
    w.last = (struct op_reply){.op = 99};
    courier_get(w.b, w.def, me, 1, false);
    assert_int_equal(w.last.op, 99); /* no answer yet, and above all not an expired message */
    while (broker_turn(w.b))
        ;
    model_settles();
    assert_int_equal(w.last.op, 1);
    assert_int_equal(w.last.position - 1, 2 * QUEUE_SLICE);
    message_drop(w.b, &w.last.message);
}

static void
a_consumer_gets_all_of_a_burst_before_the_limit_counts(void **state)
{
    struct queue_settings s = none();
    s.length_max = 3;
    set(s);
    consume(true);
    room(true);
    turn();
    for (int i = 0; i < 1000; i++)
        push(8, NEVER);
    turn();
    assert_int_equal(w.delivered, 1000);
}

static void
what_a_consumer_takes_leaves_room_in_a_queue_that_rejects(void **state)
{
    struct queue_settings s = none();
    s.length_max = 1;
    s.is_rejecting = true;
    set(s);
    consume(true);
    room(true);
    turn();
    for (int i = 0; i < 3; i++)
        push(8, NEVER);
    turn();
    assert_int_equal(w.delivered, 3);
}

static void
a_policy_applies_to_a_queue_at_work(void **state)
{
    struct meta_result result = {0};
    struct meta_command policy = {.kind = META_POLICY_SET,
                                  .vhost = slice_str("/"),
                                  .name = slice_str("p"),
                                  .pattern = slice_str("^q$"),
                                  .apply_to = slice_str("queues"),
                                  .value = slice_str("{\"max-length\":2,\"message-ttl\":100}")};
    for (int i = 0; i < 5; i++)
        push(8, NEVER);
    turn();
    meta_apply(w.f.node.meta, &policy, &result);
    assert_int_equal(result.code, 0);
    while (meta_turn(w.f.node.meta))
        ;
    queue_rules_changed(w.b, w.def->id);
    queue_settings_of(w.def, &w.settings);
    turn();
    assert_int_equal(ready_count(), 2);
    pass(1000); /* what was there before has no deadline */
    assert_int_equal(ready_count(), 2);
    push(8, NEVER);
    push(8, NEVER);
    turn();
    pass(100);
    assert_int_equal(ready_count(), 0);
}

/* RabbitMQ 3.10.8: its quorum queues expire under passive declarations ten times a second, classic ones do
 * not. */
static void
a_declaration_is_a_use_of_a_classic_queue_alone(void **state)
{
    struct queue_settings s = none();
    s.expires_ms = 1000;
    set(s);
    queue_lease_start(w.q);
    w.b->now_ms += 10;
    courier_counts(w.b, w.def, me, 1);
    assert_int_equal(w.q->rules->used_at_ms, w.b->now_ms);
    w.q->is_quorum = true;
    w.b->now_ms += 10;
    courier_counts(w.b, w.def, me, 1);
    assert_int_equal(w.q->rules->used_at_ms, w.b->now_ms - 10);
    courier_get(w.b, w.def, me, 1, false);
    assert_int_equal(w.q->rules->used_at_ms, w.b->now_ms);
}

static struct queue_settings
some_settings(void)
{
    struct queue_settings s = none();
    if (chance(2))
        s.message_ttl_ms = chance(3) ? chance(200) : 0;
    if (chance(2))
        s.length_max = chance(20);
    if (chance(3) == 0)
        s.length_bytes_max = chance(400);
    s.is_rejecting = chance(3) == 0;
    return s;
}

/* A fresh queue's entries are looked through from the start: the model's are kept few. */
static void
random_steps_are_those_of_the_model(void **state)
{
    uint64_t unacked[64], count = 0;
    for (unsigned step = 0; step < 30000; step++) {
        switch (chance(10)) {
        case 0: pass(chance(60)); break;
        case 1:
            turn();
            if (count < 64 && (unacked[count] = get()) != UINT64_MAX)
                count++;
            break;
        case 2:
        case 3:
            if (count > 0) {
                uint64_t at = chance((uint32_t)count), p = unacked[at];
                unacked[at] = unacked[--count];
                settle(p, (enum settle)chance(3));
                turn();
            }
            break;
        case 4:
            if (chance(20) == 0)
                set(some_settings());
            break;
        case 5:
            room(chance(2));
            if (chance(10) == 0)
                consume(chance(2));
            turn();
            break;
        default: push(8 + chance(40), chance(3) ? NEVER : (int64_t)chance(100) * (chance(4) != 0)); turn();
        }
        if (step % 2000 == 1999 && count == 0)
            w.seed += step;
    }
    broker_check(w.b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plain_queue_has_no_rules),
        TEST(a_message_with_a_ttl_makes_the_entries_before_it_wider),
        TEST(a_lowered_limit_drops_in_slices),
        TEST(what_expires_together_goes_in_slices),
        TEST(a_get_beside_more_than_a_slice_of_expired_ones_waits),
        TEST(a_consumer_gets_all_of_a_burst_before_the_limit_counts),
        TEST(what_a_consumer_takes_leaves_room_in_a_queue_that_rejects),
        TEST(a_policy_applies_to_a_queue_at_work),
        TEST(a_declaration_is_a_use_of_a_classic_queue_alone),
        TEST(random_steps_are_those_of_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
