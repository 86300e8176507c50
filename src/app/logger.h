/* Where the log goes: standard output and a file, each with a least level of its own. Lines look like
 * RabbitMQ's: "2026-11-22 10:26:33.123456+00:00 [info] connection: ...". */
#ifndef LEVERET_APP_LOGGER_H
#define LEVERET_APP_LOGGER_H

#include "app/config.h"
#include "base/log.h"

#include <pthread.h>

struct logger {
    struct log log; /* what the node gets */
    pthread_mutex_t lock;
    int console_fd, file_fd; /* -1: none */
    enum log_level console_least, file_least;
    uint64_t console_lost; /* lines since the last that standard output took */
    char *path;            /* of the file, or NULL */
};

/* Opens the file if there is one. False: `why` says which file and why not. `file` is used when the
 * configuration names none (NULL: then there is none). */
bool logger_init(struct logger *l, const struct config *c, const char *file, char *why, size_t why_size);
void logger_fini(struct logger *l);
/* The file anew, after somebody has moved it away. */
void logger_reopen(struct logger *l);

#endif
