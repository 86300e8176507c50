/*
 * A line is formatted first and cleaned then, since an argument may hold anything. Control characters (C0,
 * DEL, and C1, which terminals obey too) become \n, \r, \t or \xNN; so does every byte that is not part of
 * valid UTF-8, and a character that the end cut off. Both halves are bounded by LOG_TEXT_MAX on the stack: a
 * log line never allocates.
 */
#include "base/log.h"

#include "base/check.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ELLIPSIS "..."

static const char *const category_names[] = {
#define X(name, text) text,
    LOG_CATEGORY_TABLE(X)
#undef X
};

static const char *const level_names[] = {
#define X(name, text) text,
    LOG_LEVEL_TABLE(X)
#undef X
};

void
log_init(struct log *log, log_sink_fn *sink, void *arg, enum log_level least)
{
    CHECK(sink);
    log->sink = sink;
    log->arg = arg;
    for (unsigned c = 0; c < LOG_CATEGORIES; c++)
        log_set_level(log, c, least);
}

void
log_set_level(struct log *log, enum log_category category, enum log_level least)
{
    atomic_store_explicit(&log->least[category], (uint8_t)least, memory_order_relaxed);
}

static bool
is_control(struct slice c, size_t len)
{
    return (len == 1 && (c.data[0] < 0x20 || c.data[0] == 0x7f)) ||
           (len == 2 && c.data[0] == 0xc2 && c.data[1] < 0xa0);
}

/* Writes `\n` or `\xNN` for one byte; returns how many characters that took, at most 4. */
static size_t
escape(char *to, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    const char *letter = byte == '\n' ? "n" : byte == '\r' ? "r" : byte == '\t' ? "t" : NULL;
    to[0] = '\\';
    to[1] = letter ? *letter : 'x';
    if (letter)
        return 2;
    to[2] = hex[byte >> 4];
    to[3] = hex[byte & 15];
    return 4;
}

/* Cleans `from` into `to` of LOG_TEXT_MAX bytes; what does not fit, or was cut off before, shows as an
 * ellipsis. */
static void
clean(char *to, struct slice from, bool is_cut)
{
    const size_t room = LOG_TEXT_MAX - sizeof ELLIPSIS;
    size_t at = 0;
    while (from.len > 0) {
        size_t len = utf8_char_len(from);
        bool is_plain = len > 0 && !is_control(from, len);
        char out[8];
        size_t n = 0;
        if (is_plain)
            memcpy(out, from.data, n = len);
        for (size_t i = 0; !is_plain && i < (len ? len : 1); i++)
            n += escape(out + n, from.data[i]);
        if (at + n > room) {
            is_cut = true;
            break;
        }
        memcpy(to + at, out, n);
        at += n;
        from = slice_of(from.data + (len ? len : 1), from.len - (len ? len : 1));
    }
    if (is_cut)
        memcpy(to + at, ELLIPSIS, sizeof ELLIPSIS);
    else
        to[at] = '\0';
}

void
log_write(const struct log *log, enum log_category category, enum log_level level, const char *format, ...)
{
    if (level >= LOG_LEVEL_NONE || !log_is_on(log, category, level))
        return;
    char raw[LOG_TEXT_MAX], text[LOG_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    if (n < 0)
        n = snprintf(raw, sizeof raw, "(cannot be formatted) %s", format);
    bool is_cut = (size_t)n >= sizeof raw;
    clean(text, slice_of(raw, is_cut ? sizeof raw - 1 : (size_t)n), is_cut);
    log->sink(log->arg, category, level, text);
}

void
log_write_lines(const struct log *log, enum log_category category, enum log_level level, struct slice lines)
{
    while (lines.len > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.len);
        size_t n = end ? (size_t)(end - lines.data) : lines.len;
        if (n > 0)
            LOG_AT(log, category, level, "%.*s", SLICE_FMT(slice_of(lines.data, n)));
        n += end != NULL;
        lines = slice_of(lines.data + n, lines.len - n);
    }
}

const char *
log_category_name(enum log_category category)
{
    return category < LOG_CATEGORIES ? category_names[category] : "unknown";
}

const char *
log_level_name(enum log_level level)
{
    return level < LOG_LEVELS ? level_names[level] : "unknown";
}

bool
log_category_parse(const char *name, enum log_category *category)
{
    if (strcmp(name, "default") == 0)
        name = category_names[LOG_GLOBAL];
    for (unsigned c = 0; c < LOG_CATEGORIES; c++) {
        if (strcmp(name, category_names[c]) != 0)
            continue;
        *category = c;
        return true;
    }
    return false;
}

bool
log_level_parse(const char *name, enum log_level *level)
{
    for (unsigned l = 0; l < LOG_LEVELS; l++) {
        if (strcmp(name, level_names[l]) != 0)
            continue;
        *level = l;
        return true;
    }
    return false;
}
