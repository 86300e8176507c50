/* Times are local ones, and mktime() knows about months and summer time: the next time is found by trying the
 * coming days, of which the furthest that can be meant is the 31st after a month that has none. */
#include "app/logger_rotation.h"

#include "base/check.h"

enum { LAST_DAY = 32, DAYS_AHEAD = 64 };

/* A number of at most two digits; -1: none there. */
static int
take_number(struct slice *text, int most)
{
    int value = -1;
    for (int i = 0; i < 2 && text->len > 0 && text->data[0] >= '0' && text->data[0] <= '9'; i++) {
        value = (value < 0 ? 0 : value * 10) + text->data[0] - '0';
        *text = slice_of(text->data + 1, text->len - 1);
    }
    return value <= most ? value : -1;
}

static bool
take_letter(struct slice *text, char letter)
{
    if (text->len == 0 || text->data[0] != letter)
        return false;
    *text = slice_of(text->data + 1, text->len - 1);
    return true;
}

bool
logger_rotation_parse_date(struct logger_rotation *r, struct slice text)
{
    r->has_date = false;
    r->hour = 0;
    r->weekday = r->monthday = -1;
    if (text.len == 0)
        return true;
    if (!take_letter(&text, '$'))
        return false;
    bool is_good = true, has_day = true;
    if (take_letter(&text, 'W'))
        is_good = (r->weekday = take_number(&text, 6)) >= 0;
    else if (take_letter(&text, 'M'))
        is_good = (r->monthday = take_letter(&text, 'L') ? LAST_DAY : take_number(&text, 31)) >= 1;
    else
        has_day = false;
    if (take_letter(&text, 'D'))
        is_good = is_good && (r->hour = take_number(&text, 23)) >= 0;
    else
        is_good = is_good && has_day;
    r->has_date = is_good && text.len == 0;
    return r->has_date;
}

static bool
is_day(const struct logger_rotation *r, const struct tm *day)
{
    if (r->weekday >= 0)
        return day->tm_wday == r->weekday;
    if (r->monthday < 0)
        return true;
    if (r->monthday != LAST_DAY)
        return day->tm_mday == r->monthday;
    struct tm next = *day;
    next.tm_mday++;
    next.tm_isdst = -1;
    mktime(&next);
    return next.tm_mday == 1;
}

time_t
logger_rotation_next(const struct logger_rotation *r, time_t now)
{
    struct tm today;
    localtime_r(&now, &today);
    for (int ahead = 0; ahead <= DAYS_AHEAD; ahead++) {
        struct tm day = {.tm_year = today.tm_year,
                         .tm_mon = today.tm_mon,
                         .tm_mday = today.tm_mday + ahead,
                         .tm_hour = r->hour,
                         .tm_isdst = -1};
        time_t at = mktime(&day);
        if (at > now && is_day(r, &day))
            return at;
    }
    CHECK_UNREACHABLE("every day of a month comes within two months");
}
