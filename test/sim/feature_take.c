/* See feature_take.h. */
#include "feature_take.h"

#include "base/check.h"

#include <string.h>

bool
feature_take_may(const struct feature_rules *r, uint8_t queue, uint8_t slot)
{
    return r->consumers[queue][slot].prefetch && (!r->types[queue].is_single || r->active[queue] == slot);
}

static uint32_t
lent(const struct feature_queue *q, uint32_t to)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < q->count; i++)
        count += q->copies[i].lent == to;
    return count;
}

/* How many more the consumers of this level can take. */
static uint32_t
room_of(const struct feature_queue *q, const struct feature_rules *r, uint8_t queue, uint8_t level)
{
    uint32_t room = 0;
    for (uint8_t slot = 0; slot < FEATURE_CONSUMERS; slot++) {
        const struct feature_consumer *c = &r->consumers[queue][slot];
        if (feature_take_may(r, queue, slot) && c->level == level)
            room += c->prefetch - lent(q, slot + 1u);
    }
    return room - lent(q, FEATURE_LENT_LEVEL + (uint32_t)level);
}

static int
level_with_room(const struct feature_queue *q, const struct feature_rules *r, uint8_t queue)
{
    int level = FEATURE_LEVELS;
    while (--level >= 0 && room_of(q, r, queue, (uint8_t)level) == 0)
        ;
    return level;
}

bool
feature_take_can(const struct feature_world *w, const struct feature_rules *r, uint8_t queue)
{
    const struct feature_queue *q = &w->queues[queue];
    return level_with_room(q, r, queue) >= 0 && feature_world_first(q, &r->types[queue]) >= 0;
}

void
feature_take_deliver(struct feature_world *w, const struct feature_rules *r, uint8_t queue, unsigned most)
{
    struct feature_queue *q = &w->queues[queue];
    int level, at;
    while (most > 0 && (level = level_with_room(q, r, queue)) >= 0 &&
           (at = feature_world_first(q, &r->types[queue])) >= 0) {
        if (q->copies[at].due_to && q->copies[at].due_to <= w->from) { /* while it was held */
            feature_world_leave_at(w, r, queue, (uint32_t)at, FEATURE_EXPIRED);
            continue;
        }
        most--;
        CHECK(w->given_count < FEATURE_GIVEN_MAX);
        struct feature_given *g = &w->given[w->given_count++];
        memcpy(&g->letter, &q->copies[at].letter, sizeof g->letter);
        g->queue = queue;
        g->level = (uint8_t)level;
        q->copies[at].tag = FEATURE_UNTAGGED;
        q->copies[at].lent = FEATURE_LENT_LEVEL + (uint32_t)level;
    }
}

bool
feature_take_seen(struct feature_world *w, const struct feature_rules *r, uint8_t queue, uint8_t slot,
                  const struct feature_letter *l, uint32_t tag)
{
    struct feature_queue *q = &w->queues[queue];
    const struct feature_consumer *c = &r->consumers[queue][slot];
    for (uint32_t i = 0; i < q->count; i++) {
        struct feature_copy *copy = &q->copies[i];
        if (copy->tag != FEATURE_UNTAGGED || copy->lent != FEATURE_LENT_LEVEL + (uint32_t)c->level ||
            memcmp(&copy->letter, l, sizeof *l) != 0)
            continue;
        copy->tag = tag;
        copy->lent = slot + 1u;
        return lent(q, slot + 1u) <= c->prefetch;
    }
    return true; /* gone with its queue */
}

/* ---- coming and going ---- */

void
feature_take_joined(struct feature_rules *r, uint8_t queue, uint8_t slot)
{
    if (r->types[queue].is_single && r->active[queue] == FEATURE_NONE)
        r->active[queue] = slot;
}

/* The active one is followed by the first that came of the highest level. */
void
feature_take_left(struct feature_rules *r, uint8_t queue, uint8_t slot)
{
    const struct feature_consumer *all = r->consumers[queue], *next = NULL;
    memset(&r->consumers[queue][slot], 0, sizeof *all);
    if (r->active[queue] != slot)
        return;
    for (uint8_t i = 0; i < FEATURE_CONSUMERS; i++)
        if (all[i].prefetch && (!next || all[i].level > next->level ||
                                (all[i].level == next->level && all[i].number < next->number)))
            next = &all[i];
    r->active[queue] = next ? (uint8_t)(next - all) : FEATURE_NONE;
}

void
feature_take_keep(struct feature_queue *q, uint8_t slot)
{
    for (uint32_t i = 0; i < q->count; i++)
        if (q->copies[i].lent == slot + 1u)
            q->copies[i].lent = 0;
}
