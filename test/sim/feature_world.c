/* See feature_world.h. What is used of a world has no padding, so that its memory can be hashed. */
#include "feature_world.h"

#include "base/check.h"
#include "feature_dead.h"
#include "feature_take.h"

#include <limits.h>
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
    hash = XXH64(w->stuck, w->stuck_count * sizeof *w->stuck, hash);
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
    memcpy(to->stuck, w->stuck, w->stuck_count * sizeof *w->stuck);
    return to;
}

static uint8_t
rank_of(const struct feature_letter *l, const struct feature_type *type)
{
    if (l->priority == FEATURE_NONE)
        return 0;
    return l->priority < type->priority_max ? l->priority : type->priority_max;
}

int
feature_world_first_of(const struct feature_queue *q, const struct feature_type *type, uint8_t rank)
{
    for (uint32_t i = 0; i < q->count; i++)
        if (q->copies[i].tag == 0 && rank_of(&q->copies[i].letter, type) == rank)
            return (int)i;
    return -1;
}

int
feature_world_first(const struct feature_queue *q, const struct feature_type *type)
{
    for (uint8_t rank = FEATURE_RANKS; rank-- > 0;) {
        int at = feature_world_first_of(q, type, rank);
        if (at >= 0)
            return at;
    }
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
feature_world_drop_queue(struct feature_world *w, uint8_t queue)
{
    memset(&w->queues[queue], 0, sizeof w->queues[queue]);
    feature_dead_forget(w, queue);
}

bool
feature_world_is_consumed(const struct feature_rules *r, uint8_t queue)
{
    for (int slot = 0; slot < FEATURE_CONSUMERS; slot++)
        if (r->consumers[queue][slot].prefetch)
            return true;
    return false;
}

/* ---- leaving and coming back ---- */

static void
move(struct feature_world *w, uint8_t from, uint8_t to, const struct feature_letter *l, uint8_t publish,
     bool is_stuck)
{
    CHECK(w->move_count < FEATURE_MOVES_MAX);
    struct feature_move *m = &w->moves[w->move_count++];
    memcpy(&m->letter, l, sizeof *l);
    m->from = from;
    m->to = to;
    m->publish = publish;
    m->is_stuck = is_stuck;
}

void
feature_world_send(struct feature_world *w, uint8_t from, uint32_t targets, const struct feature_letter *l,
                   uint8_t publish, bool is_stuck)
{
    for (uint8_t to = 0; to < FEATURE_QUEUES; to++)
        if (targets & 1u << to)
            move(w, from, to, l, publish, is_stuck);
}

void
feature_world_remember(struct feature_world *w, uint8_t from, const struct feature_letter *l)
{
    if (l->exchange == FEATURE_HISTORY && !l->is_not_stored)
        move(w, from, FEATURE_RING, l, 0, false);
}

void
feature_world_leave_at(struct feature_world *w, const struct feature_rules *r, uint8_t queue, uint32_t at,
                       enum feature_reason reason)
{
    struct feature_letter l;
    memcpy(&l, &w->queues[queue].copies[at].letter, sizeof l);
    feature_world_remove(&w->queues[queue], at);
    feature_dead_leave(w, r, queue, &l, reason);
}

void
feature_world_return(struct feature_world *w, const struct feature_rules *r, uint8_t queue, uint32_t at)
{
    struct feature_queue *q = &w->queues[queue];
    struct feature_copy *c = &q->copies[at];
    int64_t limit = r->settings[queue].delivery_limit;
    c->tag = 0;
    c->lent = 0;
    c->letter.redelivered = true;
    if (!r->types[queue].is_quorum) {
        q->has_returned = true;
        return;
    }
    c->letter.returns++;
    if (limit != FEATURE_UNSET && c->letter.returns > limit)
        feature_world_leave_at(w, r, queue, at, FEATURE_DELIVERY_LIMIT);
}

/* ---- limits ---- */

static bool
exceeds(const struct feature_settings *s, uint64_t length, uint64_t bytes)
{
    return (s->length_max != FEATURE_UNSET && length > (uint64_t)s->length_max) ||
           (s->bytes_max != FEATURE_UNSET && bytes > (uint64_t)s->bytes_max);
}

static bool
is_too_long(const struct feature_world *w, const struct feature_rules *r, uint8_t queue)
{
    const struct feature_queue *q = &w->queues[queue];
    const struct feature_settings *s = &r->settings[queue];
    return s->overflow != FEATURE_REJECT && s->overflow != FEATURE_REJECT_DLX &&
           exceeds(s, feature_world_ready_count(q), ready_bytes(q));
}

/* What could be taken waits until the log knows of that. Nothing is dropped for it meanwhile. */
static bool
waits(const struct feature_world *w, const struct feature_rules *r, uint8_t queue)
{
    return r->types[queue].is_logged && feature_take_can(w, r, queue);
}

static void
drop_surplus(struct feature_world *w, const struct feature_rules *r, uint8_t queue)
{
    for (int at;
         is_too_long(w, r, queue) && (at = feature_world_first(&w->queues[queue], &r->types[queue])) >= 0;)
        feature_world_leave_at(w, r, queue, (uint32_t)at, FEATURE_MAXLEN);
}

static void
squeeze(struct feature_world *w, const struct feature_rules *r, uint8_t queue)
{
    if (waits(w, r, queue))
        return;
    feature_take_deliver(w, r, queue, UINT_MAX);
    drop_surplus(w, r, queue);
}

void
feature_world_squeeze(struct feature_world *w, const struct feature_rules *r, uint8_t queue)
{
    if (w->queues[queue].has_returned)
        drop_surplus(w, r, queue);
    w->queues[queue].has_returned = false;
    if (r->types[queue].priority_max == 0) /* else in its own time: FEATURE_GIVES */
        squeeze(w, r, queue);
}

bool
feature_world_rejects(const struct feature_world *w, const struct feature_rules *r, uint8_t queue,
                      uint64_t bytes)
{
    const struct feature_queue *q = &w->queues[queue];
    const struct feature_settings *s = &r->settings[queue];
    uint64_t stuck_bytes;
    uint32_t stuck = feature_dead_stuck(w, queue, &stuck_bytes);
    return (s->overflow == FEATURE_REJECT || s->overflow == FEATURE_REJECT_DLX) &&
           exceeds(s, feature_world_ready_count(q) + stuck + 1, ready_bytes(q) + stuck_bytes + bytes);
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
    if (r->types[queue].priority_max == 0 || is_too_long(w, r, queue))
        squeeze(w, r, queue);
}

static void
ring_push(struct feature_world *w, const struct feature_letter *l)
{
    if (w->ring_count == FEATURE_RING_LENGTH)
        memmove(w->ring, w->ring + 1, --w->ring_count * sizeof *w->ring);
    memcpy(&w->ring[w->ring_count++], l, sizeof *l);
}

static void
arrive(struct feature_world *w, const struct feature_rules *r, unsigned index)
{
    struct feature_move m;
    memcpy(&m, &w->moves[index], sizeof m);
    w->move_count--;
    memmove(w->moves + index, w->moves + index + 1, (w->move_count - index) * sizeof *w->moves);
    memset(w->moves + w->move_count, 0, sizeof *w->moves);
    if (m.to == FEATURE_RING) {
        ring_push(w, &m.letter);
        return;
    }
    if (!w->queues[m.to].exists)
        return;
    uint32_t bytes = feature_body_size(m.letter.number);
    if (feature_world_rejects(w, r, m.to, bytes) && !waits(w, r, m.to))
        feature_take_deliver(w, r, m.to, UINT_MAX);
    bool rejects = feature_world_rejects(w, r, m.to, bytes);
    if (m.is_stuck)
        feature_dead_answered(w, r, &m, !rejects);
    if (!rejects) {
        append(w, r, m.to, &m.letter);
        return;
    }
    if (m.from == FEATURE_CLIENT)
        w->refused |= 1u << m.publish;
    if (r->settings[m.to].overflow == FEATURE_REJECT_DLX)
        feature_dead_leave(w, r, m.to, &m.letter, FEATURE_MAXLEN);
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
is_leased(const struct feature_world *w, const struct feature_rules *r, uint8_t queue)
{
    return w->queues[queue].exists && r->settings[queue].expires_ms >= 0 &&
           !feature_world_is_consumed(r, queue);
}

static unsigned
list_queue(const struct feature_world *w, const struct feature_rules *r, uint8_t queue,
           struct feature_choice *choices)
{
    unsigned count = 0;
    const struct feature_queue *q = &w->queues[queue];
    bool gives = feature_take_can(w, r, queue) || is_too_long(w, r, queue);
    if (gives)
        choices[count++] = (struct feature_choice){waits(w, r, queue) ? FEATURE_WRITES : FEATURE_GIVES, queue,
                                                   0, w->from, w->to};
    for (uint8_t rank = 0; rank <= r->types[queue].priority_max; rank++) {
        int at = feature_world_first_of(q, &r->types[queue], rank);
        if (at >= 0 && q->copies[at].due_to == 0 && !gives)
            choices[count++] = (struct feature_choice){FEATURE_EXPIRES, queue, rank, w->from, w->to};
        else if (at >= 0 && q->copies[at].due_to && q->copies[at].due_to != FEATURE_NEVER)
            choices[count++] = (struct feature_choice){FEATURE_EXPIRES, queue, rank, q->copies[at].due_from,
                                                       q->copies[at].due_to};
    }
    uint64_t expires_ms = (uint64_t)r->settings[queue].expires_ms;
    if (is_leased(w, r, queue))
        choices[count++] = (struct feature_choice){FEATURE_QUEUE_EXPIRES, queue, 0, q->used_from + expires_ms,
                                                   q->used_to + expires_ms + FEATURE_LAG_MS};
    return count;
}

/* All that may ever happen, with the time at which it does. */
static unsigned
list_all(const struct feature_world *w, const struct feature_rules *r, struct feature_choice *choices)
{
    unsigned count = 0;
    for (uint8_t i = 0; i < FEATURE_QUEUES; i++)
        count += list_queue(w, r, i, choices + count);
    for (unsigned i = 0; i < w->move_count; i++)
        if (is_first_of_lane(w, i))
            choices[count++] = (struct feature_choice){FEATURE_ARRIVES, i, 0, w->from, w->to};
    for (unsigned i = 0; i < w->stuck_count; i++)
        if (w->stuck[i].is_taken)
            choices[count++] = (struct feature_choice){FEATURE_TRIES, i, 0, w->from, w->to};
        else if (w->stuck[i].since_from != FEATURE_NEVER)
            choices[count++] =
                (struct feature_choice){FEATURE_TRIES, i, 0, w->stuck[i].since_from,
                                        w->stuck[i].since_to + FEATURE_RETRY_MS + FEATURE_LAG_MS};
    return count;
}

/* As long as something has not happened it is not later than that does. */
static uint64_t
latest(const struct feature_choice *choices, unsigned count, uint64_t now)
{
    for (unsigned i = 0; i < count; i++)
        if (choices[i].to < now)
            now = choices[i].to;
    return now;
}

unsigned
feature_world_choices(const struct feature_world *w, const struct feature_rules *r, uint64_t now,
                      struct feature_choice *choices, bool *must)
{
    unsigned all = list_all(w, r, choices), count = 0;
    uint64_t to = latest(choices, all, now);
    if (to < w->from) /* what comes back late is due at once */
        to = w->from;
    *must = false;
    for (unsigned i = 0; i < all; i++) {
        *must |= choices[i].to <= now;
        if (choices[i].from <= to) {
            choices[count] = choices[i];
            choices[count++].to = to;
        }
    }
    return count;
}

uint64_t
feature_world_busy_until(const struct feature_world *w, const struct feature_rules *r, uint64_t from,
                         uint64_t to)
{
    struct feature_choice choices[FEATURE_CHOICES_MAX];
    unsigned all = list_all(w, r, choices);
    uint64_t until = 0;
    for (unsigned i = 0; i < all; i++)
        if (choices[i].from <= to && choices[i].to >= from && choices[i].to >= until)
            until = choices[i].to + 1;
    return until;
}

void
feature_world_choose(struct feature_world *w, const struct feature_rules *r,
                     const struct feature_choice *choice)
{
    uint8_t queue = (uint8_t)(choice->index % FEATURE_QUEUES);
    if (w->from < choice->from)
        w->from = choice->from;
    w->to = choice->to > w->from ? choice->to : w->from;
    switch (choice->kind) {
    case FEATURE_ARRIVES: arrive(w, r, choice->index); break;
    case FEATURE_GIVES: squeeze(w, r, queue); break;
    case FEATURE_WRITES: feature_take_deliver(w, r, queue, 1); break;
    case FEATURE_EXPIRES: {
        int at = feature_world_first_of(&w->queues[queue], &r->types[queue], choice->rank);
        feature_world_leave_at(w, r, queue, (uint32_t)at, FEATURE_EXPIRED);
        break;
    }
    case FEATURE_QUEUE_EXPIRES: feature_world_drop_queue(w, queue); break;
    case FEATURE_TRIES: feature_dead_try(w, r, choice->index); break;
    }
    feature_dead_look(w, r);
}
