/* See feature_world.h. What is used of a world has no padding, so that its memory can be hashed. */
#include "feature_world.h"

#include "base/check.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

uint64_t
feature_world_hash(const struct feature_world *w)
{
    uint64_t hash = XXH64(w, offsetof(struct feature_world, queues), 0);
    for (int i = 0; i < FEATURE_QUEUES; i++) {
        const struct feature_queue *q = &w->queues[i];
        hash = XXH64(q, offsetof(struct feature_queue, copies) + q->count * sizeof *q->copies, hash);
    }
    hash = XXH64(w->moves, w->move_count * sizeof *w->moves, hash);
    return XXH64(w->given, w->given_count * sizeof *w->given, hash);
}

/* Most of a world is unused: it is copied in parts. */
struct feature_world *
feature_world_copy(const struct feature_world *w)
{
    struct feature_world *to = calloc(1, sizeof *to);
    CHECK(to);
    memcpy(to, w, offsetof(struct feature_world, queues));
    for (int i = 0; i < FEATURE_QUEUES; i++) {
        const struct feature_queue *q = &w->queues[i];
        memcpy(&to->queues[i], q, offsetof(struct feature_queue, copies) + q->count * sizeof *q->copies);
    }
    memcpy(to->moves, w->moves, w->move_count * sizeof *w->moves);
    memcpy(to->given, w->given, w->given_count * sizeof *w->given);
    return to;
}

int
feature_world_ready(const struct feature_queue *q, uint32_t at)
{
    for (; at < q->count; at++)
        if (q->copies[at].tag == 0)
            return (int)at;
    return -1;
}

uint32_t
feature_world_ready_count(const struct feature_queue *q)
{
    uint32_t ready = 0;
    for (uint32_t i = 0; i < q->count; i++)
        ready += q->copies[i].tag == 0;
    return ready;
}

static uint64_t
ready_bytes(const struct feature_queue *q)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < q->count; i++)
        if (q->copies[i].tag == 0)
            bytes += feature_body_size(q->copies[i].letter.number);
    return bytes;
}

void
feature_world_remove(struct feature_queue *q, uint32_t at)
{
    CHECK(at < q->count);
    q->count--;
    memmove(q->copies + at, q->copies + at + 1, (q->count - at) * sizeof *q->copies);
    memset(q->copies + q->count, 0, sizeof *q->copies);
}

void
feature_world_drop_queue(struct feature_queue *q)
{
    memset(q, 0, sizeof *q);
}

/* ---- leaving ---- */

void
feature_world_send(struct feature_world *w, uint8_t from, uint32_t targets, const struct feature_letter *l,
                   uint8_t publish)
{
    for (uint8_t to = 0; to < FEATURE_QUEUES; to++) {
        if (!(targets & 1u << to))
            continue;
        CHECK(w->move_count < FEATURE_MOVES_MAX);
        struct feature_move *m = &w->moves[w->move_count++];
        memcpy(&m->letter, l, sizeof *l);
        m->from = from;
        m->to = to;
        m->publish = publish;
    }
}

void
feature_world_leave(struct feature_world *w, const struct feature_rules *r, uint8_t queue,
                    const struct feature_letter *l, enum feature_reason reason)
{
    const struct feature_settings *s = &r->settings[queue];
    if (s->dead_exchange == FEATURE_NONE)
        return;
    struct feature_letter dead = feature_die(l, queue, (uint8_t)reason, s);
    uint32_t targets = feature_route(dead.exchange, dead.key, dead.cc);
    for (uint8_t to = 0; to < FEATURE_QUEUES; to++)
        if (reason != FEATURE_REJECTED && feature_is_cycle(&dead, to))
            targets &= ~(1u << to);
    feature_world_send(w, queue, targets, &dead, 0);
}

static void
leave_at(struct feature_world *w, const struct feature_rules *r, uint8_t queue, uint32_t at,
         enum feature_reason reason)
{
    struct feature_letter l;
    memcpy(&l, &w->queues[queue].copies[at].letter, sizeof l);
    feature_world_remove(&w->queues[queue], at);
    feature_world_leave(w, r, queue, &l, reason);
}

/* ---- consumers ---- */

static bool
has_room(const struct feature_queue *q, const struct feature_rules *r, uint8_t queue)
{
    uint32_t held = 0;
    for (uint32_t i = 0; i < q->count; i++)
        held += q->copies[i].is_lent;
    return held < r->prefetch[queue];
}

void
feature_world_deliver(struct feature_world *w, const struct feature_rules *r, uint8_t queue)
{
    struct feature_queue *q = &w->queues[queue];
    for (int at; has_room(q, r, queue) && (at = feature_world_ready(q, 0)) >= 0;) {
        if (q->copies[at].due_to && q->copies[at].due_to <= w->from) { /* while it was held */
            leave_at(w, r, queue, (uint32_t)at, FEATURE_EXPIRED);
            continue;
        }
        CHECK(w->given_count < FEATURE_GIVEN_MAX);
        struct feature_given *g = &w->given[w->given_count++];
        memcpy(&g->letter, &q->copies[at].letter, sizeof g->letter);
        g->queue = queue;
        q->copies[at].tag = FEATURE_UNTAGGED;
        q->copies[at].is_lent = true;
    }
}

void
feature_world_tag(struct feature_world *w, const struct feature_given *given, uint32_t tag)
{
    struct feature_queue *q = &w->queues[given->queue];
    for (uint32_t i = 0; i < q->count; i++)
        if (q->copies[i].tag == FEATURE_UNTAGGED &&
            memcmp(&q->copies[i].letter, &given->letter, sizeof given->letter) == 0) {
            q->copies[i].tag = tag;
            return;
        }
}

/* ---- limits ---- */

static bool
exceeds(const struct feature_settings *s, uint64_t length, uint64_t bytes)
{
    return (s->length_max != FEATURE_UNSET && length > (uint64_t)s->length_max) ||
           (s->bytes_max != FEATURE_UNSET && bytes > (uint64_t)s->bytes_max);
}

static void
drop_surplus(struct feature_world *w, const struct feature_rules *r, uint8_t queue)
{
    struct feature_queue *q = &w->queues[queue];
    const struct feature_settings *s = &r->settings[queue];
    if (s->overflow == FEATURE_REJECT || s->overflow == FEATURE_REJECT_DLX)
        return;
    for (int at;
         exceeds(s, feature_world_ready_count(q), ready_bytes(q)) && (at = feature_world_ready(q, 0)) >= 0;)
        leave_at(w, r, queue, (uint32_t)at, FEATURE_MAXLEN);
}

void
feature_world_squeeze(struct feature_world *w, const struct feature_rules *r, uint8_t queue)
{
    feature_world_deliver(w, r, queue);
    drop_surplus(w, r, queue);
}

void
feature_world_returned(struct feature_world *w, const struct feature_rules *r, uint8_t queue)
{
    drop_surplus(w, r, queue);
    feature_world_squeeze(w, r, queue);
}

/* ---- what may happen ---- */

static void
append(struct feature_world *w, const struct feature_rules *r, uint8_t queue, const struct feature_letter *l)
{
    struct feature_queue *q = &w->queues[queue];
    CHECK(q->count < FEATURE_COPIES_MAX);
    struct feature_copy *c = &q->copies[q->count++];
    int64_t ttl_ms = r->settings[queue].ttl_ms;
    if (l->ttl_ms >= 0 && (ttl_ms < 0 || l->ttl_ms < ttl_ms))
        ttl_ms = l->ttl_ms;
    memcpy(&c->letter, l, sizeof *l);
    c->due_from = c->due_to = ttl_ms < 0 ? FEATURE_NEVER : 0;
    if (ttl_ms > 0) {
        c->due_from = w->from + (uint64_t)ttl_ms;
        c->due_to = w->to + (uint64_t)ttl_ms + FEATURE_LAG_MS;
    }
    feature_world_squeeze(w, r, queue);
}

static void
arrive(struct feature_world *w, const struct feature_rules *r, unsigned index)
{
    struct feature_move m;
    memcpy(&m, &w->moves[index], sizeof m);
    w->move_count--;
    memmove(w->moves + index, w->moves + index + 1, (w->move_count - index) * sizeof *w->moves);
    memset(w->moves + w->move_count, 0, sizeof *w->moves);
    const struct feature_queue *q = &w->queues[m.to];
    const struct feature_settings *s = &r->settings[m.to];
    if (!q->exists)
        return;
    bool rejects = s->overflow == FEATURE_REJECT || s->overflow == FEATURE_REJECT_DLX;
    if (!rejects ||
        !exceeds(s, feature_world_ready_count(q) + 1, ready_bytes(q) + feature_body_size(m.letter.number))) {
        append(w, r, m.to, &m.letter);
        return;
    }
    if (m.from == FEATURE_CLIENT)
        w->refused |= 1u << m.publish;
    if (s->overflow == FEATURE_REJECT_DLX)
        feature_world_leave(w, r, m.to, &m.letter, FEATURE_MAXLEN);
}

static bool
is_first_of_lane(const struct feature_world *w, unsigned index)
{
    for (unsigned i = 0; i < index; i++)
        if (w->moves[i].from == w->moves[index].from && w->moves[i].to == w->moves[index].to)
            return false;
    return true;
}

static bool
may_expire(const struct feature_world *w, uint8_t queue)
{
    int at = feature_world_ready(&w->queues[queue], 0);
    return at >= 0 && w->queues[queue].copies[at].due_from <= w->to;
}

static bool
queue_may_expire(const struct feature_world *w, const struct feature_rules *r, uint8_t queue)
{
    const struct feature_queue *q = &w->queues[queue];
    int64_t expires_ms = r->settings[queue].expires_ms;
    return q->exists && expires_ms >= 0 && r->prefetch[queue] == 0 &&
           q->used_from + (uint64_t)expires_ms <= w->to;
}

unsigned
feature_world_choices(const struct feature_world *w, const struct feature_rules *r,
                      struct feature_choice *choices)
{
    unsigned count = 0;
    for (unsigned i = 0; i < w->move_count; i++)
        if (is_first_of_lane(w, i))
            choices[count++] = (struct feature_choice){FEATURE_ARRIVES, i};
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++) {
        if (may_expire(w, q))
            choices[count++] = (struct feature_choice){FEATURE_EXPIRES, q};
        if (queue_may_expire(w, r, q))
            choices[count++] = (struct feature_choice){FEATURE_QUEUE_EXPIRES, q};
    }
    return count;
}

/* It happened when it was due, at the latest. */
static void
pass_to(struct feature_world *w, uint64_t to)
{
    if (w->to < to)
        w->to = to;
}

void
feature_world_choose(struct feature_world *w, const struct feature_rules *r,
                     const struct feature_choice *choice)
{
    struct feature_queue *q = &w->queues[choice->index % FEATURE_QUEUES];
    switch (choice->kind) {
    case FEATURE_ARRIVES: arrive(w, r, choice->index); break;
    case FEATURE_EXPIRES: {
        int at = feature_world_ready(q, 0);
        pass_to(w, q->copies[at].due_to);
        leave_at(w, r, (uint8_t)choice->index, (uint32_t)at, FEATURE_EXPIRED);
        break;
    }
    case FEATURE_QUEUE_EXPIRES:
        pass_to(w, q->used_to + (uint64_t)r->settings[choice->index].expires_ms + FEATURE_LAG_MS);
        feature_world_drop_queue(q);
        break;
    }
}
