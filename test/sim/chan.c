/*
 * See chan.h. Three logs in the order of sending: questions, publishes, settlements. An answer to a question
 * proves that what was sent before it on the channel has been handled, so it closes the logs up to the marks
 * taken when it was asked. In a transaction only commit-ok does.
 */
#include "chan.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- troubles ---- */

void
troubles_add(struct troubles *all, int queue, bool lossy)
{
    if (queue < 0)
        return;
    CHECK(all->count < TROUBLES_MAX);
    model_trouble_begin(all->model, queue, lossy);
    uint64_t until = sim_now_ms(all->model->t->sim) + TROUBLE_LINGER_MS;
    all->items[all->count++] = (struct trouble){.queue = queue, .lossy = lossy, .until_ms = until};
}

void
troubles_tend(struct troubles *all, bool calm)
{
    uint64_t now = sim_now_ms(all->model->t->sim);
    for (unsigned i = 0; i < all->count; i++) {
        struct trouble *x = &all->items[i];
        if (!calm && x->until_ms <= now)
            x->until_ms = now + TROUBLE_LINGER_MS;
        if (x->until_ms > now)
            continue;
        model_trouble_end(all->model, x->queue, x->lossy);
        *x = all->items[--all->count];
        i--;
    }
}

/* ---- asking ---- */

static bool
is_recovering(const struct chan *c)
{
    for (unsigned i = 0; i < c->ask_count; i++)
        if (c->asks[i].method == AMQP_BASIC_RECOVER)
            return true;
    return false;
}

/* What the broker has sent may come back to the queue before this client has seen it. */
static void
open_troubles(struct chan *c)
{
    for (unsigned i = 0; i < CHAN_CONSUMERS_MAX; i++) {
        struct chan_consumer *x = &c->consumers[i];
        if (x->state != CONSUMER_NONE && !x->is_troubled && c->doubt != DOUBT_NONE)
            troubles_add(c->troubles, x->queue, x->no_ack);
        x->is_troubled = c->doubt != DOUBT_NONE;
    }
    for (unsigned i = 0; i < c->ask_count; i++) {
        struct chan_ask *a = &c->asks[i];
        if (a->method == AMQP_BASIC_GET && !a->is_troubled && c->doubt != DOUBT_NONE)
            troubles_add(c->troubles, a->queue, a->no_ack);
        a->is_troubled = c->doubt != DOUBT_NONE;
    }
}

void
chan_doubt(struct chan *c, bool connection_closes)
{
    bool may_fail = c->expected_code != 0;
    for (unsigned i = 0; i < c->ask_count; i++)
        may_fail |= c->asks[i].may_fail_with != 0;
    bool closes = connection_closes || c->state == CHAN_CLOSING || is_recovering(c);
    may_fail = may_fail || (closes && c->mode == CHAN_TX); /* acks of an open transaction end with it */
    c->doubt = may_fail ? DOUBT_FAILING : closes ? DOUBT_CLOSING : DOUBT_NONE;
    model_set_doubt(c->model, c->epoch, c->doubt);
    open_troubles(c);
}

void
chan_open(struct chan *c, struct sim_session *s, uint16_t number, uint32_t epoch, enum chan_mode mode)
{
    CHECK(c->state == CHAN_NONE);
    c->session = s;
    c->number = number;
    c->epoch = epoch;
    c->mode = mode;
    c->state = CHAN_OPENING;
    c->next_tag = 1;
    struct amqp_channel_open m = {0};
    (void)chan_ask(c, &(struct chan_ask){.method = AMQP_CHANNEL_OPEN, .queue = -1}, &m);
    if (mode == CHAN_CONFIRM) {
        struct amqp_confirm_select select = {0};
        (void)chan_ask(c, &(struct chan_ask){.method = AMQP_CONFIRM_SELECT, .queue = -1}, &select);
    } else if (mode == CHAN_TX) {
        (void)chan_ask(c, &(struct chan_ask){.method = AMQP_TX_SELECT, .queue = -1}, NULL);
    }
}

bool
chan_ask(struct chan *c, const struct chan_ask *ask, const void *fields)
{
    if (c->ask_count == CHAN_ASKS_MAX)
        return false;
    struct chan_ask *a = &c->asks[c->ask_count++];
    *a = *ask;
    bool in_tx = c->mode == CHAN_TX;
    a->settled = in_tx ? c->tx_settles : c->settle_count;
    a->published = in_tx ? c->tx_published : c->publish_count;
    chan_doubt(c, false);
    trial_say(c->t, "channel %u asks %s %s", c->epoch, amqp_method_by_id(ask->method)->name, ask->queue_name);
    sim_session_send(c->session, c->number, ask->method, fields);
    return true;
}

void
chan_publish(struct chan *c, const char *exchange, const char *key, uint8_t queues, bool elsewhere,
             bool mandatory)
{
    struct buffer properties = {0}, body = {0};
    uint64_t number =
        model_publish(c->model, c->epoch, exchange, key, queues, elsewhere, mandatory, &properties, &body);
    if (c->publish_count == c->publish_capacity) {
        c->publish_capacity = c->publish_capacity ? c->publish_capacity * 2 : 64;
        c->published = realloc(c->published, c->publish_capacity * sizeof *c->published);
        c->confirmed = realloc(c->confirmed, c->publish_capacity * sizeof *c->confirmed);
        CHECK(c->published && c->confirmed);
    }
    c->published[c->publish_count] = number;
    c->confirmed[c->publish_count++] = false;
    if (c->mode == CHAN_TX)
        model_message(c->model, number)->outcome = OUTCOME_IN_TX;
    struct amqp_basic_publish m = {
        .exchange = slice_str(exchange), .routing_key = slice_str(key), .mandatory = mandatory};
    trial_say(c->t, "channel %u publishes m%llu to '%s' '%s' mask %x, %zu bytes", c->epoch,
              (unsigned long long)number, exchange, key, queues, body.len);
    uint32_t piece = trial_chance(c->t, 4) ? 1 + (uint32_t)trial_random(c->t, 5000) : 0;
    if (piece < body.len / 200)
        piece = 0;
    sim_session_publish(c->session, c->number, &m, buffer_slice(&properties), buffer_slice(&body), piece);
    buffer_fini(&properties);
    buffer_fini(&body);
}

void
chan_consume(struct chan *c, int queue, const char *queue_name, bool no_ack, uint16_t may_fail_with)
{
    unsigned i = 0;
    /* What a canceled consumer got still counts for it; a rollback may give it back. */
    while (i < CHAN_CONSUMERS_MAX && (c->consumers[i].state != CONSUMER_NONE || c->consumers[i].outstanding ||
                                      (c->mode == CHAN_TX && c->consumers[i].tag[0])))
        i++;
    if (i == CHAN_CONSUMERS_MAX || c->ask_count == CHAN_ASKS_MAX)
        return;
    struct chan_consumer *x = &c->consumers[i];
    free(x->seen);
    *x = (struct chan_consumer){
        .state = CONSUMER_ASKED, .queue = queue, .no_ack = no_ack, .prefetch = no_ack ? 0 : c->prefetch};
    snprintf(x->queue_name, sizeof x->queue_name, "%s", queue_name);
    snprintf(x->tag, sizeof x->tag, "c%u-%llu", c->epoch, (unsigned long long)c->next_consumer++);
    x->has_shared_limit = queue >= 0 && c->global_prefetch;
    if (x->has_shared_limit)
        c->model->queues[queue].shared_limits++;
    struct amqp_basic_consume m = {
        .queue = slice_str(queue_name), .consumer_tag = slice_str(x->tag), .no_ack = no_ack};
    struct chan_ask ask = {
        .method = AMQP_BASIC_CONSUME, .queue = -1, .consumer = (int)i, .may_fail_with = may_fail_with};
    (void)chan_ask(c, &ask, &m);
}

void
chan_cancel(struct chan *c, unsigned consumer)
{
    struct chan_consumer *x = &c->consumers[consumer];
    if (x->state != CONSUMER_ON || c->ask_count == CHAN_ASKS_MAX)
        return;
    x->state = CONSUMER_CANCELING;
    model_trouble_begin(c->model, x->queue, false);
    struct amqp_basic_cancel m = {.consumer_tag = slice_str(x->tag)};
    (void)chan_ask(c, &(struct chan_ask){.method = AMQP_BASIC_CANCEL, .queue = -1, .consumer = (int)consumer},
                   &m);
}

void
chan_get(struct chan *c, int queue, const char *queue_name, bool no_ack, uint16_t may_fail_with)
{
    struct amqp_basic_get m = {.queue = slice_str(queue_name), .no_ack = no_ack};
    struct chan_ask ask = {.method = AMQP_BASIC_GET,
                           .queue = queue,
                           .consumer = -1,
                           .no_ack = no_ack,
                           .may_fail_with = may_fail_with};
    snprintf(ask.queue_name, sizeof ask.queue_name, "%s", queue_name);
    (void)chan_ask(c, &ask, &m);
}

void
chan_purge(struct chan *c, int queue, const char *queue_name)
{
    struct amqp_queue_purge m = {.queue = slice_str(queue_name)};
    struct chan_ask ask = {.method = AMQP_QUEUE_PURGE, .queue = queue};
    if (chan_ask(c, &ask, &m))
        model_trouble_begin(c->model, queue, true);
}

/* ---- settling ---- */

static void
held_insert(struct chan *c, const struct chan_held *h)
{
    if (c->held_count == c->held_capacity) {
        c->held_capacity = c->held_capacity ? c->held_capacity * 2 : 16;
        c->held = realloc(c->held, c->held_capacity * sizeof *c->held);
        CHECK(c->held);
    }
    size_t i = c->held_count++;
    for (; i > 0 && c->held[i - 1].tag > h->tag; i--)
        c->held[i] = c->held[i - 1];
    c->held[i] = *h;
}

static void
count_outstanding(struct chan *c, const struct chan_held *h, int by)
{
    if (h->consumer < 0)
        return;
    c->consumers[h->consumer].outstanding += (unsigned)by;
    c->global_outstanding += (unsigned)by;
}

static void
settle_one(struct chan *c, const struct chan_held *h, enum chan_settle how)
{
    count_outstanding(c, h, -1);
    if (how == CHAN_REQUEUE) {
        model_requeue(c->model, h->queue, h->number, c->epoch);
        return;
    }
    model_settling(c->model, h->queue, h->number, c->epoch);
    if (c->settle_count == c->settle_capacity) {
        c->settle_capacity = c->settle_capacity ? c->settle_capacity * 2 : 16;
        c->settles = realloc(c->settles, c->settle_capacity * sizeof *c->settles);
        CHECK(c->settles);
    }
    c->settles[c->settle_count++] = *h;
}

void
chan_settle(struct chan *c, size_t i, bool multiple, enum chan_settle how)
{
    CHECK(i < c->held_count);
    if (is_recovering(c))
        return; /* what it holds may have been given back already: its tag would be unknown */
    uint64_t tag = c->held[i].tag;
    size_t from = multiple ? 0 : i;
    for (size_t k = from; k <= i; k++)
        settle_one(c, &c->held[k], how);
    memmove(c->held + from, c->held + i + 1, (c->held_count - i - 1) * sizeof *c->held);
    c->held_count -= i - from + 1;
    trial_say(c->t, "channel %u settles %llu%s: %s", c->epoch, (unsigned long long)tag,
              multiple ? " and before" : "",
              how == CHAN_ACK      ? "ack"
              : how == CHAN_REJECT ? "reject"
                                   : "requeue");
    if (how == CHAN_ACK) {
        struct amqp_basic_ack m = {.delivery_tag = tag, .multiple = multiple};
        sim_session_send(c->session, c->number, AMQP_BASIC_ACK, &m);
    } else if (multiple || trial_chance(c->t, 2)) {
        struct amqp_basic_nack m = {
            .delivery_tag = tag, .multiple = multiple, .requeue = how == CHAN_REQUEUE};
        sim_session_send(c->session, c->number, AMQP_BASIC_NACK, &m);
    } else {
        struct amqp_basic_reject m = {.delivery_tag = tag, .requeue = how == CHAN_REQUEUE};
        sim_session_send(c->session, c->number, AMQP_BASIC_REJECT, &m);
    }
}

static void
release_held(struct chan *c)
{
    for (size_t i = 0; i < c->held_count; i++) {
        count_outstanding(c, &c->held[i], -1);
        model_requeue(c->model, c->held[i].queue, c->held[i].number, c->epoch);
    }
    c->held_count = 0;
}

void
chan_recover(struct chan *c)
{
    struct amqp_basic_recover m = {.requeue = true};
    if (c->mode == CHAN_TX)
        return;
    if (chan_ask(c, &(struct chan_ask){.method = AMQP_BASIC_RECOVER, .queue = -1}, &m))
        release_held(c);
}

void
chan_commit(struct chan *c)
{
    if (c->ask_count == CHAN_ASKS_MAX)
        return;
    for (size_t i = c->tx_published; i < c->publish_count; i++)
        model_message(c->model, c->published[i])->outcome = OUTCOME_UNKNOWN;
    c->tx_published = c->publish_count;
    c->tx_settles = c->settle_count;
    (void)chan_ask(c, &(struct chan_ask){.method = AMQP_TX_COMMIT, .queue = -1}, NULL);
}

/* As if it had happened already: what comes behind it is handled behind it. */
static void
undo_tx(struct chan *c, bool keep_held)
{
    for (size_t i = c->tx_published; i < c->publish_count; i++)
        model_message(c->model, c->published[i])->outcome = OUTCOME_ROLLED_BACK;
    c->publish_count = c->tx_published;
    for (size_t i = c->tx_settles; i < c->settle_count; i++) {
        const struct chan_held *h = &c->settles[i];
        if (keep_held) {
            held_insert(c, h);
            count_outstanding(c, h, 1);
            model_hold_again(c->model, h->queue, h->number, c->epoch);
        } else {
            model_requeue(c->model, h->queue, h->number, c->epoch);
        }
    }
    c->settle_count = c->tx_settles;
}

void
chan_rollback(struct chan *c)
{
    if (c->ask_count == CHAN_ASKS_MAX)
        return;
    undo_tx(c, true);
    (void)chan_ask(c, &(struct chan_ask){.method = AMQP_TX_ROLLBACK, .queue = -1}, NULL);
}

void
chan_close(struct chan *c)
{
    if (c->state != CHAN_OPEN || c->ask_count == CHAN_ASKS_MAX)
        return;
    c->state = CHAN_CLOSING;
    struct amqp_channel_close m = {.reply_code = AMQP_REPLY_SUCCESS};
    (void)chan_ask(c, &(struct chan_ask){.method = AMQP_CHANNEL_CLOSE, .queue = -1}, &m);
}

/* ---- what comes ---- */

static void
done_up_to(struct chan *c, size_t settled, size_t published)
{
    for (; c->settled_done < settled; c->settled_done++)
        model_settled(c->model, c->settles[c->settled_done].queue, c->settles[c->settled_done].number,
                      c->epoch);
    for (; c->published_done < published; c->published_done++) {
        uint64_t number = c->published[c->published_done];
        const struct model_message *x = model_message(c->model, number);
        if (x->is_mandatory && x->queues == 0 && !x->may_route_elsewhere)
            TRIAL_EXPECT(c->t, x->was_returned, "m%llu is mandatory, goes nowhere and was not returned",
                         (unsigned long long)number);
        model_done(c->model, number);
    }
}

static void
check_order(struct chan *c, struct chan_consumer *x, uint64_t number)
{
    uint32_t publisher = model_message(c->model, number)->publisher;
    const struct model_queue *q = &c->model->queues[x->queue];
    for (size_t i = 0; i < x->seen_count; i++) {
        struct chan_seen *s = &x->seen[i];
        if (s->publisher != publisher)
            continue;
        if (q->troubles == 0 && number >= q->orderly_from && !q->shared_limits && number >= q->ordered_from)
            TRIAL_EXPECT(c->t, s->number < number, "consumer %s of %s: m%llu after m%llu", x->tag, q->name,
                         (unsigned long long)number, (unsigned long long)s->number);
        if (number > s->number)
            s->number = number;
        return;
    }
    x->seen = realloc(x->seen, (x->seen_count + 1) * sizeof *x->seen);
    CHECK(x->seen);
    x->seen[x->seen_count++] = (struct chan_seen){.publisher = publisher, .number = number};
}

static struct chan_consumer *
consumer_by_tag(struct chan *c, struct slice tag)
{
    for (unsigned i = 0; i < CHAN_CONSUMERS_MAX; i++)
        if (c->consumers[i].state != CONSUMER_NONE && slice_eq_str(tag, c->consumers[i].tag))
            return &c->consumers[i];
    return NULL;
}

static void
check_prefetch(struct chan *c, const struct chan_consumer *x)
{
    TRIAL_EXPECT(c->t, !x->prefetch || x->outstanding <= x->prefetch,
                 "consumer %s has %u deliveries, prefetch %u", x->tag, x->outstanding, x->prefetch);
    TRIAL_EXPECT(c->t, !c->global_prefetch || c->global_outstanding <= c->global_prefetch,
                 "channel %u has %u deliveries, global prefetch %u", c->epoch, c->global_outstanding,
                 c->global_prefetch);
}

static void
on_deliver(struct chan *c, const struct sim_session_event *e)
{
    const struct amqp_basic_deliver *m = &e->fields->basic_deliver;
    struct chan_consumer *x = consumer_by_tag(c, m->consumer_tag);
    TRIAL_EXPECT(c->t, x && x->state != CONSUMER_ASKED, "channel %u: a delivery for consumer '%.*s'",
                 c->epoch, SLICE_FMT(m->consumer_tag));
    TRIAL_EXPECT(c->t, m->delivery_tag == c->next_tag, "channel %u: delivery tag %llu instead of %llu",
                 c->epoch, (unsigned long long)m->delivery_tag, (unsigned long long)c->next_tag);
    c->next_tag++;
    struct model_delivery d = {.queue = x->queue,
                               .queue_name = slice_str(x->queue_name),
                               .holder = c->epoch,
                               .no_ack = x->no_ack,
                               .redelivered = m->redelivered,
                               .exchange = m->exchange,
                               .key = m->routing_key,
                               .properties = e->properties,
                               .body = e->body};
    uint64_t number = model_deliver(c->model, &d);
    trial_say(c->t, "channel %u consumer %s gets m%llu of %s tag %llu%s", c->epoch, x->tag,
              (unsigned long long)number, x->queue_name, (unsigned long long)m->delivery_tag,
              m->redelivered ? " redelivered" : "");
    if (!m->redelivered && x->queue >= 0)
        check_order(c, x, number);
    if (x->no_ack)
        return;
    struct chan_held h = {.tag = m->delivery_tag, .number = number, .queue = x->queue};
    h.consumer = (int)(x - c->consumers);
    held_insert(c, &h);
    count_outstanding(c, &h, 1);
    check_prefetch(c, x);
}

static void
on_get_ok(struct chan *c, const struct chan_ask *a, const struct sim_session_event *e)
{
    const struct amqp_basic_get_ok *m = &e->fields->basic_get_ok;
    TRIAL_EXPECT(c->t, m->delivery_tag == c->next_tag,
                 "channel %u: get gives delivery tag %llu instead of %llu", c->epoch,
                 (unsigned long long)m->delivery_tag, (unsigned long long)c->next_tag);
    c->next_tag++;
    struct model_delivery d = {.queue = a->queue,
                               .queue_name = slice_str(a->queue_name),
                               .holder = c->epoch,
                               .no_ack = a->no_ack,
                               .redelivered = m->redelivered,
                               .exchange = m->exchange,
                               .key = m->routing_key,
                               .properties = e->properties,
                               .body = e->body};
    uint64_t number = model_deliver(c->model, &d);
    trial_say(c->t, "channel %u gets m%llu of %s tag %llu%s", c->epoch, (unsigned long long)number,
              a->queue_name, (unsigned long long)m->delivery_tag, m->redelivered ? " redelivered" : "");
    struct chan_held h = {.tag = m->delivery_tag, .number = number, .queue = a->queue, .consumer = -1};
    if (!a->no_ack)
        held_insert(c, &h);
}

static void
on_return(struct chan *c, const struct sim_session_event *e)
{
    const struct amqp_basic_return *m = &e->fields->basic_return;
    uint64_t number = model_identify(c->model, m->exchange, m->routing_key, e->properties, e->body);
    struct model_message *x = model_message(c->model, number);
    TRIAL_EXPECT(c->t, m->reply_code == AMQP_REPLY_NO_ROUTE, "m%llu returned with code %u",
                 (unsigned long long)number, m->reply_code);
    TRIAL_EXPECT(c->t, x->is_mandatory && x->queues == 0 && !x->was_returned && x->publisher == c->epoch,
                 "m%llu was returned for no reason", (unsigned long long)number);
    x->was_returned = true;
}

static void
on_confirm(struct chan *c, uint64_t tag, bool multiple)
{
    TRIAL_EXPECT(c->t, c->mode == CHAN_CONFIRM && tag >= 1 && tag <= c->publish_count,
                 "channel %u: confirm of publish %llu, %zu were sent", c->epoch, (unsigned long long)tag,
                 c->publish_count);
    TRIAL_EXPECT(c->t, !c->confirmed[tag - 1], "channel %u: publish %llu is confirmed twice", c->epoch,
                 (unsigned long long)tag);
    for (uint64_t i = multiple ? 0 : tag - 1; i < tag; i++) {
        if (c->confirmed[i])
            continue;
        c->confirmed[i] = true;
        c->confirm_count++;
        const struct model_message *x = model_message(c->model, c->published[i]);
        if (x->is_mandatory && x->queues == 0 && !x->may_route_elsewhere)
            TRIAL_EXPECT(c->t, x->was_returned, "channel %u: publish %llu is confirmed before its return",
                         c->epoch, (unsigned long long)i + 1);
        model_done(c->model, c->published[i]);
    }
}

static void
on_server_close(struct chan *c, const struct amqp_channel_close *m)
{
    trial_say(c->t, "channel %u closed: %u %.*s", c->epoch, m->reply_code, SLICE_FMT(m->reply_text));
    bool expected = c->expected_code == m->reply_code;
    for (unsigned i = 0; i < c->ask_count; i++)
        expected = expected || c->asks[i].may_fail_with == m->reply_code;
    TRIAL_EXPECT(c->t, expected, "channel %u was closed: %u %.*s", c->epoch, m->reply_code,
                 SLICE_FMT(m->reply_text));
    bool was_closing = c->state == CHAN_CLOSING;
    chan_ended(c, false);
    if (was_closing) { /* both closed: our close-ok answers theirs, and theirs will answer ours */
        c->state = CHAN_CLOSING;
        c->asks[c->ask_count++] = (struct chan_ask){.method = AMQP_CHANNEL_CLOSE, .queue = -1};
    }
}

static void
end_shared_limit(struct chan *c, struct chan_consumer *x)
{
    if (!x->has_shared_limit)
        return;
    x->has_shared_limit = false;
    c->model->queues[x->queue].shared_limits--;
    c->model->queues[x->queue].ordered_from = c->model->count;
}

static void
on_consumer_reply(struct chan *c, const struct chan_ask *a)
{
    struct chan_consumer *x = &c->consumers[a->consumer];
    if (a->method == AMQP_BASIC_CONSUME && x->state == CONSUMER_ASKED)
        x->state = CONSUMER_ON;
    if (a->method != AMQP_BASIC_CANCEL || x->state != CONSUMER_CANCELING)
        return;
    x->state = CONSUMER_NONE;
    end_shared_limit(c, x);
    troubles_add(c->troubles, x->queue, false);
    model_trouble_end(c->model, x->queue, false);
}

static bool
answers(uint32_t method, uint32_t reply)
{
    if (method == AMQP_BASIC_GET)
        return reply == AMQP_BASIC_GET_OK || reply == AMQP_BASIC_GET_EMPTY;
    if (method == AMQP_EXCHANGE_UNBIND)
        return reply == AMQP_EXCHANGE_UNBIND_OK;
    return reply == method + 1;
}

static void
on_reply(struct chan *c, const struct sim_session_event *e)
{
    TRIAL_EXPECT(c->t, c->ask_count > 0, "channel %u: %s, nothing was asked", c->epoch, e->method->name);
    struct chan_ask a = c->asks[0];
    TRIAL_EXPECT(c->t, answers(a.method, e->id), "channel %u: %s answers %s", c->epoch, e->method->name,
                 amqp_method_by_id(a.method)->name);
    trial_say(c->t, "channel %u: %s", c->epoch, e->method->name);
    c->ask_count--;
    memmove(c->asks, c->asks + 1, c->ask_count * sizeof *c->asks);
    if (sim_session_state(c->session) == SIM_SESSION_OPEN)
        chan_doubt(c, false);
    done_up_to(c, a.settled, a.published);
    switch (e->id) {
    case AMQP_CHANNEL_OPEN_OK: c->state = CHAN_OPEN; break;
    case AMQP_CHANNEL_CLOSE_OK: chan_ended(c, true); break;
    case AMQP_BASIC_CONSUME_OK:
    case AMQP_BASIC_CANCEL_OK: on_consumer_reply(c, &a); break;
    case AMQP_BASIC_RECOVER_OK: release_held(c); break; /* deliveries that crossed it */
    case AMQP_BASIC_GET_OK: on_get_ok(c, &a, e); break;
    case AMQP_QUEUE_PURGE_OK: model_trouble_end(c->model, a.queue, true); break;
    case AMQP_QUEUE_DECLARE_OK:
        if (e->fields->queue_declare_ok.queue.len < sizeof c->last_queue)
            snprintf(c->last_queue, sizeof c->last_queue, "%.*s",
                     SLICE_FMT(e->fields->queue_declare_ok.queue));
        break;
    default: break;
    }
}

void
chan_on_method(struct chan *c, const struct sim_session_event *e)
{
    TRIAL_EXPECT(c->t, c->state != CHAN_NONE, "%s on a channel that is closed", e->method->name);
    switch (e->id) {
    case AMQP_BASIC_DELIVER: on_deliver(c, e); break;
    case AMQP_BASIC_RETURN: on_return(c, e); break;
    case AMQP_BASIC_ACK:
        on_confirm(c, e->fields->basic_ack.delivery_tag, e->fields->basic_ack.multiple);
        break;
    case AMQP_BASIC_NACK: trial_fail(c->t, "channel %u: a publish was refused", c->epoch);
    case AMQP_CHANNEL_CLOSE: on_server_close(c, &e->fields->channel_close); break;
    case AMQP_BASIC_CANCEL: {
        struct chan_consumer *x = consumer_by_tag(c, e->fields->basic_cancel.consumer_tag);
        TRIAL_EXPECT(c->t, x && x->queue < 0, "consumer '%.*s' was canceled",
                     SLICE_FMT(e->fields->basic_cancel.consumer_tag));
        if (x->state == CONSUMER_ON) /* else its cancel-ok is still to come */
            x->state = CONSUMER_NONE;
        break;
    }
    default: on_reply(c, e);
    }
}

/* ---- the end ---- */

static void
end_asks(struct chan *c)
{
    for (unsigned i = 0; i < c->ask_count; i++) {
        const struct chan_ask *a = &c->asks[i];
        if (a->method == AMQP_BASIC_GET)
            troubles_add(c->troubles, a->queue, a->no_ack);
        if (a->method == AMQP_QUEUE_PURGE && a->queue >= 0) {
            troubles_add(c->troubles, a->queue, true);
            model_trouble_end(c->model, a->queue, true);
        }
    }
    c->ask_count = 0;
}

static void
end_consumers(struct chan *c)
{
    for (unsigned i = 0; i < CHAN_CONSUMERS_MAX; i++) {
        struct chan_consumer *x = &c->consumers[i];
        if (x->state != CONSUMER_NONE)
            troubles_add(c->troubles, x->queue, x->no_ack);
        if (x->state == CONSUMER_CANCELING)
            model_trouble_end(c->model, x->queue, false);
        end_shared_limit(c, x);
        free(x->seen);
        *x = (struct chan_consumer){0};
    }
}

void
chan_ended(struct chan *c, bool politely)
{
    if (c->state == CHAN_NONE)
        return;
    trial_say(c->t, "channel %u ends%s", c->epoch, politely ? " politely" : "");
    if (c->mode == CHAN_TX)
        undo_tx(c, false);
    if (politely)
        done_up_to(c, c->settle_count, c->publish_count);
    for (; c->settled_done < c->settle_count; c->settled_done++)
        model_unsettled(c->model, c->settles[c->settled_done].queue, c->settles[c->settled_done].number,
                        c->epoch);
    release_held(c);
    end_asks(c);
    end_consumers(c);
    c->state = CHAN_NONE;
    c->doubt = DOUBT_NONE;
    c->settle_count = c->settled_done = c->tx_settles = 0;
    c->publish_count = c->published_done = c->tx_published = c->confirm_count = 0;
    c->prefetch = c->global_prefetch = c->global_outstanding = 0;
    c->expected_code = 0;
    c->last_queue[0] = 0;
}

void
chan_fini(struct chan *c)
{
    for (unsigned i = 0; i < CHAN_CONSUMERS_MAX; i++)
        free(c->consumers[i].seen);
    free(c->held);
    free(c->settles);
    free(c->published);
    free(c->confirmed);
}
