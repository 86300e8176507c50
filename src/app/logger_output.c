/*
 * Which level reaches an output: a category's own level and the output's own level are both lower bounds; an
 * output without one takes the default level, and a category without one is bound by the output's alone. So
 * log.file.level = debug is enough for a chatty file, and log.connection.level = warning keeps connections
 * quiet everywhere. A category with a file of its own is not in log.file; the other outputs have it all the
 * same.
 *
 * A line that an output does not take is lost and counted; the next one that it takes is preceded by a line
 * that says so.
 */
#include "app/logger_output.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- opening ---- */

static bool
category_of(const struct config_item *item, const char *key, enum log_category *category, char *why,
            size_t why_size)
{
    if (log_category_parse(item->name, category))
        return true;
    snprintf(why, why_size, "log.%s.%s: there is no log category '%s'", item->name, key, item->name);
    return false;
}

static char *
path_of(const struct config *c, const char *name)
{
    char *path = NULL;
    const char *dir = c->log_dir ? c->log_dir : c->data_dir;
    if (asprintf(&path, "%s%s%s", *name == '/' ? "" : dir, *name == '/' ? "" : "/", name) < 0)
        abort();
    return path;
}

static bool
rotation_of(struct logger_rotation *r, const struct config *c, char *why, size_t why_size)
{
    const char *date = c->log_file_rotation_date ? c->log_file_rotation_date : "";
    *r = (struct logger_rotation){.size_max = c->log_file_rotation_size,
                                  .count = (unsigned)c->log_file_rotation_count};
    if (logger_rotation_parse_date(r, slice_str(date)))
        return true;
    snprintf(why, why_size, "log.file.rotation.date = %s: expected a time such as $D0, $W5D16 or $M1D0",
             date);
    return false;
}

static bool
open_file(struct logger_output *o, const struct config *c, const char *name,
          const struct logger_rotation *rotation, char *why, size_t why_size)
{
    *o = (struct logger_output){
        .kind = LOGGER_FILE,
        .format = {.style = c->log_file_formatter, .time = c->log_file_time, .level = c->log_file_case}};
    int number = logger_file_open(&o->file, path_of(c, name), rotation, time(NULL));
    if (number)
        snprintf(why, why_size, "cannot open the log file %s: %s", o->file.path, strerror(number));
    return number == 0;
}

static unsigned
open_others(struct logger_output *o, const struct config *c)
{
    struct logger_output *first = o;
    if (c->log_console) {
        *o = (struct logger_output){.kind = LOGGER_CONSOLE,
                                    .fd = c->log_console_stdio ? STDERR_FILENO : STDOUT_FILENO,
                                    .format = {.style = c->log_console_formatter,
                                               .time = c->log_console_time,
                                               .level = c->log_console_case}};
        o++;
    }
    if (c->log_syslog) {
        *o = (struct logger_output){.kind = LOGGER_SYSLOG, .format = {.style = c->log_syslog_formatter}};
        logger_syslog_open(&o->syslog, c);
        o++;
    }
    if (c->log_journald) {
        *o = (struct logger_output){.kind = LOGGER_JOURNALD};
        logger_journald_open(&o->journald, c->log_journald_socket, c->log_syslog_identity);
        o++;
    }
    if (c->log_exchange) {
        *o = (struct logger_output){.kind = LOGGER_EXCHANGE,
                                    .format = {.style = c->log_exchange_formatter,
                                               .time = c->log_exchange_time,
                                               .level = c->log_exchange_case}};
        logger_exchange_open(&o->exchange, c->default_vhost, c->log_exchange_formatter == LOGGER_JSON);
        o++;
    }
    return (unsigned)(o - first);
}

int
logger_output_open_all(struct logger_output outputs[LOGGER_OUTPUTS_MAX], const struct config *c,
                       const char *file, char *why, size_t why_size)
{
    unsigned n = 0;
    enum log_category category;
    struct logger_rotation rotation;
    if (!rotation_of(&rotation, c, why, why_size))
        return -1;
    for (size_t i = 0; i < c->log_category_files.count; i++)
        if (!category_of(&c->log_category_files.items[i], "file", &category, why, why_size))
            return -1;
    const char *name = !c->log_file || strcmp(c->log_file, "false") == 0 ? file : c->log_file;
    bool good = !name || open_file(&outputs[n++], c, name, &rotation, why, why_size);
    n += good ? open_others(&outputs[n], c) : 0;
    for (size_t i = 0; good && i < c->log_category_files.count; i++)
        good = open_file(&outputs[n++], c, c->log_category_files.items[i].text, &rotation, why, why_size);
    if (good && logger_output_levels(outputs, n, c, why, why_size))
        return (int)n;
    while (n > 0)
        logger_output_close(&outputs[--n]);
    return -1;
}

void
logger_output_close(struct logger_output *o)
{
    switch (o->kind) {
    case LOGGER_FILE: logger_file_close(&o->file); break;
    case LOGGER_SYSLOG: logger_syslog_close(&o->syslog); break;
    case LOGGER_JOURNALD: logger_journald_close(&o->journald); break;
    case LOGGER_EXCHANGE: logger_exchange_close(&o->exchange); break;
    case LOGGER_CONSOLE: break; /* the program's */
    }
}

/* ---- levels ---- */

static int
own_level(const struct config *c, enum logger_kind kind)
{
    switch (kind) {
    case LOGGER_CONSOLE: return c->log_console_level;
    case LOGGER_SYSLOG: return c->log_syslog_level;
    case LOGGER_JOURNALD: return c->log_journald_level;
    case LOGGER_EXCHANGE: return c->log_exchange_level;
    default: return c->log_file_level;
    }
}

/* -1: the category has no level of its own. What was changed by whom is recorded however quiet the rest is to
 * be. */
static bool
category_levels(const struct config *c, int levels[LOG_CATEGORIES], int *general, char *why, size_t why_size)
{
    *general = LOG_LEVEL_INFO;
    for (unsigned k = 0; k < LOG_CATEGORIES; k++)
        levels[k] = k == LOG_AUDIT ? LOG_LEVEL_INFO : -1;
    for (size_t i = 0; i < c->log_levels.count; i++) {
        const struct config_item *item = &c->log_levels.items[i];
        enum log_category category;
        if (!category_of(item, "level", &category, why, why_size))
            return false;
        if (category == LOG_GLOBAL)
            *general = (int)item->value;
        else
            levels[category] = (int)item->value;
    }
    return true;
}

bool
logger_output_levels(struct logger_output *outputs, unsigned count, const struct config *c, char *why,
                     size_t why_size)
{
    int levels[LOG_CATEGORIES], general;
    unsigned common =
        count - (unsigned)c->log_category_files.count; /* where those of single categories begin */
    if (!category_levels(c, levels, &general, why, why_size))
        return false;
    for (unsigned i = 0; i < count; i++) {
        int own = own_level(c, outputs[i].kind), base = own < 0 ? general : own;
        for (unsigned k = 0; k < LOG_CATEGORIES; k++) {
            int least = levels[k] < 0 ? base : levels[k] > own ? levels[k] : own;
            outputs[i].least[k] = (uint8_t)(i < common ? least : LOGGER_ELSEWHERE);
        }
    }
    for (unsigned i = common; i < count; i++) {
        enum log_category category;
        if (!category_of(&c->log_category_files.items[i - common], "file", &category, why, why_size))
            return false;
        int own = c->log_file_level;
        outputs[i].least[category] =
            (uint8_t)(levels[category] < 0 ? (own < 0 ? general : own) : levels[category]);
        if (outputs[0].kind == LOGGER_FILE && i > 0 && common > 0)
            outputs[0].least[category] = LOGGER_ELSEWHERE;
    }
    return true;
}

/* ---- writing ---- */

/* A terminal or pipe that is not read must not keep the others waiting: only what it takes at once is
 * written. */
static int
put_console(int fd, const char *line, size_t len)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
        return EAGAIN;
    ssize_t n = write(fd, line, len);
    return n == (ssize_t)len ? 0 : n < 0 ? errno : ENOSPC;
}

static int
try_put(struct logger_output *o, const struct logger_record *r)
{
    char line[LOGGER_LINE_MAX];
    size_t len = 0;
    if (o->kind == LOGGER_FILE || o->kind == LOGGER_CONSOLE || o->kind == LOGGER_EXCHANGE)
        len = logger_format_line(&o->format, r, line);
    else
        logger_format_message(&o->format, r, line);
    switch (o->kind) {
    case LOGGER_FILE: return logger_file_put(&o->file, line, len, r->when.tv_sec);
    case LOGGER_CONSOLE: return put_console(o->fd, line, len);
    case LOGGER_EXCHANGE: return logger_exchange_put(&o->exchange, r, line, len);
    case LOGGER_SYSLOG: return logger_syslog_put(&o->syslog, r, line, r->when.tv_sec);
    default: return logger_journald_put(&o->journald, r, line);
    }
}

static int
tell_lost(struct logger_output *o, const struct logger_record *r)
{
    char text[160];
    struct logger_record note = *r;
    int n = snprintf(text, sizeof text, "%llu log lines were lost here: %s", (unsigned long long)o->lost,
                     o->kind == LOGGER_CONSOLE && o->reason == EAGAIN ? "standard output was not read"
                                                                      : strerror(o->reason));
    note.category = LOG_GLOBAL;
    note.level = LOG_LEVEL_WARNING;
    note.text = text;
    note.len = (uint16_t)n;
    return try_put(o, &note);
}

void
logger_output_put(struct logger_output *o, const struct logger_record *r)
{
    if (o->lost && tell_lost(o, r) != 0) {
        o->lost++;
        return;
    }
    o->lost = 0;
    int number = try_put(o, r);
    if (!number)
        return;
    o->lost = 1;
    o->reason = number;
}
