/*
 * Inside queue: what a queue has that is not plain. A TTL, an expiry, a limit, or a message with a TTL of its
 * own give it a `struct queue_rules`; all others pay the test of queue.has_rules.
 *
 *   queue_rules.c   the settings, and the order in which their effects happen
 *   queue_expiry.c  messages expire
 *   queue_lease.c   the queue itself expires
 *   queue_limit.c   max-length and max-length-bytes
 *   queue_single.c  one active consumer
 */
/* exports: queue_settings_ queue_expiry_ queue_lease_ queue_limit_ queue_single_ */
#ifndef LEVERET_BROKER_QUEUE_RULES_H
#define LEVERET_BROKER_QUEUE_RULES_H

#include "base/wheel.h"
#include "broker/queue.h"

struct queue_entry;

enum {
    QUEUE_SLICE = 1024, /* messages that expire or are dropped at once; the next turn goes on */
};
#define QUEUE_SETTING_NONE INT64_MAX

/* What arguments and policies come to. The least of several limits is the lower one: NONE is the highest. */
struct queue_settings {
    int64_t message_ttl_ms, expires_ms;
    int64_t length_max, length_bytes_max; /* ready messages; bytes of their bodies */
    bool is_rejecting;                    /* overflow: reject-publish, or reject-publish-dlx: */
    bool is_rejecting_to_dead_letters;
    bool has_dead_letters;  /* a dead-letter exchange: alone it gives a queue no rules */
    uint8_t priority_max;   /* only by the argument; 0: all are equal */
    int64_t delivery_limit; /* returns of one message */
    bool is_quorum;
    bool is_dead_letter_at_least_once; /* with an exchange for them */
    bool is_single_active; /* of its consumers one at a time gets anything; only by the argument */
};
void queue_settings_of(const struct queue_def *def, struct queue_settings *s);

struct queue_rules {
    struct queue_settings settings;
    struct wheel_timer expiry; /* a message's: due at the first one's deadline, or earlier */
    struct wheel_timer lease;  /* the queue's own */
    uint64_t used_at_ms;       /* nobody consumes: since then */
    struct consumer *active;   /* is_single_active: who gets everything; NULL: nobody is there */
};

/* The queue was just opened. */
void queue_rules_open(struct queue *q, const struct queue_def *def);
/* On the queue's shard: queue_settings_of() may say something else from now on. It takes effect at once, on
 * what is there, too. */
void queue_rules_changed(struct broker *b, uint64_t queue_id);
/* Gives a queue without rules its rules: a message with a TTL came. */
struct queue_rules *queue_rules_get(struct queue *q);
/* `is_stopping`: the shard has ended, and its timers with it. */
void queue_rules_close(struct queue *q, bool is_stopping);
/* queue_push() of a queue with rules, or of a message with a TTL. */
enum queue_pushed queue_rules_push(struct queue *q, struct message *m, uint64_t tx);
/* At the end of a delivery round: drops what has expired, and what is too much unless more of it can be given
 * out. True: there is more to do in the next turn. */
bool queue_rules_enforce(struct queue *q, bool can_deliver);
/* Before somebody looks at the queue: the same, as far as it can be done at once. */
void queue_rules_look(struct queue *q);

/* ---- messages expire ---- */

/* An entry's deadline: 0: none. */
#define QUEUE_DEADLINE_NONE    ((uint64_t)0)
#define QUEUE_DEADLINE_AT_ONCE ((uint64_t)1) /* TTL 0: to be taken now or never */
#define QUEUE_DEADLINE_FIRST   ((uint64_t)2) /* others are at or above this one */

/* Of a message that comes in now, in milliseconds of the shard's clock. */
uint64_t queue_expiry_deadline(const struct queue *q, const struct message *m);
uint64_t queue_expiry_of(const struct queue_entry *e);
/* Makes room for deadlines in the entries: before one is written. */
void queue_expiry_widen(struct queue *q);
/* The entry, of a widened queue, gets its deadline. */
void queue_expiry_set(struct queue_entry *e, uint64_t deadline);
bool queue_expiry_is_due(const struct queue *q, const struct queue_entry *e);
/* The first ready message, expired, leaves. */
void queue_expiry_drop(struct queue *q, uint64_t position, struct queue_entry *e);
/* Drops what has expired at the head, a slice at most, and sets the timer for what is first then. True: more
 * has expired. */
bool queue_expiry_run(struct queue *q);

/* ---- the queue expires ---- */

/* Does it expire at all? On any shard. */
bool queue_lease_has(const struct queue_def *def);
/* A start: the queues of this shard that expire are opened. */
void queue_lease_start_all(struct broker *b);
/* It is used now: somebody consumes, stops consuming, gets or declares. */
void queue_lease_renew(struct queue *q);
/* As the settings say, from now on. */
void queue_lease_start(struct queue *q);

/* ---- one active consumer ---- */

/* Nobody else is active. */
bool queue_single_may_take(const struct consumer *c);
/* It stands in its level now. */
void queue_single_joined(struct consumer *c);
/* It is no longer in any level, and those without members are gone. */
void queue_single_left(struct queue *q, const struct consumer *c);

/* ---- limits ---- */

/* With this message more. */
bool queue_limit_would_overflow(const struct queue *q, const struct message *m);
bool queue_limit_is_over(const struct queue *q);
/* Drops from the head until it is within its limits, a slice at most. True: there is more. */
bool queue_limit_run(struct queue *q);

#endif
