/* A POSIX thread behind a mutex and a condition. */
#include "io/worker.h"

#include "base/check.h"
#include "io/shard_core.h"

#include <stdio.h>
#include <stdlib.h>

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct list jobs;
    bool is_ending;
};

static struct worker_job *
next_job(struct worker *w)
{
    struct worker_job *job = NULL;
    pthread_mutex_lock(&w->lock);
    while (list_is_empty(&w->jobs) && !w->is_ending)
        pthread_cond_wait(&w->changed, &w->lock);
    if (!list_is_empty(&w->jobs)) {
        job = LIST_ENTRY(w->jobs.next, struct worker_job, link);
        list_remove(&job->link);
    }
    pthread_mutex_unlock(&w->lock);
    return job;
}

static void *
work(void *arg)
{
    struct worker *w = arg;
    for (struct worker_job *job; (job = next_job(w));) {
        job->run(job->arg);
        if (job->done)
            shard_finish_job(job->shard, job);
    }
    return NULL;
}

struct worker *
worker_new(struct io_world *world, const char *name)
{
    CHECK(!world);
    struct worker *w = calloc(1, sizeof *w);
    CHECK(w);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    list_init(&w->jobs);
    CHECK(pthread_create(&w->thread, NULL, work, w) == 0);
    char short_name[16];
    snprintf(short_name, sizeof short_name, "%.15s", name);
    pthread_setname_np(w->thread, short_name);
    return w;
}

void
worker_submit(struct worker *w, struct worker_job *job)
{
    pthread_mutex_lock(&w->lock);
    list_push_back(&w->jobs, &job->link);
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void
worker_free(struct worker *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_ending = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    free(w);
}
