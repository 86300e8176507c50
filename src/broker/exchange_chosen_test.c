/* The exchanges that choose one of their bindings: by hash, or at random. */
#include "broker/bindlist.h"
#include "broker/meta_test.h"
#include "broker/naive_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { KEYS = 6000, QUEUES = 6 };

static const char *const names[QUEUES] = {"q0", "q1", "q2", "q3", "q4", "q5"};

/* The number of the queue that gets it, or -1. Never more than one does. */
static int
chosen(struct fixture *f, const char *x, const char *key, struct slice properties)
{
    const struct route *r = route_find(&f->broker, exchange(f, x), slice_str(key), properties);
    assert_true(r->count <= 1);
    int n = r->count ? r->targets[0].queue->name[1] - '0' : -1;
    route_cache_turn(f->broker.routes);
    return n;
}

static int
chosen_by_key(struct fixture *f, const char *x, unsigned i)
{
    char key[16];
    snprintf(key, sizeof key, "key %u", i);
    return chosen(f, x, key, slice_of(NULL, 0));
}

static struct fixture *
fixture_with_queues(void)
{
    struct fixture *f = fixture_new(1);
    for (int i = 0; i < QUEUES; i++)
        assert_int_equal(declare_queue(f, names[i]), 0);
    return f;
}

static void
count_all(struct fixture *f, const char *x, unsigned counts[QUEUES])
{
    memset(counts, 0, QUEUES * sizeof counts[0]);
    for (unsigned i = 0; i < KEYS; i++)
        counts[chosen_by_key(f, x, i)]++;
}

static void
about(unsigned got, unsigned want)
{
    assert_in_range(got, want - want / 5, want + want / 5);
}

/* One list is made when a queue goes, not one for each of its bindings: those were as long as the list, and
 * lay there until all shards had ended their turns. */
static void
a_queue_with_many_bindings_goes_in_one_step(void **state)
{
    static const char *const types[] = {"x-consistent-hash", "x-modulus-hash", "x-random"};
    struct fixture *f = fixture_with_queues();
    char key[16];
    for (size_t t = 0; t < 3; t++) {
        assert_int_equal(declare_exchange(f, types[t], types[t]), 0);
        for (unsigned i = 1; i < BINDLIST_MAX; i++) {
            snprintf(key, sizeof key, "%u", i);
            assert_int_equal(bind_queue(f, types[t], names[t], key), 0);
        }
        assert_int_equal(bind_queue(f, types[t], names[5], "7"), 0);
        while (epoch_collect(&f->epoch) > 0)
            ;
        epoch_wake(&f->epoch, 0); /* what is replaced from now on is not freed */
        struct meta_command c = {.kind = META_QUEUE_DELETE,
                                 .queue_id = queue_def_find(root(f), slice_str(names[t]))->id};
        assert_int_equal(apply(f, c), 0);
        assert_in_range(epoch_collect(&f->epoch), BINDLIST_MAX - 1, BINDLIST_MAX + 16);
        epoch_sleep(&f->epoch, 0);
        assert_int_equal(chosen_by_key(f, types[t], 1), 5);
    }
    fixture_free(f);
}

/* Each change copies the list: a client must not make that, or the end of a queue, long. */
static void
there_is_a_limit_to_the_bindings(void **state)
{
    static const char *const types[] = {"x-consistent-hash", "x-modulus-hash", "x-random"};
    struct fixture *f = fixture_with_queues();
    char key[16];
    for (size_t t = 0; t < 3; t++) {
        assert_int_equal(declare_exchange(f, types[t], types[t]), 0);
        for (unsigned i = 1; i <= BINDLIST_MAX; i++) {
            snprintf(key, sizeof key, "%u", i);
            assert_int_equal(bind_queue(f, types[t], names[i % QUEUES], key), 0);
        }
        assert_int_equal(bind_queue(f, types[t], "q0", "999999"), 406);
        assert_string_equal(f->r.text,
                            "the exchange has 4096 bindings, which is the most for one of its type");
        assert_int_equal(bind_queue(f, types[t], names[1], "1"), 0); /* it is there */
        assert_true(f->r.existed);
        assert_int_equal(unbind_queue(f, types[t], names[1], "1"), 0);
        assert_int_equal(bind_queue(f, types[t], "q0", "999999"), 0);
    }
    fixture_free(f);
}

/* ---- x-consistent-hash ---- */

static void
shares_follow_the_weights(void **state)
{
    struct fixture *f = fixture_with_queues();
    unsigned counts[QUEUES];
    assert_int_equal(declare_exchange(f, "h", "x-consistent-hash"), 0);
    static const char *const weights[] = {"1", "1", "2", "2"};
    for (int i = 0; i < 4; i++)
        assert_int_equal(bind_queue(f, "h", names[i], weights[i]), 0);
    count_all(f, "h", counts);
    for (int i = 0; i < 4; i++)
        about(counts[i], i < 2 ? KEYS / 6 : KEYS / 3);
    assert_int_equal(counts[4] + counts[5], 0);
    fixture_free(f);
}

static void
a_new_queue_takes_its_share_and_moves_nothing_else(void **state)
{
    struct fixture *f = fixture_with_queues();
    static int before[KEYS];
    unsigned moved = 0;
    declare_exchange(f, "h", "x-consistent-hash");
    for (int i = 0; i < 4; i++)
        bind_queue(f, "h", names[i], "10");
    for (unsigned i = 0; i < KEYS; i++)
        before[i] = chosen_by_key(f, "h", i);
    bind_queue(f, "h", "q4", "10");
    for (unsigned i = 0; i < KEYS; i++) {
        int now = chosen_by_key(f, "h", i);
        if (now != before[i]) {
            assert_int_equal(now, 4);
            moved++;
        }
    }
    about(moved, KEYS / 5);
    unbind_queue(f, "h", "q4", "10");
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(chosen_by_key(f, "h", i), before[i]);
    fixture_free(f);
}

static void
the_first_binding_of_a_queue_counts(void **state)
{
    struct fixture *f = fixture_with_queues();
    unsigned counts[QUEUES];
    declare_exchange(f, "h", "x-consistent-hash");
    bind_queue(f, "h", "q0", "1");
    bind_queue(f, "h", "q0", "98");
    bind_queue(f, "h", "q1", "1");
    count_all(f, "h", counts);
    about(counts[0], KEYS / 2);
    unbind_queue(f, "h", "q0", "1"); /* now the other one counts */
    count_all(f, "h", counts);
    assert_true(counts[0] > KEYS * 9 / 10);
    unbind_queue(f, "h", "q0", "98");
    count_all(f, "h", counts);
    assert_int_equal(counts[1], KEYS);
    unbind_queue(f, "h", "q1", "1");
    assert_int_equal(chosen_by_key(f, "h", 1), -1);
    fixture_free(f);
}

static void
weights_that_are_none(void **state)
{
    static const struct {
        const char *key, *text;
    } bad[] = {
        {"abc", "The binding key must be an integer: <<\"abc\">>"},
        {"", "The binding key must be an integer: <<>>"},
        {"1.5", "The binding key must be an integer: <<\"1.5\">>"},
        {"-", "The binding key must be an integer: <<\"-\">>"},
        {"0", "The binding key must be greater than 0"},
        {"-3", "The binding key must be greater than 0"},
        {"99999999999999999999999", "The binding key must be at most 4294967295"},
    };
    struct fixture *f = fixture_with_queues();
    declare_exchange(f, "h", "x-consistent-hash");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(bind_queue(f, "h", "q0", bad[i].key), 406);
        assert_string_equal(f->r.text, bad[i].text);
    }
    assert_int_equal(bind_queue(f, "h", "q0", "4294967295"), 0);
    assert_int_equal(bind_queue(f, "h", "q1", "+7"), 0);
    assert_int_equal(chosen_by_key(f, "h", 1), 0);
    fixture_free(f);
}

static uint16_t
declare_with(struct fixture *f, const char *name, const char *type, const struct buffer *arguments)
{
    return apply(f, (struct meta_command){.kind = META_EXCHANGE_DECLARE,
                                          .name = slice_str(name),
                                          .type = slice_str(type),
                                          .arguments = buffer_slice(arguments)});
}

static void
hashes_a_header_or_a_property(void **state)
{
    struct fixture *f = fixture_with_queues();
    struct buffer table = {0}, run = {0};
    unsigned counts[2][QUEUES] = {0};
    table_add_str(&table, "hash-header", slice_str("id"));
    assert_int_equal(declare_with(f, "by-header", "x-consistent-hash", &table), 0);
    buffer_clear(&table);
    table_add_str(&table, "hash-property", slice_str("message_id"));
    assert_int_equal(declare_with(f, "by-id", "x-consistent-hash", &table), 0);
    for (int i = 0; i < QUEUES; i++) {
        bind_queue(f, "by-header", names[i], "1");
        bind_queue(f, "by-id", names[i], "1");
    }
    for (int i = 0; i < KEYS; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        buffer_clear(&table);
        table_add_str(&table, "id", slice_str(id));
        struct slice properties = naive_headers_run(buffer_slice(&table), &run);
        int to = chosen(f, "by-header", "k", properties);
        assert_int_equal(chosen(f, "by-header", "another key", properties), to);
        counts[0][to]++;
        struct properties p = {.flags = PROPERTY_FLAG(PROPERTY_MESSAGE_ID), .message_id = slice_str(id)};
        uint8_t bytes[64];
        counts[1][chosen(f, "by-id", "k", slice_of(bytes, properties_encode(bytes, &p)))]++;
    }
    for (int i = 0; i < QUEUES; i++) {
        about(counts[0][i], KEYS / QUEUES);
        about(counts[1][i], KEYS / QUEUES);
    }
    int without = chosen(f, "by-header", "k", slice_of(NULL, 0));
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(chosen_by_key(f, "by-header", i), without);
    buffer_fini(&table);
    buffer_fini(&run);
    fixture_free(f);
}

static void
arguments_that_contradict(void **state)
{
    struct fixture *f = fixture_with_queues();
    struct buffer table = {0};
    table_add_str(&table, "hash-property", slice_str("app_id"));
    assert_int_equal(declare_with(f, "h", "x-consistent-hash", &table), 406);
    assert_string_equal(f->r.text, "Unsupported property: app_id");
    table_add_str(&table, "hash-header", slice_str("id"));
    assert_int_equal(declare_with(f, "h", "x-consistent-hash", &table), 406);
    assert_string_equal(f->r.text, "hash-header and hash-property are mutually exclusive");
    buffer_clear(&table);
    table_add_bool(&table, "hash-header", true);
    assert_int_equal(declare_with(f, "h", "x-consistent-hash", &table), 406);
    assert_null(exchange(f, "h"));
    buffer_fini(&table);
    fixture_free(f);
}

/* ---- x-modulus-hash ---- */

static void
modulus_goes_by_the_names_of_the_queues(void **state)
{
    struct fixture *f = fixture_with_queues();
    unsigned counts[QUEUES];
    declare_exchange(f, "up", "x-modulus-hash");
    declare_exchange(f, "down", "x-modulus-hash");
    for (int i = 0; i < QUEUES; i++) {
        assert_int_equal(bind_queue(f, "up", names[i], ""), 0);
        assert_int_equal(bind_queue(f, "down", names[QUEUES - 1 - i], "any key"), 0);
    }
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(chosen_by_key(f, "up", i), chosen_by_key(f, "down", i));
    count_all(f, "up", counts);
    for (int i = 0; i < QUEUES; i++)
        about(counts[i], KEYS / QUEUES);
    unbind_queue(f, "up", "q3", "");
    count_all(f, "up", counts);
    assert_int_equal(counts[3], 0);
    about(counts[5], KEYS / 5);
    fixture_free(f);
}

/* ---- x-random, x-local-random ---- */

static void
random_chooses_anew_for_each_message(void **state)
{
    struct fixture *f = fixture_with_queues();
    unsigned counts[QUEUES] = {0};
    static const char *const types[] = {"x-random", "x-local-random"};
    for (int t = 0; t < 2; t++) {
        declare_exchange(f, types[t], types[t]);
        memset(counts, 0, sizeof counts);
        assert_int_equal(chosen(f, types[t], "k", slice_of(NULL, 0)), -1);
        for (int i = 0; i < QUEUES; i++)
            assert_int_equal(bind_queue(f, types[t], names[i], t ? "" : names[i]), 0);
        for (int i = 0; i < KEYS; i++)
            counts[chosen(f, types[t], "the same key", slice_of(NULL, 0))]++;
        for (int i = 0; i < QUEUES; i++)
            about(counts[i], KEYS / QUEUES);
        delete_queue(f, "q2");
        for (int i = 0; i < KEYS; i++)
            assert_int_not_equal(chosen(f, types[t], "k", slice_of(NULL, 0)), 2);
        declare_queue(f, "q2");
    }
    fixture_free(f);
}

static void
a_route_through_a_random_exchange_is_not_remembered(void **state)
{
    struct fixture *f = fixture_with_queues();
    struct route_memo memo = {0};
    unsigned seen = 0;
    declare_exchange(f, "r", "x-random");
    bind_queue(f, "r", "q0", "");
    bind_queue(f, "r", "q1", "");
    declare_exchange(f, "d", "direct");
    bind_exchange(f, "d", "r", "k");
    assert_null(route_find_memo(&f->broker, &memo, exchange(f, "d"), slice_str("k")));
    for (int i = 0; i < 100; i++)
        seen |= 1u << chosen(f, "d", "k", slice_of(NULL, 0));
    assert_int_equal(seen, 3);
    fixture_free(f);
}

static void
local_random_has_no_keys_and_no_exchanges(void **state)
{
    struct fixture *f = fixture_with_queues();
    declare_exchange(f, "r", "x-local-random");
    assert_int_equal(bind_queue(f, "r", "q0", "k"), 406);
    assert_string_equal(f->r.text, "Non empty binding 'k' key not permitted");
    assert_int_equal(bind_exchange(f, "r", "amq.fanout", ""), 406);
    assert_string_equal(f->r.text, "Destination not found");
    fixture_free(f);
}

static void
nothing_bound_leads_to_the_alternate(void **state)
{
    struct fixture *f = fixture_with_queues();
    struct buffer table = {0};
    table_add_str(&table, "alternate-exchange", slice_str("amq.fanout"));
    bind_queue(f, "amq.fanout", "q5", "");
    static const char *const types[] = {"x-random", "x-modulus-hash", "x-consistent-hash"};
    for (int t = 0; t < 3; t++) {
        assert_int_equal(declare_with(f, types[t], types[t], &table), 0);
        assert_int_equal(chosen(f, types[t], "k", slice_of(NULL, 0)), 5);
        assert_int_equal(bind_queue(f, types[t], "q0", "1"), 0);
        assert_int_equal(chosen(f, types[t], "k", slice_of(NULL, 0)), 0);
    }
    buffer_fini(&table);
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_a_limit_to_the_bindings),
        cmocka_unit_test(a_queue_with_many_bindings_goes_in_one_step),
        cmocka_unit_test(shares_follow_the_weights),
        cmocka_unit_test(a_new_queue_takes_its_share_and_moves_nothing_else),
        cmocka_unit_test(the_first_binding_of_a_queue_counts),
        cmocka_unit_test(weights_that_are_none),
        cmocka_unit_test(hashes_a_header_or_a_property),
        cmocka_unit_test(arguments_that_contradict),
        cmocka_unit_test(modulus_goes_by_the_names_of_the_queues),
        cmocka_unit_test(random_chooses_anew_for_each_message),
        cmocka_unit_test(a_route_through_a_random_exchange_is_not_remembered),
        cmocka_unit_test(local_random_has_no_keys_and_no_exchanges),
        cmocka_unit_test(nothing_bound_leads_to_the_alternate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
