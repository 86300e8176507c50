/* The wheel against a naive model, and the cases that its callbacks are allowed to bring about. */
#include "base/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct probe {
    struct wheel_timer timer;
    struct wheel *wheel;
    struct probe *other;
    uint64_t again_after;
    uint64_t fired_at;
    unsigned fired, order;
};

static unsigned fired_total;

static void
on_probe(void *arg)
{
    struct probe *p = arg;
    p->fired++;
    p->fired_at = p->wheel->now;
    p->order = fired_total++;
    if (p->other)
        wheel_stop(&p->other->timer);
    if (p->again_after)
        wheel_start(p->wheel, &p->timer, p->wheel->now + p->again_after, on_probe, p);
}

static void
fires_at_its_millisecond_on_every_level(void **state)
{
    const uint64_t delays[] = {1, 2, 63, 64, 65, 100, 4095, 4096, 4097, 262143, 262144, 20000000, 1u << 30};
    for (uint64_t base = 0; base < 5000; base += 977)
        for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
            struct wheel w;
            wheel_init(&w, base);
            struct probe p = {.wheel = &w};
            wheel_start(&w, &p.timer, base + delays[i], on_probe, &p);
            assert_true(wheel_next_deadline(&w) <= base + delays[i]);
            wheel_advance(&w, base + delays[i] - 1);
            assert_int_equal(p.fired, 0);
            assert_true(wheel_timer_is_active(&p.timer));
            wheel_advance(&w, base + delays[i]);
            assert_int_equal(p.fired, 1);
            assert_int_equal(p.fired_at, base + delays[i]);
            assert_false(wheel_timer_is_active(&p.timer));
            assert_true(wheel_next_deadline(&w) == WHEEL_NEVER);
        }
}

static void
past_deadlines_fire_in_the_next_advance(void **state)
{
    struct wheel w;
    wheel_init(&w, 1000);
    struct probe p = {.wheel = &w};
    wheel_start(&w, &p.timer, 5, on_probe, &p);
    assert_int_equal(p.fired, 0);
    wheel_advance(&w, 1001);
    assert_int_equal(p.fired, 1);
}

static void
a_due_timer_can_be_stopped_by_another(void **state)
{
    struct wheel w;
    wheel_init(&w, 0);
    struct probe b = {.wheel = &w};
    struct probe a = {.wheel = &w, .other = &b};
    wheel_start(&w, &a.timer, 70, on_probe, &a);
    wheel_start(&w, &b.timer, 70, on_probe, &b);
    wheel_advance(&w, 500);
    assert_int_equal(a.fired, 1);
    assert_int_equal(b.fired, 0);
}

static void
a_timer_may_start_itself_again(void **state)
{
    struct wheel w;
    wheel_init(&w, 0);
    struct probe p = {.wheel = &w, .again_after = 100};
    wheel_start(&w, &p.timer, 100, on_probe, &p);
    wheel_advance(&w, 1000);
    assert_int_equal(p.fired, 10);
    wheel_stop(&p.timer);
    wheel_stop(&p.timer);
    wheel_advance(&w, 5000);
    assert_int_equal(p.fired, 10);
}

static void
equal_deadlines_fire_in_order_of_starting(void **state)
{
    struct wheel w;
    wheel_init(&w, 0);
    struct probe p[40] = {0};
    fired_total = 0;
    for (unsigned i = 0; i < 40; i++) {
        p[i].wheel = &w;
        wheel_advance(&w, i * 250);
        wheel_start(&w, &p[i].timer, 10000, on_probe, &p[i]);
    }
    wheel_advance(&w, 10000);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(p[i].order, i);
}

enum { COUNT = 500 };

static void
agrees_with_a_naive_model(void **state)
{
    struct wheel w;
    wheel_init(&w, 12345);
    static struct probe p[COUNT];
    static uint64_t deadline[COUNT]; /* 0: not running */
    uint64_t now = 12345, x = 88172645463325252u;
    for (int step = 0; step < 20000; step++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        unsigned i = (unsigned)(x % COUNT);
        p[i].wheel = &w;
        if (x >> 32 & 3) {
            deadline[i] = now + 1 + ((x >> 40) & ((1u << (x >> 35 & 15)) - 1));
            wheel_start(&w, &p[i].timer, deadline[i], on_probe, &p[i]);
        } else {
            deadline[i] = 0;
            wheel_stop(&p[i].timer);
        }
        p[i].fired = 0;
        uint64_t earliest = WHEEL_NEVER;
        for (unsigned k = 0; k < COUNT; k++)
            if (deadline[k] && deadline[k] < earliest)
                earliest = deadline[k];
        assert_true(wheel_next_deadline(&w) <= earliest);
        now += x >> 50 & 31;
        wheel_advance(&w, now);
        for (unsigned k = 0; k < COUNT; k++) {
            if (!deadline[k])
                continue;
            assert_int_equal(p[k].fired, deadline[k] <= now);
            if (p[k].fired) {
                assert_int_equal(p[k].fired_at, deadline[k]);
                deadline[k] = 0;
                p[k].fired = 0;
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_at_its_millisecond_on_every_level),
        cmocka_unit_test(past_deadlines_fire_in_the_next_advance),
        cmocka_unit_test(a_due_timer_can_be_stopped_by_another),
        cmocka_unit_test(a_timer_may_start_itself_again),
        cmocka_unit_test(equal_deadlines_fire_in_order_of_starting),
        cmocka_unit_test(agrees_with_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
