/* See trial.h. */
#include "trial.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRIAL_SETTLE_MS = 60000 };

void
trial_fail(const struct trial *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s, seed %llu, at %.6f ms: ", t->workload, (unsigned long long)t->seed,
            t->sim ? (double)sim_now_ns(t->sim) / 1e6 : 0.0);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

void
trial_say(const struct trial *t, const char *format, ...)
{
    if (!t->is_verbose)
        return;
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%12.6f ms  ", t->sim ? (double)sim_now_ns(t->sim) / 1e6 : 0.0);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

enum {
    TRANSIT_BASE_MS = 2000,
    TRANSIT_BYTES = 3 << 19
}; /* a connection's output, and the network's buffers */

uint64_t
trial_transit_ms(const struct trial *t)
{
    struct sim_net net = sim_net(t->sim);
    uint64_t piece = net.chunk_max && net.chunk_max < net.buffer_bytes ? net.chunk_max : net.buffer_bytes;
    return TRANSIT_BASE_MS + TRANSIT_BYTES / (piece / 2 + 1) * (2 * net.latency_max_ns / 1000000 + 1);
}

uint64_t
trial_random(struct trial *t, uint64_t bound)
{
    return sim_random(t->sim, bound);
}

bool
trial_chance(struct trial *t, unsigned n)
{
    return sim_random(t->sim, n) == 0;
}

static void
log_line(void *arg, enum log_category category, enum log_level level, const char *text)
{
    trial_say(arg, "log: [%s] %s", log_level_name(level), text);
}

void
trial_begin_world(struct trial *t)
{
    t->sim = sim_new(t->seed);
    sim_set_verbose(t->sim, getenv("SIM_EVENTS") != NULL);
    log_init(&t->log, log_line, t, t->is_verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_NONE);
    struct sim_net net = sim_net(t->sim);
    static const size_t chunks[] = {0, 1, 7, 100, 4096, 65536};
    static const size_t buffers[] = {1024, 16384, 65536, 1 << 20};
    net.chunk_max = chunks[trial_random(t, sizeof chunks / sizeof *chunks)];
    net.buffer_bytes = buffers[trial_random(t, sizeof buffers / sizeof *buffers)];
    if (trial_chance(t, 3))
        net.latency_max_ns = 5000000;
    if (net.chunk_max == 1)
        net.buffer_bytes = 16384;
    sim_set_net(t->sim, &net);
}

unsigned
trial_shards(struct trial *t)
{
    static const unsigned counts[] = {1, 3, 1, 3, 3, 2, 5};
    return counts[trial_random(t, sizeof counts / sizeof *counts)];
}

void
trial_begin(struct trial *t, const struct sim_broker_options *options)
{
    if (!t->sim)
        trial_begin_world(t);
    struct sim_broker_options all = *options;
    all.log = &t->log;
    t->broker = sim_broker_new(t->sim, &all);
    trial_say(t, "%u shards", options->shards);
}

bool
trial_start(struct trial *t, const struct sim_broker_options *options, char *why, size_t why_size)
{
    struct sim_broker_options all = *options;
    all.log = &t->log;
    t->broker = sim_broker_try(t->sim, &all, why, why_size);
    trial_say(t, "%u shards%s", options->shards, t->broker ? "" : ", but it does not start");
    return t->broker != NULL;
}

static void
poll_sessions(struct trial *t)
{
    for (unsigned i = 0; i < t->session_count; i++)
        while (t->sessions[i] && sim_session_poll(t->sessions[i]))
            ;
}

void
trial_crash(struct trial *t, bool is_power)
{
    trial_say(t, "%s", is_power ? "the power goes" : "the process is killed");
    if (is_power)
        sim_node_crash(t->broker->world);
    else
        sim_node_kill(t->broker->world);
    sim_broker_bury(t->broker);
    t->broker = NULL;
}

void
trial_stop(struct trial *t)
{
    trial_say(t, "the node is told to stop");
    sim_broker_free(t->broker);
    t->broker = NULL;
    poll_sessions(t);
}

struct sim_session *
trial_session(struct trial *t, const struct sim_session_options *options, sim_session_on_event *on_event,
              void *arg)
{
    struct sim_session_options defaults;
    sim_session_options_init(&defaults);
    unsigned i = 0;
    while (i < t->session_count && t->sessions[i])
        i++;
    CHECK(i < TRIAL_SESSIONS_MAX);
    if (i == t->session_count)
        t->session_count++;
    t->sessions[i] = sim_session_new(t->sim, t->broker->world, options ? options : &defaults, on_event, arg);
    return t->sessions[i];
}

void
trial_session_free(struct trial *t, struct sim_session *s)
{
    for (unsigned i = 0; i < t->session_count; i++)
        if (t->sessions[i] == s)
            t->sessions[i] = NULL;
    sim_session_free(s);
}

bool
trial_step(struct trial *t)
{
    bool any = sim_step(t->sim);
    for (unsigned i = 0; i < t->session_count; i++)
        if (t->sessions[i])
            any |= sim_session_poll(t->sessions[i]);
    size_t bytes = sim_broker_pool_bytes(t->broker);
    if (bytes > t->pool_bytes_peak)
        t->pool_bytes_peak = bytes;
    return any;
}

void
trial_until(struct trial *t, bool (*done)(void *arg), void *arg, uint64_t ms, const char *what)
{
    uint64_t deadline = sim_now_ms(t->sim) + ms;
    while (!done(arg)) {
        TRIAL_EXPECT(t, sim_now_ms(t->sim) <= deadline, "waited %llu ms in vain: %s", (unsigned long long)ms,
                     what);
        TRIAL_EXPECT(t, trial_step(t), "nothing happens any more: %s", what);
    }
}

void
trial_for(struct trial *t, uint64_t ms)
{
    uint64_t deadline = sim_now_ms(t->sim) + ms;
    while (sim_now_ms(t->sim) < deadline && trial_step(t))
        ;
    if (sim_now_ms(t->sim) < deadline) /* nothing is due: time goes on all the same */
        sim_run_for(t->sim, deadline - sim_now_ms(t->sim));
}

static bool
is_clean(void *arg)
{
    return sim_broker_residue(arg) == NULL;
}

static bool
is_deserted(void *arg)
{
    return sim_broker_connections(arg) == 0;
}

static void
free_sessions(struct trial *t)
{
    for (unsigned i = 0; i < t->session_count; i++)
        if (t->sessions[i])
            trial_session_free(t, t->sessions[i]);
}

void
trial_end_down(struct trial *t)
{
    free_sessions(t);
    t->session_count = 0;
    t->trace = sim_trace(t->sim);
    sim_free(t->sim);
    t->sim = NULL;
}

static void
finish(struct trial *t)
{
    sim_broker_check(t->broker);
    sim_broker_free(t->broker);
    t->broker = NULL;
    trial_end_down(t);
}

void
trial_end(struct trial *t)
{
    free_sessions(t);
    uint64_t deadline = sim_now_ms(t->sim) + TRIAL_SETTLE_MS;
    while (!is_clean(t->broker)) {
        TRIAL_EXPECT(t, sim_now_ms(t->sim) <= deadline && trial_step(t), "left at the end: %s",
                     sim_broker_residue(t->broker));
    }
    finish(t);
}

void
trial_end_full(struct trial *t)
{
    free_sessions(t);
    trial_until(t, is_deserted, t->broker, TRIAL_SETTLE_MS, "the connections to end");
    finish(t);
}
