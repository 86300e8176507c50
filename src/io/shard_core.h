/*
 * Inside io: what both implementations of shards share (shard.c), and what each of them provides (shard_uv.c,
 * shard_sim.c). Nobody outside io includes this.
 */
#ifndef LEVERET_IO_SHARD_CORE_H
#define LEVERET_IO_SHARD_CORE_H

#include "base/epoch.h"
#include "base/ring.h"
#include "base/wheel.h"
#include "io/shard.h"
#include "io/worker.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    SHARD_SET_WORDS = SHARDS_COUNT_MAX / 64,
    SHARD_SCRATCH_SIZE = 16384, /* a full TLS record */
};

/* A set of shards that others add to and the owner takes out of. */
struct shard_set {
    _Alignas(64) _Atomic uint64_t words[SHARD_SET_WORDS];
};

/* What one shard has for another. The producer's fields and the consumer's never share a cache line. */
struct lane {
    struct ring data, reserved;
    _Alignas(64) _Atomic bool starved; /* the producer wants to hear of room */
    bool data_refused;                 /* producer: on_room is owed */
    struct mail *overflow;             /* producer: reserved mail behind a full ring, first in first out */
    size_t overflow_first, overflow_count, overflow_capacity;
};

struct shard_backend;

struct shard {
    struct shards *all;
    struct shard_backend *backend;
    unsigned index;
    bool is_stopped;
    uint64_t now_ns, wall_ms; /* 0: not read in this turn */
    struct wheel wheel;
    uint64_t random_state[2];
    void *data;
    uint8_t *read_memory;            /* headroom and read buffer, from the first use on */
    uint8_t *scratch;                /* where TLS gathers a record, from the first use on */
    uint64_t dirty[SHARD_SET_WORDS]; /* lanes that have something to publish */

    struct shard_set mail_in; /* who has published mail for this shard */
    struct shard_set room_in; /* whose lanes from this shard have room again */
    _Atomic bool sleeping;    /* blocked or about to: a wake-up is needed */
    _Atomic bool external_in;
    pthread_mutex_t external_lock;
    struct mail *external;
    size_t external_count, external_capacity;
    struct list finished; /* worker_job.link: jobs whose `done` is to be called */
};

struct shards {
    const char *thread_name; /* or NULL: shard */
    unsigned count;
    struct shard_hooks hooks;
    void *owner;
    struct io_world *world;
    struct epoch epoch;
    struct shard *shards;
    struct lane *lanes; /* [from * count + to] */
    _Atomic bool stopping;
    bool is_started;
};

/* ---- shard.c, for the backends ---- */

/* Before any callback of this turn: the shard is awake. Costs a load when it was. */
void shard_enter(struct shard *s);
/* Timers, mail, room, on_turn, publishing, the epoch. True: work is left, do not sleep. */
bool shard_turn(struct shard *s);
/* Marks the shard as sleeping; false (and awake) when something has come in meanwhile. */
bool shard_try_sleep(struct shard *s);
void shard_run_start_hook(struct shard *s);
void shard_run_stop_hook(struct shard *s);
/* From a worker's thread: `done` runs in the shard's next mail phase. */
void shard_finish_job(struct shard *s, struct worker_job *job);
/* SHARD_SCRATCH_SIZE bytes, valid within one call. */
uint8_t *shard_scratch(struct shard *s);

/* ---- the backends, for shard.c ---- */

/* From any thread: ends the shard's sleep. */
void shard_backend_wake(struct shard *s);
void shard_backend_init(struct shard *s);
void shard_backend_fini(struct shard *s);

#endif
