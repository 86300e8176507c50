/*
 * A hierarchical timing wheel in milliseconds: start and stop are O(1), nothing is allocated, a timer is a
 * field of the thing that it times. Timers fire in order of their deadline's millisecond, and in order of
 * starting within one.
 */
#ifndef LEVERET_BASE_WHEEL_H
#define LEVERET_BASE_WHEEL_H

#include "base/list.h"

#include <stdint.h>

/* All zero before its first start. */
struct wheel_timer {
    struct list node;
    uint64_t deadline; /* milliseconds, on the wheel's clock */
    void (*fn)(void *arg);
    void *arg;
};

enum {
    WHEEL_LEVELS = 8,
    WHEEL_SLOTS = 64,
};
/* Longer delays are shortened to this one (the wheel spans 2^48). */
#define WHEEL_DELAY_MAX ((uint64_t)1 << 46)
#define WHEEL_NEVER     UINT64_MAX

struct wheel {
    uint64_t now;
    uint64_t occupied[WHEEL_LEVELS]; /* a set bit may be stale: a stopped timer leaves it */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
    struct list due; /* inside wheel_advance(): what fires at `now` */
};

void wheel_init(struct wheel *w, uint64_t now);

/*
 * Fires fn(arg) in the first wheel_advance() to `deadline` or later; a deadline that has passed fires in the
 * next one, never inside this call. A running timer is started anew.
 */
void wheel_start(struct wheel *w, struct wheel_timer *t, uint64_t deadline, void (*fn)(void *arg), void *arg);
/* Harmless for a timer that does not run. A stopped timer does not fire any more, even if it is due. */
void wheel_stop(struct wheel_timer *t);
bool wheel_timer_is_active(const struct wheel_timer *t);

/*
 * When wheel_advance() must be called next at the latest: never later than the earliest deadline, and
 * possibly earlier (when timers must come down from a higher level). WHEEL_NEVER when nothing runs.
 */
uint64_t wheel_next_deadline(struct wheel *w);
/* Moves the clock forward and fires what is due. Callbacks may start and stop any timer, and free their own.
 */
void wheel_advance(struct wheel *w, uint64_t now);

#endif
