/*
 * One possible state of the queues of the features workload, and what may happen next in it by itself.
 *
 *   copies    what stands in a queue, in its order; a copy with a tag is held by the client
 *   moves     messages under way from one queue (or the client) to another
 *
 * Moves between the same two ends keep their order, others may overtake each other: each such lane's first
 * move is one thing that may happen next. So is the expiry of a queue's first ready message, or of a queue
 * that nobody used. feature_world_choices() lists them; what they lead to is the model's business.
 *
 * Time is known in bounds only: the shard's clock was read somewhen between two looks at the world's.
 */
#ifndef LEVERET_TEST_SIM_FEATURE_WORLD_H
#define LEVERET_TEST_SIM_FEATURE_WORLD_H

#include "feature.h"

#include <stddef.h>

enum {
    FEATURE_COPIES_MAX = 28,
    FEATURE_MOVES_MAX = 48,
    FEATURE_GIVEN_MAX = 48,
    FEATURE_CLIENT = FEATURE_QUEUES, /* where a move may come from, too */
    FEATURE_CHOICES_MAX = FEATURE_MOVES_MAX + 2 * FEATURE_QUEUES,
    FEATURE_LAG_MS = 10, /* a timer fires so late at most, and what it moves arrives */
};

#define FEATURE_NEVER UINT64_MAX

struct feature_copy {
    struct feature_letter letter;
    uint64_t due_from, due_to; /* FEATURE_NEVER; 0: now or never */
    uint32_t tag;              /* the client's, 0: ready */
    uint32_t is_lent;          /* to the consumer that is there now */
};

struct feature_queue {
    uint64_t used_from, used_to; /* last, where it expires */
    uint32_t count;
    uint32_t exists;
    struct feature_copy copies[FEATURE_COPIES_MAX];
};

struct feature_move {
    struct feature_letter letter;
    uint8_t from, to;
    uint8_t publish; /* from the client: its number among those of this operation */
};

/* To a consumer, which has it now. */
struct feature_given {
    struct feature_letter letter;
    uint8_t queue;
};

struct feature_world {
    uint64_t from, to; /* it is now between these two */
    uint32_t move_count, given_count;
    uint64_t refused; /* publishes of this operation, as a mask */
    struct feature_queue queues[FEATURE_QUEUES];
    struct feature_move moves[FEATURE_MOVES_MAX];
    struct feature_given given[FEATURE_GIVEN_MAX];
};

/* What is the same in all worlds, as the test has set it. */
struct feature_rules {
    struct feature_settings settings[FEATURE_QUEUES]; /* in force */
    uint32_t prefetch[FEATURE_QUEUES];                /* of its consumer; 0: it has none */
};

enum feature_kind { FEATURE_ARRIVES, FEATURE_EXPIRES, FEATURE_QUEUE_EXPIRES };
struct feature_choice {
    enum feature_kind kind;
    unsigned index; /* of the move, or of the queue */
};

/* Equal worlds have equal hashes, and other ones others. */
uint64_t feature_world_hash(const struct feature_world *w);
struct feature_world *feature_world_copy(const struct feature_world *w);

/* `choices` has room for FEATURE_CHOICES_MAX. -> how many. */
unsigned feature_world_choices(const struct feature_world *w, const struct feature_rules *r,
                               struct feature_choice *choices);
void feature_world_choose(struct feature_world *w, const struct feature_rules *r,
                          const struct feature_choice *choice);

/* The first ready copy from `at` on; -1: none. */
int feature_world_ready(const struct feature_queue *q, uint32_t at);
uint32_t feature_world_ready_count(const struct feature_queue *q);
void feature_world_remove(struct feature_queue *q, uint32_t at);
/* Sends a copy that is out of its queue to where it goes next, if anywhere. */
void feature_world_leave(struct feature_world *w, const struct feature_rules *r, uint8_t queue,
                         const struct feature_letter *l, enum feature_reason reason);
void feature_world_send(struct feature_world *w, uint8_t from, uint32_t targets,
                        const struct feature_letter *l, uint8_t publish);
/* After an ack, or other settings: consumers take what they can, then a limit drops. */
void feature_world_squeeze(struct feature_world *w, const struct feature_rules *r, uint8_t queue);
/* After a requeue: a limit drops, then consumers take what is left. */
void feature_world_returned(struct feature_world *w, const struct feature_rules *r, uint8_t queue);
/* The consumers' share of it. Their copies get tags from feature_world_tag(). */
void feature_world_deliver(struct feature_world *w, const struct feature_rules *r, uint8_t queue);
/* The copy that was given out last and not tagged yet gets its tag. */
#define FEATURE_UNTAGGED UINT32_MAX
void feature_world_tag(struct feature_world *w, const struct feature_given *given, uint32_t tag);
void feature_world_drop_queue(struct feature_queue *q);

#endif
