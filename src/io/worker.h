/*
 * A thread for what may block (a journal's writes and syncs, hashing): it runs jobs one after the other, in
 * order, and hands each back to the shard that wants to hear of it. In the simulation a job takes the node's
 * disk latency, and one that a crash cuts off never runs.
 *
 * `done` is a notice, not a promise: it never runs once the shard has stopped, and nothing else runs in its
 * place. So a job owns nothing that only `done` would free: its memory is part of something that the
 * submitter frees in any case. The order is shards_join(), worker_free(), then the jobs and shards_free().
 */
#ifndef LEVERET_IO_WORKER_H
#define LEVERET_IO_WORKER_H

#include "base/list.h"
#include "io/world.h"

struct shard;
struct worker;

/* The submitter's memory, untouched by it from worker_submit() until `done` has begun. */
struct worker_job {
    struct list link;
    void (*run)(void *arg);  /* on the worker's thread */
    void (*done)(void *arg); /* on the shard's, in a mail phase, unless it stopped; NULL: nobody waits */
    void *arg;
    struct shard *shard;
};

struct worker *worker_new(struct io_world *world, const char *name);
/* From any thread. */
void worker_submit(struct worker *w, struct worker_job *job);
/* Runs what was submitted to its end first; what a stopped shard would have been told is dropped. */
void worker_free(struct worker *w);

#endif
