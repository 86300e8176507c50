/* The budget of failed logins, its memory, and that nobody pays for another; time is what the test says. */
#include "server/login_limit.h"

#include "base/slice.h"
#include "io/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { START_MS = 1000000, BUDGET = 10, WINDOW_MS = 60000, EACH_MS = WINDOW_MS / BUDGET, TICK_MS = 16 };

static struct net_addr
ipv4(uint32_t ip)
{
    return (struct net_addr){
        .family = NET_IPV4,
        .port = 40000,
        .ip = {(uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip}};
}

static struct net_addr
ipv6(const char bytes[16])
{
    struct net_addr a = {.family = NET_IPV6, .port = 40000};
    memcpy(a.ip, bytes, sizeof a.ip);
    return a;
}

static struct login_limit *
limit(void)
{
    return login_limit_new(BUDGET, WINDOW_MS, 42);
}

static void
use_up(struct login_limit *l, const struct net_addr *a, uint64_t now_ms)
{
    for (int i = 0; i < BUDGET; i++) {
        assert_int_equal(login_limit_wait_ms(l, a, now_ms), 0);
        assert_int_equal(login_limit_failed(l, a, now_ms), i == BUDGET - 1);
    }
    assert_true(login_limit_wait_ms(l, a, now_ms) > 0);
}

static void
budget_is_used_up_and_comes_back_evenly(void **state)
{
    struct login_limit *l = limit();
    struct net_addr a = ipv4(0x0a000001);
    use_up(l, &a, START_MS);
    uint64_t wait = login_limit_wait_ms(l, &a, START_MS);
    assert_in_range(wait, EACH_MS - TICK_MS, EACH_MS + TICK_MS);
    assert_true(login_limit_wait_ms(l, &a, START_MS + wait / 2) > 0);
    assert_int_equal(login_limit_wait_ms(l, &a, START_MS + wait), 0);
    assert_true(login_limit_failed(l, &a, START_MS + wait));
    assert_true(login_limit_wait_ms(l, &a, START_MS + wait) > 0);
    use_up(l, &a, START_MS + wait + WINDOW_MS + TICK_MS);
    login_limit_free(l);
}

/* A failure that was under way on another shard adds nothing to a debt that is full. */
static void
failures_beyond_the_budget_do_not_lengthen_the_wait(void **state)
{
    struct login_limit *l = limit();
    struct net_addr a = ipv4(0x0a000001);
    use_up(l, &a, START_MS);
    uint64_t wait = login_limit_wait_ms(l, &a, START_MS);
    for (int i = 0; i < 1000; i++)
        assert_false(login_limit_failed(l, &a, START_MS));
    assert_int_equal(login_limit_wait_ms(l, &a, START_MS), wait);
    login_limit_free(l);
}

static void
source_is_an_address_or_a_network_of_ipv6(void **state)
{
    struct login_limit *l = limit();
    struct net_addr a = ipv4(0x0a000001), other_port = a, b = ipv4(0x0a000002);
    struct net_addr c = ipv6("\x20\x01\x0d\xb8\0\0\0\1\0\0\0\0\0\0\0\1");
    struct net_addr same_net = ipv6("\x20\x01\x0d\xb8\0\0\0\1\xff\1\2\3\4\5\6\7");
    struct net_addr other_net = ipv6("\x20\x01\x0d\xb8\0\0\0\2\0\0\0\0\0\0\0\1");
    other_port.port = 1;
    use_up(l, &a, START_MS);
    assert_true(login_limit_wait_ms(l, &other_port, START_MS) > 0);
    assert_int_equal(login_limit_wait_ms(l, &b, START_MS), 0);
    use_up(l, &c, START_MS);
    assert_true(login_limit_wait_ms(l, &same_net, START_MS) > 0);
    assert_int_equal(login_limit_wait_ms(l, &other_net, START_MS), 0);
    login_limit_free(l);
}

static void
this_machine_is_not_limited_nor_is_anyone_without_a_limit(void **state)
{
    struct login_limit *l = limit(), *none = login_limit_new(0, WINDOW_MS, 42);
    struct net_addr here = ipv4(0x7f000001), a = ipv4(0x0a000001);
    struct net_addr here6 = ipv6("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1");
    for (int i = 0; i < 10 * BUDGET; i++) {
        assert_false(login_limit_failed(l, &here, START_MS));
        assert_false(login_limit_failed(l, &here6, START_MS));
        assert_false(login_limit_failed(none, &a, START_MS));
    }
    assert_int_equal(login_limit_wait_ms(l, &here, START_MS), 0);
    assert_int_equal(login_limit_wait_ms(l, &here6, START_MS), 0);
    assert_int_equal(login_limit_wait_ms(none, &a, START_MS), 0);
    login_limit_free(l);
    login_limit_free(none);
}

/* A hundred thousand sources that are all over their budgets, many more than there are places: 20,000 that
 * never failed may log in. */
static void
sources_without_a_failure_are_never_refused(void **state)
{
    struct login_limit *l = limit();
    for (uint32_t i = 0; i < 100000; i++) {
        struct net_addr attacker = ipv4(0x0b000000 + i);
        for (int n = 0; n < BUDGET; n++)
            login_limit_failed(l, &attacker, START_MS + i / 10);
    }
    for (uint32_t i = 0; i < 20000; i++) {
        struct net_addr good = ipv4(0xc0000000 + i);
        assert_int_equal(login_limit_wait_ms(l, &good, START_MS + 10000), 0);
    }
    login_limit_free(l);
}

/* One that is over its budget stays so while others come with a failure each. */
static void
small_debts_do_not_drive_out_large_ones(void **state)
{
    struct login_limit *l = limit();
    struct net_addr attacker = ipv4(0x0a000001);
    use_up(l, &attacker, START_MS);
    for (uint32_t i = 0; i < 100000; i++) {
        struct net_addr passer_by = ipv4(0x0b000000 + i);
        login_limit_failed(l, &passer_by, START_MS);
    }
    assert_true(login_limit_wait_ms(l, &attacker, START_MS) > 0);
    login_limit_free(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget_is_used_up_and_comes_back_evenly),
        cmocka_unit_test(failures_beyond_the_budget_do_not_lengthen_the_wait),
        cmocka_unit_test(source_is_an_address_or_a_network_of_ipv6),
        cmocka_unit_test(this_machine_is_not_limited_nor_is_anyone_without_a_limit),
        cmocka_unit_test(sources_without_a_failure_are_never_refused),
        cmocka_unit_test(small_debts_do_not_drive_out_large_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
