#include "base/log.h"

#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct lines {
    unsigned count;
    enum log_category category;
    enum log_level level;
    char text[LOG_TEXT_MAX + 1];
};

static void
sink(void *arg, enum log_category category, enum log_level level, const char *text)
{
    struct lines *l = arg;
    l->count++;
    l->category = category;
    l->level = level;
    assert_true(strlen(text) < LOG_TEXT_MAX);
    memcpy(l->text, text, strlen(text) + 1);
}

static void
test_levels_are_per_category(void **state)
{
    static struct lines lines;
    struct log log;
    log_init(&log, sink, &lines, LOG_LEVEL_INFO);
    log_debug(&log, LOG_QUEUE, "hidden");
    assert_int_equal(lines.count, 0);
    log_info(&log, LOG_QUEUE, "queue '%s' is idle", "q1");
    assert_int_equal(lines.count, 1);
    assert_int_equal(lines.category, LOG_QUEUE);
    assert_int_equal(lines.level, LOG_LEVEL_INFO);
    assert_string_equal(lines.text, "queue 'q1' is idle");
    log_set_level(&log, LOG_QUEUE, LOG_LEVEL_NONE);
    log_critical(&log, LOG_QUEUE, "hidden");
    log_write(&log, LOG_QUEUE, LOG_LEVEL_NONE, "hidden");
    assert_int_equal(lines.count, 1);
    log_set_level(&log, LOG_CHANNEL, LOG_LEVEL_DEBUG);
    log_debug(&log, LOG_CHANNEL, "shown");
    log_warning(&log, LOG_GLOBAL, "shown");
    assert_int_equal(lines.count, 3);
}

static int
count_up(int *n)
{
    return ++*n;
}

static void
test_null_log_is_silent_and_evaluates_nothing(void **state)
{
    int evaluated = 0;
    log_error(NULL, LOG_GLOBAL, "%d", count_up(&evaluated));
    log_write(NULL, LOG_GLOBAL, LOG_LEVEL_ERROR, "nobody hears");
    assert_int_equal(evaluated, 0);
}

static void
test_text_of_a_peer_cannot_forge_a_line_or_move_the_cursor(void **state)
{
    static const struct {
        const char *raw, *clean;
    } samples[] = {
        {"a\nb\r\tc", "a\\nb\\r\\tc"},
        {"\x1b[2J", "\\x1b[2J"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b"
         "2J",
         "\\xc2\\x9b2J"}, /* C1's control sequence introducer */
        {"\xff\xc3", "\\xff\\xc3"},
        {"h\xc3\xa4schen", "h\xc3\xa4schen"},
        {"\xc2\xa0", "\xc2\xa0"},
    };
    static struct lines lines;
    struct log log;
    log_init(&log, sink, &lines, LOG_LEVEL_DEBUG);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        log_info(&log, LOG_GLOBAL, "%s", samples[i].raw);
        assert_string_equal(lines.text, samples[i].clean);
    }
}

static void
test_long_text_is_cut_with_an_ellipsis(void **state)
{
    static char raw[3 * LOG_TEXT_MAX];
    static struct lines lines;
    static const char *const units[] = {"x", "\n", "\x01", "\xf0\x9f\x90\x87", "\xff"};
    struct log log;
    log_init(&log, sink, &lines, LOG_LEVEL_DEBUG);
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        size_t n = strlen(units[u]);
        for (size_t i = 0; i + 1 < sizeof raw; i++)
            raw[i] = units[u][i % n];
        for (size_t shift = 0; shift < 4; shift++) {
            log_info(&log, LOG_GLOBAL, "%.*s%s", (int)shift, "abc", raw);
            size_t len = strlen(lines.text);
            assert_string_equal(lines.text + len - 3, "...");
            assert_true(len > LOG_TEXT_MAX - 16);
            assert_true(utf8_is_valid(slice_str(lines.text)));
        }
    }
    raw[LOG_TEXT_MAX - 4] = '\0';
    memset(raw, 'x', LOG_TEXT_MAX - 4);
    log_info(&log, LOG_GLOBAL, "%s", raw);
    assert_string_equal(lines.text, raw);
}

static void
test_names_are_found_again(void **state)
{
    enum log_category category;
    enum log_level level;
    for (unsigned c = 0; c < LOG_CATEGORIES; c++) {
        assert_true(log_category_parse(log_category_name(c), &category));
        assert_int_equal(category, c);
    }
    for (unsigned l = 0; l < LOG_LEVELS; l++) {
        assert_true(log_level_parse(log_level_name(l), &level));
        assert_int_equal(level, l);
    }
    assert_true(log_category_parse("default", &category));
    assert_int_equal(category, LOG_GLOBAL);
    assert_false(log_category_parse("weather", &category));
    assert_false(log_level_parse("loud", &level));
}

static void
test_lines_of_a_text_are_entries_of_their_own(void **state)
{
    static struct lines lines;
    struct log log;
    log_init(&log, sink, &lines, LOG_LEVEL_INFO);
    log_write_lines(&log, LOG_GLOBAL, LOG_LEVEL_WARNING, slice_str("one\n\ntwo"));
    assert_int_equal(lines.count, 2);
    assert_string_equal(lines.text, "two");
    log_write_lines(&log, LOG_GLOBAL, LOG_LEVEL_WARNING, slice_of(NULL, 0));
    log_write_lines(&log, LOG_GLOBAL, LOG_LEVEL_DEBUG, slice_str("hidden\n"));
    assert_int_equal(lines.count, 2);
    log_write_lines(&log, LOG_GLOBAL, LOG_LEVEL_INFO, slice_str("three\n"));
    assert_int_equal(lines.count, 3);
    assert_string_equal(lines.text, "three");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_are_per_category),
        cmocka_unit_test(test_null_log_is_silent_and_evaluates_nothing),
        cmocka_unit_test(test_text_of_a_peer_cannot_forge_a_line_or_move_the_cursor),
        cmocka_unit_test(test_long_text_is_cut_with_an_ellipsis),
        cmocka_unit_test(test_names_are_found_again),
        cmocka_unit_test(test_lines_of_a_text_are_entries_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
