/* See feature_model.h. */
#include "feature_model.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
feature_model_init(struct feature_model *m, struct trial *t)
{
    *m = (struct feature_model){.t = t, .count = 1};
    m->worlds = calloc(FEATURE_WORLDS_MAX, sizeof *m->worlds);
    m->next = calloc(FEATURE_WORLDS_MAX, sizeof *m->next);
    m->seen = calloc(FEATURE_SEEN_SIZE, sizeof *m->seen);
    struct feature_world *w = calloc(1, sizeof *w);
    CHECK(m->worlds && m->next && m->seen && w);
    m->worlds[0] = w;
    for (int q = 0; q < FEATURE_QUEUES; q++)
        m->rules.settings[q] = feature_plain;
}

void
feature_model_fini(struct feature_model *m)
{
    for (unsigned i = 0; i < m->count; i++)
        free(m->worlds[i]);
    free(m->worlds);
    free(m->next);
    free(m->seen);
}

void
feature_model_reset(struct feature_model *m, uint32_t queues)
{
    while (m->count > 1)
        free(m->worlds[--m->count]);
    memset(m->worlds[0], 0, sizeof *m->worlds[0]);
    for (int q = 0; q < FEATURE_QUEUES; q++)
        m->worlds[0]->queues[q].exists = (queues & 1u << q) != 0;
    m->is_vague = false;
}

/* ---- trying ---- */

static void
begin_trying(struct feature_model *m)
{
    memset(m->seen, 0, FEATURE_SEEN_SIZE * sizeof *m->seen);
    m->tried = 0;
}

/* False: it was tried before. */
static bool
is_new(struct feature_model *m, const struct feature_world *w)
{
    uint64_t hash = feature_world_hash(w) | 1;
    size_t at = hash % FEATURE_SEEN_SIZE;
    for (; m->seen[at]; at = (at + 1) % FEATURE_SEEN_SIZE)
        if (m->seen[at] == hash)
            return false;
    if (m->tried == FEATURE_TRIED_MAX) {
        m->is_vague = true;
        return false;
    }
    m->tried++;
    m->seen[at] = hash;
    return true;
}

/* Takes the world. Equal ones are kept once; when they became so is not remembered. */
static void
leave_over(struct feature_model *m, struct feature_world *w)
{
    uint64_t hash = feature_world_hash(w);
    for (unsigned i = 0; i < m->next_count; i++)
        if (m->hashes[i] == hash) {
            free(w);
            return;
        }
    if (m->next_count == FEATURE_WORLDS_MAX) {
        m->is_vague = true;
        free(w);
        return;
    }
    m->hashes[m->next_count] = hash;
    m->next[m->next_count++] = w;
}

/* Everything that may follow from it by itself. Takes the world. Its depth is bounded by what moves. */
static void
try_all(struct feature_model *m, struct feature_world *w)
{
    struct feature_choice choices[FEATURE_CHOICES_MAX];
    unsigned count;
    while ((count = feature_world_choices(w, &m->rules, choices)) > 0) {
        if (!is_new(m, w)) {
            free(w);
            return;
        }
        for (unsigned i = 1; i < count; i++) {
            struct feature_world *other = feature_world_copy(w);
            feature_world_choose(other, &m->rules, &choices[i]);
            try_all(m, other);
        }
        feature_world_choose(w, &m->rules, &choices[0]);
    }
    w->from = w->to = 0;
    leave_over(m, w);
}

static void
take_next(struct feature_model *m)
{
    struct feature_world **old = m->worlds;
    m->worlds = m->next;
    m->next = old;
    m->count = m->next_count;
    m->next_count = 0;
    if (m->count > m->count_most)
        m->count_most = m->count;
}

/* Takes `example`. */
static void
fail_without(struct feature_model *m, struct feature_world *example, const char *what)
{
    if (m->count == 0 && !m->is_vague) {
        m->worlds[m->count++] = example;
        feature_model_say(m, true);
        trial_fail(m->t, "%s: none of the outcomes that are allowed (one of the last worlds is above)", what);
    }
    if (m->count == 0)
        m->worlds[m->count++] = example;
    else
        free(example);
}

void
feature_model_act(struct feature_model *m, uint64_t from, uint64_t to, feature_act *act, void *arg,
                  const char *what)
{
    struct feature_world *example = feature_world_copy(m->worlds[0]);
    begin_trying(m);
    for (unsigned i = 0; i < m->count; i++) {
        struct feature_world *w = m->worlds[i];
        w->from = from;
        w->to = to + 1;
        w->given_count = 0;
        w->refused = 0;
        memset(w->given, 0, sizeof w->given);
        if (act(w, &m->rules, arg))
            try_all(m, w);
        else
            free(w);
    }
    take_next(m);
    fail_without(m, example, what);
}

void
feature_model_keep(struct feature_model *m, feature_act *fits, void *arg, const char *what)
{
    if (m->is_vague)
        return;
    struct feature_world *example = feature_world_copy(m->worlds[0]);
    for (unsigned i = 0; i < m->count; i++) {
        if (fits(m->worlds[i], &m->rules, arg))
            leave_over(m, m->worlds[i]);
        else
            free(m->worlds[i]);
    }
    take_next(m);
    fail_without(m, example, what);
}

/* ---- time ---- */

/* When the first thing may be due, FEATURE_NEVER: nothing will. */
static uint64_t
first_due(const struct feature_model *m, const struct feature_world *w)
{
    uint64_t first = FEATURE_NEVER;
    for (int i = 0; i < FEATURE_QUEUES; i++) {
        const struct feature_queue *q = &w->queues[i];
        int64_t expires_ms = m->rules.settings[i].expires_ms;
        int at = feature_world_ready(q, 0);
        if (at >= 0 && q->copies[at].due_from < first)
            first = q->copies[at].due_from;
        if (q->exists && expires_ms >= 0 && m->rules.prefetch[i] == 0 &&
            q->used_from + (uint64_t)expires_ms < first)
            first = q->used_from + (uint64_t)expires_ms;
    }
    return first;
}

/* One after the other, until nothing is due in any world. */
void
feature_model_pass(struct feature_model *m, uint64_t now)
{
    for (bool more = true; more && !m->is_vague;) {
        more = false;
        begin_trying(m);
        for (unsigned i = 0; i < m->count; i++) {
            struct feature_world *w = m->worlds[i];
            uint64_t due = first_due(m, w);
            if (due > now) {
                leave_over(m, w);
                continue;
            }
            more = true;
            w->from = w->to = due;
            try_all(m, w);
        }
        take_next(m);
    }
}

static uint64_t
busy_with(uint64_t due_from, uint64_t due_to, uint64_t from, uint64_t to)
{
    return due_from <= to && due_to >= from ? due_to + 1 : 0;
}

static uint64_t
later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Of messages that are not the first ones, too: they may become it. */
uint64_t
feature_model_busy_until(const struct feature_model *m, uint64_t from, uint64_t to)
{
    uint64_t until = 0;
    for (unsigned i = 0; i < m->count; i++)
        for (int k = 0; k < FEATURE_QUEUES; k++) {
            const struct feature_queue *q = &m->worlds[i]->queues[k];
            int64_t expires_ms = m->rules.settings[k].expires_ms;
            for (uint32_t c = 0; c < q->count; c++)
                if (q->copies[c].due_from != FEATURE_NEVER)
                    until = later(until, busy_with(q->copies[c].due_from, q->copies[c].due_to, from, to));
            if (q->exists && expires_ms >= 0 && m->rules.prefetch[k] == 0)
                until = later(until, busy_with(q->used_from + (uint64_t)expires_ms,
                                               q->used_to + (uint64_t)expires_ms + FEATURE_LAG_MS, from, to));
        }
    return until;
}

/* ---- looking ---- */

uint32_t
feature_model_depth(const struct feature_model *m, uint32_t *all)
{
    uint32_t deepest = 0;
    *all = 0;
    for (unsigned i = 0; i < m->count; i++) {
        uint32_t sum = 0;
        for (int q = 0; q < FEATURE_QUEUES; q++) {
            uint32_t count = m->worlds[i]->queues[q].count;
            sum += count;
            deepest = count > deepest ? count : deepest;
        }
        *all = sum > *all ? sum : *all;
    }
    return deepest;
}

static void
say_queue(const struct feature_model *m, int i)
{
    const struct feature_queue *q = &m->worlds[0]->queues[i];
    const struct feature_settings *s = &m->rules.settings[i];
    fprintf(stderr,
            "  %s%s ttl %lld length %lld bytes %lld expires %lld overflow %d dlx %d dlk %d prefetch %u:",
            feature_keys[i], q->exists ? "" : " (gone)", (long long)s->ttl_ms, (long long)s->length_max,
            (long long)s->bytes_max, (long long)s->expires_ms, s->overflow, s->dead_exchange, s->dead_key,
            m->rules.prefetch[i]);
    for (uint32_t k = 0; k < q->count; k++) {
        const struct feature_copy *c = &q->copies[k];
        fprintf(stderr, " m%u%s", c->letter.number,
                c->tag                  ? "(held)"
                : c->letter.redelivered ? "(again)"
                                        : "");
        for (uint8_t d = 0; d < c->letter.death_count; d++)
            fprintf(stderr, "/%s %s %u", feature_keys[c->letter.deaths[d].queue],
                    feature_reasons[c->letter.deaths[d].reason], c->letter.deaths[d].count);
        if (c->due_to != FEATURE_NEVER)
            fprintf(stderr, " due %llu", (unsigned long long)c->due_to);
    }
    fputc('\n', stderr);
}

void
feature_model_say(const struct feature_model *m, bool always)
{
    if ((!m->t->is_verbose && !always) || m->count == 0)
        return;
    fprintf(stderr, "  %u worlds, refused %llx\n", m->count, (unsigned long long)m->worlds[0]->refused);
    for (int q = 0; q < FEATURE_QUEUES; q++)
        say_queue(m, q);
    for (uint32_t i = 0; i < m->worlds[0]->given_count; i++)
        fprintf(stderr, "  given: m%u of %s\n", m->worlds[0]->given[i].letter.number,
                feature_keys[m->worlds[0]->given[i].queue]);
}
