/* See crash_model.h. */
#include "crash_model.h"

#include "base/check.h"
#include "crash_rules.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *const crash_queue_names[CRASH_QUEUES] = {
    "cq0",      "cq1",       "cq2",      "cq3",      "cq4",        "cq5",    "coming",
    "fleeting", "cq.ranked", "cq.timed", "cq.short", "cq.counted", "cq.full"};

void
crash_model_init(struct crash_model *m, struct trial *t)
{
    *m = (struct crash_model){.t = t, .life = 1, .look_queue = -1};
}

void
crash_model_fini(struct crash_model *m)
{
    for (int q = 0; q < CRASH_QUEUES; q++)
        free(m->handled[q].items);
    free(m->messages);
    free(m->txs);
    free(m->found);
    free(m->last);
    free(m->look_order);
}

static void finding(struct crash_model *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
finding(struct crash_model *m, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    m->findings++;
    if (!m->on_finding && (!m->t->is_verbose || m->look_queue < 0)) /* else at the end of the look */
        trial_fail(m->t, "%s", text);
    trial_say(m->t, "finding: %s", text);
    if (m->on_finding)
        m->on_finding(m->arg, text);
}

static struct crash_tx *
tx_of(struct crash_model *m, uint32_t id)
{
    CHECK(id > 0 && id <= m->tx_count);
    return &m->txs[id - 1];
}

/* ---- publishing ---- */

uint64_t
crash_model_publish(struct crash_model *m, uint32_t publisher, uint32_t tx, const char *exchange,
                    const char *key, uint32_t queues, bool is_persistent, uint32_t body_size,
                    struct buffer *properties, struct buffer *body)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : 1024;
        m->messages = realloc(m->messages, m->capacity * sizeof *m->messages);
        CHECK(m->messages);
    }
    uint64_t number = m->count++;
    struct crash_message *x = &m->messages[number];
    *x = (struct crash_message){.publisher = publisher,
                                .tx = tx,
                                .queues = queues,
                                .is_persistent = is_persistent,
                                .sent_at = sim_now_ms(m->t->sim)};
    bool is_timeless = m->t->is_timeless;
    m->t->is_timeless |= (queues & 1u << CRASH_SHORT) != 0; /* it is known what is there */
    content_make(&x->content, m->t, number, exchange, key, is_persistent ? 2 : 1, body_size, properties,
                 body);
    m->t->is_timeless = is_timeless;
    return number;
}

static void
make_sure(struct crash_model *m, struct crash_message *x)
{
    x->confirmed_at = sim_now_ms(m->t->sim);
    for (int q = 0; q < CRASH_QUEUES; q++)
        if (x->queues & 1u << q && !x->copies[q].is_gone)
            x->copies[q].is_sure = true;
}

/* Acks that were handled before this message was published stand before it in the log. */
static void
learn_acks(struct crash_model *m, int queue, uint64_t number)
{
    size_t kept = 0, count = m->handled[queue].count;
    struct crash_handled *items = m->handled[queue].items;
    for (size_t i = 0; i < count; i++) {
        if (items[i].next > number) {
            items[kept++] = items[i];
            continue;
        }
        m->messages[items[i].number].copies[queue].is_gone = true;
        m->known_gone++;
    }
    m->handled[queue].count = kept;
}

void
crash_model_confirmed(struct crash_model *m, uint64_t number)
{
    struct crash_message *x = &m->messages[number];
    CHECK(number < m->count && !x->tx);
    make_sure(m, x);
    for (int q = 0; q < CRASH_QUEUES; q++)
        if (crash_rules_keep(q, x) && x->queues & 1u << q)
            learn_acks(m, q, number);
}

void
crash_model_refused(struct crash_model *m, uint64_t number)
{
    struct crash_message *x = &m->messages[number];
    for (int q = 0; q < CRASH_QUEUES; q++) {
        if (!(x->queues & 1u << q))
            continue;
        if (crash_rules_has_room(m, q, number))
            finding(m, "m%llu was refused, and %s has room", (unsigned long long)number,
                    crash_queue_names[q]);
        x->copies[q].is_gone = true;
    }
}

/* ---- transactions ---- */

uint32_t
crash_model_tx(struct crash_model *m)
{
    if (m->tx_count == m->tx_capacity) {
        m->tx_capacity = m->tx_capacity ? m->tx_capacity * 2 : 64;
        m->txs = realloc(m->txs, m->tx_capacity * sizeof *m->txs);
        CHECK(m->txs);
    }
    m->txs[m->tx_count] = (struct crash_tx){.state = CRASH_TX_OPEN};
    return ++m->tx_count;
}

void
crash_model_commit(struct crash_model *m, uint32_t tx)
{
    tx_of(m, tx)->state = CRASH_TX_COMMITTING;
}

void
crash_model_committed(struct crash_model *m, uint32_t tx)
{
    tx_of(m, tx)->state = CRASH_TX_COMMITTED;
    for (uint64_t i = 0; i < m->count; i++) {
        struct crash_message *x = &m->messages[i];
        if (x->tx == tx)
            make_sure(m, x);
        for (int q = 0; q < CRASH_QUEUES; q++) {
            struct crash_copy *c = &x->copies[q];
            if (c->settle_tx != tx)
                continue;
            c->is_gone = true;
            c->holder = 0;
        }
    }
}

void
crash_model_void(struct crash_model *m, uint32_t tx)
{
    tx_of(m, tx)->state = CRASH_TX_VOID;
    for (uint64_t i = 0; i < m->count; i++) {
        struct crash_message *x = &m->messages[i];
        for (int q = 0; q < CRASH_QUEUES; q++) {
            if (x->tx == tx)
                x->copies[q].is_gone = true;
            if (x->copies[q].settle_tx == tx)
                x->copies[q].settle_tx = 0;
        }
    }
}

static bool
may_expire(int queue, const struct crash_message *x)
{
    return crash_rules_ttl(queue, x) >= 0;
}

bool
crash_model_may_expire(const struct crash_model *m, int queue)
{
    for (uint64_t i = 0; i < m->count; i++)
        if (m->messages[i].queues & 1u << queue && may_expire(queue, &m->messages[i]))
            return true;
    return false;
}

/* This copy being there or not says how an undecided transaction ended. */
static void
note_txs(struct crash_model *m, int queue, struct crash_message *x, bool is_there)
{
    struct crash_copy *c = &x->copies[queue];
    if (!crash_rules_keep(queue, x) || c->may_be_gone || may_expire(queue, x) || c->is_gone ||
        m->is_unsafe[queue])
        return;
    if (x->tx && !c->is_sure && !c->settle_tx) {
        struct crash_tx *tx = tx_of(m, x->tx);
        if (tx->is_undecided)
            tx->looks[tx->shards[queue]] |= is_there ? CRASH_TX_SEEN : CRASH_TX_MISSED;
        if (tx->is_undecided)
            trial_say(m->t, "transaction %u on shard %u: m%llu of %s is %s", x->tx, tx->shards[queue],
                      (unsigned long long)(x - m->messages), crash_queue_names[queue],
                      is_there ? "there" : "not there");
    }
    if (c->settle_tx && c->is_sure) {
        struct crash_tx *tx = tx_of(m, c->settle_tx);
        if (tx->is_undecided)
            tx->looks[tx->shards[queue]] |= is_there ? CRASH_TX_MISSED : CRASH_TX_SEEN;
        if (tx->is_undecided)
            trial_say(m->t, "transaction %u on shard %u: the acked m%llu of %s is %s", c->settle_tx,
                      tx->shards[queue], (unsigned long long)(x - m->messages), crash_queue_names[queue],
                      is_there ? "there" : "not there");
    }
}

/* ---- deliveries ---- */

void
crash_model_asked(struct crash_model *m, int queue, bool no_ack)
{
    m->was_asked[queue] = true;
    m->is_unsafe[queue] |= no_ack;
}

/* The message of a delivery, or NULL after a finding. */
static struct crash_message *
identify(struct crash_model *m, const struct crash_delivery *d, uint64_t *number)
{
    const char *name = crash_queue_names[d->queue];
    unsigned long long n = 0;
    *number = 0;
    bool has_number = content_number(d->properties, number);
    n = *number;
    if (!has_number || *number >= m->count) {
        finding(m, "a ghost in %s: m%llu was never published", name, n);
        return NULL;
    }
    struct crash_message *x = &m->messages[*number];
    struct buffer scratch = {0};
    uint64_t count;
    struct slice properties = crash_rules_uncounted(d->properties, &scratch, &count);
    const char *what = content_difference(&x->content, *number, d->exchange, d->key, properties, d->body);
    buffer_fini(&scratch);
    if (what) {
        finding(m, "m%llu in %s has %s", n, name, what);
        return NULL;
    }
    what = crash_rules_count(d->queue, &x->copies[d->queue], count);
    if (what) {
        finding(m, "m%llu of %s %s: %llu", n, name, what, (unsigned long long)count);
        return NULL;
    }
    if (!(x->queues & 1u << d->queue)) {
        finding(m, "m%llu is in %s, where it was not routed", n, name);
        return NULL;
    }
    return x;
}

/* What must hold for whatever comes out of a queue, at any time. */
static void
check_given(struct crash_model *m, const struct crash_delivery *d, uint64_t number)
{
    const struct crash_message *x = &m->messages[number];
    const struct crash_copy *c = &x->copies[d->queue];
    const char *name = crash_queue_names[d->queue];
    unsigned long long n = number;
    if (x->tx && tx_of(m, x->tx)->state == CRASH_TX_OPEN)
        finding(m, "m%llu in %s is of an open transaction", n, name);
    else if (x->tx && tx_of(m, x->tx)->state == CRASH_TX_VOID)
        finding(m, "m%llu in %s is of a transaction that never was", n, name);
    else if (c->is_gone || c->taken == m->life)
        finding(m, "m%llu in %s has come again: it was taken for good", n, name);
    else if (c->holder && !m->cannot_mark) /* its channel may be closed, and not know it yet */
        finding(m, "m%llu in %s has come again: channel %u holds it", n, name, c->holder);
    else if (c->was_given && !d->redelivered)
        finding(m, "m%llu in %s was given out before, and is not redelivered", n, name);
    else if (!m->was_asked[d->queue] && !m->had_failed && d->redelivered)
        finding(m, "m%llu in %s is redelivered, and nobody ever got it", n, name);
}

uint64_t
crash_model_given(struct crash_model *m, const struct crash_delivery *d)
{
    uint64_t number;
    struct crash_message *x = identify(m, d, &number);
    if (!x)
        return UINT64_MAX;
    check_given(m, d, number);
    struct crash_copy *c = &x->copies[d->queue];
    note_txs(m, d->queue, x, true);
    if (c->settle_tx && tx_of(m, c->settle_tx)->is_undecided)
        c->settle_tx = 0;
    if (number < m->life_from || (crash_rules[d->queue].is_quorum && !m->had_failed))
        c->is_sure = true; /* a recovered node has shown it; or it is given out only when it is kept */
    c->was_given = c->was_given || !m->cannot_mark;
    if (d->no_ack) {
        c->may_be_gone = true;
        c->taken = m->life;
    } else {
        c->holder = d->holder;
    }
    m->deliveries++;
    m->given[d->queue]++;
    return number;
}

void
crash_model_settle(struct crash_model *m, int queue, uint64_t number, uint32_t tx)
{
    struct crash_copy *c = &m->messages[number].copies[queue];
    if (tx) {
        c->settle_tx = tx;
        return;
    }
    c->may_be_gone = true;
    c->holder = 0;
}

void
crash_model_handled(struct crash_model *m, int queue, uint64_t number)
{
    size_t *count = &m->handled[queue].count, *capacity = &m->handled[queue].capacity;
    m->messages[number].copies[queue].taken = m->life;
    if (*count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 64;
        m->handled[queue].items = realloc(m->handled[queue].items, *capacity * sizeof(struct crash_handled));
        CHECK(m->handled[queue].items);
    }
    m->handled[queue].items[(*count)++] = (struct crash_handled){.number = number, .next = m->count};
}

void
crash_model_requeue(struct crash_model *m, int queue, uint64_t number)
{
    struct crash_copy *c = &m->messages[number].copies[queue];
    c->holder = 0;
    crash_rules_returned(queue, c, true);
}

void
crash_model_left(struct crash_model *m, uint32_t holder)
{
    for (uint64_t i = 0; i < m->count; i++)
        for (int q = 0; q < CRASH_QUEUES; q++)
            if (m->messages[i].copies[q].holder == holder)
                crash_model_requeue(m, q, i);
            else if (holder == m->owner) /* on its way to the channel */
                crash_rules_returned(q, &m->messages[i].copies[q], false);
}

void
crash_model_doubt(struct crash_model *m, int queue)
{
    for (uint64_t i = 0; i < m->count; i++)
        if (m->messages[i].queues & 1u << queue)
            m->messages[i].copies[queue].may_be_gone = true;
}

void
crash_model_purged(struct crash_model *m, int queue, uint64_t before)
{
    for (uint64_t i = 0; i < before; i++)
        if (m->messages[i].queues & 1u << queue && !m->messages[i].copies[queue].is_gone)
            crash_model_handled(m, queue, i);
}

void
crash_model_deleted(struct crash_model *m, int queue)
{
    for (uint64_t i = 0; i < m->count; i++)
        if (m->messages[i].queues & 1u << queue)
            m->messages[i].copies[queue].is_gone = true;
}

/* ---- the end of a life ---- */

void
crash_model_ended(struct crash_model *m, const uint8_t shards[CRASH_QUEUES])
{
    for (uint32_t i = 0; i < m->tx_count; i++) {
        struct crash_tx *tx = &m->txs[i];
        if (tx->state == CRASH_TX_OPEN)
            crash_model_void(m, i + 1);
        if (tx->state != CRASH_TX_COMMITTING || tx->is_undecided)
            continue;
        tx->is_undecided = true;
        memcpy(tx->shards, shards, sizeof tx->shards);
    }
    for (uint64_t i = 0; i < m->count; i++)
        for (int q = 0; q < CRASH_QUEUES; q++) {
            struct crash_copy *c = &m->messages[i].copies[q];
            c->holder = 0;
            if (!crash_rules_keep(q, &m->messages[i]))
                c->is_gone = true;
            crash_rules_ended(q, c);
        }
    for (int q = 0; q < CRASH_QUEUES; q++)
        m->handled[q].count = 0;
    m->life++;
    m->life_from = m->count;
}

/* ---- looking ---- */

void
crash_look_begin(struct crash_model *m, int queue)
{
    CHECK(m->look_queue < 0);
    m->look_queue = queue;
    m->look_from = sim_now_ms(m->t->sim);
    m->look_priority = UINT_MAX;
    m->look_count = 0;
    m->found = realloc(m->found, m->count + 1);
    CHECK(m->found);
    memset(m->found, 0, m->count + 1);
    for (uint32_t i = 0; i < m->last_count; i++)
        m->last[i] = 0;
}

static void
check_order(struct crash_model *m, uint64_t number)
{
    uint32_t publisher = m->messages[number].publisher;
    unsigned priority = crash_rules_priority(m->look_queue, &m->messages[number]);
    if (priority > m->look_priority)
        finding(m, "%s: m%llu of priority %u stands behind others of %u", crash_queue_names[m->look_queue],
                (unsigned long long)number, priority, m->look_priority);
    for (uint32_t i = 0; priority != m->look_priority && i < m->last_count; i++)
        m->last[i] = 0; /* among the same priority it is the order of arrival */
    m->look_priority = priority;
    if (publisher >= m->last_count) {
        uint32_t count = publisher * 2 + 64;
        m->last = realloc(m->last, count * sizeof *m->last);
        CHECK(m->last);
        memset(m->last + m->last_count, 0, (count - m->last_count) * sizeof *m->last);
        m->last_count = count;
    }
    if (m->last[publisher] > number)
        finding(m, "%s: m%llu stands behind m%llu of the same channel", crash_queue_names[m->look_queue],
                (unsigned long long)number, (unsigned long long)m->last[publisher] - 1);
    m->last[publisher] = number + 1;
}

static void
note_found(struct crash_model *m, uint64_t number)
{
    if (m->look_count == m->look_capacity) {
        m->look_capacity = m->look_capacity ? m->look_capacity * 2 : 64;
        m->look_order = realloc(m->look_order, m->look_capacity * sizeof *m->look_order);
        CHECK(m->look_order);
    }
    m->look_order[m->look_count++] = number;
}

uint64_t
crash_look_at(struct crash_model *m, const struct crash_delivery *d)
{
    uint64_t number;
    CHECK(d->queue == m->look_queue);
    if (!identify(m, d, &number))
        return UINT64_MAX;
    if (m->found[number]) {
        finding(m, "m%llu is in %s twice", (unsigned long long)number, crash_queue_names[d->queue]);
        return UINT64_MAX;
    }
    m->found[number] = true;
    m->looked_at++;
    note_found(m, number);
    trial_say(m->t, "%s has m%llu, of priority %u", crash_queue_names[d->queue], (unsigned long long)number,
              crash_rules_priority(d->queue, &m->messages[number]));
    const char *when = crash_rules_found_in_time(d->queue, &m->messages[number], m->look_from);
    if (when)
        finding(m, "m%llu is in %s %s", (unsigned long long)number, crash_queue_names[d->queue], when);
    check_given(m, d, number);
    check_order(m, number);
    return number;
}

static bool
must_be_there(struct crash_model *m, int queue, const struct crash_copy *c)
{
    bool is_settling = c->settle_tx && tx_of(m, c->settle_tx)->state == CRASH_TX_COMMITTING;
    if (crash_rules[queue].length_max && !crash_rules[queue].is_rejecting) /* the whole is looked at */
        return false;
    return c->is_sure && !c->may_be_gone && !c->is_gone && !is_settling && !m->is_unsafe[queue];
}

void
crash_look_end(struct crash_model *m)
{
    int q = m->look_queue;
    uint64_t now = sim_now_ms(m->t->sim);
    const char *what = crash_rules_length(m, q, m->look_order, m->look_count);
    if (what)
        finding(m, "%s %s", crash_queue_names[q], what);
    for (uint64_t i = 0; i < m->count; i++) {
        struct crash_message *x = &m->messages[i];
        struct crash_copy *c = &x->copies[q];
        if (!(x->queues & 1u << q))
            continue;
        if (!m->found[i] && crash_rules_has_time(q, x, now) && must_be_there(m, q, c))
            finding(m, "m%llu of %s is lost", (unsigned long long)i, crash_queue_names[q]);
        note_txs(m, q, x, m->found[i]);
        c->settle_tx = 0;
        c->may_be_gone = false;
        if (m->found[i]) {
            c->is_sure = c->was_given = true;
            crash_rules_returned(q, c, true); /* when who looks goes */
        } else {
            c->is_gone = true;
        }
    }
    m->is_unsafe[q] = false;
    m->was_asked[q] = true;
    m->look_queue = -1;
    if (m->findings > 0 && !m->on_finding)
        trial_fail(m->t, "%llu findings", (unsigned long long)m->findings);
}

void
crash_look_txs(struct crash_model *m)
{
    for (uint32_t i = 0; i < m->tx_count; i++)
        for (int k = 0; m->txs[i].is_undecided && k < CRASH_QUEUES; k++)
            if (m->txs[i].looks[k] == (CRASH_TX_SEEN | CRASH_TX_MISSED)) {
                finding(m, "transaction %u was done in part on shard %d", i + 1, k);
                m->txs[i].looks[k] = 0;
            }
}
