/*
 * Every transcript runs in a child: a crash costs one transcript, and `jobs` of them run at once. The child
 * prints what is to be said and exits with the outcome, the parent counts.
 */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum outcome { OUTCOME_PASSED, OUTCOME_FAILED, OUTCOME_SKIPPED, OUTCOME_DIFFERS, OUTCOME_COUNT };
enum { JOBS_MAX = 64, SLOW_S = 4 };

void
suite_init(struct suite *s)
{
    *s = (struct suite){.provides = " ", .timeout_ms = 5000, .jobs = 4};
}

int
suite_option(struct suite *s, char **argv, int left)
{
    if (strcmp(argv[0], "-v") == 0) {
        s->is_verbose = true;
        return 1;
    }
    if (strcmp(argv[0], "--rabbitmq") == 0) {
        s->is_rabbitmq = true;
        return 1;
    }
    if (strcmp(argv[0], "--expect-failure") == 0) {
        s->expect_failure = true;
        return 1;
    }
    if (left < 2) {
        return 0;
    }
    if (strcmp(argv[0], "--provides") == 0) {
        snprintf(s->provides, sizeof(s->provides), " %s ", argv[1]);
    } else if (strcmp(argv[0], "--timeout-ms") == 0) {
        s->timeout_ms = (int)strtol(argv[1], NULL, 10);
    } else if (strcmp(argv[0], "--jobs") == 0) {
        s->jobs = (int)strtol(argv[1], NULL, 10);
        s->jobs = s->jobs < 1 ? 1 : s->jobs > JOBS_MAX ? JOBS_MAX : s->jobs;
    } else {
        return 0;
    }
    return 2;
}

static bool
file_read(const char *path, struct bytes *text)
{
    FILE *file = fopen(path, "r");
    char buffer[4096];
    size_t n;
    if (file == NULL) {
        return false;
    }
    while ((n = fread(buffer, 1, sizeof(buffer), file)) > 0) {
        bytes_append(text, buffer, n);
    }
    fclose(file);
    return true;
}

static enum outcome
report_judge(const struct suite *s, const struct transcript_report *report)
{
    bool failed = report->result == TRANSCRIPT_FAILED;
    bool should_fail = s->expect_failure || (s->is_rabbitmq && report->differs);
    if (report->result == TRANSCRIPT_SKIPPED) {
        return OUTCOME_SKIPPED;
    }
    if (failed != should_fail) {
        return OUTCOME_FAILED;
    }
    return failed ? OUTCOME_DIFFERS : OUTCOME_PASSED;
}

static void
report_print(const struct suite *s, const char *name, enum outcome outcome, struct transcript_report *report)
{
    bool failed = report->result == TRANSCRIPT_FAILED;
    if (outcome == OUTCOME_FAILED) {
        printf("FAIL %s: %s\n", name, failed ? bytes_text(&report->reason) : "passes, and should not");
    } else if (outcome == OUTCOME_DIFFERS && s->is_verbose) {
        printf("differs %s: %s\n", name, bytes_text(&report->reason));
    }
}

/* Runs one file and prints what is to be said about it. */
static enum outcome
file_run(const struct suite *s, const char *path, int number)
{
    const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
    struct bytes text = {0};
    struct transcript_report report;
    struct timespec from, to;
    char unique[48];
    if (!file_read(path, &text)) {
        printf("FAIL %s: cannot be read\n", path);
        return OUTCOME_FAILED;
    }
    clock_gettime(CLOCK_MONOTONIC, &from);
    snprintf(unique, sizeof(unique), "%lx-%lx-%d", (unsigned long)time(NULL), (unsigned long)getpid(),
             number);
    const struct transcript_options options = {.net = s->net_open(s->ctx, name),
                                               .unique = unique,
                                               .provides = s->provides,
                                               .timeout_ms = s->timeout_ms,
                                               .verbose = s->is_verbose};
    transcript_run(&options, path, bytes_text(&text), &report);
    s->net_close(s->ctx);
    enum outcome outcome = report_judge(s, &report);
    report_print(s, name, outcome, &report);
    clock_gettime(CLOCK_MONOTONIC, &to);
    if (to.tv_sec - from.tv_sec >= SLOW_S) {
        printf("slow %s: %ld s\n", name, (long)(to.tv_sec - from.tv_sec));
    }
    bytes_fini(&text);
    bytes_fini(&report.reason);
    return outcome;
}

struct child {
    pid_t pid;
    const char *path;
};

/* Waits for one child and counts its outcome. */
static void
child_wait(struct child *children, int jobs, int counts[OUTCOME_COUNT])
{
    int status;
    pid_t pid = wait(&status);
    for (int i = 0; pid > 0 && i < jobs; i++) {
        if (children[i].pid != pid) {
            continue;
        }
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : OUTCOME_COUNT;
        if (code >= OUTCOME_COUNT) {
            printf("FAIL %s: the player ended with status %#x\n", children[i].path, (unsigned)status);
            code = OUTCOME_FAILED;
        }
        counts[code]++;
        children[i].pid = 0;
    }
}

static struct child *
child_free(struct child *children, int jobs)
{
    for (int i = 0; i < jobs; i++) {
        if (children[i].pid == 0) {
            return &children[i];
        }
    }
    return NULL;
}

int
suite_run(const struct suite *s, char **paths, int count)
{
    int counts[OUTCOME_COUNT] = {0};
    struct child children[JOBS_MAX] = {0};
    for (int i = 0; i < count; i++) {
        struct child *child;
        while ((child = child_free(children, s->jobs)) == NULL) {
            child_wait(children, s->jobs, counts);
        }
        fflush(stdout);
        child->path = paths[i];
        child->pid = fork();
        if (child->pid == 0) {
            enum outcome outcome = file_run(s, paths[i], i);
            fflush(stdout);
            _exit(outcome);
        }
        if (child->pid < 0) {
            child->pid = 0;
            counts[OUTCOME_FAILED]++;
        }
    }
    while (counts[0] + counts[1] + counts[2] + counts[3] < count) {
        child_wait(children, s->jobs, counts);
    }
    if (counts[OUTCOME_SKIPPED] + counts[OUTCOME_DIFFERS] > 0) {
        printf("%d skipped, %d failing as they should\n", counts[OUTCOME_SKIPPED], counts[OUTCOME_DIFFERS]);
    }
    printf("%d passed, %d failed\n", counts[OUTCOME_PASSED] + counts[OUTCOME_DIFFERS],
           counts[OUTCOME_FAILED]);
    return counts[OUTCOME_FAILED] == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
