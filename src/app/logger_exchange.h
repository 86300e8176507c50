/*
 * The log as messages (RabbitMQ's log.exchange): lines for the topic exchange amq.rabbitmq.log of the default
 * virtual host, with the level's name as routing key.
 *
 *   the log's thread ─► lines (bounded) ─► shard 0, woken when the first one comes ─► broker/inside.h
 *
 * Nothing waits for it, and a message is the cause of no line but the one about messages that were dropped,
 * which comes every ten seconds at most. Lines that come while no node serves are for nobody.
 */
/* exports: logger_exchange_ */
#ifndef LEVERET_APP_LOGGER_EXCHANGE_H
#define LEVERET_APP_LOGGER_EXCHANGE_H

#include "app/logger_format.h"
#include "base/buffer.h"

#include <pthread.h>
#include <stdbool.h>

enum { LOGGER_EXCHANGE_BYTES = 1 << 20 }; /* lines that wait for shard 0; what comes on top is lost */

struct logger_exchange {
    pthread_mutex_t lock;
    struct buffer lines; /* that wait */
    void (*wake)(void *arg);
    void *arg;
    char *vhost, *location; /* location: as `status` shows it */
    bool is_json;
};

/* For the exchange of that vhost. */
void logger_exchange_open(struct logger_exchange *x, const char *vhost, bool is_json);
void logger_exchange_close(struct logger_exchange *x);
/* The log's thread. 0, or an errno: the line is lost. */
int logger_exchange_put(struct logger_exchange *x, const struct logger_record *r, const char *line,
                        size_t len);

/* A node serves from now on: `wake` is called, on any thread, when there is something to take. NULL: it
 * serves no more. */
void logger_exchange_connect(struct logger_exchange *x, void (*wake)(void *arg), void *arg);
/* What has come since; the caller's. */
struct buffer logger_exchange_take(struct logger_exchange *x);
struct logger_exchange_line {
    uint64_t time_s;
    enum log_level level;
    struct slice text; /* in what was taken */
};
/* Walks it; `lines` starts as all of it. False: that was the last one. */
bool logger_exchange_next(struct slice *lines, struct logger_exchange_line *line);

#endif
