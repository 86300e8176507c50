/* The lines that wait for the node: in order, bounded, for nobody while no node serves. */
#include "app/logger_exchange.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { LINE = 1000 };

static struct logger_exchange x;
static unsigned woken;

static void
wake(void *arg)
{
    assert_ptr_equal(arg, &woken);
    woken++;
}

static int
set_up(void **state)
{
    woken = 0;
    logger_exchange_open(&x, "/", false);
    return 0;
}

static int
tear_down(void **state)
{
    logger_exchange_close(&x);
    return 0;
}

static int
put(unsigned number, size_t size)
{
    char line[LINE + 1];
    const struct logger_record r = {.when.tv_sec = number, .level = LOG_LEVEL_WARNING};
    memset(line, 'x', sizeof line);
    snprintf(line, sizeof line, "%u", number);
    return logger_exchange_put(&x, &r, line, size);
}

static void
lines_come_out_in_order_and_wake_once(void **state)
{
    logger_exchange_connect(&x, wake, &woken);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(put(i, 2 + i), 0);
        assert_int_equal(woken, round + 1);
        struct buffer taken = logger_exchange_take(&x);
        struct slice rest = buffer_slice(&taken);
        struct logger_exchange_line line;
        for (unsigned i = 0; i < 5; i++) {
            assert_true(logger_exchange_next(&rest, &line));
            assert_int_equal(line.time_s, i);
            assert_int_equal(line.level, LOG_LEVEL_WARNING);
            assert_int_equal(line.text.len, 2 + i);
            assert_int_equal(line.text.data[0], '0' + i);
        }
        assert_false(logger_exchange_next(&rest, &line));
        buffer_fini(&taken);
    }
}

static void
what_comes_above_the_bound_is_lost(void **state)
{
    unsigned taken = 0, n = 0;
    logger_exchange_connect(&x, wake, &woken);
    while (put(n, LINE) == 0)
        n++;
    assert_int_equal(put(n, LINE), ENOBUFS);
    assert_true(n > LOGGER_EXCHANGE_BYTES / (LINE + 32) && n <= LOGGER_EXCHANGE_BYTES / LINE);
    struct buffer lines = logger_exchange_take(&x);
    struct slice rest = buffer_slice(&lines);
    for (struct logger_exchange_line line; logger_exchange_next(&rest, &line);)
        taken++;
    assert_int_equal(taken, n);
    assert_int_equal(put(0, LINE), 0);
    buffer_fini(&lines);
}

static void
without_a_node_nothing_waits(void **state)
{
    assert_int_equal(put(1, 10), 0);
    logger_exchange_connect(&x, wake, &woken);
    assert_int_equal(put(2, 10), 0);
    logger_exchange_connect(&x, NULL, NULL);
    assert_int_equal(put(3, 10), 0);
    assert_int_equal(woken, 1);
    struct buffer lines = logger_exchange_take(&x);
    assert_int_equal(lines.len, 0);
    buffer_fini(&lines);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_come_out_in_order_and_wake_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_above_the_bound_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_node_nothing_waits, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
