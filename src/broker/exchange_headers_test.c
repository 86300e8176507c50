/* Headers matching against the plain version of it, over random bindings that come and go; and its texts. */
#include "broker/meta_test.h"
#include "broker/naive_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { BINDINGS = 300, ROUNDS = 3000 };

static uint64_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void
add_random_value(uint64_t *state, struct buffer *out, const char *name)
{
    switch (next_random(state) % 7) {
    case 0: table_add_str(out, name, slice_str("v")); break;
    case 1: table_add_int32(out, name, (int32_t)(next_random(state) % 2)); break;
    case 2: table_add_int64(out, name, (int64_t)(next_random(state) % 2)); break;
    case 3: table_add_double(out, name, (double)(next_random(state) % 2)); break;
    case 4: table_add_bool(out, name, next_random(state) % 2); break;
    case 5: table_add_void(out, name); break;
    case 6: table_add_table(out, name, slice_of(NULL, 0)); break;
    }
}

static void
random_table(uint64_t *state, struct buffer *out, bool is_binding)
{
    static const char *const names[] = {"a", "b", "c", "x-a", "x-b"};
    static const char *const kinds[] = {"all", "any", "all-with-x", "any-with-x"};
    buffer_clear(out);
    if (is_binding && next_random(state) % 5)
        table_add_str(out, "x-match", slice_str(kinds[next_random(state) % 4]));
    size_t n = next_random(state) % 4;
    for (size_t i = 0; i < n; i++)
        add_random_value(state, out, names[next_random(state) % 5]);
}

static void
matches_like_the_plain_version(void **state)
{
    struct fixture *f = fixture_new(1);
    static struct buffer arguments[BINDINGS];
    static bool bound[BINDINGS];
    struct buffer headers = {0}, run = {0};
    char name[8];
    uint64_t seed = 7;
    declare_exchange(f, "h", "headers");
    for (int i = 0; i < BINDINGS; i++) {
        snprintf(name, sizeof name, "q%d", i);
        declare_queue(f, name);
        random_table(&seed, &arguments[i], true);
    }
    for (int round = 0; round < ROUNDS; round++) {
        int i = (int)(next_random(&seed) % BINDINGS);
        snprintf(name, sizeof name, "q%d", i);
        bound[i] = !bound[i];
        assert_int_equal(bind_args(f, bound[i] ? META_QUEUE_BIND : META_QUEUE_UNBIND, "h", name, "",
                                   buffer_slice(&arguments[i])),
                         0);
        random_table(&seed, &headers, false);
        const struct route *r = route_find(&f->broker, exchange(f, "h"), slice_str("k"),
                                           naive_headers_run(buffer_slice(&headers), &run));
        uint32_t want = 0;
        for (i = 0; i < BINDINGS; i++)
            want += bound[i] && naive_headers_match(buffer_slice(&arguments[i]), buffer_slice(&headers));
        assert_int_equal(r->count, want);
        route_cache_turn(f->broker.routes);
    }
    for (int i = 0; i < BINDINGS; i++)
        buffer_fini(&arguments[i]);
    buffer_fini(&headers);
    buffer_fini(&run);
    fixture_free(f);
}

static uint32_t
count(struct fixture *f, const struct buffer *headers)
{
    struct buffer run = {0};
    struct slice properties = naive_headers_run(buffer_slice(headers), &run);
    uint32_t found = route_find(&f->broker, exchange(f, "h"), slice_str(""), properties)->count;
    buffer_fini(&run);
    return found;
}

static void
fields_of_one_name_pair_up_in_order(void **state)
{
    struct fixture *f = fixture_new(1);
    struct buffer arguments = {0}, headers = {0};
    declare_exchange(f, "h", "headers");
    declare_queue(f, "q");
    table_add_str(&arguments, "a", slice_str("1"));
    table_add_str(&arguments, "a", slice_str("2"));
    bind_args(f, META_QUEUE_BIND, "h", "q", "", buffer_slice(&arguments));
    table_add_str(&headers, "a", slice_str("1"));
    assert_int_equal(count(f, &headers), 0);
    table_add_str(&headers, "a", slice_str("2"));
    assert_int_equal(count(f, &headers), 1);
    buffer_clear(&headers);
    table_add_str(&headers, "a", slice_str("2"));
    table_add_str(&headers, "a", slice_str("1"));
    assert_int_equal(count(f, &headers), 0);
    buffer_fini(&arguments);
    buffer_fini(&headers);
    fixture_free(f);
}

static void
large_integers_are_not_rounded(void **state)
{
    struct fixture *f = fixture_new(1);
    struct buffer arguments = {0}, headers = {0};
    declare_exchange(f, "h", "headers");
    declare_queue(f, "q");
    table_add_int64(&arguments, "a", (1LL << 53) + 1);
    bind_args(f, META_QUEUE_BIND, "h", "q", "", buffer_slice(&arguments));
    table_add_double(&headers, "a", 0x1p53);
    assert_int_equal(count(f, &headers), 0);
    buffer_clear(&headers);
    table_add_timestamp(&headers, "a", (1ULL << 53) + 1);
    assert_int_equal(count(f, &headers), 1);
    buffer_fini(&arguments);
    buffer_fini(&headers);
    fixture_free(f);
}

static void
wrong_x_match_is_refused(void **state)
{
    struct fixture *f = fixture_new(1);
    struct buffer arguments = {0};
    declare_exchange(f, "h", "headers");
    declare_queue(f, "q");
    table_add_str(&arguments, "x-match", slice_str("some"));
    assert_int_equal(bind_args(f, META_QUEUE_BIND, "h", "q", "", buffer_slice(&arguments)), 406);
    assert_string_equal(f->r.text,
                        "Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or "
                        "any-with-x");
    buffer_clear(&arguments);
    table_add_int32(&arguments, "x-match", 5);
    assert_int_equal(bind_args(f, META_QUEUE_BIND, "h", "q", "", buffer_slice(&arguments)), 406);
    assert_string_equal(f->r.text, "Invalid x-match field type signedint (value 5); expected longstr");
    assert_int_equal(bind_args(f, META_QUEUE_BIND, "amq.direct", "q", "", buffer_slice(&arguments)), 0);
    buffer_fini(&arguments);
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_like_the_plain_version),
        cmocka_unit_test(fields_of_one_name_pair_up_in_order),
        cmocka_unit_test(large_integers_are_not_rounded),
        cmocka_unit_test(wrong_x_match_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
