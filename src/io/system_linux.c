/* /proc, /sys/fs/cgroup and a few system calls. A file that is missing or odd counts as "no limit". */
#include "io/system.h"

#include "base/check.h"
#include "io/oserr.h"

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

enum {
    LINE_MAX_BYTES = 4096,
    PATH_MAX_BYTES = 4096,
};

static bool
read_line(const char *path, char *line)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool ok = fgets(line, LINE_MAX_BYTES, f);
    fclose(f);
    return ok;
}

/* The process's group for a version 1 controller, or version 2 (controller ""), from /proc/self/cgroup. */
static bool
cgroup_path(const char *controller, char *path)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[LINE_MAX_BYTES];
    bool found = false;
    while (f && !found && fgets(line, sizeof line, f)) {
        char *names = strchr(line, ':');
        char *where = names ? strchr(names + 1, ':') : NULL;
        if (!where)
            continue;
        *where++ = 0;
        where[strcspn(where, "\n")] = 0;
        found = strcmp(names + 1, controller) == 0;
        if (found)
            snprintf(path, PATH_MAX_BYTES, "%s", where);
    }
    if (f)
        fclose(f);
    return found;
}

/*
 * The smallest limit from the process's group up to the root: parents bind too. Inside a container the
 * group's path may not exist under the mount, whose root is then the container's own group.
 */
static void
for_each_group(const char *mount, const char *group, const char *file,
               void (*on_line)(const char *, uint64_t *), uint64_t *value)
{
    char path[2 * PATH_MAX_BYTES], at[PATH_MAX_BYTES], line[LINE_MAX_BYTES];
    snprintf(at, sizeof at, "%s", group);
    for (;;) {
        snprintf(path, sizeof path, "%s%s/%s", mount, strcmp(at, "/") == 0 ? "" : at, file);
        if (read_line(path, line))
            on_line(line, value);
        char *slash = strrchr(at, '/');
        if (!slash || at[0] == 0 || strcmp(at, "/") == 0)
            return;
        if (slash == at)
            at[1] = 0;
        else
            *slash = 0;
    }
}

static void
take_smaller(const char *line, uint64_t *value)
{
    char *end;
    unsigned long long n = strtoull(line, &end, 10);
    if (end != line && n > 0 && n < *value)
        *value = n;
}

uint64_t
system_memory_total(struct io_world *world)
{
    CHECK(!world);
    struct sysinfo info;
    CHECK(sysinfo(&info) == 0);
    uint64_t total = (uint64_t)info.totalram * info.mem_unit;
    char group[PATH_MAX_BYTES];
    if (cgroup_path("", group))
        for_each_group("/sys/fs/cgroup", group, "memory.max", take_smaller, &total);
    if (cgroup_path("memory", group))
        for_each_group("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", take_smaller, &total);
    return total;
}

uint64_t
system_memory_used(struct io_world *world)
{
    CHECK(!world);
    char line[LINE_MAX_BYTES];
    unsigned long long pages, resident;
    if (!read_line("/proc/self/statm", line))
        return 0;
    char *end;
    pages = strtoull(line, &end, 10);
    (void)pages;
    resident = strtoull(end, NULL, 10);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* cgroup v2's cpu.max: "max 100000" or "150000 100000"; the quota in whole cores, rounded up. */
static void
take_cores(const char *line, uint64_t *cores)
{
    char *end;
    unsigned long long quota = strtoull(line, &end, 10), period = end == line ? 0 : strtoull(end, NULL, 10);
    if (quota > 0 && period > 0 && (quota + period - 1) / period < *cores)
        *cores = (quota + period - 1) / period;
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
    char group[PATH_MAX_BYTES];
    if (cgroup_path("", group))
        for_each_group("/sys/fs/cgroup", group, "cpu.max", take_cores, &cores);
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
