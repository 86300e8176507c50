/* When log files are rotated. */
#include "app/logger_rotation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* after its own prerequisites */
#include <cmocka.h>

static time_t
at(int year, int month, int day, int hour, int minute)
{
    struct tm t = {.tm_year = year - 1900,
                   .tm_mon = month - 1,
                   .tm_mday = day,
                   .tm_hour = hour,
                   .tm_min = minute,
                   .tm_isdst = -1};
    return mktime(&t);
}

static void
expect_next(const char *date, time_t now, time_t expected)
{
    struct logger_rotation r = {0};
    assert_true(logger_rotation_parse_date(&r, slice_str(date)));
    assert_true(r.has_date);
    assert_int_equal(logger_rotation_next(&r, now), expected);
}

static void
dates_are_rabbitmqs(void **state)
{
    time_t now = at(2026, 11, 29, 12, 0); /* a Sunday */
    expect_next("$D0", now, at(2026, 11, 30, 0, 0));
    expect_next("$D12", now, at(2026, 11, 30, 12, 0));
    expect_next("$D13", now, at(2026, 11, 29, 13, 0));
    expect_next("$W0", now, at(2026, 12, 6, 0, 0));
    expect_next("$W0D23", now, at(2026, 11, 29, 23, 0));
    expect_next("$W5D16", now, at(2026, 12, 4, 16, 0));
    expect_next("$M1D0", now, at(2026, 12, 1, 0, 0));
    expect_next("$M29D12", now, at(2026, 12, 29, 12, 0));
    expect_next("$ML", now, at(2026, 11, 30, 0, 0));
    expect_next("$MLD23", at(2028, 2, 29, 22, 0), at(2028, 2, 29, 23, 0));
    expect_next("$M31", at(2027, 1, 31, 0, 0), at(2027, 3, 31, 0, 0));
}

static void
an_hour_that_summer_time_skips_still_comes(void **state)
{
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    time_t now = at(2027, 3, 27, 12, 0);
    struct logger_rotation r = {0};
    assert_true(logger_rotation_parse_date(&r, slice_str("$D2")));
    time_t next = logger_rotation_next(&r, now);
    assert_true(next > now && next < now + 24 * 3600);
    assert_true(logger_rotation_next(&r, next) > next);
    setenv("TZ", "UTC", 1);
    tzset();
}

static void
other_texts_are_refused(void **state)
{
    static const char *const texts[] = {"D0",   "$",      "$D",  "$D24", "$D0x", "$W7",   "$W",    "$M0",
                                        "$M32", "$W1D99", "$X1", "$D-1", "$MLx", "$W1M1", "daily", "$D000"};
    struct logger_rotation r = {0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(logger_rotation_parse_date(&r, slice_str(texts[i])));
    assert_true(logger_rotation_parse_date(&r, slice_str("")));
    assert_false(r.has_date);
}

int
main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_rabbitmqs),
        cmocka_unit_test(an_hour_that_summer_time_skips_still_comes),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
