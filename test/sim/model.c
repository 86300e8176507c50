/* See model.h. */
#include "model.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

void
model_init(struct model *m, struct trial *t)
{
    *m = (struct model){.t = t};
    for (int i = 0; i < MODEL_QUEUES; i++) {
        snprintf(m->queues[i].name, sizeof m->queues[i].name, "sq%d", i);
        m->queues[i].ttl_ms = m->queues[i].length_max = -1;
    }
}

void
model_fini(struct model *m)
{
    free(m->messages);
    free(m->doubts);
    free(m->seen_elsewhere);
}

struct model_message *
model_message(struct model *m, uint64_t number)
{
    CHECK(number < m->count);
    return &m->messages[number];
}

/* ---- messages ---- */

uint64_t
model_publish(struct model *m, uint32_t publisher, const char *exchange, const char *key, uint8_t queues,
              bool may_route_elsewhere, bool is_mandatory, struct buffer *properties, struct buffer *body)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : 1024;
        m->messages = realloc(m->messages, m->capacity * sizeof *m->messages);
        CHECK(m->messages);
    }
    uint64_t number = m->count++;
    struct model_message *x = &m->messages[number];
    *x = (struct model_message){.publisher = publisher,
                                .queues = queues,
                                .may_route_elsewhere = may_route_elsewhere,
                                .is_mandatory = is_mandatory};
    content_make(&x->content, m->t, number, exchange, key, 0, content_body_size(m->t), properties, body);
    return number;
}

uint64_t
model_identify(struct model *m, struct slice exchange, struct slice key, struct slice properties,
               struct slice body)
{
    uint64_t number = 0;
    TRIAL_EXPECT(m->t, content_number(properties, &number) && number < m->count,
                 "a ghost: message m%llu was never published", (unsigned long long)number);
    const char *what =
        content_difference(&m->messages[number].content, number, exchange, key, properties, body);
    TRIAL_EXPECT(m->t, !what, "m%llu: %s", (unsigned long long)number, what);
    return number;
}

void
model_done(struct model *m, uint64_t number)
{
    struct model_message *x = model_message(m, number);
    if (x->outcome == OUTCOME_DONE)
        return;
    TRIAL_EXPECT(m->t, x->outcome != OUTCOME_ROLLED_BACK, "m%llu: rolled back and done",
                 (unsigned long long)number);
    x->outcome = OUTCOME_DONE;
    x->done_at = sim_now_ms(m->t->sim);
    for (int q = 0; q < MODEL_QUEUES; q++)
        if (x->queues & 1u << q)
            x->copies[q].is_sure = true;
}

/* ---- time and limits ---- */

static int64_t
ttl_of(const struct model *m, const struct model_message *x, int queue)
{
    int64_t own = x->content.ttl_ms, all = m->queues[queue].ttl_ms;
    return own < 0 || (all >= 0 && all < own) ? all : own;
}

/* By itself, at any moment. */
static bool
may_vanish(const struct model *m, const struct model_message *x, int queue)
{
    return ttl_of(m, x, queue) >= 0 || m->queues[queue].length_max >= 0;
}

/* It was in its queue when its publish was known to be done. */
static void
check_is_in_time(struct model *m, const struct model_message *x, int queue, unsigned long long n)
{
    int64_t ttl = ttl_of(m, x, queue);
    uint64_t now = sim_now_ms(m->t->sim);
    TRIAL_EXPECT(m->t,
                 ttl < 0 || x->outcome != OUTCOME_DONE || now <= x->done_at + ttl + trial_transit_ms(m->t),
                 "m%llu of queue %s was delivered %llu ms after its time", n, m->queues[queue].name,
                 (unsigned long long)(now - x->done_at) - ttl);
}

/* ---- deliveries ---- */

/* A queue gets a message once, so it is fresh once. */
static void
deliver_elsewhere(struct model *m, const struct model_delivery *d, uint64_t number)
{
    uint64_t hash = XXH64(d->queue_name.data, d->queue_name.len, number);
    TRIAL_EXPECT(m->t, model_message(m, number)->may_route_elsewhere, "m%llu came from queue '%.*s'",
                 (unsigned long long)number, SLICE_FMT(d->queue_name));
    if (d->redelivered)
        return;
    for (size_t i = 0; i < m->seen_count; i++)
        TRIAL_EXPECT(m->t, m->seen_elsewhere[i] != hash, "m%llu came twice from queue '%.*s'",
                     (unsigned long long)number, SLICE_FMT(d->queue_name));
    if (m->seen_count == m->seen_capacity) {
        m->seen_capacity = m->seen_capacity ? m->seen_capacity * 2 : 64;
        m->seen_elsewhere = realloc(m->seen_elsewhere, m->seen_capacity * sizeof *m->seen_elsewhere);
        CHECK(m->seen_elsewhere);
    }
    m->seen_elsewhere[m->seen_count++] = hash;
}

static const char *
state_name(const struct copy *c)
{
    static const char *const names[] = {"ready", "held", "settling", "gone"};
    return names[c->state];
}

void
model_set_doubt(struct model *m, uint32_t epoch, enum model_doubt doubt)
{
    if (epoch >= m->doubt_count) {
        uint32_t count = epoch * 2 + 64;
        m->doubts = realloc(m->doubts, count);
        CHECK(m->doubts);
        memset(m->doubts + m->doubt_count, DOUBT_NONE, count - m->doubt_count);
        m->doubt_count = count;
    }
    m->doubts[epoch] = (uint8_t)doubt;
}

static enum model_doubt
doubt_of(const struct model *m, uint32_t epoch)
{
    return epoch < m->doubt_count ? (enum model_doubt)m->doubts[epoch] : DOUBT_NONE;
}

/* The holder may have lost it without knowing. */
static bool
is_stealable(const struct model *m, const struct copy *c)
{
    enum model_doubt doubt = doubt_of(m, c->holder);
    return (c->state == COPY_HELD && doubt != DOUBT_NONE) ||
           (c->state == COPY_SETTLING && doubt == DOUBT_FAILING);
}

uint64_t
model_deliver(struct model *m, const struct model_delivery *d)
{
    struct trial *t = m->t;
    uint64_t number = model_identify(m, d->exchange, d->key, d->properties, d->body);
    struct model_message *x = model_message(m, number);
    unsigned long long n = number;
    m->deliveries++;
    m->redeliveries += d->redelivered;
    TRIAL_EXPECT(t, x->outcome != OUTCOME_IN_TX, "m%llu of an open transaction was delivered", n);
    TRIAL_EXPECT(t, x->outcome != OUTCOME_ROLLED_BACK, "m%llu was delivered after its rollback", n);
    if (d->queue < 0) {
        deliver_elsewhere(m, d, number);
        return number;
    }
    const struct model_queue *q = &m->queues[d->queue];
    struct copy *c = &x->copies[d->queue];
    check_is_in_time(m, x, d->queue, n);
    TRIAL_EXPECT(t, x->queues & 1u << d->queue, "m%llu came from queue %s, where it was not routed", n,
                 q->name);
    bool is_late = c->state != COPY_READY || (c->was_delivered && !d->redelivered);
    if (is_late && c->holder != d->holder && doubt_of(m, d->holder) != DOUBT_NONE) {
        /* This channel had it before another got it, and learns of it late; unless both may have lost it. */
        c->is_vague = c->is_vague || (c->state != COPY_READY && is_stealable(m, c));
        return number;
    }
    if (c->is_vague)
        return number;
    TRIAL_EXPECT(t, c->state == COPY_READY || is_stealable(m, c),
                 "m%llu of queue %s is delivered to channel %u: it was %s by %u", n, q->name, d->holder,
                 state_name(c), c->holder);
    bool is_exact = q->troubles == 0 && number >= q->orderly_from;
    if (c->was_delivered)
        TRIAL_EXPECT(t, d->redelivered, "m%llu of queue %s comes again to channel %u, not as redelivered", n,
                     q->name, d->holder);
    else if (is_exact)
        TRIAL_EXPECT(t, !d->redelivered, "m%llu of queue %s comes first, as redelivered", n, q->name);
    if (!d->redelivered) {
        TRIAL_EXPECT(t, !c->was_fresh, "m%llu of queue %s came twice without redelivered", n, q->name);
        c->was_fresh = true;
    }
    c->is_sure = true;
    if (doubt_of(m, d->holder) == DOUBT_NONE) /* else it may be back in its queue, and gone from there */
        c->may_be_gone = false;
    c->state = d->no_ack ? COPY_GONE : COPY_HELD;
    c->was_delivered = c->was_delivered || !d->no_ack;
    c->holder = d->holder;
    return number;
}

static struct copy *
copy_of(struct model *m, int queue, uint64_t number, uint32_t holder)
{
    if (queue < 0)
        return NULL;
    struct copy *c = &model_message(m, number)->copies[queue];
    return c->holder == holder && (c->state == COPY_HELD || c->state == COPY_SETTLING) ? c : NULL;
}

void
model_requeue(struct model *m, int queue, uint64_t number, uint32_t holder)
{
    struct copy *c = copy_of(m, queue, number, holder);
    if (c)
        c->state = COPY_READY;
}

void
model_settling(struct model *m, int queue, uint64_t number, uint32_t holder)
{
    struct copy *c = copy_of(m, queue, number, holder);
    if (c)
        c->state = COPY_SETTLING;
}

void
model_settled(struct model *m, int queue, uint64_t number, uint32_t holder)
{
    struct copy *c = copy_of(m, queue, number, holder);
    if (c)
        c->state = COPY_GONE;
}

void
model_hold_again(struct model *m, int queue, uint64_t number, uint32_t holder)
{
    struct copy *c = copy_of(m, queue, number, holder);
    if (c)
        c->state = COPY_HELD;
}

void
model_unsettled(struct model *m, int queue, uint64_t number, uint32_t holder)
{
    struct copy *c = copy_of(m, queue, number, holder);
    if (!c)
        return;
    c->state = COPY_READY;
    c->may_be_gone = true;
}

void
model_doubt_all(struct model *m, int queue)
{
    for (uint64_t i = 0; i < m->count; i++) {
        struct copy *c = &m->messages[i].copies[queue];
        if (c->state == COPY_READY || is_stealable(m, c))
            c->may_be_gone = true;
    }
}

void
model_trouble_begin(struct model *m, int queue, bool lossy)
{
    if (queue < 0)
        return;
    m->queues[queue].troubles++;
    if (lossy)
        model_doubt_all(m, queue);
}

void
model_trouble_end(struct model *m, int queue, bool lossy)
{
    if (queue < 0)
        return;
    CHECK(m->queues[queue].troubles > 0);
    m->queues[queue].troubles--;
    m->queues[queue].orderly_from = m->count;
    if (lossy)
        model_doubt_all(m, queue);
}

/* ---- the end ---- */

static void
check_order(struct model *m, int queue, const uint64_t *numbers, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint32_t publisher = m->messages[numbers[i]].publisher;
        for (size_t k = i; k-- > 0;)
            if (m->messages[numbers[k]].publisher == publisher) {
                TRIAL_EXPECT(m->t, numbers[k] < numbers[i], "queue %s: m%llu stands before m%llu",
                             m->queues[queue].name, (unsigned long long)numbers[k],
                             (unsigned long long)numbers[i]);
                break;
            }
    }
}

void
model_check_rest(struct model *m, int queue, const uint64_t *numbers, size_t count)
{
    check_order(m, queue, numbers, count);
    TRIAL_EXPECT(m->t, m->queues[queue].length_max < 0 || count <= (uint64_t)m->queues[queue].length_max,
                 "queue %s has %zu messages at the end", m->queues[queue].name, count);
    for (uint64_t i = 0; i < m->count; i++) {
        const struct model_message *x = &m->messages[i];
        const struct copy *c = &x->copies[queue];
        if (!(x->queues & 1u << queue) || c->state == COPY_GONE || c->is_vague)
            continue;
        TRIAL_EXPECT(m->t, c->state == COPY_READY, "m%llu of queue %s is %s at the end",
                     (unsigned long long)i, m->queues[queue].name, state_name(c));
        TRIAL_EXPECT(m->t, !c->is_sure || c->may_be_gone || may_vanish(m, x, queue),
                     "m%llu of queue %s is lost", (unsigned long long)i, m->queues[queue].name);
    }
}
