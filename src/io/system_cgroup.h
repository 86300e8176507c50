/* The limits of this process's control groups; `root` is "" on a machine, and a directory in tests. */
#ifndef LEVERET_IO_SYSTEM_CGROUP_H
#define LEVERET_IO_SYSTEM_CGROUP_H

#include <stdint.h>

/* The given figure, or the limit if that is smaller. */
uint64_t system_cgroup_memory(const char *root, uint64_t bytes);
/* cpu.max of version 2, in whole cores, rounded up. */
uint64_t system_cgroup_cores(const char *root, uint64_t cores);

#endif
