/*
 * Eight levels of 64 slots; a slot of level L spans 64^L milliseconds. A timer sits on the level of the
 * highest 6-bit digit in which its deadline differs from `now`, in the slot of its own digit there. So:
 *
 *   - every timer of a level is later than every timer of the levels below it,
 *   - the slot of a timer is always ahead of now's digit on that level,
 *   - when `now` reaches the start of a slot of a higher level, its timers come down, each at most seven
 * times.
 *
 * An older timer of the same deadline is always on the same or a higher level, and comes down before a
 * younger one is put beside it: within a millisecond timers fire in the order in which they were started.
 */
#include "base/wheel.h"

#include "base/check.h"

enum {
    DIGIT_BITS = 6,
    DIGIT_MASK = WHEEL_SLOTS - 1,
};

void
wheel_init(struct wheel *w, uint64_t now)
{
    w->now = now;
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        w->occupied[level] = 0;
        for (int i = 0; i < WHEEL_SLOTS; i++)
            list_init(&w->slots[level][i]);
    }
    list_init(&w->due);
}

static unsigned
digit_of(uint64_t time, int level)
{
    return (unsigned)(time >> (DIGIT_BITS * level)) & DIGIT_MASK;
}

/* deadline > now. */
static void
place(struct wheel *w, struct wheel_timer *t)
{
    int level = (63 - __builtin_clzll(t->deadline ^ w->now)) / DIGIT_BITS;
    CHECK(level < WHEEL_LEVELS); /* 2^48 ms is nine thousand years of uptime */
    unsigned digit = digit_of(t->deadline, level);
    list_push_back(&w->slots[level][digit], &t->node);
    w->occupied[level] |= (uint64_t)1 << digit;
}

void
wheel_start(struct wheel *w, struct wheel_timer *t, uint64_t deadline, void (*fn)(void *arg), void *arg)
{
    list_remove(&t->node);
    if (deadline <= w->now)
        deadline = w->now + 1;
    else if (deadline - w->now > WHEEL_DELAY_MAX)
        deadline = w->now + WHEEL_DELAY_MAX;
    t->deadline = deadline;
    t->fn = fn;
    t->arg = arg;
    place(w, t);
}

void
wheel_stop(struct wheel_timer *t)
{
    list_remove(&t->node);
}

bool
wheel_timer_is_active(const struct wheel_timer *t)
{
    return list_is_linked(&t->node);
}

/* The first slot with timers, lowest level first; its start time. Clears stale bits on the way. */
static bool
find_first(struct wheel *w, int *level, unsigned *digit, uint64_t *start)
{
    for (int l = 0; l < WHEEL_LEVELS; l++) {
        unsigned at = digit_of(w->now, l);
        uint64_t ahead = at == DIGIT_MASK ? 0 : w->occupied[l] & (UINT64_MAX << (at + 1));
        for (; ahead; ahead &= ahead - 1) {
            unsigned d = (unsigned)__builtin_ctzll(ahead);
            if (list_is_empty(&w->slots[l][d])) {
                w->occupied[l] &= ~((uint64_t)1 << d);
                continue;
            }
            uint64_t span = (uint64_t)1 << (DIGIT_BITS * l);
            *start = (w->now & ~(span * WHEEL_SLOTS - 1)) + d * span;
            *level = l;
            *digit = d;
            return true;
        }
    }
    return false;
}

uint64_t
wheel_next_deadline(struct wheel *w)
{
    int level;
    unsigned digit;
    uint64_t start;
    if (!list_is_empty(&w->due))
        return w->now;
    return find_first(w, &level, &digit, &start) ? start : WHEEL_NEVER;
}

/* Empties a slot whose start `now` has reached: down to lower levels, or to `due`. */
static void
open_slot(struct wheel *w, int level, unsigned digit)
{
    struct list *slot = &w->slots[level][digit];
    struct list timers;
    list_init(&timers);
    timers.next = slot->next;
    timers.prev = slot->prev;
    timers.next->prev = timers.prev->next = &timers;
    list_init(slot);
    w->occupied[level] &= ~((uint64_t)1 << digit);
    while (!list_is_empty(&timers)) {
        struct wheel_timer *t = LIST_ENTRY(timers.next, struct wheel_timer, node);
        list_remove(&t->node);
        if (t->deadline <= w->now)
            list_push_back(&w->due, &t->node);
        else
            place(w, t);
    }
}

static void
fire_due(struct wheel *w)
{
    while (!list_is_empty(&w->due)) {
        struct wheel_timer *t = LIST_ENTRY(w->due.next, struct wheel_timer, node);
        list_remove(&t->node);
        t->fn(t->arg);
    }
}

void
wheel_advance(struct wheel *w, uint64_t now)
{
    int level;
    unsigned digit;
    uint64_t start;
    while (find_first(w, &level, &digit, &start) && start <= now) {
        w->now = start;
        open_slot(w, level, digit);
        fire_due(w);
    }
    if (now > w->now)
        w->now = now;
}
