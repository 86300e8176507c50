/* Lines of the log. */
#include "app/logger_format.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* after its own prerequisites */
#include <cmocka.h>

static struct logger_record
record(enum log_category category, enum log_level level, const char *text)
{
    return (struct logger_record){.when = {.tv_sec = 1795904793, .tv_nsec = 123456789},
                                  .thread = 4711,
                                  .category = (uint8_t)category,
                                  .level = (uint8_t)level,
                                  .len = (uint16_t)strlen(text),
                                  .text = text};
}

static void
expect_line(struct logger_format f, struct logger_record r, const char *expected)
{
    char line[LOGGER_LINE_MAX];
    size_t n = logger_format_line(&f, &r, line);
    line[n] = 0;
    assert_string_equal(line, expected);
}

static void
plain_lines_have_rabbitmqs_shape(void **state)
{
    struct logger_record r = record(LOG_CONNECTION, LOG_LEVEL_WARNING, "closing");
    expect_line((struct logger_format){0}, r,
                "2026-11-28 22:26:33.123456+00:00 [warning] <0.4711.0> connection: closing\n");
    r.category = LOG_GLOBAL;
    expect_line((struct logger_format){.time = LOGGER_TIME_T, .level = LOGGER_UC4}, r,
                "2026-11-28T22:26:33.123456+00:00 [WARN] <0.4711.0> closing\n");
    expect_line((struct logger_format){.time = LOGGER_TIME_LAGER, .level = LOGGER_LC3}, r,
                "2026-11-28 22:26:33.123 [wrn] <0.4711.0> closing\n");
    expect_line((struct logger_format){.time = LOGGER_TIME_MICROSECONDS}, r,
                "1795904793123456 [warning] <0.4711.0> closing\n");
}

static void
times_are_local_with_their_distance_from_utc(void **state)
{
    setenv("TZ", "<-0330>3:30", 1);
    tzset();
    expect_line((struct logger_format){0}, record(LOG_GLOBAL, LOG_LEVEL_INFO, "x"),
                "2026-11-28 18:56:33.123456-03:30 [info] <0.4711.0> x\n");
    setenv("TZ", "UTC", 1);
    tzset();
}

static void
json_has_rabbitmqs_names(void **state)
{
    expect_line((struct logger_format){.style = LOGGER_JSON},
                record(LOG_QUEUE, LOG_LEVEL_ERROR, "a \"b\" \\ \xc3\xa4"),
                "{\"time\":\"2026-11-28 22:26:33.123456+00:00\",\"level\":\"error\",\"msg\":\"a \\\"b\\\" "
                "\\\\ \xc3\xa4\","
                "\"domain\":\"rabbitmq.queue\",\"pid\":\"<0.4711.0>\"}\n");
    expect_line((struct logger_format){.style = LOGGER_JSON, .time = LOGGER_TIME_SECONDS},
                record(LOG_GLOBAL, LOG_LEVEL_INFO, "x"),
                "{\"time\":1795904793,\"level\":\"info\",\"msg\":\"x\",\"domain\":\"rabbitmq\",\"pid\":\"<0."
                "4711.0>\"}\n");
}

/* Every length around what fits, of characters that escape to two bytes and of characters of two bytes. */
static void
a_long_text_is_cut_in_the_text(void **state)
{
    static const char *const units[] = {"x", "\"", "\xc3\xa4"};
    char text[2 * LOG_TEXT_MAX], line[LOGGER_LINE_MAX + 1];
    for (size_t u = 0; u < 3; u++)
        for (size_t len = 1500;
             len<LOG_TEXT_MAX / strlen(units[u]); len += len> 3800 || (len > 1900 && len < 2100) ? 1 : 100) {
            *text = 0;
            for (size_t i = 0; i < len; i++)
                memcpy(text + i * strlen(units[u]), units[u], strlen(units[u]) + 1);
            struct logger_record r = record(LOG_CONNECTION, LOG_LEVEL_INFO, text);
            struct logger_format f = {.style = LOGGER_JSON};
            size_t n = logger_format_line(&f, &r, line);
            assert_true(n <= LOGGER_LINE_MAX);
            assert_int_equal(line[n - 1], '\n');
            json_t *o = json_loadb(line, n, 0, NULL);
            assert_non_null(o);
            const char *msg = json_string_value(json_object_get(o, "msg"));
            bool is_whole = strcmp(msg, text) == 0;
            assert_true(is_whole || strcmp(msg + strlen(msg) - 3, "...") == 0);
            json_decref(o);
            f.style = LOGGER_PLAIN;
            n = logger_format_line(&f, &r, line);
            assert_true(n <= LOGGER_LINE_MAX && line[n - 1] == '\n');
        }
}

int
main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lines_have_rabbitmqs_shape),
        cmocka_unit_test(times_are_local_with_their_distance_from_utc),
        cmocka_unit_test(json_has_rabbitmqs_names),
        cmocka_unit_test(a_long_text_is_cut_in_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
