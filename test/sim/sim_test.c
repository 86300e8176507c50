/*
 * Simulated runs of whole nodes:
 *
 *   sim_test [-v] [--seed N] [--seeds COUNT] [--seconds S] [WORKLOAD...]
 *
 * Runs seeds N, N+1, ... of each workload (all of them without a name) until COUNT seeds have run or S
 * seconds have passed; the first one runs twice and must leave the same trace. Says which seed failed and how
 * to repeat it. SIM_SECONDS in the environment stands for --seconds.
 */
#include "trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const struct workload {
    const char *name;
    trial_workload *run;
} workloads[] = {
    {"found", workload_found},     {"general", workload_general},   {"flood", workload_flood},
    {"hostile", workload_hostile}, {"churn", workload_churn},       {"alarms", workload_alarms},
    {"moves", workload_moves},     {"features", workload_features}, {"crash", workload_crash},
};
enum { WORKLOADS = sizeof workloads / sizeof *workloads };

struct options {
    uint64_t seed, seeds;
    double seconds;
    bool is_verbose, is_chosen[WORKLOADS];
};

/* What the signal handler says when something aborts. */
static char failing[256];

static void
on_fatal(int signal_number)
{
    ssize_t n = write(STDERR_FILENO, failing, strlen(failing));
    (void)n;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static double
now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Returns the trace. */
static uint64_t
run_one(const struct workload *w, uint64_t seed, bool is_verbose, uint64_t *operations)
{
    static struct trial t;
    t = (struct trial){.workload = w->name, .seed = seed, .is_verbose = is_verbose};
    snprintf(failing, sizeof failing,
             "FAILED: %s, seed %llu. To repeat it: test/sim/run BUILDDIR %llu %s -v\n", w->name,
             (unsigned long long)seed, (unsigned long long)seed, w->name);
    w->run(&t);
    *operations += t.operations;
    return t.trace;
}

static bool
run_workload(const struct workload *w, const struct options *o)
{
    double from = now_s();
    uint64_t done = 0, operations = 0;
    for (; done < o->seeds && (done == 0 || now_s() - from < o->seconds); done++) {
        uint64_t trace = run_one(w, o->seed + done, o->is_verbose, &operations);
        if (done > 0)
            continue;
        uint64_t ignored = 0;
        if (run_one(w, o->seed, false, &ignored) != trace) {
            fprintf(stderr, "%s, seed %llu: two runs differ\n", w->name, (unsigned long long)o->seed);
            return false;
        }
    }
    printf("%-8s %llu seeds from %llu, %llu operations, %.1f s\n", w->name, (unsigned long long)done,
           (unsigned long long)o->seed, (unsigned long long)operations, now_s() - from);
    fflush(stdout);
    return true;
}

static void
usage(void)
{
    fprintf(stderr, "usage: sim_test [-v] [--seed N] [--seeds COUNT] [--seconds S] [WORKLOAD...]\n");
    exit(2);
}

static void
choose(struct options *o, const char *name)
{
    for (unsigned i = 0; i < WORKLOADS; i++)
        if (strcmp(workloads[i].name, name) == 0) {
            o->is_chosen[i] = true;
            return;
        }
    usage();
}

int
main(int argc, char **argv)
{
    struct options o = {.seed = 1, .seeds = UINT64_MAX, .seconds = 3};
    bool any = false;
    if (getenv("SIM_SECONDS"))
        o.seconds = strtod(getenv("SIM_SECONDS"), NULL);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "-v") == 0)
            o.is_verbose = true;
        else if (strcmp(argv[i], "--seed") == 0 && ++i)
            o.seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--seeds") == 0 && ++i)
            o.seeds = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0 && ++i)
            o.seconds = strtod(value, NULL);
        else if (argv[i][0] == '-')
            usage();
        else
            any = (choose(&o, argv[i]), true);
    }
    signal(SIGABRT, on_fatal);
    signal(SIGSEGV, on_fatal);
    signal(SIGALRM, on_fatal);
    int failed = 0, passed = 0;
    for (unsigned i = 0; i < WORKLOADS; i++) {
        if (any && !o.is_chosen[i])
            continue;
        if (run_workload(&workloads[i], &o))
            passed++;
        else
            failed++;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
