/* The command line: what is taken, what is refused, and what one option means for another. */
#include "bench/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 16 };

static bool
parse(struct options *o, const char *line, char *copy)
{
    char *words[WORDS_MAX];
    int n = 0;
    memcpy(copy, line, strlen(line) + 1);
    for (char *rest = copy, *word; (word = strsep(&rest, " "));)
        if (*word && n < WORDS_MAX)
            words[n++] = word;
    return options_parse(o, n, words);
}

static void
without_options_it_is_one_pair_at_the_default_port(void **state)
{
    struct options o;
    char line[128];
    assert_true(parse(&o, "", line));
    assert_string_equal(o.host, "127.0.0.1");
    assert_int_equal(o.port, 5672);
    assert_int_equal(o.publishers, 1);
    assert_int_equal(o.consumers, 1);
    assert_int_equal(o.queues, 1);
    assert_false(o.json);
}

static void
each_kind_of_option_is_taken(void **state)
{
    struct options o;
    char line[128];
    assert_true(parse(&o, "--port 99 --warmup 0.5 --persistent --publishers 3 --queue x%d", line));
    assert_int_equal(o.port, 99);
    assert_true(o.warmup > 0.4 && o.warmup < 0.6);
    assert_true(o.persistent && o.durable);
    assert_int_equal(o.queues, 3);
    assert_string_equal(o.queue, "x%d");
    assert_true(parse(&o, "--publishers 0 --consumers 4", line));
    assert_int_equal(o.queues, 4);
}

static void
what_no_run_could_mean_is_refused(void **state)
{
    static const char *const wrong[] = {
        "size",
        "--nope",
        "--size",
        "--size x",
        "--size 1x",
        "--size -1",
        "--size 536870913",
        "--port 65536",
        "--duration nan",
        "--duration 0",
        "--warmup 1",
        "--publishers 0 --consumers 0",
        "--publishers 60000",
        "--prefetch 65536",
        "--ack-every 5 --prefetch 3",
        "--rate 1000000001",
        "--count 0",
        "--parallel 0",
        "--exchange-type fanout",
        "--verify --size 15",
        "--bare --persistent",
        "--verify --publishers 2 --queues 1",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct options o;
        char line[128];
        if (parse(&o, wrong[i], line))
            fail_msg("taken: %s", wrong[i]);
    }
}

static void
a_pattern_has_its_number_once(void **state)
{
    char out[12];
    options_pattern("q%d-%d", 17, out, sizeof out);
    assert_string_equal(out, "q17-%d");
    options_pattern("%s%n", 17, out, sizeof out);
    assert_string_equal(out, "%s%n");
    options_pattern("long-name-%d", 17, out, sizeof out);
    assert_string_equal(out, "long-name-1");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options_it_is_one_pair_at_the_default_port),
        cmocka_unit_test(each_kind_of_option_is_taken),
        cmocka_unit_test(what_no_run_could_mean_is_refused),
        cmocka_unit_test(a_pattern_has_its_number_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
