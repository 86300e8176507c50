/* /proc and a few system calls. */
#include "io/system.h"

#include "base/check.h"
#include "io/oserr.h"
#include "io/system_cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

uint64_t
system_memory_total(struct io_world *world)
{
    CHECK(!world);
    struct sysinfo info;
    CHECK(sysinfo(&info) == 0);
    return system_cgroup_memory("", (uint64_t)info.totalram * info.mem_unit);
}

uint64_t
system_memory_used(struct io_world *world)
{
    CHECK(!world);
    char line[256];
    unsigned long long pages, resident;
    FILE *f = fopen("/proc/self/statm", "re");
    bool is_read = f && fgets(line, sizeof line, f);
    if (f)
        fclose(f);
    if (!is_read)
        return 0;
    char *end;
    pages = strtoull(line, &end, 10);
    (void)pages;
    resident = strtoull(end, NULL, 10);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

unsigned
system_cpu_count(struct io_world *world)
{
    CHECK(!world);
    cpu_set_t set;
    uint64_t cores = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = (uint64_t)CPU_COUNT(&set);
    else if (sysconf(_SC_NPROCESSORS_ONLN) > 0)
        cores = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    cores = system_cgroup_cores("", cores);
    return cores > 0 ? (unsigned)cores : 1;
}

uint64_t
system_descriptors_limit(struct io_world *world)
{
    CHECK(!world);
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    return limit.rlim_cur;
}

uint64_t
system_descriptors_raise(struct io_world *world)
{
    CHECK(!world);
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* refused: the old limit stays in force, and is what we return */
    return system_descriptors_limit(world);
}

uint64_t
system_descriptors_used(struct io_world *world)
{
    CHECK(!world);
    DIR *d = opendir("/proc/self/fd");
    uint64_t n = 0;
    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n > 3 ? n - 3 : 0; /* ".", "..", and the directory itself */
}

enum err
system_hostname(struct io_world *world, char *name, size_t size)
{
    CHECK(!world && size > 0);
    char full[256];
    if (gethostname(full, sizeof full) != 0)
        return oserr_of(errno);
    full[sizeof full - 1] = 0;
    full[strcspn(full, ".")] = 0;
    if (strlen(full) >= size)
        return ERR_LIMIT;
    snprintf(name, size, "%s", full);
    return ERR_OK;
}

uint64_t
system_process_id(struct io_world *world)
{
    CHECK(!world);
    return (uint64_t)getpid();
}

size_t
system_command_line(struct io_world *world, char *out, size_t size)
{
    CHECK(!world);
    FILE *f = fopen("/proc/self/cmdline", "re");
    size_t n = f ? fread(out, 1, size, f) : 0;
    if (f)
        fclose(f);
    return n;
}

void
system_environment(struct io_world *world, void (*fn)(void *arg, const char *variable), void *arg)
{
    CHECK(!world);
    for (char **at = environ; *at; at++)
        fn(arg, *at);
}
