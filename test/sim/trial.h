/*
 * One run of one workload from one seed: the simulated world, the node in it, and the sessions whose input is
 * looked at after every event. Everything random comes from the seed, so a failure repeats.
 */
#ifndef LEVERET_TEST_SIM_TRIAL_H
#define LEVERET_TEST_SIM_TRIAL_H

#include "sim/sim_broker.h"
#include "sim/sim_session.h"

enum { TRIAL_SESSIONS_MAX = 256 };

struct trial {
    const char *workload;
    uint64_t seed;
    bool is_verbose;
    bool is_timeless; /* no message has an expiration */
    struct sim *sim;
    struct sim_broker *broker;
    struct sim_session *sessions[TRIAL_SESSIONS_MAX]; /* polled; NULL: free */
    unsigned session_count;                           /* of the slots, used or not */
    struct log log;
    size_t pool_bytes_peak;
    uint64_t operations; /* what the workload did, for its report */
    uint64_t trace;      /* set by trial_end(): equal for equal seeds */
};

/* Ends the process: what went wrong, the seed, and how to repeat it. */
_Noreturn void trial_fail(const struct trial *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#define TRIAL_EXPECT(t, condition, ...) ((condition) ? (void)0 : trial_fail((t), __VA_ARGS__))
/* Only when the run is verbose. */
void trial_say(const struct trial *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How long a delivery may be under way: as long as everything before it takes in this world's network. */
uint64_t trial_transit_ms(const struct trial *t);
uint64_t trial_random(struct trial *t, uint64_t bound);
/* Once in `n` times. */
bool trial_chance(struct trial *t, unsigned n);

/* A node in a new world. The network is made awkward by the seed: latencies, buffers, segment sizes. */
void trial_begin(struct trial *t, const struct sim_broker_options *options);
/* The same where the start may fail, on an earlier node's machine or with options.world; t->broker is NULL
 * then. */
bool trial_start(struct trial *t, const struct sim_broker_options *options, char *why, size_t why_size);
/* The node is gone with the power (what was not synced is in doubt), or was killed. Sessions stay. */
void trial_crash(struct trial *t, bool is_power);
/* SIGTERM, and its end. What the sessions got meanwhile is handled. */
void trial_stop(struct trial *t);
/* After trial_crash() or trial_stop(): frees the sessions and the world. */
void trial_end_down(struct trial *t);
/* 1, 2, 3 or 5 shards, mostly 1 and 3. */
unsigned trial_shards(struct trial *t);
/* Before trial_begin(): the world alone, so that options can depend on the seed. */
void trial_begin_world(struct trial *t);

struct sim_session *trial_session(struct trial *t, const struct sim_session_options *options,
                                  sim_session_on_event *on_event, void *arg);
void trial_session_free(struct trial *t, struct sim_session *s);

/* One event, then whatever arrived is handled. False: nothing will happen any more. */
bool trial_step(struct trial *t);
/* Steps until done(arg); fails with `what` after `ms` of simulated time. */
void trial_until(struct trial *t, bool (*done)(void *arg), void *arg, uint64_t ms, const char *what);
void trial_for(struct trial *t, uint64_t ms);

/*
 * The clients have gone and the queues are empty: nothing may be left. Stops the node, frees everything.
 */
void trial_end(struct trial *t);
/* The same for a node whose queues may still hold messages. */
void trial_end_full(struct trial *t);

/* The workloads. */
typedef void trial_workload(struct trial *t);
trial_workload workload_found, workload_general, workload_flood, workload_hostile, workload_churn,
    workload_alarms, workload_moves, workload_features, workload_crash;

#endif
