/* Confirms: every publish is told once and truly, however the answers come; and cheaply when they come at
 * once. */
#include "broker/confirm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PUBLISHES = 3000 };
enum told { OUTSTANDING, ACKED, NACKED };

struct client {
    enum told told[PUBLISHES + 1];
    uint64_t published;
    unsigned methods;
};

/* What a client makes of an ack or nack: with `multiple`, whatever is outstanding up to there. */
static void
client_hears(void *arg, uint64_t seq, bool multiple, bool nack)
{
    struct client *c = arg;
    c->methods++;
    assert_in_range(seq, 1, c->published);
    assert_int_equal(c->told[seq], OUTSTANDING);
    for (uint64_t s = multiple ? 1 : seq; s <= seq; s++)
        if (c->told[s] == OUTSTANDING)
            c->told[s] = nack ? NACKED : ACKED;
}

static uint64_t
publish(struct confirm *c, struct client *client)
{
    client->published++;
    return confirm_next(c);
}

static void
test_answers_at_once_become_one_ack_and_need_no_memory(void **state)
{
    (void)state;
    struct confirm c = {0};
    struct client client = {0};
    for (int i = 0; i < 100; i++)
        confirm_resolve(&c, publish(&c, &client), false);
    assert_null(c.window);
    assert_true(confirm_has_news(&c));
    confirm_flush(&c, client_hears, &client);
    assert_int_equal(client.methods, 1);
    assert_int_equal(client.told[1], ACKED);
    assert_int_equal(client.told[100], ACKED);
    assert_false(confirm_has_news(&c));
    assert_int_equal(confirm_outstanding(&c), 0);
}

static void
test_a_nack_splits_the_run(void **state)
{
    (void)state;
    struct confirm c = {0};
    struct client client = {0};
    for (int i = 1; i <= 5; i++)
        confirm_resolve(&c, publish(&c, &client), i == 3);
    confirm_flush(&c, client_hears, &client);
    assert_int_equal(client.methods, 3);
    assert_int_equal(client.told[2], ACKED);
    assert_int_equal(client.told[3], NACKED);
    assert_int_equal(client.told[5], ACKED);
    assert_null(c.window);
}

static void
test_beyond_a_gap_each_is_told_by_itself(void **state)
{
    (void)state;
    struct confirm c = {0};
    struct client client = {0};
    confirm_pending(&c, publish(&c, &client), 2);
    confirm_resolve(&c, publish(&c, &client), false);
    confirm_flush(&c, client_hears, &client);
    assert_int_equal(client.told[1], OUTSTANDING);
    assert_int_equal(client.told[2], ACKED);
    confirm_answered(&c, 1, 1, false);
    assert_false(confirm_has_news(&c));
    confirm_flush(&c, client_hears, &client);
    assert_int_equal(client.told[1], OUTSTANDING);
    confirm_answered(&c, 1, 1, false);
    confirm_flush(&c, client_hears, &client);
    assert_int_equal(client.told[1], ACKED);
    assert_int_equal(client.methods, 2);
    assert_null(c.window);
}

static void
test_one_refusing_queue_is_a_nack(void **state)
{
    (void)state;
    struct confirm c = {0};
    struct client client = {0};
    confirm_pending(&c, publish(&c, &client), 2);
    confirm_answered(&c, 1, 1, true);
    confirm_flush(&c, client_hears, &client);
    assert_int_equal(client.methods, 0);
    confirm_answered(&c, 1, 1, false);
    confirm_answered(&c, 1, 1, false); /* nobody waits for this one */
    confirm_flush(&c, client_hears, &client);
    assert_int_equal(client.told[1], NACKED);
    assert_int_equal(client.methods, 1);
}

static void
test_random_answers_are_told_truly(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed < 40; seed++) {
        uint32_t left[PUBLISHES + 1] = {0}, x = seed;
        bool nack[PUBLISHES + 1] = {0};
        struct confirm c = {0};
        struct client client = {0};
        uint64_t oldest = 1;
        while (oldest <= PUBLISHES) {
            x = x * 1664525u + 1013904223u;
            uint32_t r = x >> 8, wish = r % (seed % 2 ? 3 : 12);
            if (wish == 0 && client.published < PUBLISHES) {
                uint64_t seq = publish(&c, &client);
                nack[seq] = r % 7 == 0;
                left[seq] = r % 5 % 3;
                if (left[seq])
                    confirm_pending(&c, seq, left[seq]);
                else
                    confirm_resolve(&c, seq, nack[seq]);
            } else if (wish == 1)
                confirm_flush(&c, client_hears, &client);
            else if (oldest <= client.published) {
                uint64_t first = oldest + r % (client.published - oldest + 1);
                uint64_t last = first;
                while (last < client.published && left[last + 1] && nack[last + 1] == nack[first] &&
                       last - first < 5)
                    last++;
                if (left[first])
                    confirm_answered(&c, first, last, nack[first]);
                for (uint64_t s = first; left[first] && s <= last; s++)
                    left[s] -= s != first;
                left[first] -= left[first] != 0;
            }
            while (oldest <= client.published && left[oldest] == 0)
                oldest++;
        }
        confirm_flush(&c, client_hears, &client);
        for (uint64_t s = 1; s <= PUBLISHES; s++)
            assert_int_equal(client.told[s], nack[s] ? NACKED : ACKED);
        assert_null(c.window);
        confirm_fini(&c);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_at_once_become_one_ack_and_need_no_memory),
        cmocka_unit_test(test_a_nack_splits_the_run),
        cmocka_unit_test(test_beyond_a_gap_each_is_told_by_itself),
        cmocka_unit_test(test_one_refusing_queue_is_a_nack),
        cmocka_unit_test(test_random_answers_are_told_truly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
