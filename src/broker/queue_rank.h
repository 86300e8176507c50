/*
 * Inside queue: a queue with priorities (x-max-priority) stands as several, its *ranks*, one per priority
 * that was used. Rank 0 is the queue itself, the *front*: what has its definition, consumers and rules.
 * queue_rank.c tells more.
 */
#ifndef LEVERET_BROKER_QUEUE_RANK_H
#define LEVERET_BROKER_QUEUE_RANK_H

#include "broker/queue_impl.h"

enum {
    QUEUE_RANK_MAX = UINT8_MAX,
    QUEUE_RANK_SHIFT = 56, /* a rank's priority stands there: in its id, and in positions outside of queue */
    QUEUE_RANK_WINDOW_MIN = 64 << 10,
};
#define QUEUE_RANK_BELOW (((uint64_t)1 << QUEUE_RANK_SHIFT) - 1)

struct queue_ranks {
    unsigned max;                               /* the highest priority that there can be */
    uint64_t ready;                             /* in all of them */
    unsigned count;                             /* of those that are there */
    uint64_t filled[(QUEUE_RANK_MAX + 1) / 64]; /* a bit per rank: clear if nothing is ready in it */
    struct queue *of[];                         /* by priority; NULL: not used yet */
};

/* The id of the queue that this is, or that it is a rank of. */
static inline uint64_t
queue_rank_front_id(uint64_t id)
{
    return id & QUEUE_RANK_BELOW;
}
/* As sessions know the message at this position of a rank. */
static inline uint64_t
queue_rank_outside(const struct queue *rank, uint64_t position)
{
    return position | (rank->id & ~QUEUE_RANK_BELOW);
}
/* Where such a position stands, which becomes the rank's own; NULL: the queue has no such rank. */
struct queue *queue_rank_inside(struct queue *front, uint64_t *position);

/* The front gets priorities up to `max`, 1 at least. */
void queue_rank_open(struct queue *front, unsigned max);
/* Drops what is in them, all but the front. */
void queue_rank_close(struct queue *front);
/* The rank, made when it is not there; NULL: the queue has no such priority. */
struct queue *queue_rank_get(struct queue *front, unsigned priority);
/* Where the message belongs: by its priority, or the highest that there is. */
static inline struct queue *
queue_rank_of(struct queue *front, const struct message *m)
{
    const struct queue_ranks *ranks = front->ranks;
    if (!ranks)
        return front;
    unsigned priority = m->priority < ranks->max ? m->priority : ranks->max;
    return ranks->of[priority] ? ranks->of[priority] : queue_rank_get(front, priority);
}
/* Something is ready in it now. */
static inline void
queue_rank_filled(struct queue *rank)
{
    struct queue_ranks *ranks = rank->front->ranks;
    uint64_t priority = rank->id >> QUEUE_RANK_SHIFT;
    if (ranks)
        ranks->filled[priority / 64] |= (uint64_t)1 << priority % 64;
}

/* What stays in memory at the head of one. */
static inline uint32_t
queue_rank_window(const struct queue *rank)
{
    const struct queue_ranks *ranks = rank->front->ranks;
    uint32_t share = ranks ? QUEUE_WINDOW_BYTES / ranks->count : QUEUE_WINDOW_BYTES;
    return share > QUEUE_RANK_WINDOW_MIN ? share : QUEUE_RANK_WINDOW_MIN;
}

/* The highest one in which something is ready, else the front. */
struct queue *queue_rank_first(struct queue *front);
/* The same below this one; NULL: there is none. */
struct queue *queue_rank_next(struct queue *rank);

/* Every rank that is there, from the highest down to the front, whatever is in it: `*at` starts at 0. NULL:
 * that was all. Of a queue without priorities it is itself. */
struct queue *queue_rank_each(const struct queue *front, unsigned *at);

#endif
