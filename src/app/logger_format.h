/* A line of the log: RabbitMQ's plain text, or a JSON object with RabbitMQ's names. */
#ifndef LEVERET_APP_LOGGER_FORMAT_H
#define LEVERET_APP_LOGGER_FORMAT_H

#include "base/log.h"

#include <limits.h>
#include <stddef.h>
#include <time.h>

enum {
    LOGGER_LINE_MAX = PIPE_BUF, /* a pipe that is ready takes that much whole */
    LOGGER_TIME_SIZE = 64,
};

struct logger_record {
    struct timespec when;
    int thread;
    uint8_t category; /* enum log_category */
    uint8_t level;    /* enum log_level */
    uint16_t len;
    uint32_t outputs; /* a bit for each output that wants it */
    const char *text; /* valid UTF-8 without control characters, ended by a zero */
};

/* The words of the configuration's *.formatter, *.formatter.time_format and *.formatter.level_format, in
 * their order. */
enum logger_style { LOGGER_PLAIN, LOGGER_JSON };
enum logger_time {
    LOGGER_TIME_SPACE,
    LOGGER_TIME_T,
    LOGGER_TIME_MICROSECONDS,
    LOGGER_TIME_SECONDS,
    LOGGER_TIME_LAGER
};
enum logger_case { LOGGER_LC, LOGGER_UC, LOGGER_LC3, LOGGER_UC3, LOGGER_LC4, LOGGER_UC4 };

struct logger_format {
    enum logger_style style;
    enum logger_time time;
    enum logger_case level;
};

/* Writes the line with its '\n'; a text that does not fit ends in "...". Returns its length. */
size_t logger_format_line(const struct logger_format *f, const struct logger_record *r,
                          char line[LOGGER_LINE_MAX]);
/* The record without time and level, for outputs that have their own for them. JSON stays whole. Ended by a
 * zero. */
size_t logger_format_message(const struct logger_format *f, const struct logger_record *r,
                             char text[LOGGER_LINE_MAX]);
/* Local time, or seconds since 1970. */
void logger_format_time(enum logger_time how, const struct timespec *when, char out[LOGGER_TIME_SIZE]);
/* As syslog and journald number them: 7 for debug to 2 for critical. */
int logger_format_severity(enum log_level level);

#endif
