/*
 * Plain: TIME [LEVEL] <0.THREAD.0> CATEGORY: TEXT. RabbitMQ has an Erlang process where we have a thread;
 * programs that take its log apart expect the shape. JSON: time, level, msg, domain ("rabbitmq.connection"),
 * pid. Times are local, with their distance from UTC. A line is cut in its text, never in its frame: JSON
 * stays JSON.
 */
#include "app/logger_format.h"

#include "base/check.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ELLIPSIS "..."

static size_t
level_word(enum logger_case how, enum log_level level, char word[16])
{
    static const char *const three[] = {"dbg", "inf", "ntc", "wrn", "err", "crt", "non"};
    static const char *const four[] = {"dbug", "info", "noti", "warn", "eror", "crit", "none"};
    bool is_upper = how == LOGGER_UC || how == LOGGER_UC3 || how == LOGGER_UC4;
    const char *name = how == LOGGER_LC3 || how == LOGGER_UC3   ? three[level]
                       : how == LOGGER_LC4 || how == LOGGER_UC4 ? four[level]
                                                                : log_level_name(level);
    size_t n = 0;
    for (; name[n]; n++)
        word[n] = is_upper ? (char)toupper(name[n]) : name[n];
    word[n] = 0;
    return n;
}

static long long
microseconds(const struct timespec *when)
{
    return (long long)when->tv_sec * 1000000 + when->tv_nsec / 1000;
}

void
logger_format_time(enum logger_time how, const struct timespec *when, char out[LOGGER_TIME_SIZE])
{
    if (how == LOGGER_TIME_MICROSECONDS || how == LOGGER_TIME_SECONDS) {
        snprintf(out, LOGGER_TIME_SIZE, "%lld",
                 how == LOGGER_TIME_SECONDS ? (long long)when->tv_sec : microseconds(when));
        return;
    }
    struct tm local;
    localtime_r(&when->tv_sec, &local);
    size_t n = strftime(out, LOGGER_TIME_SIZE,
                        how == LOGGER_TIME_T ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &local);
    if (how == LOGGER_TIME_LAGER) {
        snprintf(out + n, LOGGER_TIME_SIZE - n, ".%03ld", when->tv_nsec / 1000000);
        return;
    }
    int minutes = (int)(local.tm_gmtoff / 60), distance = abs(minutes);
    snprintf(out + n, LOGGER_TIME_SIZE - n, ".%06ld%c%02d:%02d", when->tv_nsec / 1000,
             minutes < 0 ? '-' : '+', distance / 60, distance % 60);
}

/* The length of `text` cut to `room` bytes, not inside a character. */
static size_t
cut(const char *text, size_t room)
{
    while (room > 0 && ((unsigned char)text[room] & 0xc0) == 0x80)
        room--;
    return room;
}

static size_t
plain(const struct logger_format *f, const struct logger_record *r, bool has_head, char *line)
{
    char stamp[LOGGER_TIME_SIZE], level[16];
    size_t n = 0;
    if (has_head) {
        logger_format_time(f->time, &r->when, stamp);
        level_word(f->level, r->level, level);
        n = (size_t)snprintf(line, LOGGER_LINE_MAX, "%s [%s] <0.%d.0> ", stamp, level, r->thread);
    }
    if (r->category != LOG_GLOBAL)
        n += (size_t)snprintf(line + n, LOGGER_LINE_MAX - n, "%s: ", log_category_name(r->category));
    size_t room = LOGGER_LINE_MAX - n - sizeof "\n";
    bool is_cut = r->len > room;
    size_t len = is_cut ? cut(r->text, room - strlen(ELLIPSIS)) : r->len;
    memcpy(line + n, r->text, len);
    n += len;
    if (is_cut) {
        memcpy(line + n, ELLIPSIS, strlen(ELLIPSIS));
        n += strlen(ELLIPSIS);
    }
    line[n] = 0;
    return n;
}

static json_t *
time_value(enum logger_time how, const struct timespec *when)
{
    char stamp[LOGGER_TIME_SIZE];
    if (how == LOGGER_TIME_SECONDS)
        return json_integer(when->tv_sec);
    if (how == LOGGER_TIME_MICROSECONDS)
        return json_integer(microseconds(when));
    logger_format_time(how, when, stamp);
    return json_string(stamp);
}

/* How long the object is; it is in `line` when that is less than LOGGER_LINE_MAX. */
static size_t
object(const struct logger_format *f, const struct logger_record *r, size_t len, char *line)
{
    char level[16], domain[64], thread[32];
    level_word(f->level, r->level, level);
    bool is_global = r->category == LOG_GLOBAL;
    snprintf(domain, sizeof domain, "rabbitmq%s%s", is_global ? "" : ".",
             is_global ? "" : log_category_name(r->category));
    snprintf(thread, sizeof thread, "<0.%d.0>", r->thread);
    json_t *msg =
        len < r->len ? json_sprintf("%.*s" ELLIPSIS, (int)len, r->text) : json_stringn(r->text, len);
    json_t *o = json_pack("{s:o, s:s, s:o, s:s, s:s}", "time", time_value(f->time, &r->when), "level", level,
                          "msg", msg, "domain", domain, "pid", thread);
    CHECK(o);
    size_t n = json_dumpb(o, line, LOGGER_LINE_MAX, JSON_COMPACT);
    json_decref(o);
    return n;
}

/* Escapes make a text longer, so what is too much is found out by trying. */
static size_t
json(const struct logger_format *f, const struct logger_record *r, char *line)
{
    const size_t most = LOGGER_LINE_MAX - sizeof "\n";
    size_t len = r->len, n;
    while ((n = object(f, r, len, line)) > most && len > 0) {
        size_t excess = n - most + strlen(ELLIPSIS);
        len = cut(r->text, excess < len ? len - excess : 0);
    }
    line[n] = 0;
    return n;
}

size_t
logger_format_message(const struct logger_format *f, const struct logger_record *r,
                      char text[LOGGER_LINE_MAX])
{
    return f->style == LOGGER_JSON ? json(f, r, text) : plain(f, r, false, text);
}

size_t
logger_format_line(const struct logger_format *f, const struct logger_record *r, char line[LOGGER_LINE_MAX])
{
    size_t n = f->style == LOGGER_JSON ? json(f, r, line) : plain(f, r, true, line);
    line[n++] = '\n';
    return n;
}

int
logger_format_severity(enum log_level level)
{
    static const int numbers[LOG_LEVELS] = {7, 6, 5, 4, 3, 2, 2};
    return numbers[level];
}
