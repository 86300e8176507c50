/*
 * A histogram of uint64 values with a relative error below 1/128: every power of two is cut in 128 equal
 * buckets, values below 256 are exact. For latencies in nanoseconds and sizes in bytes. 58 KiB, so one is
 * allocated, not put on a stack.
 */
#ifndef LEVERET_BASE_HISTOGRAM_H
#define LEVERET_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS_LOG 7
#define HISTOGRAM_BUCKETS   ((64 - HISTOGRAM_STEPS_LOG + 1) << HISTOGRAM_STEPS_LOG)

struct histogram {
    uint64_t count, min, max; /* min and max are exact; meaningless when count is 0 */
    double sum;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Empties it. */
void histogram_init(struct histogram *h);

void histogram_record(struct histogram *h, uint64_t value);

/* Adds all that `from` recorded. */
void histogram_merge(struct histogram *h, const struct histogram *from);

/*
 * The value that `percent` (0 to 100) of the recorded values do not exceed: the upper edge of its bucket, and
 * never above the maximum. 0 when nothing was recorded.
 */
uint64_t histogram_percentile(const struct histogram *h, double percent);

/* 0 when nothing was recorded, as the two below. */
double histogram_mean(const struct histogram *h);

uint64_t histogram_max(const struct histogram *h);

uint64_t histogram_count(const struct histogram *h);

#endif
