/*
 * Crashes and failures of the disk at every one of its operations:
 *
 *   crash_test [-v] [--seed N] [--seeds COUNT] [--stride K] [--only OPERATION] [MODE...]
 *
 * A short run from a seed is recorded; then it is run again for every Kth operation of the disk that it made
 * (K = 1: all), each time in a process of its own. SIM_STRIDE in the environment stands for --stride.
 *
 *   memory     no store at all: without a crash nothing may be found, with one the checker must find losses
 *   power      the power goes at the operation
 *   kill       the process is killed there; the disk keeps what was written
 *   recovery   it goes once at the end, and once more at the operation while the node starts again
 *   io, io_on  the operation fails with ERR_IO, alone or with all that follow; then the process is killed
 *   space, space_on  the same with ERR_NO_SPACE
 *   ruled, ruled_kill, ruled_recovery  as power, kill and recovery, most of it at the queues with rules
 *                (crash_rules.h)
 *   dead, dead_kill, dead_recovery  the same, while messages move between queues (dead_run.h)
 *   dead_memory  as memory
 */
#include "dead_run.h"

#include "base/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    CRASH_TEST_ACTS = 80,
    CRASH_TEST_FAILURES_MAX = 5,
    CRASH_TEST_JOBS_MAX = 16,
    CRASH_TEST_CHILD_S = 120,
};

struct options {
    uint64_t seed, seeds, stride, only;
    bool is_verbose;
};

struct mode {
    const char *name;
    bool (*run)(const struct mode *mode, const struct options *o, uint64_t seed);
    enum err fails_with;
    bool fails_on, is_recovery, keeps, is_dead, is_ruled;
};

static void
one_run(const struct mode *mode, const struct options *o, uint64_t seed, const struct crash_plan *plan,
        struct crash_report *report)
{
    static struct trial t;
    t = (struct trial){.workload = mode->name, .seed = seed, .is_verbose = o->is_verbose};
    if (mode->is_dead)
        dead_run(&t, plan, report);
    else
        crash_run(&t, plan, report);
}

static void
count_finding(void *arg, const char *text)
{
    uint64_t *lost = arg;
    *lost += strstr(text, "lost") != NULL;
}

static bool
run_memory(const struct mode *mode, const struct options *o, uint64_t seed)
{
    struct crash_plan plan;
    struct crash_report report;
    crash_plan_init(&plan);
    plan.is_in_memory = plan.is_calm = true;
    plan.end = CRASH_NO_END;
    plan.lives = 4;
    one_run(mode, o, seed, &plan, &report);
    printf(
        "memory, seed %llu: %llu confirms, %llu commits, %llu answers, %llu found again, %llu acks known\n",
        (unsigned long long)seed, (unsigned long long)report.confirms, (unsigned long long)report.commits,
        (unsigned long long)report.answers, (unsigned long long)report.looked_at,
        (unsigned long long)report.known_gone);
    if (!report.confirms || !report.looked_at || !report.answers)
        return false;
    uint64_t lost = 0;
    plan.end = CRASH_KILL;
    plan.lives = 2;
    plan.on_finding = count_finding;
    plan.arg = &lost;
    one_run(mode, o, seed, &plan, &report);
    printf("memory, seed %llu: killed, and the checker finds %llu losses in %llu confirms\n",
           (unsigned long long)seed, (unsigned long long)lost, (unsigned long long)report.confirms);
    return lost > 0;
}

/* Without a store the checker must find losses, and of every kind of way. */
static bool
run_dead_memory(const struct mode *mode, const struct options *o, uint64_t seed)
{
    struct crash_plan plan;
    struct crash_report report;
    uint64_t lost = 0;
    crash_plan_init(&plan);
    plan.is_in_memory = true;
    plan.acts = CRASH_TEST_ACTS;
    plan.on_finding = count_finding;
    plan.arg = &lost;
    one_run(mode, o, seed, &plan, &report);
    printf("dead_memory, seed %llu: the checker finds %llu losses in %llu confirms\n",
           (unsigned long long)seed, (unsigned long long)lost, (unsigned long long)report.confirms);
    return lost > 0;
}

static void
plan_at(const struct mode *mode, uint64_t operation, struct crash_plan *plan)
{
    crash_plan_init(plan);
    plan->acts = CRASH_TEST_ACTS;
    plan->is_ruled = mode->is_ruled;
    plan->end = mode->is_recovery || !mode->fails_with ? CRASH_POWER : CRASH_KILL;
    if (mode->fails_with) {
        plan->is_hasty = true;
        plan->lives = 3;
    }
    if (operation == 0)
        return;
    if (mode->fails_with) {
        plan->faults = (struct sim_disk_faults){
            .fail_at = operation, .fail_with = mode->fails_with, .fail_on = mode->fails_on};
        return;
    }
    plan->down_at = operation;
    plan->down_life = mode->is_recovery;
    plan->down_keeps = mode->keeps;
}

/* ---- each run in a process of its own, as many at once as there are cores ---- */

struct children {
    const struct mode *mode;
    const struct options *options;
    uint64_t seed;
    pid_t pids[CRASH_TEST_JOBS_MAX]; /* 0: free */
    uint64_t operations[CRASH_TEST_JOBS_MAX];
    unsigned jobs, runs, failures;
};

static void
child_start(struct children *c, unsigned slot, uint64_t operation)
{
    struct crash_plan plan;
    struct crash_report report;
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(CRASH_TEST_CHILD_S); /* a loop without an end */
        plan_at(c->mode, operation, &plan);
        one_run(c->mode, c->options, c->seed, &plan, &report);
        _exit(0);
    }
    c->pids[slot] = pid;
    c->operations[slot] = operation;
    c->runs++;
}

/* Waits for one, whose slot is free then; false: there is none. */
static bool
child_reap(struct children *c, unsigned *slot)
{
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid < 0)
        return false;
    for (*slot = 0; c->pids[*slot] != pid; ++*slot)
        CHECK(*slot + 1 < c->jobs);
    c->pids[*slot] = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    c->failures++;
    printf("FAILED: crash_test --seed %llu --only %llu %s -v\n", (unsigned long long)c->seed,
           (unsigned long long)c->operations[*slot], c->mode->name);
    return true;
}

static unsigned
count_jobs(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > CRASH_TEST_JOBS_MAX ? CRASH_TEST_JOBS_MAX : (unsigned)cores;
}

static bool
run_each(const struct mode *mode, const struct options *o, uint64_t seed)
{
    struct crash_plan plan;
    struct crash_report report;
    struct children c = {.mode = mode, .options = o, .seed = seed, .jobs = count_jobs()};
    time_t from = time(NULL);
    plan_at(mode, o->only, &plan);
    one_run(mode, o, seed, &plan, &report);
    uint64_t count = report.operations[mode->is_recovery];
    if (o->only)
        return true;
    if (count == 0) {
        fprintf(stderr, "%s, seed %llu: nothing touches the disk\n", mode->name, (unsigned long long)seed);
        return false;
    }
    unsigned slot = 0, started = 0;
    for (uint64_t n = 1 + seed % o->stride; n <= count && c.failures < CRASH_TEST_FAILURES_MAX;
         n += o->stride) {
        if (started < c.jobs)
            slot = started++;
        else
            CHECK(child_reap(&c, &slot));
        child_start(&c, slot, n);
    }
    while (child_reap(&c, &slot))
        ;
    printf("%s, seed %llu: %llu confirms, %llu operations, %u runs, %u failed, %ld s\n", mode->name,
           (unsigned long long)seed, (unsigned long long)report.confirms, (unsigned long long)count, c.runs,
           c.failures, (long)(time(NULL) - from));
    return c.failures == 0;
}

/* clang-format off */
static const struct mode modes[] = {
    {.name = "memory", .run = run_memory},
    {.name = "power", .run = run_each},
    {.name = "kill", .run = run_each, .keeps = true},
    {.name = "recovery", .run = run_each, .is_recovery = true},
    {.name = "io", .run = run_each, .fails_with = ERR_IO},
    {.name = "io_on", .run = run_each, .fails_with = ERR_IO, .fails_on = true},
    {.name = "space", .run = run_each, .fails_with = ERR_NO_SPACE},
    {.name = "space_on", .run = run_each, .fails_with = ERR_NO_SPACE, .fails_on = true},
    {.name = "ruled", .run = run_each, .is_ruled = true},
    {.name = "ruled_kill", .run = run_each, .is_ruled = true, .keeps = true},
    {.name = "ruled_recovery", .run = run_each, .is_ruled = true, .is_recovery = true},
    {.name = "dead", .run = run_each, .is_dead = true},
    {.name = "dead_kill", .run = run_each, .is_dead = true, .keeps = true},
    {.name = "dead_recovery", .run = run_each, .is_dead = true, .is_recovery = true},
    {.name = "dead_memory", .run = run_dead_memory, .is_dead = true},
};
/* clang-format on */
enum { MODES = sizeof modes / sizeof *modes };

static void
usage(void)
{
    fprintf(stderr,
            "usage: crash_test [-v] [--seed N] [--seeds COUNT] [--stride K] [--only OPERATION] [MODE...]\n");
    exit(2);
}

static bool
choose(const char *name, bool is_chosen[MODES])
{
    for (unsigned i = 0; i < MODES; i++)
        if (strcmp(modes[i].name, name) == 0)
            return is_chosen[i] = true;
    return false;
}

int
main(int argc, char **argv)
{
    struct options o = {.seed = 1, .seeds = 1, .stride = 1};
    bool is_chosen[MODES] = {0}, any = false;
    uint64_t failed = 0, passed = 0;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "-v") == 0)
            o.is_verbose = true;
        else if (strcmp(argv[i], "--seed") == 0 && ++i)
            o.seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--seeds") == 0 && ++i)
            o.seeds = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--stride") == 0 && ++i)
            o.stride = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--only") == 0 && ++i)
            o.only = strtoull(value, NULL, 10);
        else if (choose(argv[i], is_chosen))
            any = true;
        else
            usage();
    }
    if (getenv("SIM_STRIDE"))
        o.stride = strtoull(getenv("SIM_STRIDE"), NULL, 10);
    if (o.stride == 0)
        usage();
    for (unsigned i = 0; i < MODES; i++)
        for (uint64_t n = 0; (is_chosen[i] || !any) && n < o.seeds; n++)
            *(modes[i].run(&modes[i], &o, o.seed + n) ? &passed : &failed) += 1;
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed ? 1 : 0;
}
