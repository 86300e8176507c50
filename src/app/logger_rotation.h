/* When a log file makes room for a new one: the values of log.file.rotation.*. */
#ifndef LEVERET_APP_LOGGER_ROTATION_H
#define LEVERET_APP_LOGGER_ROTATION_H

#include "base/slice.h"

#include <stdbool.h>
#include <time.h>

struct logger_rotation {
    bool has_date;
    int hour;          /* 0 to 23, local time */
    int weekday;       /* 0 to 6 (Sunday to Saturday), or -1: any */
    int monthday;      /* 1 to 31, 32: the month's last, or -1: any */
    uint64_t size_max; /* 0: any size */
    unsigned count;    /* files kept besides the current one; 0: a rotated file is thrown away */
};

/*
 * RabbitMQ's notation: "$D0" every day at midnight, "$W0D23" on Sundays at 23:00, "$M1D5" on the first of
 * each month at 5:00, "$ML" or
 * "$MLD5" on its last day; "" never. False: it is none of these.
 */
bool logger_rotation_parse_date(struct logger_rotation *r, struct slice text);
/* The first such time after `now`; has_date. */
time_t logger_rotation_next(const struct logger_rotation *r, time_t now);

#endif
