/* Threads change and commit the manifest at once: each finds its own change on the disk when its commit is
 * over. */
#include "io/test_world.h"
#include "store/manifest.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 4, ROUNDS = 40, IDS = 20 };

static struct io_world *world;
static struct store store;

struct committer {
    pthread_t thread;
    uint64_t ids[ROUNDS * IDS];
    unsigned failed, missing;
};

static bool
is_on_disk(uint64_t id)
{
    struct store s;
    struct manifest_view v;
    char why[512];
    bool found = false;
    if (store_open_offline(&s, world, test_world_directory(world), why, sizeof why) != ERR_OK)
        return false;
    manifest_view(s.manifest, &v);
    for (size_t i = 0; i < v.segment_count; i++)
        found |= v.segments[i].id == id;
    manifest_view_free(&v);
    store_close(&s);
    return found;
}

static void *
commit_often(void *arg)
{
    struct committer *c = arg;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t *ids = c->ids + round * IDS;
        for (unsigned i = 0; i < IDS; i++)
            ids[i] = manifest_next_id(store.manifest);
        manifest_set_segment(store.manifest, &(struct manifest_segment){.id = ids[0], .size = 1});
        c->failed += manifest_commit(store.manifest) != ERR_OK;
        c->missing += !is_on_disk(ids[0]);
        if (round % 2)
            manifest_drop_segment(store.manifest, ids[0]);
    }
    return NULL;
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void
commits_of_several_threads_are_all_there(void **state)
{
    static struct committer all[THREADS];
    static uint64_t ids[THREADS * ROUNDS * IDS];
    char why[512];
    struct store_config c;
    struct manifest_view v;
    world = test_world_new(1);
    store_config_init(&c);
    c.dir = test_world_directory(world);
    assert_int_equal(store_open(&store, world, &c, NULL, why, sizeof why), ERR_OK);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&all[i].thread, NULL, commit_often, &all[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(all[i].thread, NULL);
        assert_int_equal(all[i].failed, 0);
        assert_int_equal(all[i].missing, 0);
        memcpy(ids + i * ROUNDS * IDS, all[i].ids, sizeof all[i].ids);
    }
    qsort(ids, THREADS * ROUNDS * IDS, sizeof *ids, compare);
    for (unsigned i = 1; i < THREADS * ROUNDS * IDS; i++)
        assert_true(ids[i] > ids[i - 1]);
    manifest_view(store.manifest, &v);
    assert_int_equal(v.segment_count, THREADS * ROUNDS / 2);
    manifest_view_free(&v);
    store_close(&store);
    test_world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commits_of_several_threads_are_all_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
