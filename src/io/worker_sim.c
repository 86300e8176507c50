/* A worker in the simulation: its next job runs, whole, when the disk's latency has passed. */
#include "io/worker.h"

#include "base/check.h"
#include "io/sim_inside.h"

#include <stdlib.h>

struct worker {
    struct io_world *node;
    struct list in_node, jobs;
    struct sim_event event;
};

static void
plan(struct worker *w)
{
    struct sim *sim = w->node->sim;
    if (!list_is_empty(&w->jobs) && !w->event.place)
        sim_schedule(sim, &w->event, sim->now_ns + sim_disk_latency(w->node->disk));
}

static void
run_first(struct worker *w)
{
    struct worker_job *job = LIST_ENTRY(w->jobs.next, struct worker_job, link);
    list_remove(&job->link);
    job->run(job->arg);
    if (job->done)
        shard_finish_job(job->shard, job);
}

static void
on_time(void *arg)
{
    struct worker *w = arg;
    if (w->node->sim->now_ns < w->node->paused_until) {
        sim_schedule(w->node->sim, &w->event, w->node->paused_until);
        return;
    }
    run_first(w);
    plan(w);
}

struct worker *
worker_new(struct io_world *world, const char *name)
{
    struct worker *w = calloc(1, sizeof *w);
    CHECK(w);
    w->node = world;
    w->event = (struct sim_event){.name = "worker", .fn = on_time, .arg = w};
    list_init(&w->jobs);
    list_push_back(&world->workers, &w->in_node);
    return w;
}

void
worker_submit(struct worker *w, struct worker_job *job)
{
    list_push_back(&w->jobs, &job->link);
    plan(w);
}

void
worker_free(struct worker *w)
{
    if (!w)
        return;
    sim_cancel(w->node->sim, &w->event);
    while (!list_is_empty(&w->jobs))
        run_first(w);
    list_remove(&w->in_node);
    free(w);
}

void
sim_workers_crash(struct io_world *node)
{
    LIST_FOREACH (entry, &node->workers) {
        struct worker *w = LIST_ENTRY(entry, struct worker, in_node);
        sim_cancel(node->sim, &w->event);
        while (!list_is_empty(&w->jobs))
            list_remove(w->jobs.next);
    }
}
