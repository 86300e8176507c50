/* See feature_dead.h. */
#include "feature_dead.h"

#include "base/check.h"

#include <string.h>

static uint32_t
targets_of(const struct feature_world *w, const struct feature_rules *r, const struct feature_letter *dead,
           uint8_t reason)
{
    uint32_t targets = feature_route(&r->topology, dead->exchange, dead->key, dead->cc);
    for (uint8_t to = 0; to < FEATURE_QUEUES; to++)
        if (!w->queues[to].exists || (reason != FEATURE_REJECTED && feature_is_cycle(dead, to)))
            targets &= ~(1u << to);
    return targets;
}

/* ---- at least once ---- */

/* Nobody is left who could take it, but somebody has. Without its exchange that is not known. */
static bool
is_done(const struct feature_rules *r, const struct feature_stuck *s, uint32_t targets, uint8_t exchange)
{
    return targets == 0 && s->taken && (exchange != FEATURE_MISSING || r->topology.has_missing);
}

static void
forget_at(struct feature_world *w, unsigned index)
{
    w->stuck_count--;
    memmove(w->stuck + index, w->stuck + index + 1, (w->stuck_count - index) * sizeof *w->stuck);
    memset(w->stuck + w->stuck_count, 0, sizeof *w->stuck);
}

static uint32_t
bits(uint32_t mask)
{
    return (uint32_t)__builtin_popcount(mask);
}

/* A queue that is told otherwise meanwhile tries once more, at most once. */
void
feature_dead_try(struct feature_world *w, const struct feature_rules *r, unsigned index)
{
    struct feature_stuck *s = &w->stuck[index];
    const struct feature_settings *set = &r->settings[s->queue];
    uint8_t queue = s->queue;
    bool was_remembered = s->is_remembered;
    if (set->dead_exchange == FEATURE_NONE) {
        forget_at(w, index);
        return;
    }
    struct feature_letter dead = feature_die(&s->letter, queue, s->reason, set);
    uint32_t targets = targets_of(w, r, &dead, s->reason) & ~(uint32_t)s->taken;
    s->since_from = s->since_to = FEATURE_NEVER;
    s->is_remembered |= dead.exchange == FEATURE_HISTORY;
    if (!set->at_least_once || is_done(r, s, targets, dead.exchange))
        forget_at(w, index);
    else
        s->under_way = (uint8_t)bits(targets);
    feature_world_send(w, queue, targets, &dead, 0, set->at_least_once);
    if (!was_remembered)
        feature_world_remember(w, queue, &dead);
}

void
feature_dead_answered(struct feature_world *w, const struct feature_rules *r, const struct feature_move *m,
                      bool is_taken)
{
    for (unsigned i = 0; i < w->stuck_count; i++) {
        struct feature_stuck *s = &w->stuck[i];
        if (s->queue != m->from || s->under_way == 0 || s->letter.number != m->letter.number ||
            s->taken & 1u << m->to)
            continue;
        struct feature_letter dead = feature_die(&s->letter, s->queue, s->reason, &r->settings[s->queue]);
        if (memcmp(&dead, &m->letter, sizeof dead) != 0)
            continue;
        s->under_way--;
        if (is_taken)
            s->taken |= (uint8_t)(1u << m->to);
        s->is_taken = s->under_way == 0 &&
                      is_done(r, s, targets_of(w, r, &dead, s->reason) & ~(uint32_t)s->taken, dead.exchange);
        return;
    }
}

static bool
would_change(const struct feature_world *w, const struct feature_rules *r, const struct feature_stuck *s)
{
    const struct feature_settings *set = &r->settings[s->queue];
    if (!set->at_least_once || set->dead_exchange == FEATURE_NONE)
        return true;
    struct feature_letter dead = feature_die(&s->letter, s->queue, s->reason, set);
    uint32_t targets = targets_of(w, r, &dead, s->reason) & ~(uint32_t)s->taken;
    if (targets == 0)
        return is_done(r, s, targets, dead.exchange);
    for (uint8_t to = 0; to < FEATURE_QUEUES; to++)
        if (targets & 1u << to && !feature_world_rejects(w, r, to, feature_body_size(s->letter.number)))
            return true;
    return false;
}

void
feature_dead_look(struct feature_world *w, const struct feature_rules *r)
{
    for (unsigned i = 0; i < w->stuck_count; i++) {
        struct feature_stuck *s = &w->stuck[i];
        bool changes = s->under_way == 0 && !s->is_taken && would_change(w, r, s);
        if (!changes) {
            s->since_from = s->since_to = FEATURE_NEVER;
        } else if (s->since_from == FEATURE_NEVER) {
            s->since_from = w->from;
            s->since_to = w->to;
        }
    }
}

uint32_t
feature_dead_stuck(const struct feature_world *w, uint8_t queue, uint64_t *bytes)
{
    uint32_t count = 0;
    *bytes = 0;
    for (unsigned i = 0; i < w->stuck_count; i++)
        if (w->stuck[i].queue == queue) {
            count++;
            *bytes += feature_body_size(w->stuck[i].letter.number);
        }
    return count;
}

void
feature_dead_forget(struct feature_world *w, uint8_t queue)
{
    for (unsigned i = w->stuck_count; i-- > 0;)
        if (w->stuck[i].queue == queue)
            forget_at(w, i);
}

/* ---- leaving ---- */

void
feature_dead_leave(struct feature_world *w, const struct feature_rules *r, uint8_t queue,
                   const struct feature_letter *l, enum feature_reason reason)
{
    const struct feature_settings *s = &r->settings[queue];
    if (s->dead_exchange == FEATURE_NONE)
        return;
    if (s->at_least_once) {
        CHECK(w->stuck_count < FEATURE_STUCK_MAX);
        struct feature_stuck *stuck = &w->stuck[w->stuck_count++];
        memcpy(&stuck->letter, l, sizeof *l);
        stuck->queue = queue;
        stuck->reason = (uint8_t)reason;
        feature_dead_try(w, r, w->stuck_count - 1);
        return;
    }
    struct feature_letter dead = feature_die(l, queue, (uint8_t)reason, s);
    uint32_t targets = targets_of(w, r, &dead, (uint8_t)reason);
    feature_world_send(w, queue, targets, &dead, 0, false);
    feature_world_remember(w, queue, &dead);
}
