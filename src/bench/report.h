/* A result is a list of named figures, printed as a table for people or as one JSON object. */
#ifndef LEVERET_BENCH_REPORT_H
#define LEVERET_BENCH_REPORT_H

#include "base/histogram.h"

#include <stdbool.h>

enum { REPORT_ROWS_MAX = 48 };

struct report_row {
    char name[48];
    double value;
    const char *unit; /* "msg/s", "us", "bytes", ... */
};

struct report {
    const char *scenario;
    unsigned rows_count;
    struct report_row rows[REPORT_ROWS_MAX];
};

void report_add(struct report *r, const char *name, double value, const char *unit);
/* NAME_p50, p95, p99, p99.9, max, mean: recorded in nanoseconds, reported in microseconds. */
void report_add_latency(struct report *r, const char *name, const struct histogram *h);
void report_print(const struct report *r, bool json);

#endif
