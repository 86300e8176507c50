/*
 * See crash_run.h. A life: the node starts (again, when the power goes meanwhile); its declared things are
 * compared with what was answered; a client declares the standing queues, which changes nothing but in the
 * first life and for what does not outlive a node; the queues, or some of them, are looked at; clients come
 * and act; the end.
 */
#include "crash_run.h"

#include "base/check.h"
#include "broker/meta.h"
#include "crash_rules.h"
#include "durable/durable.h"
#include "peer.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RUN_CLIENTS = 5,
    RUN_DECLS = 2,
    RUN_WAIT_MS = 60000,
    RUN_WHY_SIZE = 512,
    RUN_STARTS_MAX = 3,
    RUN_TICK_MS = 2,
    RUN_SLOW_NS = 300000000,
    RUN_SETTLE_MS = 20, /* what a client held comes back to other shards' queues a moment after it left */
    RUN_START_OPERATIONS = 100, /* of the disk, about */
    RUN_ACTS_OPERATIONS = 800,
    RUN_HURRY_STEPS = 300,
    RUN_DOWN_MS = 1500,   /* at most, between two lives */
    RUN_LEASE_MS = 400,   /* x-expires */
    RUN_EXPIRY_MS = 1500, /* by then an expired queue is gone, and that is kept */
};

/* A queue that expires, sometimes with messages. */
#define LEASED "cq.leased"
struct lease {
    bool is_known;     /* it was declared at some time between ... */
    uint64_t from, to; /* ... these, and not used since */
    bool is_there;     /* the node has started with it */
    uint32_t count;    /* messages in it */
};

struct run {
    struct trial *t;
    const struct crash_plan *plan;
    struct crash_report *report;
    struct crash_model model;
    struct crash_place place;
    struct crash_client clients[RUN_CLIENTS];
    struct crash_decl decls[RUN_DECLS];
    struct crash_admin admin;
    struct sim_broker_options options;
    struct durable_config durable;
    struct sim_disk_faults disk; /* as it is now */
    uint64_t life_operations;    /* of the disk, when this life began */
    unsigned crashes;            /* of the machine, that we know of */
    unsigned life;
    bool is_down, is_standing, is_tolerant, has_failing_disk, is_ticking;
    uint8_t shards[CRASH_QUEUES];
    uint64_t ended_at; /* the last life */
    struct lease lease;
};

static void
finding(struct run *r, const char *text)
{
    r->model.findings++;
    if (!r->plan->on_finding)
        trial_fail(r->t, "%s", text);
    trial_say(r->t, "finding: %s", text);
    r->plan->on_finding(r->plan->arg, text);
}

void
crash_plan_init(struct crash_plan *plan)
{
    *plan = (struct crash_plan){.lives = 2, .acts = 250};
}

/* ---- steps ---- */

static uint64_t
operations(const struct run *r)
{
    return sim_disk_operations(r->options.world) - r->life_operations;
}

static void
look_for_power(struct run *r)
{
    r->model.cannot_mark = (r->t->broker && sim_broker_failure(r->t->broker) != ERR_OK) ||
                           (r->has_failing_disk && r->plan->faults.fail_on);
    r->model.had_failed |= r->model.cannot_mark || r->has_failing_disk;
    if (sim_node_crashes(r->options.world) != r->crashes)
        r->is_down = true;
}

/* down_at: 0: never. */
static void
set_disk(struct run *r, uint64_t down_at)
{
    struct sim_disk_faults f = {0};
    if (r->has_failing_disk)
        f = r->plan->faults;
    f.crash_at = down_at;
    f.crash_keeps = down_at && (r->plan->down_keeps || (r->plan->is_sudden && trial_chance(r->t, 4)));
    f.latency_min_ns = r->disk.latency_min_ns;
    f.latency_max_ns = r->disk.latency_max_ns;
    r->crashes = sim_node_crashes(r->options.world);
    sim_disk_set_faults(r->options.world, &f);
}

/* False: the power went, or (with a failing disk) it takes too long. */
static bool
wait_for(struct run *r, bool (*done)(void *arg), void *arg, const char *what)
{
    uint64_t deadline = sim_now_ms(r->t->sim) + RUN_WAIT_MS;
    while (!done(arg)) {
        bool any = trial_step(r->t);
        look_for_power(r);
        if (r->is_down)
            return false;
        if (any && sim_now_ms(r->t->sim) <= deadline)
            continue;
        TRIAL_EXPECT(r->t, r->is_tolerant, "waited in vain for %s", what);
        return false;
    }
    return true;
}

static void
on_tick(void *arg)
{
    struct run *r = arg;
    r->is_ticking = false;
}

/* Not over hours in which nothing happens. */
static void
run_steps(struct run *r, uint64_t count)
{
    while (count-- > 0 && !r->is_down) {
        if (!r->is_ticking)
            sim_at(r->t->sim, RUN_TICK_MS, on_tick, r);
        r->is_ticking = true;
        (void)trial_step(r->t);
        look_for_power(r);
    }
}

/* ---- the standing things ---- */

struct setup {
    struct run *r;
    unsigned answers, wanted;
    uint32_t leased, leased_more; /* messages that the queue had, and gets */
    bool is_open, is_over, is_refused, uses_leased;
};

static void
setup_on_event(void *arg, struct sim_session *s, const struct sim_session_event *e)
{
    struct setup *u = arg;
    bool is_close = e->kind == SIM_SESSION_CLOSED || e->kind == SIM_SESSION_LOST ||
                    (e->kind == SIM_SESSION_METHOD && e->id == AMQP_CHANNEL_CLOSE);
    u->is_open |= e->kind == SIM_SESSION_OPENED;
    u->is_over |= is_close;
    u->answers += e->channel == 1;
    u->is_refused |= e->id == AMQP_BASIC_NACK;
    if (e->id == AMQP_QUEUE_DECLARE_OK && slice_eq_str(e->fields->queue_declare_ok.queue, LEASED))
        u->leased = e->fields->queue_declare_ok.message_count;
    TRIAL_EXPECT(u->r->t, !is_close || u->r->is_tolerant, "the standing things are refused");
}

static bool
setup_is_open(void *arg)
{
    const struct setup *u = arg;
    return u->is_open || u->is_over;
}

static bool
setup_is_done(void *arg)
{
    const struct setup *u = arg;
    return u->answers >= u->wanted || u->is_over;
}

static const struct {
    const char *exchange;
    const char *key;
    int queue;
} standing_bindings[] = {
    {"cx.fanout", "", 1},           {"cx.fanout", "", 2},          {"cx.fanout", "", 3},
    {"cx.direct", "k", 4},          {"cx.direct", "k", 5},         {"cx.fanout", "", CRASH_FLEETING},
    {"cx.ruled", "", CRASH_RANKED}, {"cx.ruled", "", CRASH_TIMED}, {"cx.recent", "", CRASH_FLEETING},
};
enum { STANDING_BINDINGS = sizeof standing_bindings / sizeof *standing_bindings };

/* Histories do not outlive a node: whoever is bound to cx.recent then gets nothing that was before. */
static const struct {
    const char *name, *type;
} standing_exchanges[] = {{"cx.fanout", "fanout"},
                          {"cx.direct", "direct"},
                          {"cx.ruled", "fanout"},
                          {"cx.recent", "x-recent-history"}};
enum { STANDING_EXCHANGES = sizeof standing_exchanges / sizeof *standing_exchanges };

static void
ask_queue(struct setup *u, struct sim_session *s, const char *name, bool durable, struct buffer *arguments)
{
    struct amqp_queue_declare m = {
        .queue = slice_str(name), .durable = durable, .arguments = buffer_slice(arguments)};
    sim_session_send(s, 1, AMQP_QUEUE_DECLARE, &m);
    buffer_fini(arguments);
    u->wanted++;
}

static void
ask_leased(struct setup *u, struct sim_session *s)
{
    struct buffer arguments = {0}, properties = {0};
    struct properties p = {.flags = PROPERTY_FLAG(PROPERTY_DELIVERY_MODE), .delivery_mode = 2};
    struct amqp_basic_publish m = {.routing_key = slice_str(LEASED)};
    table_add_int64(&arguments, "x-expires", RUN_LEASE_MS);
    ask_queue(u, s, LEASED, true, &arguments);
    u->leased_more = trial_chance(u->r->t, 3);
    if (!u->leased_more)
        return;
    properties.len = properties_encode(buffer_reserve(&properties, properties_size(&p)), &p);
    sim_session_publish(s, 1, &m, buffer_slice(&properties), slice_str("leased"), 0);
    buffer_fini(&properties);
    u->wanted++;
}

static void
ask_standing(struct setup *u, struct sim_session *s)
{
    struct amqp_channel_open open = {0};
    struct amqp_confirm_select select = {0};
    sim_session_send(s, 1, AMQP_CHANNEL_OPEN, &open);
    sim_session_send(s, 1, AMQP_CONFIRM_SELECT, &select);
    u->wanted = 2;
    for (unsigned i = 0; i < STANDING_EXCHANGES; i++) {
        struct amqp_exchange_declare x = {.exchange = slice_str(standing_exchanges[i].name),
                                          .type = slice_str(standing_exchanges[i].type),
                                          .durable = true};
        sim_session_send(s, 1, AMQP_EXCHANGE_DECLARE, &x);
        u->wanted++;
    }
    for (int q = 0; q < CRASH_QUEUES; q++) {
        struct buffer arguments = {0};
        if (q == CRASH_COMING)
            continue;
        crash_rules_arguments(q, &arguments);
        ask_queue(u, s, crash_queue_names[q], q != CRASH_FLEETING, &arguments);
    }
    for (unsigned i = 0; i < STANDING_BINDINGS; i++) {
        struct amqp_queue_bind m = {.queue = slice_str(crash_queue_names[standing_bindings[i].queue]),
                                    .exchange = slice_str(standing_bindings[i].exchange),
                                    .routing_key = slice_str(standing_bindings[i].key)};
        sim_session_send(s, 1, AMQP_QUEUE_BIND, &m);
        u->wanted++;
    }
    u->uses_leased = u->r->life + 1 < u->r->plan->lives || trial_chance(u->r->t, 2);
    if (u->uses_leased) /* else it began with the start */
        ask_leased(u, s);
}

/* The queue that expires was declared since `from`. */
static void
note_lease(struct run *r, const struct setup *u, uint64_t from)
{
    struct lease *l = &r->lease;
    if (l->is_known && l->is_there && u->leased != l->count)
        finding(r, "what an expiring queue had is lost: the queue was used");
    *l = (struct lease){.is_known = !u->is_refused && !r->has_failing_disk,
                        .from = from,
                        .to = sim_now_ms(r->t->sim),
                        .count = u->leased + u->leased_more};
}

/* False: they may not all be there. */
static bool
set_up(struct run *r)
{
    struct setup u = {.r = r};
    uint64_t from = sim_now_ms(r->t->sim);
    struct sim_session *s = trial_session(r->t, NULL, setup_on_event, &u);
    bool ok = wait_for(r, setup_is_open, &u, "the connection that declares the standing things");
    if (ok && !u.is_over) {
        ask_standing(&u, s);
        ok = wait_for(r, setup_is_done, &u, "the standing things");
    }
    ok = ok && !u.is_over;
    r->is_standing |= ok;
    if (ok && u.uses_leased)
        note_lease(r, &u, from);
    else
        r->lease.is_known = false;
    trial_session_free(r->t, s);
    return ok;
}

static bool is_in(const char *dump, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool
is_in(const char *dump, const char *format, ...)
{
    char line[160];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return strstr(dump, line) != NULL;
}

static void
check_coming(struct run *r, const char *dump)
{
    bool is_there = is_in(dump, "queue 'coming' in '/' id=");
    if (!r->place.is_coming_due && is_there != r->place.has_coming)
        finding(r, is_there ? "queue coming is there: it was deleted" : "queue coming is lost");
    if (!is_there)
        crash_model_deleted(&r->model, CRASH_COMING);
    r->place.has_coming = is_there;
    r->place.is_coming_due = false;
}

/* Its lease ends when nobody used it for so long; a start begins it anew. */
static void
check_lease(struct run *r, const char *dump)
{
    struct lease *l = &r->lease;
    l->is_there = is_in(dump, "queue '%s' in '/' id=", LEASED);
    if (l->is_known && !l->is_there && r->ended_at < l->from + RUN_LEASE_MS)
        finding(r, "a queue has expired that was used");
    if (l->is_known && l->is_there && r->ended_at > l->to + RUN_LEASE_MS + RUN_EXPIRY_MS)
        finding(r, "a queue that expired has come back");
}

static void
check_declared(struct run *r)
{
    struct buffer dump = {0};
    char what[DECL_WHAT_SIZE], admin[ADMIN_WHAT_SIZE];
    sim_broker_dump(r->t->broker, &dump);
    buffer_add_u8(&dump, 0);
    const char *text = (const char *)dump.data;
    bool is_lost = false;
    for (int q = 0; r->is_standing && q < CRASH_QUEUES; q++)
        is_lost |= q != CRASH_COMING && q != CRASH_FLEETING &&
                   !is_in(text, "queue '%s' in '/' id=", crash_queue_names[q]);
    for (unsigned i = 0; r->is_standing && i < STANDING_BINDINGS; i++)
        is_lost |=
            standing_bindings[i].queue != CRASH_FLEETING &&
            !is_in(text, "binding in '/' from '%s' to queue '%s' key='%s'", standing_bindings[i].exchange,
                   crash_queue_names[standing_bindings[i].queue], standing_bindings[i].key);
    if (is_lost)
        finding(r, "a standing queue or binding is lost");
    if (is_in(text, "queue 'fleeting' in"))
        finding(r, "a queue that is not durable has outlived its node");
    check_coming(r, text);
    check_lease(r, text);
    for (unsigned i = 0; i < RUN_DECLS; i++)
        if (!crash_decl_check(&r->decls[i], text, what))
            finding(r, what);
    if (!crash_admin_check(&r->admin, text, admin))
        finding(r, admin);
    buffer_fini(&dump);
}

static void
find_shards(struct run *r)
{
    const struct vhost *v = vhost_find(r->t->broker->node.meta, slice_str("/"));
    for (int q = 0; v && q < CRASH_QUEUES; q++) {
        const struct queue_def *def = queue_def_find(v, slice_str(crash_queue_names[q]));
        r->shards[q] = def ? (uint8_t)def->shard : 0;
    }
}

/* ---- looking ---- */

struct look {
    struct run *r;
    int queue;
    uint64_t *numbers, first_tag; /* tags are one behind the other */
    size_t count, capacity;
};

static void
look_on_content(struct peer *p, const struct sim_session_event *e)
{
    struct look *l = p->arg;
    bool is_get = e->id == AMQP_BASIC_GET_OK;
    const struct amqp_basic_get_ok *g = &e->fields->basic_get_ok;
    const struct amqp_basic_deliver *d = &e->fields->basic_deliver;
    if (!is_get && crash_rules[l->queue].is_single_active && !slice_eq_str(d->consumer_tag, "look"))
        finding(l->r, "a message goes past the single active consumer");
    if (l->count == 0)
        l->first_tag = is_get ? g->delivery_tag : d->delivery_tag;
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 64;
        l->numbers = realloc(l->numbers, l->capacity * sizeof *l->numbers);
        CHECK(l->numbers);
    }
    l->numbers[l->count++] = crash_look_at(
        &l->r->model, &(struct crash_delivery){.queue = l->queue,
                                               .redelivered = is_get ? g->redelivered : d->redelivered,
                                               .exchange = is_get ? g->exchange : d->exchange,
                                               .key = is_get ? g->routing_key : d->routing_key,
                                               .properties = e->properties,
                                               .body = e->body});
}

struct look_wait {
    const struct peer *p;
    uint64_t answers;
};

static bool
look_is_full(void *arg)
{
    const struct look_wait *w = arg;
    return w->p->is_over || w->p->answers >= w->answers;
}

/* Some may expire instead of coming. */
static void
until_all_came(struct look *l, struct peer *p)
{
    struct amqp_queue_declare m = {.queue = slice_str(crash_queue_names[l->queue]), .passive = true};
    uint64_t deadline = sim_now_ms(l->r->t->sim) + RUN_WAIT_MS;
    do
        peer_call(p, 1, AMQP_QUEUE_DECLARE, &m);
    while (p->count > 0 && !p->is_over && sim_now_ms(l->r->t->sim) <= deadline);
}

/* Two consumers. The one that came first is asked for its share; with a single active one that is all. */
static void
take_turns(struct look *l, struct peer *p)
{
    static const char *const tags[] = {"look", "next"};
    for (unsigned i = 0; i < 2; i++) {
        struct amqp_basic_consume m = {.queue = slice_str(crash_queue_names[l->queue]),
                                       .consumer_tag = slice_str(tags[i])};
        peer_call(p, 1, AMQP_BASIC_CONSUME, &m);
    }
    until_all_came(l, p);
    for (unsigned i = 2; i-- > 0;) {
        struct amqp_basic_cancel cancel = {.consumer_tag = slice_str(tags[i])};
        peer_call(p, 1, AMQP_BASIC_CANCEL, &cancel);
    }
}

static void
empty_queue(struct look *l, struct peer *p, uint32_t count)
{
    struct trial *t = l->r->t;
    struct slice name = slice_str(crash_queue_names[l->queue]);
    struct amqp_basic_get get = {.queue = name};
    if (trial_chance(t, 2)) {
        struct look_wait w = {.p = p, .answers = p->answers + count};
        for (uint32_t i = 0; i < count; i++)
            sim_session_send(p->session, 1, AMQP_BASIC_GET, &get);
        trial_until(t, look_is_full, &w, RUN_WAIT_MS, "the messages of a queue, by get");
    } else {
        take_turns(l, p);
    }
    peer_call(p, 1, AMQP_BASIC_GET, &get);
    bool is_whole = l->count == count || (l->count < count && crash_model_may_expire(&l->r->model, l->queue));
    if (p->answer != AMQP_BASIC_GET_EMPTY || !is_whole)
        finding(l->r, "a queue does not hold as many messages as it says");
}

/* `take`: and ack them, else they go back when the peer goes. */
static void
look_at_queue(struct run *r, struct peer *p, int queue, bool take)
{
    struct look l = {.r = r, .queue = queue};
    struct amqp_queue_declare m = {.queue = slice_str(crash_queue_names[queue]), .passive = true};
    p->arg = &l;
    peer_call(p, 1, AMQP_QUEUE_DECLARE, &m);
    trial_say(r->t, "looking at %s: %u messages%s", crash_queue_names[queue], p->count,
              take ? ", and taking them" : "");
    crash_look_begin(&r->model, queue);
    empty_queue(&l, p, p->count);
    crash_look_end(&r->model);
    if (take && l.count > 0) {
        for (size_t i = 0; i < l.count; i++) { /* one by one: other queues' messages are only looked at */
            struct amqp_basic_ack ack = {.delivery_tag = l.first_tag + i};
            sim_session_send(p->session, 1, AMQP_BASIC_ACK, &ack);
            if (l.numbers[i] != UINT64_MAX)
                crash_model_settle(&r->model, queue, l.numbers[i], 0);
        }
        peer_call(p, 1, AMQP_QUEUE_DECLARE, &m);
        for (size_t i = 0; i < l.count; i++)
            if (l.numbers[i] != UINT64_MAX)
                crash_model_handled(&r->model, queue, l.numbers[i]);
        if (p->count != 0)
            finding(r, "a queue that was emptied is not empty");
    }
    free(l.numbers);
}

static bool
is_deserted(void *arg)
{
    return sim_broker_connections(arg) == 0;
}

static void
look(struct run *r, bool is_last)
{
    struct peer p = {.on_content = look_on_content};
    peer_init(&p, r->t, NULL, true);
    peer_open_channel(&p, 1);
    for (int q = 0; q < CRASH_QUEUES; q++) {
        bool is_due = is_last || crash_rules[q].length_max || !trial_chance(r->t, 3);
        if ((q == CRASH_COMING && !r->place.has_coming) || !is_due)
            continue;
        look_at_queue(r, &p, q, is_last || trial_chance(r->t, 2));
    }
    crash_look_txs(&r->model);
    peer_close(&p);
    trial_until(r->t, is_deserted, r->t->broker, RUN_WAIT_MS, "the looking connection to end");
}

/* Nobody has used it since. */
static void
check_expiry(struct run *r)
{
    struct buffer dump = {0};
    trial_for(r->t, RUN_LEASE_MS + RUN_EXPIRY_MS);
    sim_broker_dump(r->t->broker, &dump);
    buffer_add_u8(&dump, 0);
    if (is_in((const char *)dump.data, "queue '%s' in", LEASED))
        finding(r, "a queue that nobody uses does not expire");
    buffer_fini(&dump);
}

/* What a node shows must be on the disk for good, whatever it has taken from where: a failed sync may have
 * left pages that look written. */
static void
look_hastily(struct run *r)
{
    struct sim_disk_faults slow = {.latency_min_ns = RUN_SLOW_NS, .latency_max_ns = RUN_SLOW_NS};
    struct peer p = {.on_content = look_on_content};
    sim_disk_set_faults(r->options.world, &slow);
    peer_init(&p, r->t, NULL, true);
    peer_open_channel(&p, 1);
    look_at_queue(r, &p, (int)trial_random(r->t, CRASH_STANDING), false);
    peer_drop(&p);
}

/* ---- acting ---- */

static void
connect_clients(struct run *r)
{
    for (unsigned i = 0; i < RUN_CLIENTS; i++)
        crash_client_connect(&r->clients[i], &r->place, i == 2, i == 0);
    for (unsigned i = 0; i < RUN_DECLS; i++)
        crash_decl_connect(&r->decls[i]);
}

static void
act_one(struct run *r)
{
    unsigned i = (unsigned)trial_random(r->t, RUN_CLIENTS + RUN_DECLS + 1);
    if (i == RUN_CLIENTS + RUN_DECLS) {
        crash_admin_act(&r->admin);
        return;
    }
    if (i >= RUN_CLIENTS) {
        crash_decl_act(&r->decls[i - RUN_CLIENTS]);
        return;
    }
    struct crash_client *c = &r->clients[i];
    if (!c->is_owner && c->is_open && !crash_client_is_purging(c) && trial_chance(r->t, 40)) {
        crash_client_leave(c);
        crash_client_connect(c, &r->place, trial_chance(r->t, 4), false);
        return;
    }
    crash_client_act(c);
}

static bool
is_answered(void *arg)
{
    const struct run *r = arg;
    bool ok = true;
    for (unsigned i = 0; i < RUN_CLIENTS; i++)
        ok = ok && crash_client_is_answered(&r->clients[i]);
    return ok;
}

/* With a failing disk: or it is known why not, as every connection that publishes from now on is told. */
static bool
is_calm(void *arg)
{
    struct run *r = arg;
    bool decls = crash_admin_is_answered(&r->admin);
    for (unsigned i = 0; i < RUN_DECLS; i++)
        decls = decls && crash_decl_is_answered(&r->decls[i]);
    bool is_alarmed = r->is_tolerant && r->t->broker->node.brokers[0]->alarms_told;
    return is_alarmed || (is_answered(r) && (decls || r->is_tolerant));
}

static void
say_who_waits(const struct run *r)
{
    for (unsigned i = 0; i < RUN_CLIENTS; i++) {
        const struct crash_client *c = &r->clients[i];
        if (!crash_client_is_answered(c))
            trial_say(r->t, "channel %u%s waits for %zu confirms and %u answers, first to %s", c->channel,
                      c->is_blocked ? ", blocked," : "", c->unanswered, c->ask_count,
                      c->ask_count ? amqp_method_by_id(c->asks[c->ask_first].method)->name : "none");
    }
}

/* The end comes as soon as the quorum queue gives something out: so that must have been kept. */
static void
hurry(struct run *r)
{
    uint64_t given = r->model.given[CRASH_COUNTED];
    crash_client_hurry(&r->clients[0]);
    for (unsigned i = 0; i < RUN_HURRY_STEPS && r->model.given[CRASH_COUNTED] == given; i++)
        run_steps(r, 1);
}

static void
act(struct run *r)
{
    struct trial *t = r->t;
    static const unsigned paces[] = {4, 20, 60, 60, 150};
    unsigned pace = paces[trial_random(t, sizeof paces / sizeof *paces)];
    if (r->plan->is_sudden && trial_chance(t, 2))
        set_disk(r, 1 + trial_random(t, RUN_ACTS_OPERATIONS));
    connect_clients(r);
    run_steps(r, 200 + trial_random(t, 300));
    for (unsigned i = 0; i < r->plan->acts && !r->is_down; i++) {
        act_one(r);
        run_steps(r, trial_random(t, trial_chance(t, 20) ? pace * 20 : pace));
    }
    if (!r->is_down && (r->plan->is_calm || r->has_failing_disk || trial_chance(t, 4))) {
        bool ok = wait_for(r, is_calm, r, "answers");
        if (!ok)
            say_who_waits(r);
        if (r->has_failing_disk && !ok && !r->is_down)
            finding(r, "publishers on a failing disk are neither answered nor blocked");
    } else if (!r->is_down && trial_chance(t, 2)) {
        hurry(r);
    }
}

/* Space comes back. A store that has not failed for good goes on. */
static void
check_space(struct run *r)
{
    trial_say(r->t, "there is space again");
    r->has_failing_disk = false;
    set_disk(r, 0);
    bool ok = wait_for(r, is_answered, r, "answers");
    if (!ok)
        say_who_waits(r);
    if (!ok && sim_broker_failure(r->t->broker) == ERR_OK)
        finding(r, "there is space again, and publishers still wait");
}

/* A node whose disk fails still serves those who need none of it. */
static void
check_service(struct run *r)
{
    struct peer p = {0};
    struct amqp_basic_get get = {.queue = slice_str(crash_queue_names[CRASH_FLEETING]), .no_ack = true};
    peer_init(&p, r->t, NULL, true);
    peer_open_channel(&p, 1);
    crash_model_asked(&r->model, CRASH_FLEETING, true);
    peer_call(&p, 1, AMQP_BASIC_GET, &get);
    peer_close(&p);
}

/* ---- lives ---- */

static void
power_off(struct run *r)
{
    trial_say(r->t, "the power goes at operation %llu of life %u", (unsigned long long)operations(r),
              r->life);
    if (r->t->broker)
        trial_crash(r->t, true);
    else
        sim_node_crash(r->options.world);
    r->crashes = sim_node_crashes(r->options.world);
}

static void
start(struct run *r)
{
    static const unsigned counts[] = {1, 2, 3, 3, 5};
    char why[RUN_WHY_SIZE] = "";
    r->options.shards =
        r->plan->shards ? r->plan->shards : counts[trial_random(r->t, sizeof counts / sizeof *counts)];
    r->life_operations = sim_disk_operations(r->options.world);
    uint64_t down_at = r->life == r->plan->down_life ? r->plan->down_at : 0;
    if (r->plan->is_sudden && trial_chance(r->t, 3))
        down_at = 1 + trial_random(r->t, RUN_START_OPERATIONS);
    set_disk(r, down_at);
    for (unsigned i = 0; i < RUN_STARTS_MAX; i++) {
        bool ok = trial_start(r->t, &r->options, why, sizeof why);
        if (r->life == 1)
            r->report->operations[1] = operations(r);
        look_for_power(r);
        if (ok && !r->is_down) {
            if (r->life > 0)
                set_disk(r, 0);
            return;
        }
        if (r->is_down) {
            power_off(r);
            r->is_down = false;
        } else {
            TRIAL_EXPECT(r->t, r->has_failing_disk, "it does not start: %s", why);
            TRIAL_EXPECT(r->t, *why, "it does not start, and does not say why");
            r->report->refused_starts++;
            r->has_failing_disk = false;
        }
        set_disk(r, 0);
    }
    trial_fail(r->t, "it does not start: %s", why);
}

static void
leave_all(struct run *r)
{
    for (unsigned i = 0; i < RUN_CLIENTS; i++)
        crash_client_leave(&r->clients[i]);
    for (unsigned i = 0; i < RUN_DECLS; i++)
        crash_decl_leave(&r->decls[i]);
}

static void
end_life(struct run *r)
{
    enum crash_end end = r->plan->end;
    if (r->plan->is_hasty && r->life == 1)
        end = CRASH_POWER;
    if (end == CRASH_ANY)
        end = 1 + (enum crash_end)trial_random(r->t, 7) % (CRASH_NO_END - 1);
    if (r->life == 0)
        r->report->operations[0] = operations(r);
    if (r->is_down)
        end = CRASH_POWER;
    r->is_tolerant = r->place.is_faulty = r->place.is_ending = true;
    if (end == CRASH_NO_END) {
        leave_all(r);
        trial_until(r->t, is_deserted, r->t->broker, RUN_WAIT_MS, "the connections to end");
        sim_run_for(r->t->sim, RUN_SETTLE_MS);
    } else if (r->is_down) {
        power_off(r);
    } else if (end == CRASH_STOP) {
        trial_stop(r->t);
    } else {
        trial_crash(r->t, end == CRASH_POWER);
    }
    leave_all(r);
    r->ended_at = sim_now_ms(r->t->sim);
    r->lease.is_known &= end != CRASH_NO_END;
    if (end != CRASH_NO_END) {
        crash_model_ended(&r->model, r->shards);
        if (trial_chance(r->t, 2))
            sim_run_for(r->t->sim, trial_random(r->t, RUN_DOWN_MS));
    }
    r->is_down = r->has_failing_disk = false;
    r->is_tolerant = r->place.is_faulty = r->place.is_ending = false;
}

static void
live(struct run *r)
{
    bool is_last = r->life + 1 == r->plan->lives;
    r->has_failing_disk = r->life == 0 && r->plan->faults.fail_at;
    r->is_tolerant = r->place.is_faulty = r->has_failing_disk;
    if (!r->t->broker) {
        start(r);
        check_declared(r);
    }
    r->is_tolerant = r->place.is_faulty = r->has_failing_disk;
    bool is_up = set_up(r);
    if (is_up)
        find_shards(r);
    if (is_up && r->plan->is_hasty && r->life == 1) {
        look_hastily(r);
        end_life(r);
        return;
    }
    if (is_up && r->life > 0) {
        look(r, is_last);
        crash_admin_try(&r->admin);
    }
    if (is_last && is_up)
        check_expiry(r);
    if (is_last)
        return;
    if (is_up)
        act(r);
    if (is_up && r->has_failing_disk && !r->is_down)
        check_service(r);
    if (is_up && r->has_failing_disk && !r->is_down && r->plan->faults.fail_with == ERR_NO_SPACE)
        check_space(r);
    end_life(r);
}

static void
prepare(struct run *r)
{
    struct trial *t = r->t;
    static const uint64_t latencies_ns[][2] = {
        {50000, 300000}, {50000, 300000}, {2000, 20000}, {1000000, 8000000}};
    const uint64_t *latency = latencies_ns[trial_random(t, sizeof latencies_ns / sizeof *latencies_ns)];
    r->disk = (struct sim_disk_faults){.latency_min_ns = latency[0], .latency_max_ns = latency[1]};
    struct sim_net net = sim_net(t->sim);
    if (net.chunk_max && net.chunk_max < 1000) /* bodies are long here: no small steps that show nothing */
        net.chunk_max = 1000 + trial_random(t, 30000);
    if (net.buffer_bytes < 16384)
        net.buffer_bytes = 16384;
    sim_set_net(t->sim, &net);
    sim_broker_options_init(&r->options);
    sim_broker_durable_init(&r->durable);
    r->options.durable = r->plan->is_in_memory ? NULL : &r->durable;
    r->options.world = sim_node_new(t->sim, r->options.name);
    crash_model_init(&r->model, t);
    r->model.on_finding = r->plan->on_finding;
    r->model.arg = r->plan->arg;
    r->place = (struct crash_place){.t = t, .model = &r->model};
    if (trial_chance(t, 3))
        r->place.bodies_max = 40;
    r->place.is_deep = trial_chance(t, 3);
    r->place.is_ruled = r->plan->is_ruled || trial_chance(t, 4);
    for (unsigned i = 0; i < RUN_DECLS; i++)
        crash_decl_init(&r->decls[i], t, i, &r->is_tolerant);
    crash_admin_init(&r->admin, t, &r->is_tolerant);
}

void
crash_run(struct trial *t, const struct crash_plan *plan, struct crash_report *report)
{
    struct run *r = calloc(1, sizeof *r);
    CHECK(r && plan->lives > 1);
    *report = (struct crash_report){0};
    r->t = t;
    r->plan = plan;
    r->report = report;
    trial_begin_world(t);
    prepare(r);
    for (; r->life < plan->lives; r->life++)
        live(r);
    sim_broker_check(t->broker);
    trial_stop(t);
    trial_end_down(t);
    report->findings = r->model.findings;
    report->confirms = r->place.confirms;
    report->nacks = r->place.nacks;
    report->commits = r->place.commits;
    report->blocks = r->place.blocks;
    report->looked_at = r->model.looked_at;
    report->known_gone = r->model.known_gone;
    report->answers = r->admin.answers;
    for (unsigned i = 0; i < RUN_DECLS; i++)
        report->answers += r->decls[i].answers;
    crash_model_fini(&r->model);
    free(r);
}
