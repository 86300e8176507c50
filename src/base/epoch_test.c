/* Reclamation: what may be freed when, and a writer against real readers (under TSAN and ASAN too). */
#include "base/epoch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static unsigned freed;

static void
on_free(void *ptr)
{
    freed++;
}

static void
nothing_runs_before_every_awake_reader_has_passed(void **state)
{
    struct epoch e;
    epoch_init(&e, 3);
    freed = 0;
    epoch_wake(&e, 0);
    epoch_wake(&e, 1);
    epoch_defer(&e, on_free, NULL);
    assert_int_equal(epoch_collect(&e), 1);
    epoch_quiesce(&e, 0);
    assert_int_equal(epoch_collect(&e), 1);
    epoch_quiesce(&e, 1);
    assert_int_equal(epoch_collect(&e), 0);
    assert_int_equal(freed, 1);
    epoch_fini(&e);
}

static void
sleeping_readers_hold_nothing_up(void **state)
{
    struct epoch e;
    epoch_init(&e, 2);
    freed = 0;
    epoch_wake(&e, 1);
    epoch_defer(&e, on_free, NULL);
    epoch_defer(&e, on_free, NULL);
    assert_int_equal(epoch_collect(&e), 2);
    epoch_sleep(&e, 1);
    assert_int_equal(epoch_collect(&e), 0);
    epoch_wake(&e, 1);
    epoch_defer(&e, on_free, NULL);
    assert_int_equal(epoch_collect(&e), 1);
    epoch_fini(&e);
    assert_int_equal(freed, 3);
}

/* A deleted vhost leaves a million things behind: they must not all be freed in one turn. */
static void
one_collection_runs_a_bounded_number(void **state)
{
    enum { MANY = 2 * EPOCH_COLLECT_MAX + 5 };
    struct epoch e;
    epoch_init(&e, 1);
    freed = 0;
    for (unsigned i = 0; i < MANY; i++)
        epoch_defer(&e, on_free, NULL);
    assert_int_equal(epoch_collect(&e), MANY - EPOCH_COLLECT_MAX);
    assert_int_equal(freed, EPOCH_COLLECT_MAX);
    epoch_defer(&e, on_free, NULL);
    assert_int_equal(epoch_collect(&e), MANY + 1 - 2 * EPOCH_COLLECT_MAX);
    assert_int_equal(epoch_collect(&e), 0);
    assert_int_equal(freed, MANY + 1);
    epoch_defer(&e, on_free, NULL);
    epoch_fini(&e);
    assert_int_equal(freed, MANY + 2);
}

enum { READERS = 3, VERSIONS = 20000 };

struct shared {
    struct epoch epoch;
    int *_Atomic current;
    atomic_bool stop;
    unsigned next_reader;
    pthread_mutex_t mutex;
};

static void *
read_loop(void *arg)
{
    struct shared *s = arg;
    pthread_mutex_lock(&s->mutex);
    unsigned i = s->next_reader++;
    pthread_mutex_unlock(&s->mutex);
    uintptr_t bad = 0;
    epoch_wake(&s->epoch, i);
    for (unsigned turn = 0; !atomic_load(&s->stop); turn++) {
        int *p = atomic_load_explicit(&s->current, memory_order_acquire);
        if (*p < 0)
            bad++;
        if (turn % 64 == i) {
            epoch_sleep(&s->epoch, i);
            epoch_wake(&s->epoch, i);
        } else {
            epoch_quiesce(&s->epoch, i);
        }
    }
    epoch_sleep(&s->epoch, i);
    return (void *)bad;
}

static void
destroy(void *ptr)
{
    *(int *)ptr = -1;
    free(ptr);
}

static void
readers_never_meet_a_freed_version(void **state)
{
    struct shared s = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    epoch_init(&s.epoch, READERS);
    int *first = malloc(sizeof *first);
    *first = 0;
    atomic_store(&s.current, first);
    pthread_t readers[READERS];
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_loop, &s), 0);
    for (int v = 1; v < VERSIONS; v++) {
        int *fresh = malloc(sizeof *fresh);
        *fresh = v;
        int *old = atomic_exchange_explicit(&s.current, fresh, memory_order_acq_rel);
        epoch_defer(&s.epoch, destroy, old);
        epoch_collect(&s.epoch);
    }
    atomic_store(&s.stop, true);
    for (int i = 0; i < READERS; i++) {
        void *bad;
        pthread_join(readers[i], &bad);
        assert_null(bad);
    }
    while (epoch_collect(&s.epoch) > 0)
        ;
    epoch_fini(&s.epoch);
    free(atomic_load(&s.current));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_runs_before_every_awake_reader_has_passed),
        cmocka_unit_test(sleeping_readers_hold_nothing_up),
        cmocka_unit_test(one_collection_runs_a_bounded_number),
        cmocka_unit_test(readers_never_meet_a_freed_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
