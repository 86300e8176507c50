/* A line is formatted outside the lock and written by one write(), so that lines of several threads never
 * mix. */
#include "app/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int
open_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

/* Nothing that happens to the log may stop the broker: a line that a full disk, a closed terminal or a pipe
 * that nobody reads does not take is lost, and counted. */
static bool
put_line(int fd, const char *line, size_t len)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    return poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) && write(fd, line, len) == (ssize_t)len;
}

static void
put_console(struct logger *l, const char *line, size_t len)
{
    char note[96];
    if (l->console_lost) {
        int n =
            snprintf(note, sizeof note, "[warning] %llu log lines were lost: standard output was not read\n",
                     (unsigned long long)l->console_lost);
        if (!put_line(l->console_fd, note, (size_t)n)) {
            l->console_lost++;
            return;
        }
        l->console_lost = 0;
    }
    if (!put_line(l->console_fd, line, len))
        l->console_lost++;
}

static void
sink(void *arg, enum log_category category, enum log_level level, const char *text)
{
    struct logger *l = arg;
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    char line[PIPE_BUF], stamp[32]; /* a pipe that is ready takes that much whole */
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &utc);
    int len = snprintf(line, sizeof line, "%s.%06ld+00:00 [%s] %s%s%s\n", stamp, now.tv_nsec / 1000,
                       log_level_name(level), category == LOG_GLOBAL ? "" : log_category_name(category),
                       category == LOG_GLOBAL ? "" : ": ", text);
    if (len >= (int)sizeof line) {
        len = sizeof line - 1;
        line[len - 1] = '\n';
    }
    pthread_mutex_lock(&l->lock);
    if (l->console_fd >= 0 && level >= l->console_least)
        put_console(l, line, (size_t)len);
    if (l->file_fd >= 0 && level >= l->file_least)
        put_line(l->file_fd, line, (size_t)len);
    pthread_mutex_unlock(&l->lock);
}

static bool
set_levels(struct logger *l, const struct config *c, char *why, size_t why_size)
{
    for (size_t i = 0; i < c->log_levels.count; i++) {
        const struct config_item *item = &c->log_levels.items[i];
        enum log_category category;
        if (!log_category_parse(item->name, &category)) {
            snprintf(why, why_size, "log.%s.level: there is no log category '%s'", item->name, item->name);
            return false;
        }
        /* "default" is for all that have no level of their own; lists are sorted, so it may come anywhere. */
        if (category == LOG_GLOBAL)
            for (unsigned k = 0; k < LOG_CATEGORIES; k++)
                log_set_level(&l->log, (enum log_category)k, (enum log_level)item->value);
    }
    for (size_t i = 0; i < c->log_levels.count; i++) {
        enum log_category category;
        if (log_category_parse(c->log_levels.items[i].name, &category) && category != LOG_GLOBAL)
            log_set_level(&l->log, category, (enum log_level)c->log_levels.items[i].value);
    }
    return true;
}

static char *
file_path(const struct config *c, const char *fallback)
{
    char *path = NULL;
    bool is_off = !c->log_file || strcmp(c->log_file, "false") == 0;
    const char *name = is_off ? fallback : c->log_file;
    if (!name)
        return NULL;
    const char *dir = c->log_dir ? c->log_dir : c->data_dir;
    if (asprintf(&path, "%s%s%s", *name == '/' ? "" : dir, *name == '/' ? "" : "/", name) < 0)
        abort();
    return path;
}

bool
logger_init(struct logger *l, const struct config *c, const char *file, char *why, size_t why_size)
{
    *l = (struct logger){.console_fd = c->log_console ? STDOUT_FILENO : -1, .file_fd = -1};
    pthread_mutex_init(&l->lock, NULL);
    log_init(&l->log, sink, l, LOG_LEVEL_INFO);
    l->console_least = c->log_console_level < 0 ? LOG_LEVEL_DEBUG : (enum log_level)c->log_console_level;
    l->file_least = c->log_file_level < 0 ? LOG_LEVEL_DEBUG : (enum log_level)c->log_file_level;
    if (!set_levels(l, c, why, why_size))
        return false;
    l->path = file_path(c, file);
    if (l->path && (l->file_fd = open_file(l->path)) < 0) {
        snprintf(why, why_size, "cannot open the log file %s: %s", l->path, strerror(errno));
        return false;
    }
    return true;
}

void
logger_fini(struct logger *l)
{
    if (l->file_fd >= 0)
        close(l->file_fd);
    free(l->path);
    pthread_mutex_destroy(&l->lock);
}

void
logger_reopen(struct logger *l)
{
    if (!l->path)
        return;
    int fd = open_file(l->path);
    if (fd < 0) {
        log_error(&l->log, LOG_GLOBAL, "cannot reopen the log file %s: %s; the old one stays in use", l->path,
                  strerror(errno));
        return;
    }
    pthread_mutex_lock(&l->lock);
    close(l->file_fd);
    l->file_fd = fd;
    pthread_mutex_unlock(&l->lock);
}
