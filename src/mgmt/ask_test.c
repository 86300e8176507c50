/*
 * Questions from a thread of its own to an application that comes and goes all the time, on the machine:
 * every one comes back exactly once. What a single one sees in each case is in control_test.c.
 */
#include "mgmt/ask.h"

#include "base/check.h"
#include "server/server.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_S = 60, QUESTIONS = 16, APP_SHARDS = 2, BOOTS = 40, ANSWERS_PER_BOOT = 50 };

struct question {
    struct ask ask; /* first */
    struct world *world;
    unsigned number, rounds;
    bool is_open, has_run;
};

struct world {
    struct shards *own;
    struct asker *asker;
    struct node node;
    struct server server;
    struct question questions[QUESTIONS];
    struct ask *held[APP_SHARDS]; /* each shard's: not answered before the next such one, or ever */
    atomic_bool is_over;
    atomic_uint answered, discarded, open;
};

static struct world *
world_of(struct ask *a)
{
    return ((struct question *)a)->world;
}

static bool
run(struct ask *a, struct server_shard *home)
{
    struct question *q = (struct question *)a;
    CHECK(q->is_open && !q->has_run);
    q->has_run = true;
    return true;
}

static bool
run_late(struct ask *a, struct server_shard *home)
{
    struct question *q = (struct question *)a;
    struct ask **held = &q->world->held[q->rounds % APP_SHARDS], *before = *held;
    q->has_run = true;
    *held = a;
    if (before)
        ask_answer(before);
    return false;
}

static void post(struct question *q);

static void
done(struct ask *a)
{
    struct question *q = (struct question *)a;
    struct world *w = world_of(a);
    CHECK(q->is_open);
    CHECK(a->discarded || q->has_run);
    q->is_open = false;
    q->rounds++;
    atomic_fetch_add(a->discarded ? &w->discarded : &w->answered, 1);
    if (atomic_load(&w->is_over))
        atomic_fetch_sub(&w->open, 1);
    else
        post(q);
}

static void
post(struct question *q)
{
    q->is_open = true;
    q->has_run = false;
    q->ask.run = q->number % 4 == 0 ? run_late : run;
    q->ask.done = done;
    q->ask.boot = 0;
    ask_post(q->world->asker, q->rounds % APP_SHARDS, &q->ask);
    CHECK(q->is_open); /* never inside of the call */
}

static void
on_start(struct shard *s, void *owner)
{
    struct world *w = owner;
    for (unsigned i = 0; i < QUESTIONS; i++) {
        w->questions[i] = (struct question){.world = w, .number = i};
        atomic_fetch_add(&w->open, 1);
        post(&w->questions[i]);
    }
}

static void
on_mail(struct shard *s, void *owner, const struct mail *m)
{
    struct world *w = owner;
    CHECK(ask_on_mail(w->asker, s, m));
}

static void
on_app_mail(struct shard *s, void *owner, const struct mail *m)
{
    CHECK(ask_on_mail(NULL, s, m));
}

/* Starts, waits until so many have been answered, and ends while others are on their way. */
static void
boot_once(struct world *w)
{
    static const struct shard_hooks hooks = {.on_mail = on_app_mail};
    unsigned before = atomic_load(&w->answered);
    w->node.shards = shards_new(NULL, APP_SHARDS, &hooks, w);
    asker_set_server(w->asker, &w->server);
    assert_int_equal(shards_start(w->node.shards), ERR_OK);
    while (atomic_load(&w->answered) - before < ANSWERS_PER_BOOT) /* the alarm is the deadline */
        sched_yield();
    shards_stop(w->node.shards);
    shards_join(w->node.shards);
    for (unsigned i = 0; i < APP_SHARDS; i++)
        w->held[i] = NULL; /* what nobody will answer */
    asker_set_server(w->asker, NULL);
    shards_free(w->node.shards);
}

static void
every_question_comes_back_once_whatever_the_application_does(void **state)
{
    static const struct shard_hooks hooks = {.on_start = on_start, .on_mail = on_mail};
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    alarm(DEADLINE_S);
    w->server.node = &w->node;
    w->own = shards_new(NULL, 1, &hooks, w);
    w->asker = asker_new(shards_get(w->own, 0));
    assert_int_equal(shards_start(w->own), ERR_OK);
    for (unsigned i = 0; i < BOOTS; i++)
        boot_once(w);
    atomic_store(&w->is_over, true);
    while (atomic_load(&w->open) > 0)
        sched_yield();
    assert_true(atomic_load(&w->discarded) >= BOOTS); /* at least what was held each time */
    shards_stop(w->own);
    shards_join(w->own);
    assert_true(asker_is_idle(w->asker));
    shards_free(w->own);
    asker_free(w->asker);
    free(w);
    alarm(0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_question_comes_back_once_whatever_the_application_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
