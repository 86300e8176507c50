/* What the machine says about itself is plausible; signals arrive on the shard. */
#include "io/system.h"

#include "io/clock.h"
#include "io/random.h"
#include "io/shard.h"
#include "io/signal.h"
#include "io/system_cgroup.h"

#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void
the_machine_is_plausible(void **state)
{
    char name[256];
    uint64_t total = system_memory_total(NULL), used = system_memory_used(NULL);
    assert_true(total > 16u << 20);
    assert_true(used > 100000 && used < total);
    assert_true(system_cpu_count(NULL) >= 1);
    uint64_t descriptors = system_descriptors_raise(NULL);
    assert_int_equal(system_descriptors_limit(NULL), descriptors);
    assert_true(system_descriptors_used(NULL) >= 3);
    assert_int_equal(system_hostname(NULL, name, sizeof name), ERR_OK);
    assert_null(strchr(name, '.'));
    assert_int_equal(system_hostname(NULL, name, 1), ERR_LIMIT);
    assert_int_equal(system_process_id(NULL), getpid());
}

/* ---- control groups ---- */

static void
write_file(const char *root, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void
limits_of_control_groups_are_respected(void **state)
{
    char root[] = "/tmp/leveret-cgroup-XXXXXX";
    assert_non_null(mkdtemp(root));
    assert_int_equal(system_cgroup_memory(root, 1000), 1000);
    assert_int_equal(system_cgroup_cores(root, 8), 8);
    write_file(root, "proc/self/cgroup", "0::/a/b\n");
    write_file(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
    write_file(root, "sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_int_equal(system_cgroup_memory(root, 1000), 1000);
    assert_int_equal(system_cgroup_cores(root, 8), 8);
    write_file(root, "sys/fs/cgroup/a/memory.max", "500\n"); /* a parent binds too */
    write_file(root, "sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    assert_int_equal(system_cgroup_memory(root, 1000), 500);
    assert_int_equal(system_cgroup_memory(root, 400), 400);
    assert_int_equal(system_cgroup_cores(root, 8), 2);
    write_file(root, "proc/self/cgroup", "4:cpu,cpuacct:/\n3:memory:/v1\n"); /* version 1 */
    write_file(root, "sys/fs/cgroup/memory/v1/memory.limit_in_bytes", "300\n");
    assert_int_equal(system_cgroup_memory(root, 1000), 300);
    assert_int_equal(nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void
clocks_advance_and_random_bytes_differ(void **state)
{
    uint8_t a[32], b[32];
    uint64_t now = clock_now_ns(NULL);
    assert_true(clock_now_ns(NULL) >= now);
    assert_true(clock_wall_ms(NULL) > 1600000000000u);
    random_bytes(NULL, a, sizeof a);
    random_bytes(NULL, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
}

struct signals {
    struct shards *shards;
    unsigned reloads, ends;
};

static void
on_signal(void *arg, enum signal_kind kind)
{
    struct signals *g = arg;
    if (kind == SIGNAL_RELOAD) {
        g->reloads++;
        kill(getpid(), SIGTERM);
    } else {
        g->ends++;
        shards_stop(g->shards);
    }
}

static void
signals_start(struct shard *s, void *owner)
{
    struct signal_watch *w;
    assert_int_equal(signal_watch_open(s, on_signal, owner, &w), ERR_OK);
    kill(getpid(), SIGHUP);
}

static void
signals_arrive_on_the_shard(void **state)
{
    static const struct shard_hooks hooks = {.on_start = signals_start};
    struct signals g = {0};
    alarm(30);
    g.shards = shards_new(NULL, 1, &hooks, &g);
    assert_int_equal(shards_start(g.shards), ERR_OK);
    shards_join(g.shards);
    shards_free(g.shards);
    alarm(0);
    assert_int_equal(g.reloads, 1);
    assert_int_equal(g.ends, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_machine_is_plausible),
        cmocka_unit_test(limits_of_control_groups_are_respected),
        cmocka_unit_test(clocks_advance_and_random_bytes_differ),
        cmocka_unit_test(signals_arrive_on_the_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
