/*
 * Readers on their own threads route and look things up while the writer declares, binds, unbinds and
 * deletes. Run under the thread sanitizer this shows races, under the address sanitizer what is freed too
 * early. What was bound all the time must be found every time.
 */
#include "broker/meta_test.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { READERS = 3, CHANGES = 6000, LOOKS_MIN = 1000 };

struct reader {
    struct fixture *f;
    unsigned index;
    atomic_bool *stop;
    atomic_uint looks, failures;
    pthread_t thread;
};

static const char *const sources[] = {"d", "f", "t", "h", "amq.direct"};

/* `q` is bound to all of them with this key for as long as the test runs. */
static bool
finds_steady(struct broker *b, const struct vhost *v, struct route_memo *memo, const char *source)
{
    const struct exchange *x = exchange_find(v, slice_str(source));
    const struct route *r = route_find_memo(b, memo, x, slice_str("a.b"));
    if (!r)
        r = route_find(b, x, slice_str("a.b"), slice_of(NULL, 0));
    bool found = false;
    for (uint32_t i = 0; i < r->count; i++) {
        const struct queue_def *q = r->targets[i].queue;
        found |= slice_eq_str(queue_def_name(q), "steady") && q->id == r->targets[i].queue_id;
    }
    return found;
}

static void *
reader_run(void *arg)
{
    struct reader *r = arg;
    struct broker b = {.node = &r->f->node, .routes = route_cache_new(32)};
    struct route_memo memos[5] = {0};
    epoch_wake(&r->f->epoch, r->index);
    while (!atomic_load(r->stop)) {
        const struct vhost *v = vhost_find(r->f->node.meta, slice_str("/"));
        char name[8];
        for (size_t i = 0; i < 5; i++)
            if (!finds_steady(&b, v, &memos[i], sources[i]))
                atomic_fetch_add(&r->failures, 1);
        for (int i = 0; i < 20; i++) {
            snprintf(name, sizeof name, "q%d", i);
            const struct queue_def *q = queue_def_find(v, slice_str(name));
            if (q && (queue_def_find_id(r->f->node.meta, q->id) == NULL) && q->id == 0)
                atomic_fetch_add(&r->failures, 1);
        }
        permission_is_granted(r->f->node.meta, slice_str("u"), v, PERMISSION_READ, slice_str("x"));
        route_cache_turn(b.routes);
        atomic_fetch_add(&r->looks, 1);
        epoch_quiesce(&r->f->epoch, r->index);
    }
    for (size_t i = 0; i < 5; i++)
        route_memo_clear(&b, &memos[i]);
    epoch_sleep(&r->f->epoch, r->index);
    route_cache_free(b.routes);
    return NULL;
}

static void
set_up(struct fixture *f)
{
    static const char *const types[] = {"direct", "fanout", "topic", "headers"};
    declare_queue(f, "steady");
    for (size_t i = 0; i < 4; i++)
        declare_exchange(f, sources[i], types[i]);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(bind_queue(f, sources[i], "steady", "a.b"), 0);
    apply(f, (struct meta_command){.kind = META_USER_PUT, .name = slice_str("u")});
}

static void
change(struct fixture *f, uint64_t *seed)
{
    static const char *const keys[] = {"a.b", "#", "a.*", "*.b.#", "#.b", "#.a.b", "x"};
    uint64_t v[4];
    for (int i = 0; i < 4; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        v[i] = *seed >> 33;
    }
    char name[8];
    snprintf(name, sizeof name, "q%d", (int)(v[0] % 20));
    const char *source = sources[v[1] % 5], *key = keys[v[2] % 7];
    struct slice any = slice_str(".*");
    switch (v[3] % 7) {
    case 0:
    case 1: declare_queue(f, name); break;
    case 2: delete_queue(f, name); break;
    case 3:
    case 4: bind_queue(f, source, name, key); break;
    case 5: unbind_queue(f, source, name, key); break;
    case 6:
        name[0] = 'x';
        if (v[2] % 2) {
            declare_exchange(f, name, "fanout");
            bind_exchange(f, source, name, key);
        } else {
            apply(f, (struct meta_command){.kind = META_EXCHANGE_DELETE, .name = slice_str(name)});
            apply(f, (struct meta_command){
                         .kind = META_PERMISSION_SET, .user = slice_str("u"), .configure = any, .read = any});
        }
        break;
    }
}

static void
readers_see_what_stays_while_the_rest_changes(void **state)
{
    struct fixture *f = fixture_new(READERS);
    atomic_bool stop = false;
    static struct reader readers[READERS];
    uint64_t seed = 3;
    set_up(f);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i].f = f;
        readers[i].index = i;
        readers[i].stop = &stop;
        assert_int_equal(pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]), 0);
    }
    /* At least so many changes, and on until every reader has looked often enough. */
    bool enough = false;
    for (int i = 0; i < CHANGES || !enough; i++) {
        change(f, &seed);
        enough = true;
        for (unsigned r = 0; r < READERS; r++)
            enough &= atomic_load(&readers[r].looks) >= LOOKS_MIN;
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_int_equal(atomic_load(&readers[i].failures), 0);
    }
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(readers_see_what_stays_while_the_rest_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
