/* See crash_client.h. Answers come in the order of the questions; confirms and deliveries in between. */
#include "crash_client.h"

#include "base/check.h"
#include "crash_rules.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLIENT_BURST = 8, CLIENT_BIG_BODY = (1 << 20) + 5000, CLIENT_DEEP_BODY = 40000, CLIENT_PREFETCH = 30 };

#define Q(i) (1u << (i))
static const struct route {
    const char *exchange, *key;
    uint32_t queues;
} routes[] = {
    {"", "cq0", Q(0)},
    {"", "cq1", Q(1)},
    {"", "cq2", Q(2)},
    {"", "cq3", Q(3)},
    {"", "cq4", Q(4)},
    {"", "cq5", Q(5)},
    {"", "fleeting", Q(CRASH_FLEETING)},
    {"", "nowhere", 0},
    {"cx.fanout", "", Q(1) | Q(2) | Q(3) | Q(CRASH_FLEETING)},
    {"cx.fanout", "x", Q(1) | Q(2) | Q(3) | Q(CRASH_FLEETING)},
    {"cx.direct", "k", Q(4) | Q(5)},
    {"cx.recent", "", Q(CRASH_FLEETING)},
    {"", "coming", Q(CRASH_COMING)}, /* the owner's alone */
};
enum { ROUTES = sizeof routes / sizeof *routes - 1 };

/* To queues with rules. The first one is nothing for transactions, which are not told of a refusal; the last
 * two are the owner's alone. */
static const struct route ruled_routes[] = {
    {"", "cq.full", Q(CRASH_FULL)},   {"", "cq.ranked", Q(CRASH_RANKED)},
    {"", "cq.timed", Q(CRASH_TIMED)}, {"cx.ruled", "", Q(CRASH_RANKED) | Q(CRASH_TIMED)},
    {"", "cq.short", Q(CRASH_SHORT)}, {"", "cq.counted", Q(CRASH_COUNTED)},
};
enum { RULED_ROUTES = sizeof ruled_routes / sizeof *ruled_routes };

static const struct route deep_routes[] = {{"", "cq5", Q(5)}, {"cx.direct", "k", Q(4) | Q(5)}};

/* Room for one more. */
#define GROW(items, count, capacity)                                                                         \
    do {                                                                                                     \
        if ((count) == (capacity)) {                                                                         \
            (capacity) = (capacity) ? (capacity)*2 : 64;                                                     \
            (items) = realloc((items), (capacity) * sizeof *(items));                                        \
            CHECK(items);                                                                                    \
        }                                                                                                    \
    } while (0)

/* ---- asking ---- */

static bool
ask(struct crash_client *c, const struct crash_ask *a, const void *fields)
{
    if (c->ask_count == CRASH_ASKS_MAX)
        return false;
    struct crash_ask *to = &c->asks[(c->ask_first + c->ask_count++) % CRASH_ASKS_MAX];
    *to = *a;
    to->settles = c->settle_count;
    to->before = c->place->model->count;
    trial_say(c->place->t, "channel %u asks %s %s", c->channel, amqp_method_by_id(a->method)->name,
              a->queue >= 0 ? crash_queue_names[a->queue] : "");
    sim_session_send(c->session, 1, a->method, fields);
    return true;
}

static uint32_t
size_of_body(const struct crash_place *p)
{
    if (p->bodies_max && trial_chance(p->t, p->bodies_max))
        return CLIENT_BIG_BODY;
    if (p->is_deep)
        return 2000 + (uint32_t)trial_random(p->t, CLIENT_DEEP_BODY);
    if (trial_chance(p->t, 30))
        return (uint32_t)trial_random(p->t, 20000);
    return content_body_size(p->t) % 9000;
}

static void
publish(struct crash_client *c, const struct route *r)
{
    struct crash_place *p = c->place;
    struct trial *t = p->t;
    struct buffer properties = {0}, body = {0};
    uint32_t size = size_of_body(p);
    bool is_persistent = r->queues & Q(CRASH_SHORT) || !trial_chance(t, 5);
    uint64_t number = crash_model_publish(p->model, c->channel, c->tx, r->exchange, r->key, r->queues,
                                          is_persistent, size, &properties, &body);
    trial_say(t, "channel %u publishes m%llu (%s, tx %u) to '%s' '%s', %u bytes, priority %u", c->channel,
              (unsigned long long)number, is_persistent ? "persistent" : "transient", c->tx, r->exchange,
              r->key, size, p->model->messages[number].content.priority);
    struct amqp_basic_publish m = {.exchange = slice_str(r->exchange), .routing_key = slice_str(r->key)};
    sim_session_publish(c->session, 1, &m, buffer_slice(&properties), buffer_slice(&body), 0);
    buffer_fini(&properties);
    buffer_fini(&body);
    t->operations++;
    if (c->is_tx)
        return;
    if (c->sent_count == c->sent_capacity) {
        c->answered = realloc(c->answered, c->sent_capacity ? c->sent_capacity * 2 : 64);
        CHECK(c->answered);
    }
    GROW(c->sent, c->sent_count, c->sent_capacity);
    c->answered[c->sent_count] = false;
    c->sent[c->sent_count++] = number;
    c->unanswered++;
}

/* ---- settling ---- */

static void
note_settle(struct crash_client *c, const struct crash_held *h)
{
    crash_model_settle(c->place->model, h->queue, h->number, c->is_tx ? c->tx : 0);
    if (c->is_tx) {
        GROW(c->in_tx, c->in_tx_count, c->in_tx_capacity);
        c->in_tx[c->in_tx_count++] = *h;
        return;
    }
    GROW(c->settles, c->settle_count, c->settle_capacity);
    c->settles[c->settle_count++] = (struct crash_settle){.number = h->number, .queue = h->queue};
}

static void
settle(struct crash_client *c)
{
    struct trial *t = c->place->t;
    size_t i = trial_chance(t, 2) ? 0 : trial_random(t, c->held_count);
    bool is_counted = c->held[i].queue == CRASH_COUNTED, multiple = trial_chance(t, 4);
    bool requeue = is_counted ? !trial_chance(t, 4) : !c->is_tx && trial_chance(t, 6);
    uint64_t tag = c->held[i].tag;
    size_t from = multiple ? 0 : i;
    trial_say(t, "channel %u %s %llu%s (m%llu of %s)", c->channel, requeue ? "requeues" : "acks",
              (unsigned long long)tag, multiple ? " and before" : "", (unsigned long long)c->held[i].number,
              crash_queue_names[c->held[i].queue]);
    for (size_t k = from; k <= i; k++) {
        if (requeue)
            crash_model_requeue(c->place->model, c->held[k].queue, c->held[k].number);
        else
            note_settle(c, &c->held[k]);
    }
    memmove(c->held + from, c->held + i + 1, (c->held_count - i - 1) * sizeof *c->held);
    c->held_count -= i - from + 1;
    if (requeue || (!c->is_tx && trial_chance(t, 8))) {
        struct amqp_basic_nack m = {.delivery_tag = tag, .multiple = multiple, .requeue = requeue};
        sim_session_send(c->session, 1, AMQP_BASIC_NACK, &m);
    } else {
        struct amqp_basic_ack m = {.delivery_tag = tag, .multiple = multiple};
        sim_session_send(c->session, 1, AMQP_BASIC_ACK, &m);
    }
    t->operations++;
}

/* The question behind them is answered, so the queue's acks before it have been handled. */
static void
settles_handled(struct crash_client *c, int queue, size_t before)
{
    for (size_t i = 0; i < before; i++) {
        struct crash_settle *s = &c->settles[i];
        if (s->queue != queue || s->is_handled)
            continue;
        s->is_handled = true;
        crash_model_handled(c->place->model, queue, s->number);
    }
}

static void
held_insert(struct crash_client *c, const struct crash_held *h)
{
    GROW(c->held, c->held_count, c->held_capacity);
    size_t i = c->held_count++;
    for (; i > 0 && c->held[i - 1].tag > h->tag; i--)
        c->held[i] = c->held[i - 1];
    c->held[i] = *h;
}

/* ---- operations ---- */

/* To consume or get from. */
static int
choose_queue(struct crash_client *c)
{
    struct trial *t = c->place->t;
    static const int ruled[] = {CRASH_RANKED, CRASH_TIMED, CRASH_COUNTED};
    if (trial_chance(t, c->place->is_ruled ? 1 : 4))
        return ruled[trial_random(t, c->is_owner ? 3 : 2)];
    return (int)trial_random(t, CRASH_STANDING - 1);
}

static void
consume(struct crash_client *c, int queue)
{
    struct trial *t = c->place->t;
    char tag[16];
    unsigned i = 0;
    while (i < CRASH_CONSUMERS_MAX && c->consumers[i] >= 0)
        i++;
    if (i == CRASH_CONSUMERS_MAX || c->ask_count == CRASH_ASKS_MAX)
        return;
    bool no_ack = queue == CRASH_NO_ACK && trial_chance(t, 2);
    snprintf(tag, sizeof tag, "c%u", i);
    struct amqp_basic_consume m = {
        .queue = slice_str(crash_queue_names[queue]), .consumer_tag = slice_str(tag), .no_ack = no_ack};
    (void)ask(c, &(struct crash_ask){.method = AMQP_BASIC_CONSUME, .queue = queue}, &m);
    c->consumers[i] = queue;
    c->consumers_no_ack[i] = no_ack;
    crash_model_asked(c->place->model, queue, no_ack);
}

static void
get(struct crash_client *c)
{
    struct trial *t = c->place->t;
    int queue = trial_chance(t, 8) ? CRASH_FLEETING : choose_queue(c);
    if (c->is_owner && c->place->has_coming && !c->place->is_coming_due && trial_chance(t, 2))
        queue = CRASH_COMING;
    bool no_ack = queue == CRASH_NO_ACK && trial_chance(t, 3);
    struct amqp_basic_get m = {.queue = slice_str(crash_queue_names[queue]), .no_ack = no_ack};
    if (ask(c, &(struct crash_ask){.method = AMQP_BASIC_GET, .queue = queue, .no_ack = no_ack}, &m))
        crash_model_asked(c->place->model, queue, no_ack);
}

static void
probe(struct crash_client *c, int queue)
{
    struct amqp_queue_declare m = {.queue = slice_str(crash_queue_names[queue]), .passive = true};
    (void)ask(c, &(struct crash_ask){.method = AMQP_QUEUE_DECLARE, .queue = queue}, &m);
}

static void
purge(struct crash_client *c, int queue)
{
    struct amqp_queue_purge m = {.queue = slice_str(crash_queue_names[queue])};
    if (ask(c, &(struct crash_ask){.method = AMQP_QUEUE_PURGE, .queue = queue}, &m))
        crash_model_doubt(c->place->model, queue);
}

/* Declares `coming`, or deletes it. */
static void
toggle(struct crash_client *c)
{
    struct crash_place *p = c->place;
    struct slice name = slice_str(crash_queue_names[CRASH_COMING]);
    if (p->is_coming_due || c->ask_count == CRASH_ASKS_MAX)
        return;
    p->is_coming_due = true;
    if (!p->has_coming) {
        struct amqp_queue_declare m = {.queue = name, .durable = true};
        (void)ask(c, &(struct crash_ask){.method = AMQP_QUEUE_DECLARE, .queue = CRASH_COMING}, &m);
        return;
    }
    struct amqp_queue_delete m = {.queue = name};
    crash_model_doubt(p->model, CRASH_COMING);
    (void)ask(c, &(struct crash_ask){.method = AMQP_QUEUE_DELETE, .queue = CRASH_COMING}, &m);
}

static void
end_tx(struct crash_client *c)
{
    struct crash_model *m = c->place->model;
    if (c->ask_count == CRASH_ASKS_MAX)
        return;
    if (trial_chance(c->place->t, 4)) {
        crash_model_void(m, c->tx);
        for (size_t i = 0; i < c->in_tx_count; i++)
            held_insert(c, &c->in_tx[i]);
        (void)ask(c, &(struct crash_ask){.method = AMQP_TX_ROLLBACK, .queue = -1}, NULL);
    } else {
        crash_model_commit(m, c->tx);
        (void)ask(c, &(struct crash_ask){.method = AMQP_TX_COMMIT, .queue = -1, .tx = c->tx}, NULL);
    }
    c->in_tx_count = 0;
    c->tx = crash_model_tx(m);
}

/* The one that leads there alone; NULL: none that is everybody's, or asked for. */
static const struct route *
route_to(int queue)
{
    for (unsigned i = 0; i < RULED_ROUTES; i++)
        if (ruled_routes[i].queues == Q(queue))
            return &ruled_routes[i];
    return queue < CRASH_STANDING ? &routes[queue] : NULL;
}

/* Sometimes so that it becomes known when the acks are on the disk: crash_model.h. */
static void
settle_some(struct crash_client *c, uint64_t most)
{
    int queue = -1;
    while (most-- > 0 && c->held_count > 0) {
        queue = c->held[0].queue;
        settle(c);
    }
    const struct route *r = queue < 0 ? NULL : route_to(queue);
    if (!r || trial_chance(c->place->t, 3))
        return;
    probe(c, queue);
    publish(c, r);
}

static const struct route *
choose_ruled(const struct crash_client *c)
{
    unsigned first = c->is_tx, end = RULED_ROUTES - (c->is_owner ? 0 : 2);
    return &ruled_routes[first + trial_random(c->place->t, end - first)];
}

/* More than it holds; then a confirm says that the purge is kept, and with it what was dropped before. */
static void
purge_short(struct crash_client *c)
{
    for (unsigned i = 0; i < crash_rules[CRASH_SHORT].length_max + 2; i++)
        publish(c, route_to(CRASH_SHORT));
    purge(c, CRASH_SHORT);
    publish(c, route_to(CRASH_SHORT));
}

static void
publish_some(struct crash_client *c, uint64_t count)
{
    struct trial *t = c->place->t;
    while (count-- > 0)
        if (trial_chance(t, c->place->is_ruled ? 1 : 4))
            publish(c, choose_ruled(c));
        else if (c->place->is_deep && trial_chance(t, 2))
            publish(c, &deep_routes[trial_random(t, sizeof deep_routes / sizeof *deep_routes)]);
        else
            publish(c, &routes[trial_random(t, ROUTES)]);
}

void
crash_client_act(struct crash_client *c)
{
    struct trial *t = c->place->t;
    if (!c->session || c->is_over || !c->is_open)
        return;
    uint64_t dice = trial_random(t, 100);
    uint64_t burst = 1 + trial_random(t, CLIENT_BURST);
    if (dice < 35)
        publish_some(c, burst);
    else if (dice < 60)
        settle_some(c, burst);
    else if (dice < 66)
        consume(c, choose_queue(c));
    else if (dice < 74)
        while (burst-- > 0)
            get(c);
    else if (dice < 78)
        probe(c, (int)trial_random(t, CRASH_STANDING));
    else if (dice < 80)
        purge(c, CRASH_PURGED);
    else if (dice < 83 && c->is_owner)
        purge_short(c);
    else if (c->is_owner && trial_chance(t, 3))
        toggle(c);
    else if (c->is_owner && c->place->has_coming && !c->place->is_coming_due)
        while (burst-- > 0)
            publish(c, &routes[ROUTES]);
    else if (c->is_tx)
        end_tx(c);
}

void
crash_client_hurry(struct crash_client *c)
{
    bool is_consuming = false;
    if (!c->session || c->is_over || !c->is_open)
        return;
    for (unsigned i = 0; i < CRASH_CONSUMERS_MAX; i++)
        is_consuming |= c->consumers[i] == CRASH_COUNTED;
    if (!is_consuming)
        consume(c, CRASH_COUNTED);
    for (unsigned i = 0; i < CLIENT_BURST; i++)
        publish(c, route_to(CRASH_COUNTED));
}

/* ---- what comes ---- */

static void
on_given(struct crash_client *c, int queue, bool no_ack, uint64_t tag, const struct crash_delivery *d)
{
    struct crash_delivery all = *d;
    all.queue = queue;
    all.no_ack = no_ack;
    all.holder = c->channel;
    uint64_t number = crash_model_given(c->place->model, &all);
    trial_say(c->place->t, "channel %u gets m%llu of %s%s", c->channel, (unsigned long long)number,
              crash_queue_names[queue], d->redelivered ? ", redelivered" : "");
    if (!no_ack && number != UINT64_MAX)
        held_insert(c, &(struct crash_held){.tag = tag, .number = number, .queue = queue});
}

static void
on_deliver(struct crash_client *c, const struct sim_session_event *e)
{
    const struct amqp_basic_deliver *m = &e->fields->basic_deliver;
    CHECK(m->consumer_tag.len == 2 && m->consumer_tag.data[1] - '0' < CRASH_CONSUMERS_MAX);
    int i = m->consumer_tag.data[1] - '0';
    on_given(c, c->consumers[i], c->consumers_no_ack[i], m->delivery_tag,
             &(struct crash_delivery){.redelivered = m->redelivered,
                                      .exchange = m->exchange,
                                      .key = m->routing_key,
                                      .properties = e->properties,
                                      .body = e->body});
}

static void
on_confirm(struct crash_client *c, uint64_t tag, bool multiple, bool is_ack)
{
    TRIAL_EXPECT(c->place->t, tag > 0 && tag <= c->sent_count, "a confirm of tag %llu, which was not used",
                 (unsigned long long)tag);
    bool is_tolerated = c->place->is_faulty || c->place->is_ending;
    for (size_t i = tag; i > 0 && (i == tag || multiple); i--) {
        if (c->answered[i - 1])
            continue;
        c->answered[i - 1] = true;
        c->unanswered--;
        if (is_ack)
            crash_model_confirmed(c->place->model, c->sent[i - 1]);
        else if (!is_tolerated)
            crash_model_refused(c->place->model, c->sent[i - 1]);
        trial_say(c->place->t, "m%llu is %s", (unsigned long long)c->sent[i - 1],
                  is_ack ? "confirmed" : "refused");
        *(is_ack ? &c->place->confirms : &c->place->nacks) += 1;
    }
}

static void
on_answer(struct crash_client *c, const struct sim_session_event *e)
{
    struct crash_place *p = c->place;
    TRIAL_EXPECT(p->t, c->ask_count > 0, "an answer that nobody asked for: %s", e->method->name);
    struct crash_ask a = c->asks[c->ask_first];
    c->ask_first = (c->ask_first + 1) % CRASH_ASKS_MAX;
    c->ask_count--;
    const struct amqp_basic_get_ok *ok = &e->fields->basic_get_ok;
    switch (e->id) {
    case AMQP_BASIC_GET_OK:
        on_given(c, a.queue, a.no_ack, ok->delivery_tag,
                 &(struct crash_delivery){.redelivered = ok->redelivered,
                                          .exchange = ok->exchange,
                                          .key = ok->routing_key,
                                          .properties = e->properties,
                                          .body = e->body});
        break;
    case AMQP_QUEUE_PURGE_OK:
        if (a.queue == CRASH_SHORT)
            crash_model_purged(p->model, a.queue, a.before);
        else
            crash_model_doubt(p->model, a.queue);
        break;
    case AMQP_QUEUE_DECLARE_OK:
        if (a.queue == CRASH_COMING) {
            p->has_coming = true;
            p->is_coming_due = false;
        } else {
            settles_handled(c, a.queue, a.settles);
        }
        break;
    case AMQP_QUEUE_DELETE_OK:
        crash_model_deleted(p->model, CRASH_COMING);
        p->has_coming = p->is_coming_due = false;
        break;
    case AMQP_TX_COMMIT_OK:
        crash_model_committed(p->model, a.tx);
        p->commits++;
        trial_say(p->t, "transaction %u is committed", a.tx);
        break;
    default: break;
    }
}

/* What it held goes back. */
static void
end(struct crash_client *c)
{
    c->is_over = true;
    crash_model_left(c->place->model, c->channel);
    if (c->is_tx)
        crash_model_void(c->place->model, c->tx);
}

static void
on_method(struct crash_client *c, const struct sim_session_event *e)
{
    struct crash_place *p = c->place;
    const union amqp_any *f = e->fields;
    bool is_tolerated = p->is_faulty || p->is_ending;
    switch (e->id) {
    case AMQP_CONNECTION_START:
    case AMQP_CONNECTION_TUNE:
    case AMQP_CONNECTION_OPEN_OK:
    case AMQP_CONNECTION_CLOSE_OK: break;
    case AMQP_CONNECTION_CLOSE:
        TRIAL_EXPECT(p->t, is_tolerated, "connection.close: %u %.*s", f->connection_close.reply_code,
                     SLICE_FMT(f->connection_close.reply_text));
        break;
    case AMQP_CHANNEL_CLOSE:
        TRIAL_EXPECT(p->t, is_tolerated, "channel.close: %u %.*s", f->channel_close.reply_code,
                     SLICE_FMT(f->channel_close.reply_text));
        end(c);
        break;
    case AMQP_CONNECTION_BLOCKED:
        c->is_blocked = true;
        p->blocks++;
        break;
    case AMQP_CONNECTION_UNBLOCKED: c->is_blocked = false; break;
    case AMQP_BASIC_ACK: on_confirm(c, f->basic_ack.delivery_tag, f->basic_ack.multiple, true); break;
    case AMQP_BASIC_NACK: on_confirm(c, f->basic_nack.delivery_tag, f->basic_nack.multiple, false); break;
    case AMQP_BASIC_DELIVER: on_deliver(c, e); break;
    default: on_answer(c, e);
    }
}

static void
on_event(void *arg, struct sim_session *s, const struct sim_session_event *e)
{
    struct crash_client *c = arg;
    const struct trial *t = c->place->t;
    switch (e->kind) {
    case SIM_SESSION_OPENED: break;
    case SIM_SESSION_METHOD: on_method(c, e); break;
    case SIM_SESSION_BROKEN: trial_fail(t, "the broker sent %s", e->text);
    case SIM_SESSION_CLOSED:
    case SIM_SESSION_LOST:
        TRIAL_EXPECT(t, c->place->is_faulty || c->place->is_ending, "a connection ended");
        end(c);
    }
    if (e->kind == SIM_SESSION_OPENED) {
        struct amqp_channel_open open = {0};
        struct amqp_confirm_select confirm = {0};
        struct amqp_basic_qos qos = {.prefetch_count = CLIENT_PREFETCH};
        c->is_open = true;
        (void)ask(c, &(struct crash_ask){.method = AMQP_CHANNEL_OPEN, .queue = -1}, &open);
        (void)ask(c, &(struct crash_ask){.method = AMQP_BASIC_QOS, .queue = -1}, &qos);
        (void)ask(c,
                  &(struct crash_ask){.method = c->is_tx ? AMQP_TX_SELECT : AMQP_CONFIRM_SELECT, .queue = -1},
                  &confirm);
    }
}

/* ---- coming and going ---- */

void
crash_client_connect(struct crash_client *c, struct crash_place *place, bool is_tx, bool is_owner)
{
    *c = (struct crash_client){
        .place = place, .channel = ++place->channels, .is_tx = is_tx, .is_owner = is_owner};
    for (unsigned i = 0; i < CRASH_CONSUMERS_MAX; i++)
        c->consumers[i] = -1;
    if (is_tx)
        c->tx = crash_model_tx(place->model);
    if (is_owner)
        place->model->owner = c->channel;
    c->session = trial_session(place->t, NULL, on_event, c);
}

bool
crash_client_is_purging(const struct crash_client *c)
{
    for (unsigned i = 0; i < c->ask_count; i++) {
        const struct crash_ask *a = &c->asks[(c->ask_first + i) % CRASH_ASKS_MAX];
        if (a->method == AMQP_QUEUE_PURGE && a->queue == CRASH_PURGED)
            return true;
    }
    return false;
}

void
crash_client_leave(struct crash_client *c)
{
    if (!c->session)
        return;
    trial_say(c->place->t, "channel %u leaves", c->channel);
    if (crash_client_is_purging(c)) /* what was published since may be met by it, too */
        crash_model_doubt(c->place->model, CRASH_PURGED);
    crash_model_left(c->place->model, c->channel);
    if (c->is_tx)
        crash_model_void(c->place->model, c->tx);
    trial_session_free(c->place->t, c->session);
    free(c->sent);
    free(c->answered);
    free(c->held);
    free(c->in_tx);
    free(c->settles);
    c->session = NULL;
}

bool
crash_client_is_answered(const struct crash_client *c)
{
    return !c->session || c->is_over || (c->is_open && c->ask_count == 0 && c->unanswered == 0);
}
