/*
 * The small world of the features workload: a handful of queues and exchanges whose names are numbers, what a
 * queue can be and can be set to, and what a client sees of a message. Names stand in tables, so that a
 * message and its deaths are plain memory that can be compared.
 */
#ifndef LEVERET_TEST_SIM_FEATURE_H
#define LEVERET_TEST_SIM_FEATURE_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FEATURE_QUEUES = 7,      /* fq0..fq6 */
    FEATURE_EXPIRING = 5,    /* fq5 and fq6 alone may have x-expires, and are deleted */
    FEATURE_NONE = 0xff,     /* no exchange, no key */
    FEATURE_DEATHS_MAX = 28, /* by queue and reason */
    FEATURE_UNSET = -1,
};

enum feature_exchange {
    FEATURE_DEFAULT, /* "": by the name of the queue */
    FEATURE_FANOUT,  /* fx.fanout: to fq1 and fq4 */
    FEATURE_DIRECT,  /* fx.direct: k0 to fq0 and fq2, k1 to fq3 */
    FEATURE_MISSING, /* fx.missing: a fanout to fq2 and fq3, when it is there */
    FEATURE_HISTORY, /* fx.history: to those that are bound to it, and it remembers */
    FEATURE_DEAD_EXCHANGES,
    /* Each message to exactly one of its queues. */
    FEATURE_HASH = FEATURE_DEAD_EXCHANGES, /* fx.hash: by the routing key to fq0 or fq2 */
    FEATURE_MODULUS,                       /* fx.modulus: likewise to fq1 or fq3 */
    FEATURE_RANDOM,                        /* fx.random: to fq0, fq3 or fq4 */
    FEATURE_EXCHANGES
};
/* The first keys are the queues' names. */
enum { FEATURE_KEY_K0 = FEATURE_QUEUES, FEATURE_KEY_K1, FEATURE_KEY_NOWHERE, FEATURE_KEYS };

extern const char *const feature_keys[FEATURE_KEYS];
extern const char *const feature_exchanges[FEATURE_EXCHANGES];

enum feature_reason {
    FEATURE_REJECTED,
    FEATURE_EXPIRED,
    FEATURE_MAXLEN,
    FEATURE_DELIVERY_LIMIT,
    FEATURE_REASONS
};
extern const char *const feature_reasons[FEATURE_REASONS];

/* Which exchanges lead where changes in two places only. */
struct feature_topology {
    bool has_missing; /* fx.missing is there now */
    uint32_t history; /* the queues that are bound to fx.history */
};

/* The queues, as a mask, that a message with this key (and CC, unless FEATURE_NONE) goes to. */
uint32_t feature_route(const struct feature_topology *t, uint8_t exchange, uint8_t key, uint8_t cc);
/* Those of which exactly one gets it; 0: not such an exchange. */
uint32_t feature_route_one_of(uint8_t exchange);

/* What a queue is for as long as it is there. */
struct feature_type {
    bool is_quorum, is_single; /* is_single: of its consumers one is active */
    bool is_logged;            /* it is durable, and the node has a log */
    uint8_t priority_max;      /* 0: none */
};

enum feature_overflow { FEATURE_DROP_HEAD, FEATURE_REJECT, FEATURE_REJECT_DLX };
struct feature_settings {
    int64_t ttl_ms, length_max, bytes_max, expires_ms; /* FEATURE_UNSET: none */
    int64_t delivery_limit;                            /* likewise */
    int overflow;                                      /* likewise */
    bool at_least_once;                                /* asked for, or in force */
    uint8_t dead_exchange, dead_key;                   /* FEATURE_NONE: none */
};
extern const struct feature_settings feature_plain;

/* What is in force: the lower limit, else the argument, else the policy; and what a quorum queue makes of it.
 */
struct feature_settings feature_settings_merge(const struct feature_type *type,
                                               const struct feature_settings *arguments,
                                               const struct feature_settings *policy);

struct feature_death {
    int32_t ttl_ms; /* original-expiration; FEATURE_UNSET: none */
    uint16_t count;
    uint8_t queue, reason, exchange, key, cc;
    uint8_t unused; /* no padding: deaths are compared as memory */
};

/* A message as a client sees it. Unused deaths are zero. */
struct feature_letter {
    uint32_t number;
    int32_t ttl_ms; /* expiration; FEATURE_UNSET: none */
    uint8_t exchange, key, cc;
    bool redelivered;
    uint8_t first[3], last[3]; /* exchange, queue, reason of the first and last death; zero without */
    uint8_t death_count;
    uint8_t priority;   /* FEATURE_NONE: none */
    uint16_t returns;   /* x-delivery-count; 0: not there */
    bool is_not_stored; /* x-recent-history-no-store */
    uint8_t unused;
    struct feature_death deaths[FEATURE_DEATHS_MAX];
};

uint32_t feature_body_size(uint32_t number);
struct buffer;
/* What a client publishes. */
void feature_write(const struct feature_letter *l, bool is_persistent, struct buffer *properties,
                   struct buffer *body);
/* What a client got, its headers down to the last field; NULL, or what is wrong with it. `l` is filled but
 * for `redelivered`. */
const char *feature_read(struct feature_letter *l, struct slice exchange, struct slice key,
                         struct slice properties, struct slice body);

/* What becomes of it when it leaves `queue` for a dead-letter exchange. */
struct feature_letter feature_die(const struct feature_letter *l, uint8_t queue, uint8_t reason,
                                  const struct feature_settings *s);
/* It has died in that queue before, and nobody has rejected it since. */
bool feature_is_cycle(const struct feature_letter *l, uint8_t queue);

#endif
