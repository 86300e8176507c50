/*
 * Where the log goes: standard output or error, a file, syslog, journald, an exchange, and a file of its own
 * for each category that wants one. Lines look like RabbitMQ's: "2026-11-22 10:26:33.123456+00:00 [info]
 * <0.4711.0> connection: ...".
 *
 * What is written at run time decides nothing else: a full disk, a dead syslog or a terminal that nobody
 * reads costs lines, which are counted and said, and never stops a thread that logs.
 */
#ifndef LEVERET_APP_LOGGER_H
#define LEVERET_APP_LOGGER_H

#include "app/config.h"
#include "base/log.h"

enum {
    LOGGER_QUEUE_BYTES = 1 << 20,     /* lines that wait to be written; what comes on top is lost */
    LOGGER_END_S = 10,                /* how long logger_fini() waits for outputs */
    LOGGER_TAIL_BYTES_MAX = 16 << 20, /* of a file's end, for logger_tail() */
};

struct logger_core;
struct logger_exchange;

struct logger {
    struct log log; /* what the node gets; log_set_level() at run time is for all outputs */
    struct logger_core *core;
};

/*
 * Opens the outputs and starts the thread that writes to them. False: `why` says which and why not, and
 * nothing is open. `file` is used when the configuration names none (NULL: then there is none).
 */
bool logger_init(struct logger *l, const struct config *c, const char *file, char *why, size_t why_size);
/* Writes what is queued; an output that hangs is left alone after LOGGER_END_S. Harmless on zeroes. */
void logger_fini(struct logger *l);

/* Levels as `c` says them; what log_set_level() has changed since is forgotten. False: nothing has changed.
 * Any thread. */
bool logger_set_levels(struct logger *l, const struct config *c, char *why, size_t why_size);
/* All files anew, after somebody has moved them away: what is logged after this call is in the new ones. Any
 * thread. */
void logger_reopen(struct logger *l);
/* The same for files without rotation of their own; the others are rotated now. */
void logger_rotate(struct logger *l);

/* The files, then "<stdout>", "<stderr>", "<syslog>", "<journald>", "exchange:..." for the other outputs;
 * NULL behind the last one. */
const char *logger_location(const struct logger *l, unsigned i);
/* The first file; NULL: there is none. */
const char *logger_path(const struct logger *l);
/* Where lines wait that the node is to publish; NULL: it is not to. */
struct logger_exchange *logger_exchange(const struct logger *l);
/* Appends the last `lines` lines of the first file (of its last LOGGER_TAIL_BYTES_MAX bytes). ERR_NOT_FOUND:
 * there is no file. */
ERR_USE enum err logger_tail(const struct logger *l, unsigned lines, struct buffer *out);

#endif
