#include "base/cmap.h"

#include "base/hash.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct item {
    uint64_t key;
    uint64_t check; /* ~key, so that a reader sees whether it is complete */
    struct item *next_removed;
};

/* Tables and items that readers might still hold; freed when there is no reader left. */
struct graveyard {
    void *tables[10000];
    size_t tables_count;
    struct item *items;
};

static void
retire(void *arg, void *table)
{
    struct graveyard *g = arg;
    assert_true(g->tables_count < sizeof g->tables / sizeof *g->tables);
    g->tables[g->tables_count++] = table;
}

static void
bury(struct graveyard *g, struct item *i)
{
    i->next_removed = g->items;
    g->items = i;
}

static void
graveyard_empty(struct graveyard *g)
{
    while (g->tables_count > 0)
        free(g->tables[--g->tables_count]);
    while (g->items) {
        struct item *i = g->items;
        g->items = i->next_removed;
        free(i);
    }
}

/* The tag is kept to two values, so that `eq` has to tell items apart. */
static uint64_t
hash_of_key(uint64_t key)
{
    return hash_u64(key) & 0x0001ffffffffffff;
}

static uint64_t
hash_of(const void *item)
{
    return hash_of_key(((const struct item *)item)->key);
}

static bool
has_key(const void *item, const void *key)
{
    return ((const struct item *)item)->key == *(const uint64_t *)key;
}

static struct item *
find(const struct cmap *m, uint64_t key)
{
    return cmap_find(m, hash_of_key(key), has_key, &key);
}

static struct item *
item_new(uint64_t key)
{
    struct item *i = malloc(sizeof *i);
    *i = (struct item){.key = key, .check = ~key};
    return i;
}

static void
test_empty_map_holds_no_memory(void **state)
{
    struct graveyard g = {0};
    struct cmap m;
    cmap_init(&m, hash_of, retire, &g);
    struct item a = {.key = 1};
    assert_null(find(&m, 1));
    assert_false(cmap_remove(&m, hash_of(&a), &a));
    cmap_insert(&m, hash_of(&a), &a);
    assert_ptr_equal(find(&m, 1), &a);
    assert_null(find(&m, 2));
    assert_true(cmap_remove(&m, hash_of(&a), &a));
    assert_null(find(&m, 1));
    assert_null(atomic_load(&m.table));
    assert_int_equal(g.tables_count, 1);
    cmap_fini(&m);
    graveyard_empty(&g);
}

static void
test_only_this_very_item_is_removed_or_replaced(void **state)
{
    struct graveyard g = {0};
    struct cmap m;
    cmap_init(&m, hash_of, retire, &g);
    struct item a = {.key = 1}, b = {.key = 1}, c = {.key = 1};
    cmap_insert(&m, hash_of(&a), &a);
    assert_false(cmap_remove(&m, hash_of(&b), &b));
    assert_false(cmap_replace(&m, hash_of(&b), &b, &c));
    assert_true(cmap_replace(&m, hash_of(&a), &a, &b));
    assert_ptr_equal(find(&m, 1), &b);
    assert_int_equal(cmap_count(&m), 1);
    cmap_fini(&m);
    graveyard_empty(&g);
}

enum { KEYS = 2000 };

static void
count_item(void *arg, void *item)
{
    size_t *seen = arg;
    seen[((struct item *)item)->key]++;
}

static void
assert_same(const struct cmap *m, struct item **model)
{
    static size_t by_foreach[KEYS], by_next[KEYS];
    memset(by_foreach, 0, sizeof by_foreach);
    memset(by_next, 0, sizeof by_next);
    cmap_foreach(m, count_item, by_foreach);
    size_t cursor = 0, count = 0;
    for (void *item; (item = cmap_next(m, &cursor));)
        count_item(by_next, item);
    for (uint64_t key = 0; key < KEYS; key++) {
        assert_ptr_equal(find(m, key), model[key]);
        assert_int_equal(by_foreach[key], model[key] != NULL);
        assert_int_equal(by_next[key], model[key] != NULL);
        count += model[key] != NULL;
    }
    assert_int_equal(cmap_count(m), count);
}

static void
test_random_changes_match_an_array(void **state)
{
    static struct graveyard g;
    static struct item *model[KEYS];
    unsigned short seed[3] = {1, 2, 3};
    struct cmap m;
    cmap_init(&m, hash_of, retire, &g);
    for (int i = 0; i < 200000; i++) {
        uint64_t key = (uint64_t)nrand48(seed) % KEYS;
        bool is_growing = i / 20000 % 2 == 0;
        uint64_t hash = hash_of_key(key);
        if (!model[key] && nrand48(seed) % 8 < (is_growing ? 7 : 1)) {
            model[key] = item_new(key);
            cmap_insert(&m, hash, model[key]);
        } else if (model[key] && nrand48(seed) % 8 == 0) {
            struct item *fresh = item_new(key);
            assert_true(cmap_replace(&m, hash, model[key], fresh));
            free(model[key]);
            model[key] = fresh;
        } else if (model[key] && nrand48(seed) % 8 < (is_growing ? 1 : 7)) {
            assert_true(cmap_remove(&m, hash, model[key]));
            free(model[key]);
            model[key] = NULL;
        }
        if (i % 5000 == 0)
            assert_same(&m, model);
        graveyard_empty(&g);
    }
    assert_same(&m, model);
    cmap_fini(&m);
    for (size_t i = 0; i < KEYS; i++)
        free(model[i]);
}

static size_t
bytes_of(const struct cmap *m)
{
    return *(const size_t *)atomic_load(&m->table) * sizeof(uintptr_t); /* a table starts with its capacity */
}

static void
test_table_fits_its_items_while_growing_and_after_a_walk_that_removes(void **state)
{
    static struct graveyard g;
    enum { N = 100000 };
    struct cmap m;
    cmap_init(&m, hash_of, retire, &g);
    for (uint64_t key = 1; key <= N; key++) {
        cmap_insert(&m, hash_of_key(key), item_new(key));
        assert_true(bytes_of(&m) <= 64 || bytes_of(&m) <= key * 22);
    }
    size_t cursor = 0, removed = 0;
    for (struct item *i; (i = cmap_next(&m, &cursor)); removed++) {
        assert_true(cmap_remove(&m, hash_of(i), i));
        bury(&g, i);
        if (removed == N - 11)
            break;
    }
    assert_int_equal(cmap_count(&m), 10);
    struct item last = {.key = N + 1};
    cmap_insert(&m, hash_of(&last), &last);
    assert_true(bytes_of(&m) <= 256);
    assert_true(cmap_remove(&m, hash_of(&last), &last));
    for (cursor = 0;;) {
        struct item *i = cmap_next(&m, &cursor);
        if (!i)
            break;
        assert_true(cmap_remove(&m, hash_of(i), i));
        bury(&g, i);
    }
    assert_int_equal(cmap_count(&m), 0);
    cmap_fini(&m);
    graveyard_empty(&g);
}

enum { STABLE = 300, CHURN = 3000, ROUNDS = 30, READERS = 2 };

struct readers {
    struct cmap map;
    atomic_bool is_over;
    atomic_size_t finds, failures;
};

static void
check_complete(void *arg, void *item)
{
    const struct item *i = item;
    if (i->check != ~i->key)
        atomic_fetch_add((atomic_size_t *)arg, 1);
}

/* Keys below STABLE are always there; the others come and go. */
static void *
reader_run(void *arg)
{
    struct readers *r = arg;
    for (uint64_t n = 0; !atomic_load(&r->is_over); n++) {
        uint64_t stable = n % STABLE, churn = STABLE + n % CHURN;
        const struct item *i = find(&r->map, stable);
        if (!i || i->key != stable || i->check != ~stable)
            atomic_fetch_add(&r->failures, 1);
        i = find(&r->map, churn);
        if (i && (i->key != churn || i->check != ~churn))
            atomic_fetch_add(&r->failures, 1);
        if (n % 512 == 0)
            cmap_foreach(&r->map, check_complete, &r->failures);
        atomic_fetch_add_explicit(&r->finds, 1, memory_order_relaxed);
    }
    return NULL;
}

static void
replace_stable(struct cmap *m, struct graveyard *g, uint64_t key)
{
    struct item *old = find(m, key);
    assert_true(cmap_replace(m, hash_of_key(key), old, item_new(key)));
    bury(g, old);
}

static void
churn(struct cmap *m, struct graveyard *g)
{
    for (uint64_t key = STABLE; key < STABLE + CHURN; key++) {
        cmap_insert(m, hash_of_key(key), item_new(key));
        if (key % 10 == 0)
            replace_stable(m, g, key % STABLE);
    }
    for (uint64_t key = STABLE; key < STABLE + CHURN; key++) {
        struct item *i = find(m, key);
        assert_true(cmap_remove(m, hash_of_key(key), i));
        bury(g, i);
    }
}

static void
test_readers_always_find_what_stays_while_the_rest_changes(void **state)
{
    static struct graveyard g;
    static struct readers r;
    pthread_t threads[READERS];
    cmap_init(&r.map, hash_of, retire, &g);
    for (uint64_t key = 0; key < STABLE; key++)
        cmap_insert(&r.map, hash_of_key(key), item_new(key));
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader_run, &r), 0);
    for (int round = 0; round < ROUNDS || atomic_load(&r.finds) < 10000; round++)
        churn(&r.map, &g);
    atomic_store(&r.is_over, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&r.failures), 0);
    assert_true(g.tables_count >= ROUNDS);
    for (uint64_t key = 0; key < STABLE; key++)
        bury(&g, find(&r.map, key));
    cmap_fini(&r.map);
    graveyard_empty(&g);
}

/* ---- a walk in pieces ---- */

enum { WALK_STAYING = 500, WALK_PASSING = 20000 };

static void
count_shown(void *arg, void *item)
{
    unsigned *shown = arg;
    const struct item *i = item;
    assert_int_equal(i->check, ~i->key);
    if (i->key < WALK_STAYING)
        shown[i->key]++;
}

/* `more` of the passing items come (or the last ones of them go) between two pieces: the table grows many
 * times, and is built anew smaller. */
static void
test_walk_in_pieces_shows_what_stays_once(void **state)
{
    static struct graveyard g;
    struct cmap m;
    cmap_init(&m, hash_of, retire, &g);
    uint64_t position = 0;
    assert_false(cmap_walk(&m, &position, count_shown, NULL));
    for (unsigned step = 0; step < 400; step++) { /* where in the walk the change happens */
        unsigned shown[WALK_STAYING] = {0};
        uint64_t passing = WALK_STAYING;
        bool is_growing = step % 2 == 0;
        for (uint64_t key = 0; key < WALK_STAYING; key++)
            cmap_insert(&m, hash_of_key(key), item_new(key));
        for (; !is_growing && passing < WALK_PASSING; passing++)
            cmap_insert(&m, hash_of_key(passing), item_new(passing));
        unsigned pieces = 0;
        position = 0;
        while (cmap_walk(&m, &position, count_shown, shown)) {
            if (pieces++ != step)
                continue;
            for (; is_growing && passing < WALK_PASSING; passing++)
                cmap_insert(&m, hash_of_key(passing), item_new(passing));
            while (!is_growing && passing > WALK_STAYING) {
                struct item *gone = find(&m, --passing);
                assert_true(cmap_remove(&m, hash_of_key(passing), gone));
                bury(&g, gone);
            }
            uint64_t extra = WALK_PASSING + 1; /* an insertion builds the table anew, smaller */
            cmap_insert(&m, hash_of_key(extra), item_new(extra));
        }
        for (uint64_t key = 0; key < WALK_STAYING; key++)
            assert_int_equal(shown[key], 1);
        size_t cursor = 0;
        for (struct item *i; (i = cmap_next(&m, &cursor));) {
            assert_true(cmap_remove(&m, hash_of_key(i->key), i));
            bury(&g, i);
        }
        graveyard_empty(&g);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_map_holds_no_memory),
        cmocka_unit_test(test_only_this_very_item_is_removed_or_replaced),
        cmocka_unit_test(test_random_changes_match_an_array),
        cmocka_unit_test(test_table_fits_its_items_while_growing_and_after_a_walk_that_removes),
        cmocka_unit_test(test_readers_always_find_what_stays_while_the_rest_changes),
        cmocka_unit_test(test_walk_in_pieces_shows_what_stays_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
