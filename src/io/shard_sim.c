/*
 * Shards in the simulation: a turn is an event. A shard with something to do has its next turn scheduled
 * within microseconds, at a random moment so that shards interleave differently for every seed; one without
 * sleeps until its wheel's next deadline, or until somebody wakes it.
 */
#include "base/check.h"
#include "io/sim_inside.h"

#include <stdlib.h>

enum {
    TURN_GAP_MIN_NS = 500,
    TURN_GAP_MAX_NS = 20000,
};

void
sim_shard_stir(struct shard *s)
{
    struct shard_backend *b = s->backend;
    struct sim *sim = b->node->sim;
    if (b->is_dead || !b->is_started || s->is_stopped)
        return;
    uint64_t time = sim->now_ns + sim_random_between(sim, TURN_GAP_MIN_NS, TURN_GAP_MAX_NS);
    sim_schedule_by(sim, &b->turn, time);
}

void
sim_shard_call(struct shard *s, struct sim_call *call)
{
    if (list_is_linked(&call->link))
        return;
    list_push_back(&s->backend->calls, &call->link);
    sim_shard_stir(s);
}

void
shard_backend_wake(struct shard *s)
{
    sim_shard_stir(s);
}

static void
stop(struct shard *s)
{
    shard_run_stop_hook(s);
    sim_signal_end(s->backend);
    sim_net_end_all(s->backend, false);
}

static void
run_calls(struct shard_backend *b)
{
    struct list todo;
    list_init(&todo);
    while (!list_is_empty(&b->calls)) {
        struct list *node = b->calls.next;
        list_remove(node);
        list_push_back(&todo, node);
    }
    while (!list_is_empty(&todo)) {
        struct sim_call *call = LIST_ENTRY(todo.next, struct sim_call, link);
        list_remove(&call->link);
        call->fn(call->arg);
    }
}

/* What a loop does before it may wait. */
static void
plan_next_turn(struct shard *s, bool work_is_left)
{
    struct shard_backend *b = s->backend;
    if (work_is_left || !list_is_empty(&b->ready) || !list_is_empty(&b->calls) || !shard_try_sleep(s)) {
        sim_shard_stir(s);
        return;
    }
    uint64_t deadline = wheel_next_deadline(&s->wheel);
    if (deadline != WHEEL_NEVER)
        sim_schedule_by(b->node->sim, &b->turn, deadline * 1000000);
}

static void
on_turn(void *arg)
{
    struct shard *s = arg;
    struct shard_backend *b = s->backend;
    if (b->node->sim->now_ns < b->node->paused_until) {
        sim_schedule(b->node->sim, &b->turn, b->node->paused_until);
        return;
    }
    sim_note(b->node->sim, "shard", b->node->index, s->index);
    if (atomic_load(&s->all->stopping)) {
        stop(s);
        return;
    }
    shard_enter(s);
    run_calls(b);
    sim_net_poll(b);
    plan_next_turn(s, shard_turn(s));
}

static void
on_start(void *arg)
{
    struct shard *s = arg;
    s->backend->turn.name = "turn";
    s->backend->turn.fn = on_turn;
    shard_run_start_hook(s);
    sim_shard_stir(s);
}

void
shard_backend_init(struct shard *s)
{
    struct shard_backend *b = calloc(1, sizeof *b);
    CHECK(b && s->all->world);
    s->backend = b;
    b->shard = s;
    b->node = s->all->world;
    b->turn = (struct sim_event){.name = "start", .fn = on_start, .arg = s};
    list_init(&b->conns);
    list_init(&b->ready);
    list_init(&b->calls);
    list_init(&b->listeners);
    list_init(&b->connectings);
    list_push_back(&b->node->backends, &b->in_node);
}

void
shard_backend_fini(struct shard *s)
{
    struct shard_backend *b = s->backend;
    CHECK(!b->is_started || b->is_dead || s->is_stopped);
    sim_cancel(b->node->sim, &b->turn);
    sim_signal_end(b);
    sim_net_free_all(b);
    list_remove(&b->in_node);
    free(b);
    s->backend = NULL;
}

enum err
shards_start(struct shards *all)
{
    CHECK(!all->is_started);
    all->is_started = true;
    for (unsigned i = 0; i < all->count; i++) {
        struct shard *s = &all->shards[i];
        s->backend->is_started = true;
        sim_shard_stir(s);
    }
    return ERR_OK;
}

static bool
has_ended(void *arg)
{
    struct shards *all = arg;
    for (unsigned i = 0; all->is_started && i < all->count; i++)
        if (!all->shards[i].is_stopped && !all->shards[i].backend->is_dead)
            return false;
    return true;
}

void
shards_join(struct shards *all)
{
    CHECK(sim_run_until(all->world->sim, has_ended, all, 3600000));
}

/* ---- what befalls a node ---- */

bool
sim_node_has_dead(const struct io_world *node)
{
    LIST_FOREACH (entry, &node->backends)
        if (LIST_ENTRY(entry, struct shard_backend, in_node)->is_dead)
            return true;
    return false;
}

unsigned
sim_node_crashes(const struct io_world *node)
{
    return node->crashes;
}

static void
end_processes(struct io_world *node)
{
    sim_cancel(node->sim, &node->down);
    LIST_FOREACH (entry, &node->backends) {
        struct shard_backend *b = LIST_ENTRY(entry, struct shard_backend, in_node);
        b->is_dead = true;
        sim_cancel(node->sim, &b->turn);
        epoch_sleep(&b->shard->all->epoch, b->shard->index);
        sim_net_end_all(b, true);
    }
    sim_links_crash(node);
    sim_workers_crash(node);
    node->watch = NULL;
    node->descriptors = 0;
}

void
sim_node_crash(struct io_world *node)
{
    sim_note(node->sim, "crash", node->index, 0);
    end_processes(node);
    sim_disk_crash(node->disk, true);
}

void
sim_node_kill(struct io_world *node)
{
    sim_note(node->sim, "kill", node->index, 0);
    end_processes(node);
    sim_disk_crash(node->disk, false);
}

void
sim_node_pause(struct io_world *node, uint64_t ms)
{
    node->paused_until = node->sim->now_ns + ms * 1000000;
    sim_note(node->sim, "pause", node->index, ms);
}
