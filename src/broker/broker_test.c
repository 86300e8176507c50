/* What a shard gives back by itself, in the simulation: memory of a drained backlog, and what was deleted. */
#include "broker/broker_fixture.h"
#include "io/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { QUEUES = 3 * EPOCH_COLLECT_MAX, MESSAGES = 5000, WAIT_MS = 5000, IDLE_MS = 60000 };

struct world {
    struct fixture f;
    struct sim *sim;
    struct shards *shards;
    struct broker *b;
    size_t waiting;    /* to be freed, after the last turn */
    size_t freed_most; /* in one turn */
    unsigned turns;
};

static void
on_start(struct shard *s, void *owner)
{
    static const struct effects effects;
    struct world *w = owner;
    w->b = broker_new(&w->f.node, s, &effects, w);
}

static bool
on_turn(struct shard *s, void *owner)
{
    struct world *w = owner;
    size_t before = w->f.node.epoch->count;
    bool more = broker_turn(w->b);
    w->waiting = w->f.node.epoch->count;
    if (before - w->waiting > w->freed_most)
        w->freed_most = before - w->waiting;
    w->turns++;
    return more;
}

/* The command or the message comes as if from outside: the test's own thread is the shard's. */
static struct world *
world_new(void)
{
    static const struct shard_hooks hooks = {.on_start = on_start, .on_turn = on_turn};
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->sim = sim_new(1);
    w->shards = shards_new(sim_node_new(w->sim, "node"), 1, &hooks, w);
    w->f.node.shards = w->shards;
    w->f.node.epoch = shards_epoch(w->shards);
    fixture_meta_init(&w->f);
    return w;
}

static bool
is_up(void *arg)
{
    return ((struct world *)arg)->b != NULL;
}

static bool
has_turned(void *arg)
{
    return ((struct world *)arg)->turns > 0;
}

static void
world_start(struct world *w)
{
    assert_int_equal(shards_start(w->shards), ERR_OK);
    assert_true(sim_run_until(w->sim, is_up, w, WAIT_MS));
}

/* Something happened: the shard has a turn. */
static void
world_poke(struct world *w)
{
    w->turns = 0;
    shards_post_external(w->shards, 0, &(struct mail){.type = MAIL_SERVER});
    assert_true(sim_run_until(w->sim, has_turned, w, WAIT_MS));
}

static void
world_free(struct world *w)
{
    shards_stop(w->shards);
    shards_join(w->shards);
    broker_free(w->b);
    meta_free(w->f.node.meta);
    shards_free(w->shards);
    sim_free(w->sim);
    free(w);
}

static bool
has_given_back_all(void *arg)
{
    return pool_bytes_mapped(((struct world *)arg)->b->pool) == 0;
}

static bool
never(void *arg)
{
    return false;
}

static void
memory_of_a_drained_backlog_goes_back_and_the_shard_sleeps(void **state)
{
    struct world *w = world_new();
    static struct message *backlog[MESSAGES];
    world_start(w);
    for (unsigned i = 0; i < MESSAGES; i++)
        backlog[i] = fixture_message(w->b, i, 1000);
    world_poke(w);
    for (unsigned i = 0; i < MESSAGES; i++)
        message_drop(w->b, &backlog[i]);
    assert_true(POOL_SMALL_MAX == 0 || pool_bytes_mapped(w->b->pool) > 0);
    assert_true(sim_run_until(w->sim, has_given_back_all, w, WAIT_MS));
    sim_run_until(w->sim, never, w, WAIT_MS); /* the timer's last tick */
    w->turns = 0;
    sim_run_until(w->sim, never, w, IDLE_MS);
    assert_int_equal(w->turns, 0);
    world_free(w);
}

static bool
nothing_waits(void *arg)
{
    return ((struct world *)arg)->f.node.epoch->count == 0;
}

static void
what_was_deleted_is_freed_without_another_command_and_in_bounded_parts(void **state)
{
    struct world *w = world_new();
    struct meta_result result;
    for (unsigned i = 0; i < QUEUES; i++) {
        char name[16];
        snprintf(name, sizeof name, "q%u", i);
        fixture_queue(&w->f, name, 0, false);
    }
    world_start(w);
    meta_apply(w->f.node.meta, &(struct meta_command){.kind = META_VHOST_DELETE, .name = slice_str("/")},
               &result);
    assert_int_equal(result.code, 0);
    assert_true(w->f.node.epoch->count > QUEUES - EPOCH_COLLECT_MAX);
    world_poke(w);
    assert_true(sim_run_until(w->sim, nothing_waits, w, WAIT_MS));
    assert_true(w->freed_most > 0 && w->freed_most <= EPOCH_COLLECT_MAX);
    world_free(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_of_a_drained_backlog_goes_back_and_the_shard_sleeps),
        cmocka_unit_test(what_was_deleted_is_freed_without_another_command_and_in_bounded_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
