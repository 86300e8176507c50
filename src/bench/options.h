/* The command line of leveret-bench: one table of options, shared by all scenarios. */
#ifndef LEVERET_BENCH_OPTIONS_H
#define LEVERET_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *host;
    uint16_t port;
    const char *user, *password, *vhost;
    int64_t pid; /* of the broker, 0: not measured */
    bool json, progress, relay;

    int64_t publishers, consumers, queues;
    int64_t size;      /* body bytes */
    int64_t messages;  /* of each publisher, or to be consumed when there is none; 0: as long as `duration` */
    double duration;   /* seconds, when `messages` is 0 */
    double warmup;     /* share of the run that is not measured */
    int64_t rate;      /* messages a second of each publisher; 0: as fast as it goes */
    int64_t confirms;  /* publishes in flight; 0: no confirms */
    int64_t window;    /* published and not yet consumed, a pair; 0: not bounded */
    int64_t batch;     /* messages encoded in one block */
    int64_t ack_every; /* 0: automatic acknowledgement */
    int64_t prefetch;
    bool persistent, bare, durable, mandatory, keep, as_is, verify;
    const char *exchange, *exchange_type, *key, *queue;

    int64_t count;    /* connections, queues: how many */
    int64_t parallel; /* churn, queues: connections working at once */
    const char *kind; /* churn: connection, channel, queue, bind */
};

/* Fills *o with defaults and then from the words after the scenario's name. Prints what is wrong and returns
 * false. */
bool options_parse(struct options *o, int argc, char **argv);
void options_help(void);

/* Replaces the first "%d" of a pattern by a number; truncates to `size`. */
void options_pattern(const char *pattern, int64_t n, char *out, unsigned size);

#endif
