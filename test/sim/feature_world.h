/*
 * One possible state of the queues of the features workload, and what may happen next in it by itself.
 *
 *   copies    what stands in a queue, in the order in which it came; a copy with a tag is held by a client
 *   moves     messages under way from one queue (or a client) to another
 *   stuck     at-least-once dead letters that somebody is still to take (feature_dead.h)
 *   ring      what fx.history remembers
 *
 * Moves between the same two ends keep their order, others may overtake each other: each such lane's first
 * move is one thing that may happen next. So is the expiry of a first ready message, of a queue that nobody
 * used, another try with a dead letter, or that a queue with priorities gives out what it has: a higher one
 * may come first. feature_world_choices() lists them; what they lead to is the model's business.
 *
 * Time is known in bounds only: the shard's clock was read somewhen between two looks at the world's.
 */
#ifndef LEVERET_TEST_SIM_FEATURE_WORLD_H
#define LEVERET_TEST_SIM_FEATURE_WORLD_H

#include "feature.h"

#include <stddef.h>

enum {
    FEATURE_COPIES_MAX = 28,
    FEATURE_MOVES_MAX = 64,
    FEATURE_GIVEN_MAX = 48,
    FEATURE_STUCK_MAX = 32,
    FEATURE_RING_LENGTH = 3,
    FEATURE_CONSUMERS = 3,           /* of one queue */
    FEATURE_RANKS = 4,               /* priorities of messages that a queue tells apart, at most */
    FEATURE_CLIENT = FEATURE_QUEUES, /* where a move may come from, too */
    FEATURE_RING,                    /* ... and where it may come from and go to */
    FEATURE_CHOICES_MAX = FEATURE_MOVES_MAX + FEATURE_STUCK_MAX + (FEATURE_RANKS + 3) * FEATURE_QUEUES,
    FEATURE_LAG_MS = 10,     /* a timer fires so late at most, and what it moves arrives */
    FEATURE_RETRY_MS = 1000, /* dead letters that nobody took are tried so often */
};

#define FEATURE_NEVER UINT64_MAX

struct feature_copy {
    struct feature_letter letter;
    uint64_t due_from, due_to; /* FEATURE_NEVER; 0: now or never */
    uint32_t tag;              /* a client's, 0: ready */
    uint32_t lent;             /* to a consumer that is there now (feature_take.h); 0: to none */
};

struct feature_queue {
    uint64_t used_from, used_to; /* last, where it expires */
    uint32_t count;
    uint16_t exists;
    uint16_t has_returned; /* messages came back, and its limit has not been looked at since */
    struct feature_copy copies[FEATURE_COPIES_MAX];
};

struct feature_move {
    struct feature_letter letter;
    uint8_t from, to;
    uint8_t publish; /* from a client: its number among those of this operation */
    bool is_stuck;   /* a dead letter that has to be taken */
};

/* To a consumer, which has it now. */
struct feature_given {
    struct feature_letter letter;
    uint8_t queue, level;
};

struct feature_stuck {
    struct feature_letter letter;  /* as it was in its queue */
    uint64_t since_from, since_to; /* another try would change something; FEATURE_NEVER: it would not */
    uint8_t queue, reason;
    uint8_t under_way, taken; /* moves that are to be answered; the queues that have it, as a mask */
    uint16_t is_taken;        /* by all: as soon as its queue knows that, it is gone */
    uint16_t is_remembered;   /* by fx.history */
};

struct feature_world {
    uint64_t from, to; /* it is now between these two */
    uint32_t move_count, given_count, stuck_count, ring_count;
    uint64_t refused; /* publishes of this operation, as a mask */
    uint8_t chosen[FEATURE_RANDOM - FEATURE_HASH][FEATURE_KEYS + 2]; /* the queue of a key, from 1; 0: not
                                                                        known. Two more: no padding */
    struct feature_letter ring[FEATURE_RING_LENGTH];
    struct feature_queue queues[FEATURE_QUEUES];
    struct feature_move moves[FEATURE_MOVES_MAX];
    struct feature_given given[FEATURE_GIVEN_MAX];
    struct feature_stuck stuck[FEATURE_STUCK_MAX];
};

struct feature_consumer {
    uint32_t prefetch; /* 0: it is not there */
    uint32_t number;   /* they came in this order */
    uint8_t client, level;
    bool is_exclusive;
};

/* What is the same in all worlds, as the test has set it. */
struct feature_rules {
    struct feature_type types[FEATURE_QUEUES];
    struct feature_settings settings[FEATURE_QUEUES]; /* in force */
    struct feature_consumer consumers[FEATURE_QUEUES][FEATURE_CONSUMERS];
    uint8_t active[FEATURE_QUEUES]; /* of a queue with a single active consumer; FEATURE_NONE */
    struct feature_topology topology;
};

enum feature_kind {
    FEATURE_ARRIVES,
    FEATURE_GIVES,
    FEATURE_WRITES,
    FEATURE_EXPIRES,
    FEATURE_QUEUE_EXPIRES,
    FEATURE_TRIES
};
struct feature_choice {
    enum feature_kind kind;
    unsigned index; /* of the move, the queue, or the dead letter */
    uint8_t rank;
    uint64_t from, to; /* between these */
};

/* Equal worlds have equal hashes, and other ones others. */
uint64_t feature_world_hash(const struct feature_world *w);
struct feature_world *feature_world_copy(const struct feature_world *w);

/* What may happen next, until `now`. `choices` has room for FEATURE_CHOICES_MAX. -> how many. `must`:
 * something has to. */
unsigned feature_world_choices(const struct feature_world *w, const struct feature_rules *r, uint64_t now,
                               struct feature_choice *choices, bool *must);
void feature_world_choose(struct feature_world *w, const struct feature_rules *r,
                          const struct feature_choice *choice);
/* 0: nothing can happen between `from` and `to`. Else when what can is over. */
uint64_t feature_world_busy_until(const struct feature_world *w, const struct feature_rules *r, uint64_t from,
                                  uint64_t to);

/* The ready copy that goes next: of the highest priority the one that came first. -1: none. */
int feature_world_first(const struct feature_queue *q, const struct feature_type *type);
/* The first ready one that ranks so. */
int feature_world_first_of(const struct feature_queue *q, const struct feature_type *type, uint8_t rank);
uint32_t feature_world_ready_count(const struct feature_queue *q);
void feature_world_remove(struct feature_queue *q, uint32_t at);
void feature_world_leave_at(struct feature_world *w, const struct feature_rules *r, uint8_t queue,
                            uint32_t at, enum feature_reason reason);
/* A client gives it back, or is gone. */
void feature_world_return(struct feature_world *w, const struct feature_rules *r, uint8_t queue, uint32_t at);
void feature_world_send(struct feature_world *w, uint8_t from, uint32_t targets,
                        const struct feature_letter *l, uint8_t publish, bool is_stuck);
/* fx.history gets it. */
void feature_world_remember(struct feature_world *w, uint8_t from, const struct feature_letter *l);
/* After something came back, an ack, or other settings: consumers take what they can, then a limit drops.
 * What came back to a classic queue it drops before that. */
void feature_world_squeeze(struct feature_world *w, const struct feature_rules *r, uint8_t queue);
/* A queue that rejects has no room for so many bytes more. */
bool feature_world_rejects(const struct feature_world *w, const struct feature_rules *r, uint8_t queue,
                           uint64_t bytes);
bool feature_world_is_consumed(const struct feature_rules *r, uint8_t queue);
void feature_world_drop_queue(struct feature_world *w, uint8_t queue);

#endif
