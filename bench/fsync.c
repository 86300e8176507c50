/*
 * What one bare sync costs here: a block of 4 KiB is written over a file that is there already, and synced
 * with fdatasync. The yardstick of confirms.
 *
 *     fsync DIR [SECONDS [RATE]]      default 3 seconds, one right after the other; else so many a second
 *
 * Prints one JSON object, in microseconds.
 */
#include "base/histogram.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, BLOCKS = 4096 };

static _Noreturn void
die(const char *what)
{
    fprintf(stderr, "fsync: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int
file_make(const char *dir, const uint8_t *block)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/leveret-fsync.tmp", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        die(path);
    for (int i = 0; i < BLOCKS; i++)
        if (pwrite(fd, block, BLOCK, (off_t)i * BLOCK) != BLOCK)
            die("write");
    if (fsync(fd) || unlink(path))
        die("sync");
    return fd;
}

static void
wait_until(uint64_t due_ns)
{
    struct timespec t = {.tv_sec = (time_t)(due_ns / 1000000000u), .tv_nsec = (long)(due_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: fsync DIR [SECONDS [RATE]]\n");
        return 2;
    }
    static uint8_t block[BLOCK];
    static struct histogram h;
    double seconds = argc > 2 ? atof(argv[2]) : 3, rate = argc > 3 ? atof(argv[3]) : 0;
    int fd = file_make(argv[1], block);
    histogram_init(&h);
    uint64_t begun = now_ns(), end = begun + (uint64_t)(seconds * 1e9), due = begun;
    for (uint64_t i = 0; due < end; i++) {
        if (rate > 0)
            wait_until(due);
        memset(block, (int)(i & 0xff), sizeof block);
        uint64_t from = now_ns();
        if (pwrite(fd, block, BLOCK, (off_t)(i % BLOCKS) * BLOCK) != BLOCK || fdatasync(fd))
            die("write and sync");
        uint64_t to = now_ns();
        histogram_record(&h, to - from);
        due = rate > 0 ? begun + (uint64_t)((double)(i + 1) * 1e9 / rate) : to;
    }
    printf("{\"syncs\": %llu, \"p50\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, \"max\": %.1f}\n",
           (unsigned long long)histogram_count(&h), (double)histogram_percentile(&h, 50) / 1e3,
           (double)histogram_percentile(&h, 99) / 1e3, (double)histogram_percentile(&h, 99.9) / 1e3,
           (double)histogram_max(&h) / 1e3);
    close(fd);
    return 0;
}
