/*
 * transcript_tcp: replays transcripts over TCP against a broker that is already running.
 *
 *   transcript_tcp [-v] [--host H] [--port N] [--provides "users"] [--rabbitmq] [--expect-failure]
 *   [--timeout-ms N]
 *                  [--chunk N] [--jobs N] FILE ...
 *
 * --rabbitmq: the broker is RabbitMQ 3.10.8: a transcript that says `differs:` must fail, every other must
 * pass.
 * --expect-failure: every transcript must fail (the runner's own test).
 * --chunk N: sends at most N octets at a time. --jobs N: that many transcripts at once, each in a process.
 */
#include "transcript.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct settings {
    const char *host;
    const char *port;
    char provides[64]; /* words with a blank before and after each */
    bool is_rabbitmq;
    bool expect_failure;
    bool verbose;
    int timeout_ms;
    size_t chunk;
    int jobs;
};

enum { EXIT_SKIPPED = 2, EXIT_DIFFERS = 3, JOBS_MAX = 64, SLOW_S = 4 };

static int
tcp_connect(void *ctx)
{
    const struct settings *s = ctx;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;
    if (getaddrinfo(s->host, s->port, &hints, &list) != 0) {
        return -1;
    }
    int fd = -1, on = 1;
    for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd >= 0) {
        struct timeval limit = {.tv_sec = s->timeout_ms / 1000};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    }
    return fd;
}

static void
tcp_send(void *ctx, int fd, const void *data, size_t size)
{
    const struct settings *s = ctx;
    const char *p = data;
    while (size > 0) {
        ssize_t n = send(fd, p, size < s->chunk ? size : s->chunk, MSG_NOSIGNAL);
        if (n <= 0 && errno != EINTR) {
            return;
        }
        p += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
}

static ssize_t
tcp_recv(void *ctx, int fd, void *data, size_t size, int timeout_ms)
{
    (void)ctx;
    struct pollfd wait_for = {.fd = fd, .events = POLLIN};
    if (poll(&wait_for, 1, timeout_ms < 0 ? 0 : timeout_ms) <= 0) {
        return -1;
    }
    ssize_t n = recv(fd, data, size, 0);
    return n < 0 ? 0 : n; /* a reset is an end */
}

static void
tcp_close(void *ctx, int fd)
{
    (void)ctx;
    close(fd);
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

/* Runs one file and prints its line; returns the child's exit code. */
static int
file_run(const struct settings *s, const char *path, int number)
{
    struct transcript_net net = {
        .ctx = (void *)s, .connect = tcp_connect, .send = tcp_send, .recv = tcp_recv, .close = tcp_close};
    struct bytes text = {0};
    struct transcript_report report;
    char unique[48];
    if (!file_read(path, &text)) {
        printf("FAIL %s: cannot be read\n", path);
        return EXIT_FAILURE;
    }
    snprintf(unique, sizeof(unique), "%lx%d", (unsigned long)time(NULL) << 20 ^ (unsigned long)getpid(),
             number);
    struct transcript_options options = {.net = &net,
                                         .unique = unique,
                                         .provides = s->provides,
                                         .timeout_ms = s->timeout_ms,
                                         .verbose = s->verbose};
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    transcript_run(&options, path, bytes_text(&text), &report);
    clock_gettime(CLOCK_MONOTONIC, &to);
    bool failed = report.result == TRANSCRIPT_FAILED;
    bool should_fail = s->expect_failure || (s->is_rabbitmq && report.differs);
    int code = report.result == TRANSCRIPT_SKIPPED ? EXIT_SKIPPED
               : failed != should_fail             ? EXIT_FAILURE
               : failed                            ? EXIT_DIFFERS
                                                   : EXIT_SUCCESS;
    const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
    if (code == EXIT_FAILURE) {
        printf("FAIL %s: %s\n", name, failed ? bytes_text(&report.reason) : "passes, and should not");
    } else if (code == EXIT_DIFFERS && s->verbose) {
        printf("differs %s: %s\n", name, bytes_text(&report.reason));
    }
    if (to.tv_sec - from.tv_sec >= SLOW_S) {
        printf("slow %s: %ld s\n", name, (long)(to.tv_sec - from.tv_sec));
    }
    bytes_fini(&text);
    bytes_fini(&report.reason);
    fflush(stdout);
    return code;
}

/* Waits for one child and counts its result. */
static void
child_wait(int counts[4])
{
    int status;
    if (wait(&status) > 0) {
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
        counts[code < 4 ? code : EXIT_FAILURE]++;
        if (!WIFEXITED(status)) {
            printf("FAIL a transcript ended by signal %d\n", WTERMSIG(status));
        }
    }
}

static int
files_run(const struct settings *s, char **paths, int count)
{
    int counts[4] = {0};
    int running = 0;
    for (int i = 0; i < count; i++) {
        if (running == s->jobs) {
            child_wait(counts);
            running--;
        }
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            _exit(file_run(s, paths[i], i));
        }
        running += pid > 0;
        counts[EXIT_FAILURE] += pid < 0;
    }
    while (running-- > 0) {
        child_wait(counts);
    }
    printf("%d transcripts: %d as expected", count, counts[EXIT_SUCCESS] + counts[EXIT_DIFFERS]);
    printf(counts[EXIT_DIFFERS] > 0 ? " (%d of them failing, as they say)" : "", counts[EXIT_DIFFERS]);
    printf(", %d failed, %d skipped\n", counts[EXIT_FAILURE], counts[EXIT_SKIPPED]);
    return counts[EXIT_FAILURE] == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Sets one option from argv[i]; returns how many words it took, 0 for a file name. */
static int
option_parse(struct settings *s, char **argv, int left)
{
    if (strcmp(argv[0], "-v") == 0) {
        s->verbose = true;
        return 1;
    }
    if (strcmp(argv[0], "--rabbitmq") == 0 || strcmp(argv[0], "--expect-failure") == 0) {
        s->is_rabbitmq = s->is_rabbitmq || argv[0][2] == 'r';
        s->expect_failure = s->expect_failure || argv[0][2] == 'e';
        return 1;
    }
    if (left < 2 || argv[0][0] != '-') {
        return 0;
    }
    if (strcmp(argv[0], "--host") == 0) {
        s->host = argv[1];
    } else if (strcmp(argv[0], "--port") == 0) {
        s->port = argv[1];
    } else if (strcmp(argv[0], "--provides") == 0) {
        snprintf(s->provides, sizeof(s->provides), " %s ", argv[1]);
    } else if (strcmp(argv[0], "--timeout-ms") == 0) {
        s->timeout_ms = (int)strtol(argv[1], NULL, 10);
    } else if (strcmp(argv[0], "--chunk") == 0) {
        s->chunk = strtoul(argv[1], NULL, 10);
    } else if (strcmp(argv[0], "--jobs") == 0) {
        s->jobs = (int)strtol(argv[1], NULL, 10);
    } else {
        return 0;
    }
    return 2;
}

int
main(int argc, char **argv)
{
    struct settings settings = {
        .host = "127.0.0.1", .port = "5672", .provides = "", .timeout_ms = 5000, .chunk = 1 << 20, .jobs = 4};
    int i = 1;
    for (int used; i < argc && (used = option_parse(&settings, argv + i, argc - i)) > 0; i += used) {
    }
    if (i >= argc || argv[i][0] == '-' || settings.jobs < 1 || settings.jobs > JOBS_MAX ||
        settings.chunk == 0) {
        fprintf(stderr, "usage: transcript_tcp [-v] [--host H] [--port N] [--provides WORDS] [--rabbitmq]\n"
                        "       [--expect-failure] [--timeout-ms N] [--chunk N] [--jobs N] FILE ...\n");
        return 2;
    }
    return files_run(&settings, argv + i, argc - i);
}
