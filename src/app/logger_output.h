/* One place that the log goes to: what it is, how its lines look, what it has lost. */
#ifndef LEVERET_APP_LOGGER_OUTPUT_H
#define LEVERET_APP_LOGGER_OUTPUT_H

#include "app/config.h"
#include "app/logger_exchange.h"
#include "app/logger_file.h"
#include "app/logger_format.h"
#include "app/logger_journald.h"
#include "app/logger_syslog.h"

enum {
    LOGGER_OUTPUTS_MAX = LOG_CATEGORIES + 6, /* two names for the default category */
    LOGGER_ELSEWHERE = LOG_LEVELS, /* instead of a least level: the category has a file of its own */
};
_Static_assert(LOGGER_OUTPUTS_MAX <= 32, "a record has a bit for each");

enum logger_kind { LOGGER_FILE, LOGGER_CONSOLE, LOGGER_SYSLOG, LOGGER_JOURNALD, LOGGER_EXCHANGE };

struct logger_output {
    enum logger_kind kind;
    struct logger_format format;
    uint8_t least[LOG_CATEGORIES]; /* enum log_level or LOGGER_ELSEWHERE */
    uint64_t lost;                 /* lines, since the last that was taken */
    int reason;                    /* errno of the first of them */
    union {
        struct logger_file file;
        struct logger_syslog syslog;
        struct logger_journald journald;
        struct logger_exchange exchange;
        int fd;
    };
};

/*
 * Opens what `c` asks for; `file` is logger_init()'s. Returns how many outputs there are now; files of their
 * own for categories come last. -1: `why` says what cannot be, and all are closed.
 */
int logger_output_open_all(struct logger_output outputs[LOGGER_OUTPUTS_MAX], const struct config *c,
                           const char *file, char *why, size_t why_size);
void logger_output_close(struct logger_output *o);
void logger_output_put(struct logger_output *o, const struct logger_record *r);
/* The thresholds of all of them, as `c` says. False: it names a category that does not exist. */
bool logger_output_levels(struct logger_output *outputs, unsigned count, const struct config *c, char *why,
                          size_t why_size);

#endif
