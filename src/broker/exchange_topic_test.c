/* Topic matching against the plain version of it, over random sets of bindings that come and go. */
#include "broker/meta_test.h"
#include "broker/naive_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { QUEUES = 12, PATTERNS = 400, ROUNDS = 3000 };

static uint64_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void
random_key(uint64_t *state, char out[256], bool pattern)
{
    static const char *const words[] = {"a", "b", "c", "", "aa", "*", "#"};
    size_t n = next_random(state) % 6, len = 0;
    out[0] = 0;
    for (size_t i = 0; i < n; i++) {
        const char *w = words[next_random(state) % (pattern ? 7 : 5)];
        len += (size_t)snprintf(out + len, 256 - len, "%s%s", i ? "." : "", w);
    }
}

static bool
has_target(const struct route *r, const struct queue_def *q)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (r->targets[i].queue == q)
            return true;
    return false;
}

static void
matches_like_the_plain_version(void **state)
{
    struct fixture *f = fixture_new(1);
    static char patterns[PATTERNS][256];
    static bool bound[QUEUES][PATTERNS];
    char name[8], key[256];
    uint64_t seed = 42;
    declare_exchange(f, "t", "topic");
    for (int q = 0; q < QUEUES; q++) {
        snprintf(name, sizeof name, "q%d", q);
        assert_int_equal(declare_queue(f, name), 0);
    }
    for (int p = 0; p < PATTERNS; p++)
        random_key(&seed, patterns[p], true);
    for (int round = 0; round < ROUNDS; round++) {
        int q = (int)(next_random(&seed) % QUEUES), p = (int)(next_random(&seed) % PATTERNS);
        snprintf(name, sizeof name, "q%d", q);
        /* Two patterns may be the same text: the binding is then one. */
        bool on = !bound[q][p];
        for (int i = 0; i < PATTERNS; i++)
            if (strcmp(patterns[i], patterns[p]) == 0)
                bound[q][i] = on;
        assert_int_equal((on ? bind_queue : unbind_queue)(f, "t", name, patterns[p]), 0);
        random_key(&seed, key, false);
        const struct route *r = route_find(&f->broker, exchange(f, "t"), slice_str(key), slice_of(NULL, 0));
        for (q = 0; q < QUEUES; q++) {
            bool want = false;
            for (p = 0; p < PATTERNS; p++)
                want |= bound[q][p] && naive_topic_match(slice_str(patterns[p]), slice_str(key));
            snprintf(name, sizeof name, "q%d", q);
            assert_int_equal(has_target(r, queue(f, name)), want);
        }
        route_cache_turn(f->broker.routes);
    }
    fixture_free(f);
}

static uint32_t
count(struct fixture *f, const char *key)
{
    return route_find(&f->broker, exchange(f, "t"), slice_str(key), slice_of(NULL, 0))->count;
}

static void
empty_keys_and_empty_words(void **state)
{
    struct fixture *f = fixture_new(1);
    declare_exchange(f, "t", "topic");
    declare_queue(f, "q");
    bind_queue(f, "t", "q", "*");
    assert_int_equal(count(f, ""), 0); /* no word, not one empty word: RabbitMQ 3 */
    assert_int_equal(count(f, "."), 0);
    assert_int_equal(count(f, "a"), 1);
    unbind_queue(f, "t", "q", "*");
    bind_queue(f, "t", "q", "");
    assert_int_equal(count(f, ""), 1);
    assert_int_equal(count(f, "a"), 0);
    unbind_queue(f, "t", "q", "");
    bind_queue(f, "t", "q", "#");
    assert_int_equal(count(f, ""), 1);
    unbind_queue(f, "t", "q", "#");
    bind_queue(f, "t", "q", "a..b");
    assert_int_equal(count(f, "a..b"), 1);
    assert_int_equal(count(f, "a.b"), 0);
    fixture_free(f);
}

/* Each `#` could take any number of the words: without care that is beyond counting. */
static void
many_hashes_do_not_explode(void **state)
{
    struct fixture *f = fixture_new(1);
    declare_exchange(f, "t", "topic");
    declare_queue(f, "q");
    char pattern[256] = "", key[256] = "";
    for (int i = 0; i < 63; i++)
        strncat(pattern, i % 2 ? ".a." : "#", 4);
    for (int i = 0; i < 127; i++)
        strncat(key, i ? ".a" : "a", 3);
    assert_int_equal(bind_queue(f, "t", "q", pattern), 0);
    assert_int_equal(bind_queue(f, "t", "q", "#.#.#.#.#.#.#.#.#.#.#.#.#.#.#.#.#.#.#.b"), 0);
    assert_int_equal(count(f, key), 1);
    strncat(key, ".b", 3);
    assert_int_equal(count(f, key), 1);
    fixture_free(f);
}

/* One pattern is bound at a time; of 255 bytes there are up to 128 words in a key, and 256 places in it. */
static void
long_keys_match_like_the_plain_version(void **state)
{
    struct fixture *f = fixture_new(1);
    char pattern[256], key[256];
    uint64_t seed = 7;
    int matches = 0;
    declare_exchange(f, "t", "topic");
    declare_queue(f, "q");
    for (int round = 0; round < ROUNDS; round++) {
        static const char *const words[] = {"a", "", "#", "*", "b"};
        /* Keys of one word nearly always; a pattern that begins with it, so that some match. */
        size_t key_words = 40 + next_random(&seed) % 88, len = 0;
        for (size_t i = 0; i < key_words; i++)
            len += (size_t)snprintf(key + len, sizeof key - len, "%s%s", i ? "." : "",
                                    next_random(&seed) % 30 ? "a" : "b");
        size_t pattern_words = 1 + next_random(&seed) % 20;
        len = 0;
        for (size_t i = 0; i < pattern_words; i++)
            len += (size_t)snprintf(pattern + len, sizeof pattern - len, "%s%s", i ? "." : "",
                                    words[next_random(&seed) % (i % 3 ? 4 : 5)]);
        assert_int_equal(bind_queue(f, "t", "q", pattern), 0);
        uint64_t work = f->broker.route_work;
        uint32_t found = count(f, key);
        assert_int_equal(found, naive_topic_match(slice_str(pattern), slice_str(key)));
        /* A node and its children are passed once at most, however many places it is alive at. */
        assert_true(f->broker.route_work - work <= 2 * (pattern_words + 1) + 2 * found);
        matches += (int)found;
        assert_int_equal(unbind_queue(f, "t", "q", pattern), 0);
        route_cache_turn(f->broker.routes);
    }
    assert_true(matches > ROUNDS / 20);
    fixture_free(f);
}

/* A node with more children than the key has words, and one with fewer, both below a `#`. */
static void
children_below_a_hash_are_found_from_either_side(void **state)
{
    struct fixture *f = fixture_new(1);
    char key[32];
    declare_exchange(f, "t", "topic");
    declare_queue(f, "q");
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "#.child-%d", i);
        assert_int_equal(bind_queue(f, "t", "q", key), 0);
    }
    for (int left = 100; left > 0; left--) {
        snprintf(key, sizeof key, "x.y.x.child-%d", left - 1);
        assert_int_equal(count(f, key), 1);
        assert_int_equal(count(f, "x.y.x.child-100"), 0);
        snprintf(key, sizeof key, "#.child-%d", left - 1);
        assert_int_equal(unbind_queue(f, "t", "q", key), 0);
        snprintf(key, sizeof key, "x.y.z.child-%d", left - 1);
        assert_int_equal(count(f, key), 0);
    }
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_like_the_plain_version),
        cmocka_unit_test(empty_keys_and_empty_words),
        cmocka_unit_test(many_hashes_do_not_explode),
        cmocka_unit_test(long_keys_match_like_the_plain_version),
        cmocka_unit_test(children_below_a_hash_are_found_from_either_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
