/*
 * Priorities. A queue with x-max-priority is one queue per priority that was used, behind one front:
 *
 *   front, of priority 0: definition, consumers, rules ──┬─ rank 3: entries, cursor, returned, runs on disk
 *                                                        ├─ rank 1: the same
 *                                                        └─ its own entries
 *
 * A rank is a `struct queue` as far as messages go: order, requeueing, paging and the log know nothing of
 * priorities. It has no consumers, and shares the front's rules. The log knows it by the front's id with the
 * priority in the upper bits, so that what is kept tells its priority; sessions know the front's id, and
 * positions with the priority in the upper bits. Messages are taken from the highest rank that has something;
 * nothing overtakes it while that is being read, or waits for the log.
 *
 * Always true: a rank in which something is ready has its bit in `filled`. The bit of one that ran empty is
 * cleared by who looks for the first one.
 */
#include "broker/queue_rank.h"

#include "base/check.h"
#include "broker/deadletter.h"

#include <stdlib.h>

void
queue_rank_open(struct queue *front, unsigned max)
{
    CHECK(!front->ranks && max > 0 && max <= QUEUE_RANK_MAX);
    if (front->id > QUEUE_RANK_BELOW) /* unlogged, after 65,536 boots: no bits are left, and all are equal */
        return;
    struct queue_ranks *ranks = calloc(1, sizeof *ranks + (max + 1) * sizeof ranks->of[0]);
    CHECK(ranks);
    ranks->max = max;
    ranks->count = 1;
    ranks->of[0] = front;
    front->ranks = ranks;
}

void
queue_rank_close(struct queue *front)
{
    struct queue_ranks *ranks = front->ranks;
    struct broker *b = front->broker;
    for (unsigned i = 1; ranks && i <= ranks->max; i++) {
        struct queue *rank = ranks->of[i];
        if (!rank)
            continue;
        idmap_remove(&b->queues, rank->id);
        if (rank->kept)
            b->log->ops->forget(b->log, rank);
        queue_messages_close(rank);
        deadletter_forget(rank);
        free(rank);
    }
    free(ranks);
    front->ranks = NULL;
}

static struct queue *
rank_new(struct queue *front, unsigned priority)
{
    struct queue *rank = calloc(1, sizeof *rank);
    CHECK(rank);
    queue_init(rank, front->broker, front->id | (uint64_t)priority << QUEUE_RANK_SHIFT, front->durable);
    rank->front = front;
    rank->rules = front->rules;
    rank->has_rules = true;
    idmap_put(&front->broker->queues, rank->id, rank);
    front->ranks->of[priority] = rank;
    front->ranks->count++;
    return rank;
}

struct queue *
queue_rank_get(struct queue *front, unsigned priority)
{
    if (priority == 0)
        return front;
    if (!front->ranks || priority > front->ranks->max)
        return NULL;
    struct queue *rank = front->ranks->of[priority];
    return rank ? rank : rank_new(front, priority);
}

struct queue *
queue_rank_inside(struct queue *front, uint64_t *position)
{
    unsigned priority = (unsigned)(*position >> QUEUE_RANK_SHIFT);
    *position &= QUEUE_RANK_BELOW;
    if (priority == 0)
        return front;
    return front->ranks && priority <= front->ranks->max ? front->ranks->of[priority] : NULL;
}

/* The highest below `end` in which something is ready; clears bits on its way. */
static struct queue *
find_below(struct queue_ranks *ranks, unsigned end)
{
    for (unsigned word = (end + 63) / 64; word-- > 0; end = word * 64) {
        uint64_t below = end - word * 64 < 64 ? ((uint64_t)1 << (end - word * 64)) - 1 : UINT64_MAX;
        for (uint64_t left; (left = ranks->filled[word] & below);) {
            unsigned bit = 63u - (unsigned)__builtin_clzll(left);
            struct queue *rank = ranks->of[word * 64 + bit];
            if (queue_ready(rank))
                return rank;
            ranks->filled[word] &= ~((uint64_t)1 << bit);
        }
    }
    return NULL;
}

struct queue *
queue_rank_first(struct queue *front)
{
    struct queue *rank = front->ranks ? find_below(front->ranks, front->ranks->max + 1) : NULL;
    return rank ? rank : front;
}

struct queue *
queue_rank_next(struct queue *rank)
{
    struct queue_ranks *ranks = rank->front->ranks;
    return ranks ? find_below(ranks, (unsigned)(rank->id >> QUEUE_RANK_SHIFT)) : NULL;
}

struct queue *
queue_rank_each(const struct queue *front, unsigned *at)
{
    const struct queue_ranks *ranks = front->ranks;
    unsigned max = ranks ? ranks->max : 0;
    while (*at <= max) {
        struct queue *rank = ranks ? ranks->of[max - *at] : front->front;
        ++*at;
        if (rank)
            return rank;
    }
    return NULL;
}

/* ---- sums ---- */

uint32_t
queue_rank_ready(const struct queue_ranks *ranks)
{
    return (uint32_t)ranks->ready;
}

void
queue_rank_ready_add(struct queue_ranks *ranks, int64_t n)
{
    ranks->ready += (uint64_t)n;
}
