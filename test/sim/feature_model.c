/* See feature_model.h. */
#include "feature_model.h"

#include "base/check.h"
#include "feature_dead.h"

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
    for (int q = 0; q < FEATURE_QUEUES; q++) {
        m->rules.settings[q] = feature_plain;
        m->rules.active[q] = FEATURE_NONE;
    }
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

/* Takes the world. Equal ones are kept once. */
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

/* When they came to it is not remembered. */
static void
come_to_rest(struct feature_model *m, struct feature_world *w)
{
    w->from = w->to = 0;
    leave_over(m, w);
}

/*
 * Everything that may follow from it by itself until `now`. Takes the world. What may wait is left for later,
 * unless somebody looks meanwhile: `is_seen`. The depth is bounded by what moves.
 */
static void
try_all(struct feature_model *m, struct feature_world *w, uint64_t now, bool is_seen)
{
    struct feature_choice choices[FEATURE_CHOICES_MAX];
    unsigned count;
    bool must;
    while ((count = feature_world_choices(w, &m->rules, now, choices, &must)) > 0 && (must || is_seen)) {
        if (!is_new(m, w)) {
            free(w);
            return;
        }
        if (!must)
            come_to_rest(m, feature_world_copy(w));
        for (unsigned i = 1; i < count; i++) {
            struct feature_world *other = feature_world_copy(w);
            feature_world_choose(other, &m->rules, &choices[i]);
            try_all(m, other, now, is_seen);
        }
        feature_world_choose(w, &m->rules, &choices[0]);
    }
    come_to_rest(m, w);
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

static void
begin_act(struct feature_world *w, uint64_t from, uint64_t to)
{
    w->from = from;
    w->to = to + 1;
    w->given_count = 0;
    w->refused = 0;
    memset(w->given, 0, sizeof w->given);
}

/* Takes the world. */
static void
act_on(struct feature_model *m, struct feature_world *w, feature_act *act, void *arg)
{
    if (!act(w, &m->rules, arg)) {
        free(w);
        return;
    }
    feature_dead_look(w, &m->rules);
    try_all(m, w, w->to, true);
}

void
feature_model_act_in(struct feature_model *m, uint64_t from, uint64_t to, feature_act *act, void *arg,
                     const char *what, unsigned *way, unsigned ways)
{
    struct feature_world *example = feature_world_copy(m->worlds[0]);
    begin_trying(m);
    for (unsigned i = 0; i < m->count; i++) {
        begin_act(m->worlds[i], from, to);
        for (*way = 1; *way < ways; ++*way)
            act_on(m, feature_world_copy(m->worlds[i]), act, arg);
        *way = 0;
        act_on(m, m->worlds[i], act, arg);
    }
    take_next(m);
    fail_without(m, example, what);
}

void
feature_model_act(struct feature_model *m, uint64_t from, uint64_t to, feature_act *act, void *arg,
                  const char *what)
{
    unsigned way;
    feature_model_act_in(m, from, to, act, arg, what, &way, 1);
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

void
feature_model_pass(struct feature_model *m, uint64_t now)
{
    if (m->is_vague)
        return;
    begin_trying(m);
    for (unsigned i = 0; i < m->count; i++)
        try_all(m, m->worlds[i], now, false);
    take_next(m);
}

/* Of messages that are not the first ones, too: they may become it. */
static uint64_t
copies_busy_until(const struct feature_queue *q, uint64_t from, uint64_t to)
{
    uint64_t until = 0;
    for (uint32_t i = 0; i < q->count; i++) {
        const struct feature_copy *c = &q->copies[i];
        if (c->due_from <= to && c->due_to >= from && c->due_to != FEATURE_NEVER && c->due_to >= until)
            until = c->due_to + 1;
    }
    return until;
}

static uint64_t
later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t
feature_model_busy_until(const struct feature_model *m, uint64_t from, uint64_t to)
{
    uint64_t until = 0;
    for (unsigned i = 0; i < m->count; i++) {
        until = later(until, feature_world_busy_until(m->worlds[i], &m->rules, from, to));
        for (int q = 0; q < FEATURE_QUEUES; q++)
            until = later(until, copies_busy_until(&m->worlds[i]->queues[q], from, to));
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
        sum += m->worlds[i]->stuck_count;
        *all = sum > *all ? sum : *all;
    }
    return deepest;
}

static void
say_letter(const struct feature_letter *l)
{
    fprintf(stderr, " m%u", l->number);
    if (l->priority != FEATURE_NONE)
        fprintf(stderr, "^%u", l->priority);
    if (l->redelivered)
        fprintf(stderr, "(again %u)", l->returns);
    for (uint8_t d = 0; d < l->death_count; d++)
        fprintf(stderr, "/%s %s %u", feature_keys[l->deaths[d].queue], feature_reasons[l->deaths[d].reason],
                l->deaths[d].count);
}

static void
say_queue(const struct feature_model *m, uint8_t i)
{
    const struct feature_queue *q = &m->worlds[0]->queues[i];
    const struct feature_settings *s = &m->rules.settings[i];
    const struct feature_type *type = &m->rules.types[i];
    fprintf(
        stderr,
        "  %s%s%s%s priority %u ttl %lld length %lld bytes %lld expires %lld limit %lld overflow %d dlx %d "
        "dlk %d%s",
        feature_keys[i], q->exists ? "" : " (gone)", type->is_quorum ? " quorum" : "",
        type->is_single ? " single" : "", type->priority_max, (long long)s->ttl_ms, (long long)s->length_max,
        (long long)s->bytes_max, (long long)s->expires_ms, (long long)s->delivery_limit, s->overflow,
        s->dead_exchange, s->dead_key, s->at_least_once ? " at least once" : "");
    for (int k = 0; k < FEATURE_CONSUMERS; k++) {
        const struct feature_consumer *c = &m->rules.consumers[i][k];
        if (c->prefetch)
            fprintf(stderr, " [%d%s: client %u, level %u, %u]", k, m->rules.active[i] == k ? " active" : "",
                    c->client, c->level, c->prefetch);
    }
    fputc(':', stderr);
    for (uint32_t k = 0; k < q->count; k++) {
        const struct feature_copy *c = &q->copies[k];
        say_letter(&c->letter);
        if (c->tag)
            fprintf(stderr, "(held %x, lent %u)", c->tag, c->lent);
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
    const struct feature_world *w = m->worlds[0];
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++)
        say_queue(m, q);
    for (uint32_t i = 0; i < w->given_count; i++)
        fprintf(stderr, "  given: m%u of %s at level %u\n", w->given[i].letter.number,
                feature_keys[w->given[i].queue], w->given[i].level);
    for (uint32_t i = 0; i < w->stuck_count; i++)
        fprintf(stderr, "  stuck: m%u of %s, taken %x, since %lld\n", w->stuck[i].letter.number,
                feature_keys[w->stuck[i].queue], w->stuck[i].taken, (long long)w->stuck[i].since_to);
    for (uint32_t i = 0; i < w->ring_count; i++)
        fprintf(stderr, "  remembered: m%u\n", w->ring[i].number);
}
