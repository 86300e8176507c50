/*
 * Several clients do whatever clients do, at random, on a handful of names, and disappear in every way. The
 * queues sq0..sq5 and the exchanges sx.* stand from the beginning to the end, so that the route of a message
 * is known; what comes and goes are the queues of the clients themselves (aq0..aq1 shared and auto-deleted,
 * and server-named exclusive ones), of which less is checked. model.h says what must hold.
 */
#include "chan.h"

#include "base/check.h"
#include "wire/table.h"

#include <stdio.h>
#include <stdlib.h>

enum { ACTORS = 6, ACTOR_CHANNELS = 3, OPERATIONS = 1200, SHARED_QUEUES = 2 };

struct actor {
    struct general *g;
    struct sim_session *session; /* NULL: away */
    bool is_open, is_closing;
    struct chan channels[ACTOR_CHANNELS];
};

struct general {
    struct trial *t;
    struct model model;
    struct troubles troubles;
    struct actor actors[ACTORS];
    struct actor setup; /* declares at the beginning, drains at the end */
    uint32_t epochs;
};

/* ---- routes ---- */

#define Q(i) (1u << (i))

static const struct binding {
    const char *exchange, *key;
    int queue; /* -1: to exchange sx.direct */
} bindings[] = {
    {"sx.direct", "k0", 0}, {"sx.direct", "k1", 1}, {"sx.direct", "k1", 2}, {"sx.fanout", "", 3},
    {"sx.fanout", "", 4},   {"sx.topic", "a.#", 5}, {"sx.topic", "*.b", 0}, {"sx.topic", "a.b", 5},
    {"sx.chain", "", -1},   {"sx.chain", "k0", 5},
};
static const char *const exchanges[][2] = {
    {"sx.direct", "direct"}, {"sx.fanout", "fanout"}, {"sx.topic", "topic"}, {"sx.chain", "fanout"}};

/* What can be published, and where it goes. `elsewhere`: clients' own queues may be bound so. */
static const struct route_case {
    const char *exchange, *key;
    uint8_t queues;
    bool elsewhere;
} cases[] = {
    {"", "sq0", Q(0), false},
    {"", "sq1", Q(1), false},
    {"", "sq2", Q(2), false},
    {"", "sq3", Q(3), false},
    {"", "sq4", Q(4), false},
    {"", "sq5", Q(5), false},
    {"", "aq0", 0, true},
    {"", "aq1", 0, true},
    {"", "nowhere", 0, false},
    {"sx.direct", "k0", Q(0), false},
    {"sx.direct", "k1", Q(1) | Q(2), false},
    {"sx.direct", "none", 0, false},
    {"sx.direct", "v0", 0, true},
    {"sx.direct", "v1", 0, true},
    {"sx.fanout", "", Q(3) | Q(4), true},
    {"sx.fanout", "any", Q(3) | Q(4), true},
    {"sx.topic", "a.b", Q(0) | Q(5), false},
    {"sx.topic", "c.b", Q(0), false},
    {"sx.topic", "a", Q(5), false},
    {"sx.topic", "a.x.y", Q(5), false},
    {"sx.topic", "x.y.z", 0, false},
    {"sx.topic", "v.1", 0, true},
    {"sx.chain", "k0", Q(5) | Q(0), true},
    {"sx.chain", "k1", Q(5) | Q(1) | Q(2), true},
    {"sx.chain", "other", Q(5), true},
};

/* ---- clients ---- */

static void
actor_ended(struct actor *a, bool politely)
{
    for (unsigned i = 0; i < ACTOR_CHANNELS; i++) {
        chan_ended(&a->channels[i], politely);
    }
    a->is_open = a->is_closing = false;
}

static void
actor_on_event(void *arg, struct sim_session *s, const struct sim_session_event *e)
{
    struct actor *a = arg;
    const struct trial *t = a->g->t;
    switch (e->kind) {
    case SIM_SESSION_OPENED: a->is_open = true; break;
    case SIM_SESSION_CLOSED:
        TRIAL_EXPECT(t, a->is_closing, "a connection was closed");
        actor_ended(a, true);
        break;
    case SIM_SESSION_LOST: trial_fail(t, "a connection was lost");
    case SIM_SESSION_BROKEN: trial_fail(t, "the broker sent %s", e->text);
    case SIM_SESSION_METHOD:
        if (e->id == AMQP_CONNECTION_CLOSE)
            trial_fail(t, "connection.close: %u %.*s", e->fields->connection_close.reply_code,
                       SLICE_FMT(e->fields->connection_close.reply_text));
        if (e->channel)
            chan_on_method(&a->channels[e->channel - 1], e);
    }
}

static void
actor_connect(struct actor *a)
{
    struct trial *t = a->g->t;
    static const uint32_t frame_maxes[] = {0, 4096, 4096, 8192, 70000};
    struct sim_session_options o;
    sim_session_options_init(&o);
    o.frame_max = frame_maxes[trial_random(t, sizeof frame_maxes / sizeof *frame_maxes)];
    o.is_plain = trial_chance(t, 5);
    a->session = trial_session(t, &o, actor_on_event, a);
    sim_session_set_corked(a->session, true);
}

static void
actor_away(struct actor *a)
{
    trial_session_free(a->g->t, a->session);
    a->session = NULL;
}

/* Without a goodbye, perhaps in the middle of a frame. */
static void
actor_vanish(struct actor *a)
{
    struct trial *t = a->g->t;
    trial_say(t, "a client vanishes, %zu bytes unsent", sim_session_corked_bytes(a->session));
    if (trial_chance(t, 2))
        sim_session_flush(a->session, trial_random(t, sim_session_corked_bytes(a->session) + 1));
    actor_ended(a, false);
    if (trial_chance(t, 2))
        sim_session_abort(a->session);
    actor_away(a);
}

static void
actor_close(struct actor *a)
{
    trial_say(a->g->t, "a client closes its connection");
    a->is_closing = true;
    for (unsigned i = 0; i < ACTOR_CHANNELS; i++) {
        if (a->channels[i].state == CHAN_NONE)
            continue;
        chan_doubt(&a->channels[i], true);
    }
    sim_session_close(a->session);
}

static void
actor_open_channel(struct actor *a, unsigned i, enum chan_mode mode)
{
    struct chan *c = &a->channels[i];
    c->t = a->g->t;
    c->model = &a->g->model;
    c->troubles = &a->g->troubles;
    chan_open(c, a->session, (uint16_t)(i + 1), ++a->g->epochs, mode);
}

/* ---- operations ---- */

static void
do_publish(struct chan *c)
{
    for (uint64_t n = 1 + trial_random(c->t, 6); n > 0; n--) {
        const struct route_case *r = &cases[trial_random(c->t, sizeof cases / sizeof *cases)];
        chan_publish(c, r->exchange, r->key, r->queues, r->elsewhere, trial_chance(c->t, 4));
    }
}

/* One of the standing queues mostly; else a shared one, which may not be there. */
static int
any_queue(struct chan *c, char name[64], uint16_t *may_fail_with)
{
    *may_fail_with = 0;
    int queue = (int)trial_random(c->t, MODEL_QUEUES);
    if (!trial_chance(c->t, 5)) {
        snprintf(name, 64, "%s", c->model->queues[queue].name);
        return queue;
    }
    if (*c->last_queue && trial_chance(c->t, 2)) {
        snprintf(name, 64, "%s", c->last_queue);
    } else {
        snprintf(name, 64, "aq%llu", (unsigned long long)trial_random(c->t, SHARED_QUEUES));
    }
    *may_fail_with = AMQP_REPLY_NOT_FOUND;
    return -1;
}

static void
do_consume(struct chan *c)
{
    char name[64];
    uint16_t code;
    int queue = any_queue(c, name, &code);
    /* sq0 and sq1 alone are consumed without acks, so that the others' messages are never in doubt. */
    bool no_ack = queue < 2 && trial_chance(c->t, 3);
    chan_consume(c, queue, name, no_ack, code);
}

static void
do_get(struct chan *c)
{
    char name[64];
    uint16_t code;
    int queue = any_queue(c, name, &code);
    chan_get(c, queue, name, queue < 2 && trial_chance(c->t, 3), code);
}

static void
do_settle(struct chan *c)
{
    for (uint64_t n = 1 + trial_random(c->t, 8); n > 0 && c->held_count > 0; n--) {
        size_t i = trial_chance(c->t, 2) ? 0 : trial_random(c->t, c->held_count);
        enum chan_settle how = CHAN_ACK;
        if (trial_chance(c->t, 3))
            how = trial_chance(c->t, 3) || c->mode == CHAN_TX ? CHAN_REJECT : CHAN_REQUEUE;
        chan_settle(c, i, trial_chance(c->t, 4), how);
    }
}

static void
do_qos(struct chan *c)
{
    bool is_global = trial_chance(c->t, 3);
    bool has_consumers = false;
    for (unsigned i = 0; i < CHAN_CONSUMERS_MAX; i++)
        has_consumers |= c->consumers[i].state != CONSUMER_NONE;
    struct amqp_basic_qos m = {.prefetch_count = (uint16_t)(1 + trial_random(c->t, 20)), .global = is_global};
    if (is_global && (has_consumers || c->global_outstanding > 0))
        return; /* a limit that sinks does not take back what is out */
    if (!chan_ask(c, &(struct chan_ask){.method = AMQP_BASIC_QOS, .queue = -1}, &m))
        return;
    if (!is_global)
        c->prefetch = m.prefetch_count;
    c->global_prefetch = is_global ? m.prefetch_count : 0; /* one takes the place of the other: RabbitMQ */
}

static void
do_queue(struct chan *c)
{
    char name[16] = "";
    struct amqp_queue_declare m = {.exclusive = true, .auto_delete = trial_chance(c->t, 2)};
    if (trial_chance(c->t, 2)) {
        snprintf(name, sizeof name, "aq%llu", (unsigned long long)trial_random(c->t, SHARED_QUEUES));
        m.exclusive = false;
        m.auto_delete = true;
    }
    m.queue = slice_str(name);
    (void)chan_ask(c, &(struct chan_ask){.method = AMQP_QUEUE_DECLARE, .queue = -1}, &m);
}

static void
do_bind(struct chan *c)
{
    static const char *const to[][2] = {
        {"sx.direct", "v0"}, {"sx.direct", "v1"}, {"sx.fanout", "x"}, {"sx.topic", "v.#"}, {"sx.chain", "y"}};
    if (!*c->last_queue)
        return;
    const char *const *b = to[trial_random(c->t, sizeof to / sizeof *to)];
    uint16_t missing = AMQP_REPLY_NOT_FOUND;
    struct chan_ask ask = {.queue = -1, .may_fail_with = missing};
    if (trial_chance(c->t, 3)) {
        struct amqp_queue_unbind m = {
            .queue = slice_str(c->last_queue), .exchange = slice_str(b[0]), .routing_key = slice_str(b[1])};
        ask.method = AMQP_QUEUE_UNBIND;
        (void)chan_ask(c, &ask, &m);
    } else {
        struct amqp_queue_bind m = {
            .queue = slice_str(c->last_queue), .exchange = slice_str(b[0]), .routing_key = slice_str(b[1])};
        ask.method = AMQP_QUEUE_BIND;
        (void)chan_ask(c, &ask, &m);
    }
}

static void
do_delete(struct chan *c)
{
    char name[64];
    if (!*c->last_queue || trial_chance(c->t, 2))
        snprintf(name, sizeof name, "aq%llu", (unsigned long long)trial_random(c->t, SHARED_QUEUES));
    else
        snprintf(name, sizeof name, "%s", c->last_queue);
    struct amqp_queue_delete m = {
        .queue = slice_str(name), .if_unused = trial_chance(c->t, 3), .if_empty = trial_chance(c->t, 3)};
    struct chan_ask ask = {
        .method = AMQP_QUEUE_DELETE, .queue = -1, .may_fail_with = AMQP_REPLY_PRECONDITION_FAILED};
    (void)chan_ask(c, &ask, &m);
}

/* What a client should not do; the channel goes, its messages come back. */
static void
do_mistake(struct chan *c)
{
    if (trial_chance(c->t, 2)) {
        struct amqp_basic_ack m = {.delivery_tag = c->next_tag + 1000000};
        c->expected_code = AMQP_REPLY_PRECONDITION_FAILED;
        chan_doubt(c, false);
        sim_session_send(c->session, c->number, AMQP_BASIC_ACK, &m);
        return;
    }
    struct amqp_queue_declare m = {.queue = slice_str("nothing"), .passive = true};
    struct chan_ask ask = {.method = AMQP_QUEUE_DECLARE, .queue = -1, .may_fail_with = AMQP_REPLY_NOT_FOUND};
    (void)chan_ask(c, &ask, &m);
}

static void
do_channel(struct chan *c)
{
    struct trial *t = c->t;
    uint64_t dice = trial_random(t, 100);
    if (dice < 35)
        do_publish(c);
    else if (dice < 60)
        do_settle(c);
    else if (dice < 68)
        do_consume(c);
    else if (dice < 76)
        do_get(c);
    else if (dice < 80)
        chan_cancel(c, (unsigned)trial_random(t, CHAN_CONSUMERS_MAX));
    else if (dice < 83)
        do_qos(c);
    else if (dice < 86)
        do_queue(c);
    else if (dice < 89)
        do_bind(c);
    else if (dice < 90)
        do_delete(c);
    else if (dice < 91)
        chan_recover(c);
    else if (dice < 92)
        do_mistake(c);
    else if (dice < 93)
        chan_close(c);
    else if (dice < 94 && trial_chance(t, 4))
        chan_purge(c, 2, "sq2");
    else if (c->mode == CHAN_TX)
        trial_chance(t, 3) ? chan_rollback(c) : chan_commit(c);
}

static void
act(struct actor *a)
{
    struct trial *t = a->g->t;
    if (!a->session) {
        actor_connect(a);
        return;
    }
    if (sim_session_state(a->session) == SIM_SESSION_ENDED) {
        actor_away(a);
        return;
    }
    if (trial_chance(t, 60)) {
        actor_vanish(a);
        return;
    }
    if (!a->is_open || a->is_closing)
        return;
    if (trial_chance(t, 80)) {
        actor_close(a);
        return;
    }
    unsigned i = (unsigned)trial_random(t, ACTOR_CHANNELS);
    if (a->channels[i].state == CHAN_NONE)
        actor_open_channel(a, i, (enum chan_mode)trial_random(t, 3));
    else if (a->channels[i].state == CHAN_OPEN)
        do_channel(&a->channels[i]);
    size_t left = sim_session_corked_bytes(a->session);
    sim_session_flush(a->session, trial_chance(t, 6) ? trial_random(t, left + 1) : left);
}

/* Does the broker know of everything that has ended, and the clients too? */
static bool
is_calm(struct general *g)
{
    uint64_t open = g->setup.is_open;
    for (unsigned i = 0; i < ACTORS; i++) {
        const struct actor *a = &g->actors[i];
        if (a->session && !(a->is_open && !a->is_closing))
            return false;
        open += a->is_open;
        for (unsigned k = 0; k < ACTOR_CHANNELS; k++)
            if (a->channels[k].doubt != DOUBT_NONE)
                return false;
    }
    return open == sim_broker_connections(g->t->broker);
}

/* ---- beginning and end ---- */

static bool
is_asked(void *arg)
{
    struct actor *a = arg;
    return a->is_open && a->channels[0].ask_count == 0;
}

static bool
is_away(void *arg)
{
    struct actor *a = arg;
    return !a->is_open;
}

static void
ask_and_wait(struct actor *a, uint32_t method, const void *fields)
{
    CHECK(chan_ask(&a->channels[0], &(struct chan_ask){.method = method, .queue = -1}, fields));
    trial_until(a->g->t, is_asked, a, 10000, "an answer");
}

static void
setup_connect(struct general *g)
{
    struct actor *a = &g->setup;
    a->session = trial_session(g->t, NULL, actor_on_event, a);
    trial_until(g->t, is_asked, a, 10000, "the connection");
    actor_open_channel(a, 0, CHAN_PLAIN);
    trial_until(g->t, is_asked, a, 10000, "the channel");
}

static void
declare_queue(struct actor *a, const struct model_queue *q, bool is_durable)
{
    struct buffer arguments = {0};
    if (q->ttl_ms >= 0)
        table_add_int64(&arguments, "x-message-ttl", q->ttl_ms);
    if (q->length_max >= 0)
        table_add_int64(&arguments, "x-max-length", q->length_max);
    ask_and_wait(a, AMQP_QUEUE_DECLARE,
                 &(struct amqp_queue_declare){.queue = slice_str(q->name),
                                              .durable = is_durable,
                                              .arguments = buffer_slice(&arguments)});
    buffer_fini(&arguments);
}

static void
setup_declare(struct general *g)
{
    setup_connect(g);
    struct actor *a = &g->setup;
    for (unsigned i = 0; i < MODEL_QUEUES; i++)
        declare_queue(a, &g->model.queues[i], i % 2);
    for (unsigned i = 0; i < sizeof exchanges / sizeof *exchanges; i++)
        ask_and_wait(a, AMQP_EXCHANGE_DECLARE,
                     &(struct amqp_exchange_declare){.exchange = slice_str(exchanges[i][0]),
                                                     .type = slice_str(exchanges[i][1])});
    for (unsigned i = 0; i < sizeof bindings / sizeof *bindings; i++) {
        const struct binding *b = &bindings[i];
        if (b->queue < 0)
            ask_and_wait(a, AMQP_EXCHANGE_BIND,
                         &(struct amqp_exchange_bind){.destination = slice_str("sx.direct"),
                                                      .source = slice_str(b->exchange),
                                                      .routing_key = slice_str(b->key)});
        else
            ask_and_wait(a, AMQP_QUEUE_BIND,
                         &(struct amqp_queue_bind){.queue = slice_str(g->model.queues[b->queue].name),
                                                   .exchange = slice_str(b->exchange),
                                                   .routing_key = slice_str(b->key)});
    }
    sim_session_close(a->session);
    a->is_closing = true;
    trial_until(g->t, is_away, a, 10000, "the first connection to close");
    actor_away(a);
}

static bool
is_deserted(void *arg)
{
    const struct general *g = arg;
    for (unsigned i = 0; i < ACTORS; i++)
        if (g->actors[i].session && g->actors[i].is_open)
            return false; /* its close-ok is on its way */
    return sim_broker_connections(g->t->broker) == 0;
}

static void
all_leave(struct general *g)
{
    for (unsigned i = 0; i < ACTORS; i++) {
        struct actor *a = &g->actors[i];
        if (!a->session)
            continue;
        if (!a->is_open)
            actor_vanish(a);
        else if (!a->is_closing)
            actor_close(a);
        else
            sim_session_flush(a->session, SIZE_MAX);
    }
    trial_until(g->t, is_deserted, g, 120000, "all connections to end");
    for (unsigned i = 0; i < ACTORS; i++)
        if (g->actors[i].session)
            actor_away(&g->actors[i]);
    trial_for(g->t, 100);
    troubles_tend(&g->troubles, true);
}

/* Everything that is left comes out by basic.get, one at a time. */
static void
drain(struct general *g, int queue)
{
    struct actor *a = &g->setup;
    struct chan *c = &a->channels[0];
    uint64_t *numbers = calloc(g->model.count + 1, sizeof *numbers);
    size_t count = 0;
    CHECK(numbers);
    for (;;) {
        uint64_t before = c->next_tag;
        chan_get(c, queue, g->model.queues[queue].name, false, 0);
        trial_until(g->t, is_asked, a, 10000, "basic.get");
        if (c->next_tag == before)
            break;
        numbers[count++] = c->held[c->held_count - 1].number;
    }
    if (c->held_count)
        chan_settle(c, c->held_count - 1, true, CHAN_ACK);
    ask_and_wait(a, AMQP_BASIC_QOS, &(struct amqp_basic_qos){0}); /* the acks are handled */
    model_check_rest(&g->model, queue, numbers, count);
    trial_say(g->t, "queue %d: %zu messages left", queue, count);
    free(numbers);
}

static void
drain_all(struct general *g)
{
    setup_connect(g);
    for (int i = 0; i < MODEL_QUEUES; i++)
        drain(g, i);
    for (unsigned i = 0; i < SHARED_QUEUES; i++) {
        char name[16];
        snprintf(name, sizeof name, "aq%u", i);
        ask_and_wait(&g->setup, AMQP_QUEUE_DELETE, &(struct amqp_queue_delete){.queue = slice_str(name)});
    }
    sim_session_close(g->setup.session);
    g->setup.is_closing = true;
    trial_until(g->t, is_away, &g->setup, 10000, "the last connection to close");
    actor_away(&g->setup);
}

static void
options_at_random(struct trial *t, struct sim_broker_options *o)
{
    sim_broker_options_init(o);
    o->shards = trial_shards(t);
    o->server.move_connections = !trial_chance(t, 3);
    if (trial_chance(t, 3)) {
        o->limits.remote_credit_messages = 1 + (uint32_t)trial_random(t, 5);
        o->limits.remote_credit_bytes = 1 + (uint32_t)trial_random(t, 2000);
        o->limits.publish_window_bytes = 1 + (uint32_t)trial_random(t, 5000);
        o->limits.queue_turn_messages = 1 + (uint32_t)trial_random(t, 4);
        o->limits.route_cache_entries = 16;
        o->limits.backlog_messages = 1 + (uint32_t)trial_random(t, 50);
        o->limits.backlog_bytes = 1 + (uint32_t)trial_random(t, 20000);
    }
    if (trial_chance(t, 3)) {
        o->server.limits.output_high_bytes = 2000;
        o->server.limits.output_low_bytes = 500;
        o->server.limits.output_max_bytes = 20000;
        o->server.limits.parked_bytes_max = 4096;
        o->server.limits.read_turn_bytes = 4096;
        o->server.limits.write_turn_bytes = 4096;
        o->server.limits.draft_first_bytes = 16;
        o->server.limits.pending_ops_max = 2;
    }
}

static void
general_free(struct general *g)
{
    for (unsigned i = 0; i <= ACTORS; i++) {
        struct actor *a = i < ACTORS ? &g->actors[i] : &g->setup;
        for (unsigned k = 0; k < ACTOR_CHANNELS; k++)
            chan_fini(&a->channels[k]);
    }
    model_fini(&g->model);
    free(g);
}

void
workload_general(struct trial *t)
{
    struct general *g = calloc(1, sizeof *g);
    struct sim_broker_options options;
    CHECK(g);
    g->t = t;
    trial_begin_world(t);
    options_at_random(t, &options);
    trial_begin(t, &options);
    model_init(&g->model, t);
    g->model.queues[MODEL_QUEUES - 2].ttl_ms = 1500;
    g->model.queues[MODEL_QUEUES - 1].length_max = 30;
    g->troubles.model = &g->model;
    g->setup.g = g;
    for (unsigned i = 0; i < ACTORS; i++)
        g->actors[i].g = g;
    setup_declare(g);
    for (unsigned n = 0; n < OPERATIONS; n++) {
        for (uint64_t k = trial_random(t, 40); k > 0 && trial_step(t); k--)
            ;
        act(&g->actors[trial_random(t, ACTORS)]);
        troubles_tend(&g->troubles, is_calm(g));
        if (n % 200 == 0)
            sim_broker_check(t->broker);
    }
    all_leave(g);
    drain_all(g);
    trial_say(t, "%llu messages, %llu deliveries, %llu of them again", (unsigned long long)g->model.count,
              (unsigned long long)g->model.deliveries, (unsigned long long)g->model.redeliveries);
    t->operations += OPERATIONS + g->model.count + g->model.deliveries;
    trial_end(t);
    general_free(g);
}
