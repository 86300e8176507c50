/* What the kernel says of a process: the broker's CPU and memory, and our own. */
#ifndef LEVERET_BENCH_PROCESS_H
#define LEVERET_BENCH_PROCESS_H

#include <stdint.h>

/* CPU seconds of all threads so far; 0 for pid 0. Ends the program if there is no such process. */
double process_cpu_s(int64_t pid);
double process_own_cpu_s(void);
/* Resident bytes now; 0 for pid 0. */
uint64_t process_rss_bytes(int64_t pid);
/* Monotonic clock. */
uint64_t process_now_ns(void);

#endif
