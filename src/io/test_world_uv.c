/* The machine. A test that hangs is ended by an alarm. */
#include "base/check.h"
#include "io/system.h"
#include "io/test_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DEADLINE_S = 60 };

static char directory[64];
static rlim_t limit_before;

struct io_world *
test_world_new(unsigned seed)
{
    alarm(DEADLINE_S);
    return NULL;
}

unsigned
test_world_seeds(unsigned wanted)
{
    return 1;
}

static void
remove_tree(const char *path)
{
    DIR *d = opendir(path);
    for (const struct dirent *e; d && (e = readdir(d));) {
        char inner[512];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (unlink(inner) != 0)
            remove_tree(inner);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

void
test_world_free(struct io_world *world)
{
    if (directory[0])
        remove_tree(directory);
    directory[0] = 0;
    alarm(0);
}

const char *
test_world_directory(struct io_world *world)
{
    if (!directory[0]) {
        snprintf(directory, sizeof directory, "/tmp/leveret-io-XXXXXX");
        CHECK(mkdtemp(directory));
    }
    return directory;
}

void
test_world_limit_descriptors(struct io_world *world, unsigned count)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit_before = limit.rlim_cur;
    /* The lowest free number is what the next descriptor will be. */
    int next = open("/dev/null", O_RDONLY);
    CHECK(next >= 0);
    close(next);
    limit.rlim_cur = (rlim_t)next + count;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

void
test_world_unlimit_descriptors(struct io_world *world)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit_before;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}
