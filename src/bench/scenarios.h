/* The scenarios of leveret-bench: each runs by its options and returns the program's exit code. */
#ifndef LEVERET_BENCH_SCENARIOS_H
#define LEVERET_BENCH_SCENARIOS_H

#include "bench/options.h"

int throughput_run(const struct options *o);
int latency_run(const struct options *o);
int connections_run(const struct options *o);
int queues_run(const struct options *o);
int churn_run(const struct options *o);

#endif
