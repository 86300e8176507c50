/* Shards on both sides: mail under flood, timers, mail from outside, workers, the end. */
#include "io/shard.h"

#include "io/clock.h"
#include "io/test_world.h"
#include "io/timer.h"
#include "io/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SHARDS = 3 };

/* ---- a flood: everybody sends to everybody, every mail is answered on the reserved lane ---- */

enum { FLOOD = 20000, BURST = 6000 };
enum { MAIL_DATA = 1, MAIL_ACK = 2, MAIL_BURST = 3 };

struct flooder {
    uint64_t sent[SHARDS], received[SHARDS], acked[SHARDS];
    bool parked[SHARDS];
    uint64_t refusals, rooms, wrong;
    bool is_finished;
};

struct flood {
    struct shards *shards;
    struct flooder flooders[SHARDS];
    atomic_uint finished;
};

static bool
flood_turn(struct shard *s, void *owner)
{
    struct flood *f = owner;
    struct flooder *me = &f->flooders[shard_index(s)];
    bool is_done = true, work_is_left = false;
    for (unsigned to = 0; to < SHARDS; to++) {
        for (int i = 0; i < BURST && !me->parked[to] && me->sent[to] < FLOOD; i++) {
            struct mail m = {.type = MAIL_DATA, .a = me->sent[to]};
            if (shard_post(s, to, SHARD_LANE_DATA, &m)) {
                me->sent[to]++;
            } else {
                me->parked[to] = true;
                me->refusals++;
            }
        }
        work_is_left |= !me->parked[to] && me->sent[to] < FLOOD;
        is_done &= me->acked[to] == FLOOD && me->received[to] == FLOOD;
    }
    if (is_done && !me->is_finished) {
        me->is_finished = true;
        if (atomic_fetch_add(&f->finished, 1) + 1 == SHARDS)
            shards_stop(f->shards);
    }
    return work_is_left;
}

static void
flood_mail(struct shard *s, void *owner, const struct mail *m)
{
    struct flood *f = owner;
    struct flooder *me = &f->flooders[shard_index(s)];
    uint64_t *expected = m->type == MAIL_DATA ? &me->received[m->from] : &me->acked[m->from];
    if (m->a != (*expected)++)
        me->wrong++;
    if (m->type == MAIL_DATA) {
        struct mail ack = {.type = MAIL_ACK, .a = m->a};
        if (!shard_post(s, m->from, SHARD_LANE_RESERVED, &ack))
            me->wrong++;
    }
}

static void
flood_room(struct shard *s, void *owner, unsigned to)
{
    struct flooder *me = &((struct flood *)owner)->flooders[shard_index(s)];
    if (!me->parked[to])
        me->wrong++;
    me->parked[to] = false;
    me->rooms++;
}

static void
a_flood_between_three_shards_loses_nothing_and_keeps_order(void **state)
{
    for (unsigned seed = 0; seed < test_world_seeds(3); seed++) {
        static const struct shard_hooks hooks = {
            .on_mail = flood_mail, .on_turn = flood_turn, .on_room = flood_room};
        struct io_world *world = test_world_new(seed);
        struct flood f = {0};
        f.shards = shards_new(world, SHARDS, &hooks, &f);
        assert_int_equal(shards_start(f.shards), ERR_OK);
        shards_join(f.shards);
        for (unsigned i = 0; i < SHARDS; i++) {
            assert_int_equal(f.flooders[i].wrong, 0);
            assert_true(f.flooders[i].is_finished);
            assert_true(f.flooders[i].refusals > 0); /* else the flood proves nothing */
            assert_true(f.flooders[i].rooms <= f.flooders[i].refusals);
        }
        shards_free(f.shards);
        test_world_free(world);
    }
}

/* ---- timers, mail to oneself, mail from outside, a worker ---- */

struct errands {
    struct shards *shards;
    struct wheel_timer timers[3];
    uint64_t started_ms, fired_ms[3];
    unsigned fired, order[3];
    unsigned to_self, from_outside;
    struct worker *worker;
    struct worker_job job;
    bool has_run, is_done, is_done_on_shard_1;
};

static void
check_errands(struct errands *e)
{
    if (e->fired == 3 && e->to_self == 2 && e->from_outside == 1 && e->is_done)
        shards_stop(e->shards);
}

static void
fire(struct errands *e, unsigned i)
{
    e->order[e->fired++] = i;
    e->fired_ms[i] = shard_now_ms(shards_get(e->shards, 0));
    check_errands(e);
}

static void
fire_0(void *arg)
{
    fire(arg, 0);
}

static void
fire_1(void *arg)
{
    fire(arg, 1);
}

static void
fire_2(void *arg)
{
    fire(arg, 2);
}

static void
run_job(void *arg)
{
    ((struct errands *)arg)->has_run = true;
}

static void
job_done(void *arg)
{
    struct errands *e = arg;
    e->is_done = e->has_run;
    check_errands(e);
}

static void
errands_start(struct shard *s, void *owner)
{
    struct errands *e = owner;
    e->started_ms = shard_now_ms(s);
    timer_start(s, &e->timers[0], 30, fire_0, e);
    timer_start(s, &e->timers[1], 5, fire_1, e);
    timer_start(s, &e->timers[2], 0, fire_2, e);
    struct mail m = {.type = 1};
    assert_true(shard_post(s, 0, SHARD_LANE_DATA, &m));
    assert_int_equal(e->to_self, 0);
    assert_true(shard_post(s, 0, SHARD_LANE_RESERVED, &m));
    e->job = (struct worker_job){.run = run_job, .done = job_done, .arg = e, .shard = s};
    worker_submit(e->worker, &e->job);
}

static void
errands_mail(struct shard *s, void *owner, const struct mail *m)
{
    struct errands *e = owner;
    if (m->from == SHARD_FROM_OUTSIDE)
        e->from_outside++;
    else
        e->to_self++;
    check_errands(e);
}

static void
a_shard_runs_timers_mail_and_finished_jobs(void **state)
{
    static const struct shard_hooks hooks = {.on_start = errands_start, .on_mail = errands_mail};
    struct io_world *world = test_world_new(1);
    struct errands e = {0};
    e.worker = worker_new(world, "worker");
    e.shards = shards_new(world, 1, &hooks, &e);
    assert_int_equal(shards_start(e.shards), ERR_OK);
    struct mail m = {.type = 7};
    shards_post_external(e.shards, 0, &m);
    shards_join(e.shards);
    assert_int_equal(e.fired, 3);
    assert_int_equal(e.order[0], 2);
    assert_int_equal(e.order[1], 1);
    assert_int_equal(e.order[2], 0);
    assert_true(e.fired_ms[0] - e.started_ms >= 30);
    assert_true(e.fired_ms[1] - e.started_ms >= 5);
    assert_false(timer_is_active(&e.timers[0]));
    worker_free(e.worker);
    shards_free(e.shards);
    test_world_free(world);
}

static void
late_start(struct shard *s, void *owner)
{
    struct errands *e = owner;
    e->job = (struct worker_job){.run = run_job, .done = job_done, .arg = e, .shard = s};
    worker_submit(e->worker, &e->job);
    shards_stop(e->shards);
}

/* The contract of worker.h: it ran, its `done` is dropped, and its memory is nobody's but the submitter's. */
static void
a_job_that_finishes_after_its_shard_is_run_and_not_told(void **state)
{
    static const struct shard_hooks hooks = {.on_start = late_start};
    struct io_world *world = test_world_new(1);
    struct errands e = {0};
    e.worker = worker_new(world, "worker");
    e.shards = shards_new(world, 1, &hooks, &e);
    assert_int_equal(shards_start(e.shards), ERR_OK);
    shards_join(e.shards);
    worker_free(e.worker);
    assert_true(e.has_run);
    assert_false(e.is_done);
    memset(&e.job, 0xff, sizeof e.job);
    shards_free(e.shards);
    test_world_free(world);
}

/* ---- nothing but timers ---- */

enum { CHAIN = 20, TURN_NS = 2500000, LOOKS_MAX = 1000000 };

struct chain {
    struct shards *shards;
    struct wheel_timer timer;
    unsigned fired;
};

static void
next_in_chain(void *arg)
{
    struct chain *c = arg;
    if (++c->fired == CHAIN)
        shards_stop(c->shards);
    else
        timer_start(shards_get(c->shards, 0), &c->timer, 1, next_in_chain, c);
}

/* A turn long enough for its own timer to become due; simulated time stands still meanwhile. */
static bool
chain_turn(struct shard *s, void *owner)
{
    uint64_t end = clock_now_ns(shards_world(shard_all(s))) + TURN_NS;
    for (int i = 0; i < LOOKS_MAX && clock_now_ns(shards_world(shard_all(s))) < end; i++)
        ;
    return false;
}

static void
chain_start(struct shard *s, void *owner)
{
    next_in_chain(owner);
}

/* libuv runs a due timer before it polls: the poll then slept on, with nothing left to wake it. */
static void
a_timer_that_is_due_before_the_poll_does_not_put_the_shard_to_sleep(void **state)
{
    static const struct shard_hooks hooks = {.on_start = chain_start, .on_turn = chain_turn};
    struct io_world *world = test_world_new(1);
    struct chain c = {0};
    c.shards = shards_new(world, 1, &hooks, &c);
    assert_int_equal(shards_start(c.shards), ERR_OK);
    shards_join(c.shards);
    shards_free(c.shards);
    assert_int_equal(c.fired, CHAIN);
    test_world_free(world);
}

/* ---- the end ---- */

struct ending {
    unsigned discarded;
    atomic_uint stopped;
};

static void
ending_stop(struct shard *s, void *owner)
{
    struct ending *e = owner;
    for (int i = 0; i < BURST; i++) {
        struct mail m = {.type = MAIL_BURST, .p = malloc(8)};
        assert_true(shard_post(s, 1 - shard_index(s), SHARD_LANE_RESERVED, &m));
    }
    atomic_fetch_add(&e->stopped, 1);
}

static void
ending_mail(struct shard *s, void *owner, const struct mail *m)
{
    free(m->p);
}

static void
ending_discard(void *owner, const struct mail *m)
{
    ((struct ending *)owner)->discarded++;
    free(m->p);
}

static void
mail_that_is_too_late_is_discarded_not_leaked(void **state)
{
    static const struct shard_hooks hooks = {
        .on_stop = ending_stop, .on_mail = ending_mail, .on_discard = ending_discard};
    struct io_world *world = test_world_new(1);
    struct ending e = {0};
    struct shards *shards = shards_new(world, 2, &hooks, &e);
    assert_int_equal(shards_start(shards), ERR_OK);
    shards_stop(shards);
    shards_stop(shards);
    shards_join(shards);
    struct mail m = {.p = malloc(8)};
    shards_post_external(shards, 0, &m);
    shards_free(shards);
    assert_int_equal(atomic_load(&e.stopped), 2);
    assert_true(e.discarded > BURST);
    test_world_free(world);
}

static void
shards_that_never_started_can_be_freed(void **state)
{
    static const struct shard_hooks hooks = {0};
    struct io_world *world = test_world_new(1);
    shards_free(shards_new(world, 4, &hooks, NULL));
    test_world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_between_three_shards_loses_nothing_and_keeps_order),
        cmocka_unit_test(a_shard_runs_timers_mail_and_finished_jobs),
        cmocka_unit_test(a_job_that_finishes_after_its_shard_is_run_and_not_told),
        cmocka_unit_test(a_timer_that_is_due_before_the_poll_does_not_put_the_shard_to_sleep),
        cmocka_unit_test(mail_that_is_too_late_is_discarded_not_leaked),
        cmocka_unit_test(shards_that_never_started_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
