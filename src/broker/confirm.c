/*
 *        emitted      done                        last
 *   ... told |  acks, to  |  window: answered or not  |
 *            |  be told   |
 *
 * While every publish is answered at once there is no window: two numbers move along. The first that is not,
 * or a nack, opens it: a ring of 32-bit words, one for each publish after `done`:
 *
 *   answers still to come | NACK, once one queue refused | TOLD, once told
 *
 * A flush moves `done` over what is answered. A run of acks becomes one ack with `multiple`; a nack ends the
 * run, is told by itself, and the next run starts behind it. What is answered beyond a gap is told one by
 * one; a later `multiple` may pass over it, which AMQP allows: it means what is outstanding.
 */
#include "broker/confirm.h"

#include "base/check.h"

#include <stdlib.h>

#define CONFIRM_NACK    0x80000000u
#define CONFIRM_TOLD    0x40000000u
#define CONFIRM_ANSWERS 0x3fffffffu

void
confirm_fini(struct confirm *c)
{
    free(c->window);
    *c = (struct confirm){0};
}

static inline uint32_t *
confirm_at(const struct confirm *c, uint64_t seq)
{
    return &c->window[seq & (c->cap - 1)];
}

/* Room for done + 1 .. last. */
static void
confirm_reserve(struct confirm *c)
{
    uint64_t needed = c->last - c->done;
    if (c->window && needed <= c->cap)
        return;
    struct confirm old = *c;
    c->cap = c->cap ? c->cap : 32;
    while (c->cap < needed)
        c->cap *= 2;
    c->window = calloc(c->cap, sizeof *c->window);
    CHECK(c->window);
    for (uint64_t seq = old.done + 1; old.window && seq <= old.done + old.cap; seq++)
        *confirm_at(c, seq) = *confirm_at(&old, seq);
    free(old.window);
}

static void
confirm_note_late(struct confirm *c, uint64_t seq)
{
    if (!c->late_last || seq < c->late_first)
        c->late_first = seq;
    if (seq > c->late_last)
        c->late_last = seq;
}

void
confirm_resolve_slow(struct confirm *c, uint64_t seq, bool nack)
{
    CHECK(seq == c->last);
    confirm_reserve(c);
    *confirm_at(c, seq) = nack ? CONFIRM_NACK : 0;
    confirm_note_late(c, seq);
}

void
confirm_pending(struct confirm *c, uint64_t seq, uint32_t n)
{
    CHECK(seq == c->last && n && n <= CONFIRM_ANSWERS);
    confirm_reserve(c);
    *confirm_at(c, seq) = n;
}

void
confirm_answered(struct confirm *c, uint64_t first, uint64_t last, bool nack)
{
    if (!c->window)
        return;
    if (first <= c->done)
        first = c->done + 1;
    if (last > c->last)
        last = c->last;
    for (uint64_t seq = first; seq <= last; seq++) {
        uint32_t *state = confirm_at(c, seq);
        if (!(*state & CONFIRM_ANSWERS))
            continue;
        *state = (*state - 1) | (nack ? CONFIRM_NACK : 0);
        if (!(*state & CONFIRM_ANSWERS))
            confirm_note_late(c, seq);
    }
}

/* Tells the acks behind `emitted` up to `to`. */
static void
confirm_emit_run(struct confirm *c, uint64_t to, confirm_emit_fn *emit, void *arg)
{
    if (to > c->emitted)
        emit(arg, to, to - c->emitted > 1, false);
}

/* Moves `done` over what is answered, up to the first gap. */
static void
confirm_advance(struct confirm *c, confirm_emit_fn *emit, void *arg)
{
    uint64_t run_end = c->done; /* the last ack that is not told yet */
    while (c->done < c->last) {
        uint32_t state = *confirm_at(c, c->done + 1);
        if (state & CONFIRM_ANSWERS)
            break;
        c->done++;
        if (state & CONFIRM_NACK) {
            confirm_emit_run(c, run_end, emit, arg);
            if (!(state & CONFIRM_TOLD))
                emit(arg, c->done, false, true);
            run_end = c->emitted = c->done;
        } else if (!(state & CONFIRM_TOLD))
            run_end = c->done;
        else if (run_end == c->emitted)
            run_end = c->emitted = c->done;
    }
    confirm_emit_run(c, run_end, emit, arg);
    c->emitted = c->done;
}

static void
confirm_emit_late(struct confirm *c, confirm_emit_fn *emit, void *arg)
{
    uint64_t seq = c->late_first > c->done ? c->late_first : c->done + 1;
    for (; seq <= c->late_last; seq++) {
        uint32_t *state = confirm_at(c, seq);
        if (*state & (CONFIRM_ANSWERS | CONFIRM_TOLD))
            continue;
        emit(arg, seq, false, (*state & CONFIRM_NACK) != 0);
        *state |= CONFIRM_TOLD;
    }
}

void
confirm_flush(struct confirm *c, confirm_emit_fn *emit, void *arg)
{
    if (!c->window) {
        confirm_emit_run(c, c->done, emit, arg);
        c->emitted = c->done;
        return;
    }
    confirm_advance(c, emit, arg);
    confirm_emit_late(c, emit, arg);
    c->late_first = c->late_last = 0;
    if (c->done == c->last) {
        free(c->window);
        c->window = NULL;
        c->cap = 0;
    }
}
