/*
 * What the broker tells its operator. A log is a sink and a least level per category; what it writes is one
 * line of valid UTF-8 without control characters, whatever a peer put into the arguments (no forged lines, no
 * terminal escapes). Passwords and message bodies never go here.
 */
#ifndef LEVERET_BASE_LOG_H
#define LEVERET_BASE_LOG_H

#include "base/slice.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* RabbitMQ's categories (its log.<name>.level keys), then ours. RabbitMQ's `default` is `global` here. */
#define LOG_CATEGORY_TABLE(X)                                                                                \
    X(GLOBAL, "global")                                                                                      \
    X(CONNECTION, "connection")                                                                              \
    X(CHANNEL, "channel")                                                                                    \
    X(QUEUE, "queue")                                                                                        \
    X(MIRRORING, "mirroring")                                                                                \
    X(FEDERATION, "federation")                                                                              \
    X(SHOVEL, "shovel")                                                                                      \
    X(UPGRADE, "upgrade")                                                                                    \
    X(STORAGE, "storage")                                                                                    \
    X(CLUSTER, "cluster")                                                                                    \
    X(AUDIT, "audit")

enum log_category {
#define X(name, text) LOG_##name,
    LOG_CATEGORY_TABLE(X)
#undef X
        LOG_CATEGORIES
};

#define LOG_LEVEL_TABLE(X)                                                                                   \
    X(DEBUG, "debug")                                                                                        \
    X(INFO, "info")                                                                                          \
    X(NOTICE, "notice")                                                                                      \
    X(WARNING, "warning")                                                                                    \
    X(ERROR, "error")                                                                                        \
    X(CRITICAL, "critical")                                                                                  \
    X(NONE, "none")

/* LOG_LEVEL_NONE as a least level means silence; nothing is written at it. */
enum log_level {
#define X(name, text) LOG_LEVEL_##name,
    LOG_LEVEL_TABLE(X)
#undef X
        LOG_LEVELS
};

#define LOG_TEXT_MAX 4096 /* bytes of a line, with the terminating zero; a longer one ends in "..." */

/* `text` is valid during the call. Several threads may be in it at once: the sink locks. */
typedef void log_sink_fn(void *arg, enum log_category category, enum log_level level, const char *text);

struct log {
    log_sink_fn *sink;
    void *arg;
    _Atomic uint8_t least[LOG_CATEGORIES]; /* enum log_level */
};

/* All categories start at `least`. */
void log_init(struct log *log, log_sink_fn *sink, void *arg, enum log_level least);

/* Any thread, at any time. */
void log_set_level(struct log *log, enum log_category category, enum log_level least);

/* Any thread. A NULL log is silent. */
static inline bool
log_is_on(const struct log *log, enum log_category category, enum log_level level)
{
    return log && level >= atomic_load_explicit(&log->least[category], memory_order_relaxed);
}

/* Any thread. printf's format; a full stop is not put at the end. */
void log_write(const struct log *log, enum log_category category, enum log_level level, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

/* Any thread. A text of several lines, each an entry of its own. */
void log_write_lines(const struct log *log, enum log_category category, enum log_level level,
                     struct slice lines);

/* "connection", "warning": static text. */
const char *log_category_name(enum log_category category);
const char *log_level_name(enum log_level level);

/* False when there is none with this name. "default" is taken for "global". */
bool log_category_parse(const char *name, enum log_category *category);
bool log_level_parse(const char *name, enum log_level *level);

/* The arguments are evaluated only when the level is on. */
#define LOG_AT(log, category, level, ...)                                                                    \
    (log_is_on(log, category, level) ? log_write(log, category, level, __VA_ARGS__) : (void)0)
#define log_debug(log, category, ...)    LOG_AT(log, category, LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(log, category, ...)     LOG_AT(log, category, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_notice(log, category, ...)   LOG_AT(log, category, LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_warning(log, category, ...)  LOG_AT(log, category, LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(log, category, ...)    LOG_AT(log, category, LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_critical(log, category, ...) LOG_AT(log, category, LOG_LEVEL_CRITICAL, __VA_ARGS__)

#endif
