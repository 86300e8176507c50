/* To systemd's journal, in its own protocol. */
#ifndef LEVERET_APP_LOGGER_JOURNALD_H
#define LEVERET_APP_LOGGER_JOURNALD_H

#include "app/logger_format.h"

struct logger_journald {
    char path[108], identity[49];
    int fd; /* not connected: -1 only when there was no descriptor */
};

void logger_journald_open(struct logger_journald *j, const char *path, const char *identity);
void logger_journald_close(struct logger_journald *j);
/* 0, or errno: then the line is lost. */
int logger_journald_put(struct logger_journald *j, const struct logger_record *r, const char *message);

#endif
