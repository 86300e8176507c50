/*
 * The confirms of one channel: counts the publishes, collects what the queues say, and says it to the client
 * with as few methods as the order allows. It holds memory only while an answer is outstanding.
 */
#ifndef LEVERET_BROKER_CONFIRM_H
#define LEVERET_BROKER_CONFIRM_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed is a channel that has just selected confirm mode. */
struct confirm {
    uint64_t last;    /* the last publish that has a number */
    uint64_t done;    /* every publish up to this one is answered, or will be by the next flush */
    uint64_t emitted; /* every publish up to this one was told; those in between are acks */
    uint32_t *window; /* what is known of done + 1 .. last; NULL: nothing has been outstanding */
    uint64_t late_first, late_last; /* answered since the flush, beyond done: within this range */
    uint32_t cap;                   /* of the window, a power of two */
};

void confirm_fini(struct confirm *c);

/* The number of the next publish, from 1. Say what becomes of it, by one of the next two, before the next
 * one. */
static inline uint64_t
confirm_next(struct confirm *c)
{
    return ++c->last;
}

void confirm_resolve_slow(struct confirm *c, uint64_t seq, bool nack);
/* The outcome is known at once. */
static inline void
confirm_resolve(struct confirm *c, uint64_t seq, bool nack)
{
    if (__builtin_expect(seq == c->done + 1 && !nack && !c->window, 1))
        c->done = seq;
    else
        confirm_resolve_slow(c, seq, nack);
}
/* `n` > 0 answers will come by confirm_answered(). */
void confirm_pending(struct confirm *c, uint64_t seq, uint32_t n);
/* One queue of each of these publishes has answered: effects.confirmed(). Numbers that do not wait are
 * ignored. */
void confirm_answered(struct confirm *c, uint64_t first, uint64_t last, bool nack);

/* Is there anything to tell? */
static inline bool
confirm_has_news(const struct confirm *c)
{
    return c->emitted != c->done || c->late_last;
}
/* Publishes that wait for an answer or for the flush. */
static inline uint64_t
confirm_outstanding(const struct confirm *c)
{
    return c->last - c->emitted;
}

typedef void confirm_emit_fn(void *arg, uint64_t seq, bool multiple, bool nack);
/* The end of a turn: tells what is known, in rising order up to the first gap, then what lies beyond it one
 * by one. A publish is told once, as ack or as nack. */
void confirm_flush(struct confirm *c, confirm_emit_fn *emit, void *arg);

#endif
