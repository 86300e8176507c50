/* Routes: exchange to exchange, alternates, the cache and its generations, memos, unions; and a random graph
 * against a plain search. */
#include "broker/meta_test.h"
#include "broker/naive_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct route *
find(struct fixture *f, const char *x, const char *key)
{
    return route_find(&f->broker, exchange(f, x), slice_str(key), slice_of(NULL, 0));
}

static bool
reaches(struct fixture *f, const char *x, const char *key, const char *q)
{
    const struct route *r = find(f, x, key);
    for (uint32_t i = 0; i < r->count; i++)
        if (r->targets[i].queue == queue(f, q))
            return true;
    return false;
}

static uint16_t
declare_with_alternate(struct fixture *f, const char *name, const char *type, const char *alternate)
{
    struct buffer arguments = {0};
    table_add_str(&arguments, "alternate-exchange", slice_str(alternate));
    uint16_t code = apply(f, (struct meta_command){.kind = META_EXCHANGE_DECLARE,
                                                   .name = slice_str(name),
                                                   .type = slice_str(type),
                                                   .arguments = buffer_slice(&arguments)});
    buffer_fini(&arguments);
    return code;
}

static void
the_default_exchange_finds_queues_by_name(void **state)
{
    struct fixture *f = fixture_new(1);
    assert_int_equal(find(f, "", "q")->count, 0);
    declare_queue(f, "q");
    assert_true(reaches(f, "", "q", "q"));
    uint64_t id = find(f, "", "q")->targets[0].queue_id;
    delete_queue(f, "q");
    assert_int_equal(find(f, "", "q")->count, 0);
    declare_queue(f, "q");
    assert_true(find(f, "", "q")->targets[0].queue_id != id);
    fixture_free(f);
}

static void
a_queue_gets_a_message_once(void **state)
{
    struct fixture *f = fixture_new(1);
    declare_exchange(f, "t", "topic");
    declare_exchange(f, "d", "direct");
    declare_queue(f, "q");
    bind_queue(f, "t", "q", "#");
    bind_queue(f, "t", "q", "a.*");
    bind_exchange(f, "t", "d", "a.b");
    bind_exchange(f, "d", "t", "a.b"); /* and back: a cycle */
    bind_queue(f, "d", "q", "a.b");
    assert_int_equal(find(f, "t", "a.b")->count, 1);
    assert_int_equal(find(f, "d", "a.b")->count, 1);
    fixture_free(f);
}

static void
a_change_behind_many_exchanges_is_seen(void **state)
{
    struct fixture *f = fixture_new(1);
    char name[16], to[16];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "x%d", i);
        declare_exchange(f, name, "fanout");
        snprintf(to, sizeof to, "x%d", i - 1);
        if (i > 0)
            bind_exchange(f, name, to, "");
    }
    declare_queue(f, "q");
    assert_int_equal(find(f, "x49", "")->count, 0);
    bind_queue(f, "x0", "q", "");
    assert_int_equal(find(f, "x49", "")->count, 1);
    delete_queue(f, "q");
    assert_int_equal(find(f, "x49", "")->count, 0);
    fixture_free(f);
}

static void
alternates_are_taken_when_nothing_matches(void **state)
{
    struct fixture *f = fixture_new(1);
    declare_with_alternate(f, "x", "direct", "ae");
    declare_queue(f, "q");
    declare_queue(f, "rest");
    bind_queue(f, "x", "q", "k");
    assert_int_equal(find(f, "x", "other")->count, 0); /* an alternate that does not exist: dropped */
    declare_with_alternate(f, "ae", "fanout", "x");    /* named before it was there; and a cycle */
    assert_int_equal(find(f, "x", "other")->count, 0);
    bind_queue(f, "ae", "rest", "");
    assert_true(reaches(f, "x", "other", "rest"));
    assert_false(reaches(f, "x", "k", "rest"));
    apply(f, (struct meta_command){.kind = META_EXCHANGE_DELETE, .name = slice_str("ae")});
    assert_int_equal(find(f, "x", "other")->count, 0);
    fixture_free(f);
}

/* As in RabbitMQ: a binding to an exchange counts as routed, wherever that leads. */
static void
alternates_are_not_taken_behind_a_matching_exchange(void **state)
{
    struct fixture *f = fixture_new(1);
    declare_with_alternate(f, "x", "direct", "ae");
    declare_exchange(f, "ae", "fanout");
    declare_exchange(f, "dead end", "fanout");
    declare_queue(f, "rest");
    bind_queue(f, "ae", "rest", "");
    bind_exchange(f, "x", "dead end", "k");
    assert_int_equal(find(f, "x", "k")->count, 0);
    assert_int_equal(find(f, "x", "other")->count, 1);
    fixture_free(f);
}

static void
headers_behind_a_direct_exchange_are_looked_at(void **state)
{
    struct fixture *f = fixture_new(1);
    struct buffer headers = {0}, run = {0};
    declare_exchange(f, "d", "direct");
    declare_queue(f, "q");
    bind_queue(f, "d", "q", "k");
    struct route_memo memo = {0};
    assert_non_null(route_find_memo(&f->broker, &memo, exchange(f, "d"), slice_str("k")));
    assert_false(exchange_needs_message(exchange(f, "d")));
    bind_exchange(f, "d", "amq.headers", "k");
    assert_true(exchange_needs_message(exchange(f, "d")));
    assert_null(route_find_memo(&f->broker, &memo, exchange(f, "d"), slice_str("k")));
    declare_queue(f, "h");
    table_add_bool(&headers, "a", true);
    bind_args(f, META_QUEUE_BIND, "amq.headers", "h", "", buffer_slice(&headers));
    assert_int_equal(find(f, "d", "k")->count, 1);
    struct slice properties = naive_headers_run(buffer_slice(&headers), &run);
    assert_int_equal(route_find(&f->broker, exchange(f, "d"), slice_str("k"), properties)->count, 2);
    buffer_fini(&run);
    buffer_fini(&headers);
    fixture_free(f);
}

static void
several_keys_make_a_union(void **state)
{
    struct fixture *f = fixture_new(1);
    declare_with_alternate(f, "x", "direct", "amq.fanout");
    declare_queue(f, "a");
    declare_queue(f, "b");
    declare_queue(f, "rest");
    bind_queue(f, "x", "a", "a");
    bind_queue(f, "x", "b", "b");
    bind_queue(f, "amq.fanout", "rest", "");
    struct slice keys[] = {slice_str("a"), slice_str("b"), slice_str("none"), slice_str("a")};
    assert_int_equal(route_find_many(&f->broker, exchange(f, "x"), keys, 4, slice_of(NULL, 0))->count, 2);
    assert_int_equal(route_find_many(&f->broker, exchange(f, "x"), keys + 2, 1, slice_of(NULL, 0))->count, 1);
    assert_int_equal(route_find_many(&f->broker, exchange(f, ""), keys, 4, slice_of(NULL, 0))->count, 2);
    fixture_free(f);
}

/* CC fits thousands of them into a header, and each is looked for. */
static void
keys_that_nobody_is_bound_with_are_work_too(void **state)
{
    enum { KEYS = 1000 };
    struct fixture *f = fixture_new(1);
    struct slice keys[KEYS];
    declare_with_alternate(f, "x", "direct", "amq.fanout");
    for (unsigned i = 0; i < KEYS; i++)
        keys[i] = slice_str("none");
    const char *const exchanges[] = {"", "x", "amq.topic"};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t before = f->broker.route_work;
        const struct exchange *to = exchange(f, exchanges[i]);
        assert_int_equal(route_find_many(&f->broker, to, keys, KEYS, slice_of(NULL, 0))->count, 0);
        assert_in_range(f->broker.route_work - before, KEYS - 1, 3 * KEYS);
    }
    fixture_free(f);
}

static void
memos_outlive_eviction(void **state)
{
    struct fixture *f = fixture_new(1);
    declare_queue(f, "q");
    struct route_memo memo = {0};
    const struct exchange *x = exchange(f, "");
    const struct route *r = route_find_memo(&f->broker, &memo, x, slice_str("q"));
    assert_int_equal(r->count, 1);
    char key[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        find(f, "", key);
        route_cache_turn(f->broker.routes);
    }
    assert_ptr_equal(route_find_memo(&f->broker, &memo, x, slice_str("q")), r);
    assert_int_equal(r->count, 1);
    delete_queue(f, "q");
    assert_int_equal(route_find_memo(&f->broker, &memo, x, slice_str("q"))->count, 0);
    route_memo_clear(&f->broker, &memo);
    route_cache_turn(f->broker.routes);
    fixture_free(f);
}

/* An unrelated declaration costs a look-up, not a new route: what was handed out before in the turn stays. */
static void
unchanged_routes_are_kept(void **state)
{
    struct fixture *f = fixture_new(1);
    declare_queue(f, "q");
    const struct route *r = find(f, "", "q");
    declare_queue(f, "unrelated");
    assert_ptr_equal(find(f, "", "q"), r);
    delete_queue(f, "q");
    declare_queue(f, "q");
    assert_ptr_not_equal(find(f, "", "q"), r);
    fixture_free(f);
}

/* ---- a random graph ---- */

enum { EXCHANGES = 12, QUEUES = 8, KEYS = 3, STEPS = 4000 };

struct plain {
    bool to_queue[EXCHANGES][QUEUES][KEYS], to_exchange[EXCHANGES][EXCHANGES][KEYS], exists[EXCHANGES];
    int alternate[EXCHANGES];
    bool is_fanout[EXCHANGES];
};

static void
plain_search(const struct plain *p, int start, int key, bool found[QUEUES])
{
    bool seen[EXCHANGES] = {false};
    int todo[EXCHANGES], n = 0;
    todo[n++] = start;
    seen[start] = true;
    while (n > 0) {
        int x = todo[--n];
        bool any = false;
        for (int k = 0; k < KEYS; k++) {
            if (k != key && !p->is_fanout[x])
                continue;
            for (int q = 0; q < QUEUES; q++)
                any |= p->to_queue[x][q][k], found[q] |= p->to_queue[x][q][k];
            for (int y = 0; y < EXCHANGES; y++) {
                any |= p->to_exchange[x][y][k];
                if (p->to_exchange[x][y][k] && !seen[y])
                    seen[y] = true, todo[n++] = y;
            }
        }
        int a = p->alternate[x];
        if (!any && a >= 0 && p->exists[a] && !seen[a])
            seen[a] = true, todo[n++] = a;
    }
}

static uint64_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void
toggle_exchange(struct fixture *f, struct plain *p, int x, uint64_t *seed)
{
    char name[16], alternate[16];
    snprintf(name, sizeof name, "x%d", x);
    if (p->exists[x]) {
        apply(f, (struct meta_command){.kind = META_EXCHANGE_DELETE, .name = slice_str(name)});
        p->exists[x] = false;
        memset(p->to_queue[x], 0, sizeof p->to_queue[x]);
        memset(p->to_exchange[x], 0, sizeof p->to_exchange[x]);
        for (int y = 0; y < EXCHANGES; y++)
            memset(p->to_exchange[y][x], 0, sizeof p->to_exchange[y][x]);
        return;
    }
    p->exists[x] = true;
    p->is_fanout[x] = next_random(seed) % 3 == 0;
    p->alternate[x] = next_random(seed) % 2 ? (int)(next_random(seed) % EXCHANGES) : -1;
    snprintf(alternate, sizeof alternate, "x%d", p->alternate[x]);
    if (p->alternate[x] >= 0)
        declare_with_alternate(f, name, p->is_fanout[x] ? "fanout" : "direct", alternate);
    else
        declare_exchange(f, name, p->is_fanout[x] ? "fanout" : "direct");
}

static void
toggle_binding(struct fixture *f, struct plain *p, uint64_t *seed)
{
    int x = (int)(next_random(seed) % EXCHANGES), k = (int)(next_random(seed) % KEYS);
    bool to_exchange = next_random(seed) % 2;
    int to = (int)(next_random(seed) % (to_exchange ? EXCHANGES : QUEUES));
    if (!p->exists[x] || (to_exchange && !p->exists[to]))
        return;
    bool *on = to_exchange ? &p->to_exchange[x][to][k] : &p->to_queue[x][to][k];
    *on = !*on && next_random(seed) % 4 == 0;
    char source[16], name[16], key[16];
    snprintf(source, sizeof source, "x%d", x);
    snprintf(name, sizeof name, to_exchange ? "x%d" : "q%d", to);
    snprintf(key, sizeof key, "k%d", k);
    enum meta_kind bind = to_exchange ? META_EXCHANGE_BIND : META_QUEUE_BIND;
    enum meta_kind unbind = to_exchange ? META_EXCHANGE_UNBIND : META_QUEUE_UNBIND;
    assert_int_equal(bind_args(f, *on ? bind : unbind, source, name, key, slice_of(NULL, 0)), 0);
}

static void
a_random_graph_routes_like_a_plain_search(void **state)
{
    struct fixture *f = fixture_new(1);
    static struct plain p;
    char name[16], key[16];
    uint64_t seed = 5;
    for (int q = 0; q < QUEUES; q++) {
        snprintf(name, sizeof name, "q%d", q);
        declare_queue(f, name);
    }
    for (int step = 0; step < STEPS; step++) {
        if (next_random(&seed) % 20 == 0 || step < EXCHANGES)
            toggle_exchange(f, &p, step < EXCHANGES ? step : (int)(next_random(&seed) % EXCHANGES), &seed);
        else
            toggle_binding(f, &p, &seed);
        int x = (int)(next_random(&seed) % EXCHANGES), k = (int)(next_random(&seed) % KEYS);
        if (!p.exists[x])
            continue;
        bool found[QUEUES] = {false};
        plain_search(&p, x, k, found);
        snprintf(name, sizeof name, "x%d", x);
        snprintf(key, sizeof key, "k%d", k);
        const struct route *r = find(f, name, key);
        uint32_t want = 0;
        for (int q = 0; q < QUEUES; q++)
            want += found[q];
        assert_int_equal(r->count, want);
        for (uint32_t i = 0; i < r->count; i++)
            assert_true(found[r->targets[i].queue->name[1] - '0']);
        route_cache_turn(f->broker.routes);
    }
    fixture_free(f);
}

/* Publishes to a headers exchange, or with CC, make one of these each: their memory goes round. */
static void
routes_for_one_turn_stand_apart_in_it_and_are_used_again_in_the_next(void **state)
{
    enum { NAMES = 20, TURNS = 3 };
    struct fixture *f = fixture_new(1);
    struct slice keys[NAMES];
    char names[NAMES][8];
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof names[i], "q%u", i);
        keys[i] = slice_str(names[i]);
        declare_queue(f, names[i]);
    }
    const struct route *first[NAMES + 1] = {0};
    for (unsigned turn = 0; turn < TURNS; turn++) {
        const struct route *routes[NAMES + 1] = {0};
        for (unsigned n = 2; n <= NAMES; n++)
            routes[n] = route_find_many(&f->broker, exchange(f, ""), keys, n, slice_of(NULL, 0));
        unsigned again = 0;
        for (unsigned n = 2; n <= NAMES; n++) {
            assert_int_equal(routes[n]->count, n);
            for (unsigned i = 0; i < n; i++)
                assert_ptr_equal(routes[n]->targets[i].queue, queue(f, names[i]));
            for (unsigned k = 2; k <= NAMES; k++)
                again += routes[n] == first[k];
        }
        assert_true(turn == 0 || again >= 7); /* those of the usual size */
        memcpy(first, routes, sizeof first);
        route_cache_turn(f->broker.routes);
    }
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_exchange_finds_queues_by_name),
        cmocka_unit_test(a_queue_gets_a_message_once),
        cmocka_unit_test(a_change_behind_many_exchanges_is_seen),
        cmocka_unit_test(alternates_are_taken_when_nothing_matches),
        cmocka_unit_test(alternates_are_not_taken_behind_a_matching_exchange),
        cmocka_unit_test(headers_behind_a_direct_exchange_are_looked_at),
        cmocka_unit_test(several_keys_make_a_union),
        cmocka_unit_test(keys_that_nobody_is_bound_with_are_work_too),
        cmocka_unit_test(memos_outlive_eviction),
        cmocka_unit_test(unchanged_routes_are_kept),
        cmocka_unit_test(a_random_graph_routes_like_a_plain_search),
        cmocka_unit_test(routes_for_one_turn_stand_apart_in_it_and_are_used_again_in_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
