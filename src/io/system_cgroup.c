/*
 * What the control groups of this process allow it, version 1 and 2. A file that is missing or odd counts as
 * "no limit".
 */
#include "io/system_cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
cgroup_path(const char *root, const char *controller, char *path)
{
    char line[LINE_MAX_BYTES], file[PATH_MAX_BYTES];
    snprintf(file, sizeof file, "%s/proc/self/cgroup", root);
    FILE *f = fopen(file, "re");
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
for_each_group(const char *root, const char *mount, const char *group, const char *file,
               void (*on_line)(const char *, uint64_t *), uint64_t *value)
{
    char path[2 * PATH_MAX_BYTES], at[PATH_MAX_BYTES], line[LINE_MAX_BYTES];
    snprintf(at, sizeof at, "%s", group);
    for (;;) {
        snprintf(path, sizeof path, "%s%s%s/%s", root, mount, strcmp(at, "/") == 0 ? "" : at, file);
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
system_cgroup_memory(const char *root, uint64_t bytes)
{
    char group[PATH_MAX_BYTES];
    if (cgroup_path(root, "", group))
        for_each_group(root, "/sys/fs/cgroup", group, "memory.max", take_smaller, &bytes);
    if (cgroup_path(root, "memory", group))
        for_each_group(root, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", take_smaller, &bytes);
    return bytes;
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

uint64_t
system_cgroup_cores(const char *root, uint64_t cores)
{
    char group[PATH_MAX_BYTES];
    if (cgroup_path(root, "", group))
        for_each_group(root, "/sys/fs/cgroup", group, "cpu.max", take_cores, &cores);
    return cores;
}
