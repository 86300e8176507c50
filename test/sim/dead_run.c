/*
 * See dead_run.h. Messages are published to four queues, and go these ways:
 *
 *   chain   d.chain0 --expired--> d.chain1 --maxlen--> d.rest
 *   work    d.work --rejected--> d.rest, or acknowledged
 *   self    d.self --rejected--> d.self, again and again
 *   pair    d.pair --expired--> d.left and d.right
 *   trust   d.trust --delivery_limit--> d.last, at-least-once; both are quorum queues
 *
 * The first life is that of clients at work; in the second one nothing new is published, everything comes to
 * rest and is taken out. What x-death tells must be the way that a message has come. In some lives d.last is
 * bound only in the second one: until then what leaves d.trust has nowhere to go, and stays. There everything
 * is returned until it has left.
 */
#include "dead_run.h"

#include "base/check.h"
#include "broker/deadletter.h"
#include "broker/meta.h"
#include "broker/queue_impl.h"
#include "durable/durable.h"
#include "peer.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    DEAD_MESSAGES_MAX = 2048,
    DEAD_BURST = 6,
    DEAD_WAIT_MS = 60000,
    DEAD_STARTS_MAX = 3,
    DEAD_REJECTIONS = 60, /* of d.self: else they would go on for ever */
    DEAD_WHY_SIZE = 512,
    DEAD_TICK_MS = 3,
    DEAD_PRIORITIES = 3, /* of d.pair */
    DEAD_DOWN_MS = 200,  /* at most, between the lives */
    DEAD_EXPIRY_MS = 3000,
    DEAD_DELIVERIES = 2, /* x-delivery-limit of d.trust */
    DEAD_STATIONS = 3,   /* of the longest way: in all of them at once when the power goes */
};

/* In the order in which they are looked at: what is in d.rest came before what still is in d.chain1. */
enum dead_queue { CHAIN0, REST, CHAIN1, WORK, SELF, PAIR, LEFT, RIGHT, TRUST, LAST, DEAD_QUEUES };
/* clang-format off */
static const struct {
    const char *name;
    int32_t ttl_ms, length_max; /* -1: none */
    const char *exchange, *key; /* NULL: none */
} queues[DEAD_QUEUES] = {
    [CHAIN0] = {"d.chain0", 30, -1, "", "d.chain1"},
    [CHAIN1] = {"d.chain1", -1, 3, "", "d.rest"},
    [REST] = {"d.rest", -1, -1, NULL, NULL},
    [WORK] = {"d.work", -1, -1, "", "d.rest"},
    [SELF] = {"d.self", -1, -1, "", "d.self"},
    [PAIR] = {"d.pair", 20, -1, "d.fanout", NULL}, /* and priorities */
    [LEFT] = {"d.left", -1, -1, NULL, NULL},
    [RIGHT] = {"d.right", -1, -1, NULL, NULL},
    [TRUST] = {"d.trust", -1, -1, "d.late", NULL},
    [LAST] = {"d.last", -1, -1, NULL, NULL},
};
/* clang-format on */
static const enum dead_queue entries[] = {CHAIN0, WORK, SELF, PAIR, TRUST};

struct dead_message {
    enum dead_queue entry;
    bool is_persistent, is_kept, is_confirmed, may_be_gone;
    uint8_t copies[DEAD_QUEUES];
};

struct dead {
    struct trial *t;
    const struct crash_plan *plan;
    struct crash_report *report;
    struct sim_broker_options options;
    struct durable_config durable;
    uint64_t latency_min_ns, latency_max_ns;
    unsigned crashes, life;
    bool is_down, is_ticking, is_late; /* is_late: d.last is bound in the second life */
    struct dead_message messages[DEAD_MESSAGES_MAX];
    uint64_t count, confirmed_to;
    /* the client of the first life */
    struct sim_session *session;
    bool is_open, is_over;
    unsigned answers, rejections;
    /* the look of the second one */
    uint64_t last; /* of the chain: 1 + the highest number that was found */
    enum dead_queue looking;
};

static void finding(struct dead *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
finding(struct dead *d, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    d->report->findings++;
    if (!d->plan->on_finding)
        trial_fail(d->t, "%s", text);
    d->plan->on_finding(d->plan->arg, text);
}

/* ---- the disk ---- */

static void
set_disk(struct dead *d, uint64_t down_at)
{
    struct sim_disk_faults f = {.crash_at = down_at,
                                .crash_keeps = down_at && d->plan->down_keeps,
                                .latency_min_ns = d->latency_min_ns,
                                .latency_max_ns = d->latency_max_ns};
    d->crashes = sim_node_crashes(d->options.world);
    sim_disk_set_faults(d->options.world, &f);
}

static bool
look_for_power(struct dead *d)
{
    d->is_down |= sim_node_crashes(d->options.world) != d->crashes;
    return d->is_down;
}

static void
power_off(struct dead *d)
{
    if (d->t->broker)
        trial_crash(d->t, true);
    else
        sim_node_crash(d->options.world);
    d->is_down = false;
    set_disk(d, 0);
}

static void
start(struct dead *d)
{
    static const unsigned counts[] = {3, 2, 5, 1}; /* several logs first: in one nothing can overtake */
    char why[DEAD_WHY_SIZE] = "";
    uint64_t before = sim_disk_operations(d->options.world);
    d->options.shards = counts[(d->t->seed + d->life) % (sizeof counts / sizeof *counts)];
    set_disk(d, d->life == d->plan->down_life ? d->plan->down_at : 0);
    for (unsigned i = 0; i < DEAD_STARTS_MAX; i++) {
        bool ok = trial_start(d->t, &d->options, why, sizeof why);
        if (d->life == 1)
            d->report->operations[1] = sim_disk_operations(d->options.world) - before;
        if (!look_for_power(d)) {
            TRIAL_EXPECT(d->t, ok, "it does not start: %s", why);
            return;
        }
        power_off(d);
    }
    trial_fail(d->t, "it does not start: %s", why);
}

/* ---- the client of the first life ---- */

static void
on_delivery(struct dead *d, struct sim_session *s, const struct sim_session_event *e)
{
    uint64_t number;
    const struct amqp_basic_deliver *m = &e->fields->basic_deliver;
    TRIAL_EXPECT(d->t, content_number(e->properties, &number) && number < d->count, "a ghost is delivered");
    bool is_work = slice_eq_str(m->consumer_tag, queues[WORK].name);
    uint64_t dice = trial_random(d->t, 10);
    struct amqp_basic_ack ack = {.delivery_tag = m->delivery_tag};
    struct amqp_basic_nack nack = {.delivery_tag = m->delivery_tag};
    if (slice_eq_str(m->consumer_tag, queues[TRUST].name)) {
        nack.requeue = true;
        if (dice < 9)
            sim_session_send(s, 1, AMQP_BASIC_NACK, &nack);
    } else if (is_work && dice < 3) {
        d->messages[number].may_be_gone = true;
        sim_session_send(s, 1, AMQP_BASIC_ACK, &ack);
    } else if (is_work ? dice < 9 : d->rejections < DEAD_REJECTIONS) {
        d->rejections += !is_work;
        sim_session_send(s, 1, AMQP_BASIC_NACK, &nack);
    } /* else it is kept, unacknowledged, until the end */
}

static void
on_confirm(struct dead *d, uint64_t tag, bool multiple)
{
    TRIAL_EXPECT(d->t, tag <= d->count, "a confirm of %llu", (unsigned long long)tag);
    for (uint64_t i = multiple ? d->confirmed_to : tag - 1; i < tag; i++) {
        d->report->confirms += !d->messages[i].is_confirmed;
        d->messages[i].is_confirmed = true;
    }
    if (multiple)
        d->confirmed_to = tag;
}

static void
on_event(void *arg, struct sim_session *s, const struct sim_session_event *e)
{
    struct dead *d = arg;
    d->is_open |= e->kind == SIM_SESSION_OPENED;
    d->is_over |= e->kind == SIM_SESSION_CLOSED || e->kind == SIM_SESSION_LOST;
    TRIAL_EXPECT(d->t, e->kind != SIM_SESSION_BROKEN, "the broker sent %s", e->text);
    TRIAL_EXPECT(d->t, e->id != AMQP_CHANNEL_CLOSE && e->id != AMQP_BASIC_NACK, "a close or a nack");
    if (e->kind != SIM_SESSION_METHOD || e->channel != 1)
        return;
    if (e->id == AMQP_BASIC_DELIVER)
        on_delivery(d, s, e);
    else if (e->id == AMQP_BASIC_ACK)
        on_confirm(d, e->fields->basic_ack.delivery_tag, e->fields->basic_ack.multiple);
    else
        d->answers++;
}

static void
on_tick(void *arg)
{
    struct dead *d = arg;
    d->is_ticking = false;
}

/* Time goes on even where nothing is due. */
static bool
step(struct dead *d)
{
    if (!d->is_ticking)
        sim_at(d->t->sim, DEAD_TICK_MS, on_tick, d);
    d->is_ticking = true;
    (void)trial_step(d->t);
    return !look_for_power(d);
}

static bool
wait_for_answers(struct dead *d, unsigned wanted)
{
    uint64_t deadline = sim_now_ms(d->t->sim) + DEAD_WAIT_MS;
    while (!d->is_open || d->answers < wanted) {
        TRIAL_EXPECT(d->t, sim_now_ms(d->t->sim) <= deadline, "waited in vain for an answer");
        if (!step(d))
            return false;
    }
    return true;
}

static void
add_arguments(struct buffer *out, enum dead_queue q)
{
    if (queues[q].ttl_ms >= 0)
        table_add_int64(out, "x-message-ttl", queues[q].ttl_ms);
    if (queues[q].length_max >= 0)
        table_add_int64(out, "x-max-length", queues[q].length_max);
    if (queues[q].exchange)
        table_add_str(out, "x-dead-letter-exchange", slice_str(queues[q].exchange));
    if (queues[q].key)
        table_add_str(out, "x-dead-letter-routing-key", slice_str(queues[q].key));
    if (q == PAIR)
        table_add_int32(out, "x-max-priority", DEAD_PRIORITIES);
    if (q == TRUST || q == LAST)
        table_add_str(out, "x-queue-type", slice_str("quorum"));
    if (q != TRUST)
        return;
    table_add_str(out, "x-overflow", slice_str("reject-publish"));
    table_add_str(out, "x-dead-letter-strategy", slice_str("at-least-once"));
    table_add_int64(out, "x-delivery-limit", DEAD_DELIVERIES);
}

static void
bind_last(struct amqp_queue_bind *m)
{
    *m = (struct amqp_queue_bind){.queue = slice_str(queues[LAST].name), .exchange = slice_str("d.late")};
}

/* -> how many answers come. */
static unsigned
ask_for_all(const struct dead *d, struct sim_session *s)
{
    struct amqp_channel_open open = {0};
    struct amqp_confirm_select select = {0};
    struct amqp_basic_qos qos = {.prefetch_count = 5};
    struct amqp_exchange_declare x = {
        .exchange = slice_str("d.fanout"), .type = slice_str("fanout"), .durable = true};
    sim_session_send(s, 1, AMQP_CHANNEL_OPEN, &open);
    sim_session_send(s, 1, AMQP_CONFIRM_SELECT, &select);
    sim_session_send(s, 1, AMQP_BASIC_QOS, &qos);
    sim_session_send(s, 1, AMQP_EXCHANGE_DECLARE, &x);
    x.exchange = slice_str("d.late");
    sim_session_send(s, 1, AMQP_EXCHANGE_DECLARE, &x);
    for (enum dead_queue q = 0; q < DEAD_QUEUES; q++) {
        struct buffer arguments = {0};
        add_arguments(&arguments, q);
        struct amqp_queue_declare m = {
            .queue = slice_str(queues[q].name), .durable = true, .arguments = buffer_slice(&arguments)};
        sim_session_send(s, 1, AMQP_QUEUE_DECLARE, &m);
        buffer_fini(&arguments);
    }
    for (enum dead_queue q = LEFT; q <= RIGHT; q++) {
        struct amqp_queue_bind m = {.queue = slice_str(queues[q].name), .exchange = slice_str("d.fanout")};
        sim_session_send(s, 1, AMQP_QUEUE_BIND, &m);
    }
    struct amqp_queue_bind last;
    bind_last(&last);
    if (!d->is_late)
        sim_session_send(s, 1, AMQP_QUEUE_BIND, &last);
    static const enum dead_queue consumed[] = {WORK, SELF, TRUST};
    for (unsigned i = 0; i < sizeof consumed / sizeof *consumed; i++) {
        struct slice name = slice_str(queues[consumed[i]].name);
        struct amqp_basic_consume m = {.queue = name, .consumer_tag = name};
        sim_session_send(s, 1, AMQP_BASIC_CONSUME, &m);
    }
    return 5 + DEAD_QUEUES + 2 + !d->is_late + 3;
}

static void
publish(struct dead *d)
{
    struct trial *t = d->t;
    enum dead_queue entry = entries[trial_random(t, sizeof entries / sizeof *entries)];
    if (d->count == DEAD_MESSAGES_MAX)
        return;
    uint64_t number = d->count++;
    struct dead_message *m = &d->messages[number];
    m->entry = entry;
    m->is_persistent = !trial_chance(t, 8);
    m->is_kept = m->is_persistent || entry == TRUST;
    struct content content;
    struct buffer properties = {0}, body = {0};
    content_make(&content, t, number, "", queues[entry].name, m->is_persistent ? 2 : 1,
                 content_body_size(t) % 3000, &properties, &body);
    struct amqp_basic_publish publish = {.routing_key = slice_str(queues[entry].name)};
    sim_session_publish(d->session, 1, &publish, buffer_slice(&properties), buffer_slice(&body), 0);
    buffer_fini(&properties);
    buffer_fini(&body);
    t->operations++;
}

/* Until its acts are done, or the power goes. */
static void
work(struct dead *d)
{
    d->session = trial_session(d->t, NULL, on_event, d);
    if (wait_for_answers(d, 0) && wait_for_answers(d, ask_for_all(d, d->session)))
        for (unsigned i = 0; i < d->plan->acts && !d->is_down; i++) {
            for (uint64_t n = 1 + trial_random(d->t, DEAD_BURST); n > 0; n--)
                publish(d);
            for (uint64_t n = trial_random(d->t, 60); n > 0 && step(d); n--)
                ;
        }
    if (!d->is_down && trial_chance(d->t, 2)) /* confirms come, and what is to die does */
        for (uint64_t until = sim_now_ms(d->t->sim) + 100; sim_now_ms(d->t->sim) < until && step(d);)
            ;
}

/* ---- the look ---- */

static void
add_text(char *out, size_t size, struct slice text, const char *after)
{
    size_t used = strlen(out);
    snprintf(out + used, size - used, "%.*s%s", SLICE_FMT(text), after);
}

/* "d.chain1 maxlen, d.chain0 expired, ". A count above 1 is told, too. */
static void
read_way(struct slice properties, char *out, size_t size)
{
    struct slice deaths, queue, reason;
    struct table_value v;
    int64_t count;
    *out = '\0';
    if (table_get_array(properties_headers(properties), "x-death", &deaths) != ERR_OK)
        return;
    for (struct table_iter it = table_iter_items(deaths); table_iter_next(&it, NULL, &v);) {
        bool ok = v.type == TABLE_TABLE && table_get_str(v.bytes, "queue", &queue) == ERR_OK &&
                  table_get_str(v.bytes, "reason", &reason) == ERR_OK &&
                  table_get_int(v.bytes, "count", &count) == ERR_OK && count > 0;
        if (!ok) {
            add_text(out, size, slice_str("broken"), ", ");
            continue;
        }
        add_text(out, size, queue, " ");
        add_text(out, size, reason, count > 1 && !slice_eq_str(queue, "d.self") ? " again, " : ", ");
    }
}

static const char *
way_to(enum dead_queue entry, enum dead_queue queue, const char *way)
{
    switch (queue) {
    case CHAIN1: return "d.chain0 expired, ";
    case REST: return entry == WORK ? "d.work rejected, " : "d.chain1 maxlen, d.chain0 expired, ";
    case SELF: return *way ? "d.self rejected, " : "";
    case LEFT:
    case RIGHT: return "d.pair expired, ";
    case LAST: return "d.trust delivery_limit, ";
    default: return "";
    }
}

static bool
may_be_in(enum dead_queue entry, enum dead_queue queue)
{
    switch (entry) {
    case CHAIN0: return queue == CHAIN1 || queue == REST;
    case WORK: return queue == WORK || queue == REST;
    case SELF: return queue == SELF;
    case TRUST: return queue == LAST;
    default: return queue == LEFT || queue == RIGHT;
    }
}

static void
on_found(struct peer *p, const struct sim_session_event *e)
{
    struct dead *d = p->arg;
    char way[256];
    uint64_t number;
    enum dead_queue q = d->looking;
    if (!content_number(e->properties, &number) || number >= d->count) {
        finding(d, "a ghost in %s", queues[q].name);
        return;
    }
    struct dead_message *m = &d->messages[number];
    m->copies[q]++;
    d->report->looked_at++;
    read_way(e->properties, way, sizeof way);
    if (!may_be_in(m->entry, q) || strcmp(way, way_to(m->entry, q, way)) != 0)
        finding(d, "m%llu of %s is in %s, by way of %s", (unsigned long long)number, queues[m->entry].name,
                queues[q].name, way);
    if (m->entry != CHAIN0)
        return;
    if (m->copies[REST] + m->copies[CHAIN1] == 1 && number + 1 < d->last)
        finding(d, "%s: m%llu stands behind m%llu", queues[q].name, (unsigned long long)number,
                (unsigned long long)d->last - 1);
    if (number + 1 > d->last)
        d->last = number + 1;
}

static bool
is_at_rest(struct dead *d, struct peer *p)
{
    for (unsigned i = 0; i < d->options.shards; i++)
        if (!deadletters_are_idle(d->t->broker->node.brokers[i]))
            return false;
    static const enum dead_queue passing[] = {CHAIN0, PAIR, TRUST};
    for (unsigned i = 0; i < sizeof passing / sizeof *passing; i++) {
        struct amqp_queue_declare m = {.queue = slice_str(queues[passing[i]].name), .passive = true};
        peer_call(p, 1, AMQP_QUEUE_DECLARE, &m);
        if (p->count > 0)
            return false;
    }
    return true;
}

static void
check_all(struct dead *d)
{
    unsigned most = 1;
    for (unsigned i = sim_node_crashes(d->options.world); i > 0; i--)
        most *= DEAD_STATIONS;
    for (uint64_t i = 0; i < d->count; i++) {
        const struct dead_message *m = &d->messages[i];
        unsigned copies = 0;
        for (int q = 0; q < DEAD_QUEUES; q++) {
            copies += m->copies[q];
            /* Round and round d.self it may go while one batch is being synced: each round is a copy that
             * waits for its batch. */
            if (m->copies[q] > most && q != SELF)
                finding(d, "m%llu is in %s %u times", (unsigned long long)i, queues[q].name, m->copies[q]);
        }
        bool is_there = m->entry == PAIR ? m->copies[LEFT] && m->copies[RIGHT] : copies > 0;
        if (!is_there && m->is_kept && m->is_confirmed && !m->may_be_gone)
            finding(d, "m%llu of %s is lost", (unsigned long long)i, queues[m->entry].name);
    }
}

/* What is to expire does so although nobody asks for it. */
static void
check_expiry(struct dead *d)
{
    static const enum dead_queue passing[] = {CHAIN0, PAIR};
    const struct node *node = &d->t->broker->node;
    const struct vhost *v = vhost_find(node->meta, slice_str("/"));
    for (uint64_t until = sim_now_ms(d->t->sim) + DEAD_EXPIRY_MS; sim_now_ms(d->t->sim) < until;)
        (void)step(d);
    for (unsigned i = 0; v && i < sizeof passing / sizeof *passing; i++) {
        const struct queue_def *def = queue_def_find(v, slice_str(queues[passing[i]].name));
        const struct queue *q = def ? queue_find(node->brokers[def->shard], def->id) : NULL;
        if (q && queue_ready_all(q) > 0)
            finding(d, "%s still has %u messages that have expired", queues[passing[i]].name,
                    queue_ready_all(q));
    }
}

static void
on_returned(struct peer *p, const struct sim_session_event *e)
{
    struct amqp_basic_nack nack = {.delivery_tag = e->fields->basic_get_ok.delivery_tag, .requeue = true};
    sim_session_send(p->session, 1, AMQP_BASIC_NACK, &nack);
}

/* Each message of d.trust comes back once too often, and leaves. */
static void
return_all(struct dead *d, struct peer *p)
{
    struct amqp_basic_get get = {.queue = slice_str(queues[TRUST].name)};
    unsigned most = (DEAD_DELIVERIES + 1) * (unsigned)d->count;
    p->on_content = on_returned;
    p->answer = AMQP_BASIC_GET_OK;
    for (unsigned gets = 0; p->answer == AMQP_BASIC_GET_OK; gets++) {
        peer_call(p, 1, AMQP_BASIC_GET, &get);
        TRIAL_EXPECT(d->t, gets <= most, "d.trust gives out more than its delivery limit");
    }
    p->on_content = on_found;
}

static void
look(struct dead *d)
{
    struct peer p = {.on_content = on_found, .arg = d};
    peer_init(&p, d->t, NULL, true);
    peer_open_channel(&p, 1);
    for (enum dead_queue q = 0; q < DEAD_QUEUES; q++) { /* the crash may have come before they were */
        struct buffer arguments = {0};
        add_arguments(&arguments, q);
        struct amqp_queue_declare m = {
            .queue = slice_str(queues[q].name), .durable = true, .arguments = buffer_slice(&arguments)};
        peer_call(&p, 1, AMQP_QUEUE_DECLARE, &m);
        buffer_fini(&arguments);
    }
    struct amqp_exchange_declare x = {
        .exchange = slice_str("d.late"), .type = slice_str("fanout"), .durable = true};
    struct amqp_queue_bind last;
    bind_last(&last);
    peer_call(&p, 1, AMQP_EXCHANGE_DECLARE, &x);
    peer_call(&p, 1, AMQP_QUEUE_BIND, &last);
    uint64_t deadline = sim_now_ms(d->t->sim) + DEAD_WAIT_MS;
    while (!is_at_rest(d, &p)) {
        TRIAL_EXPECT(d->t, sim_now_ms(d->t->sim) < deadline, "messages move and move");
        return_all(d, &p);
        for (int i = 0; i < 20; i++)
            (void)step(d);
    }
    for (d->looking = 0; d->looking < DEAD_QUEUES; d->looking++) {
        struct amqp_basic_get get = {.queue = slice_str(queues[d->looking].name), .no_ack = true};
        do
            peer_call(&p, 1, AMQP_BASIC_GET, &get);
        while (p.answer == AMQP_BASIC_GET_OK);
    }
    check_all(d);
    peer_close(&p);
}

/* ---- lives ---- */

static void
end_first_life(struct dead *d)
{
    d->report->operations[0] = sim_disk_operations(d->options.world);
    if (d->is_down)
        power_off(d);
    else if (d->plan->end == CRASH_KILL || (d->plan->end == CRASH_ANY && trial_chance(d->t, 2)))
        trial_crash(d->t, false);
    else if (d->plan->end == CRASH_STOP)
        trial_stop(d->t);
    else
        trial_crash(d->t, true);
    trial_session_free(d->t, d->session);
}

static void
prepare(struct dead *d)
{
    struct trial *t = d->t;
    trial_begin_world(t);
    t->is_timeless = true; /* the queues' times are enough */
    d->latency_min_ns = trial_chance(t, 3) ? 1000000 : 50000;
    d->latency_max_ns = d->latency_min_ns * 6;
    struct sim_net net = {.latency_min_ns = 20000, .latency_max_ns = 200000, .buffer_bytes = 65536};
    sim_set_net(t->sim, &net);
    sim_broker_options_init(&d->options);
    sim_broker_durable_init(&d->durable);
    d->options.durable = d->plan->is_in_memory ? NULL : &d->durable;
    d->options.world = sim_node_new(t->sim, d->options.name);
    d->is_late = trial_chance(t, 2);
}

void
dead_run(struct trial *t, const struct crash_plan *plan, struct crash_report *report)
{
    struct dead *d = calloc(1, sizeof *d);
    CHECK(d);
    *report = (struct crash_report){0};
    d->t = t;
    d->plan = plan;
    d->report = report;
    prepare(d);
    start(d);
    work(d);
    end_first_life(d);
    d->life = 1;
    if (trial_chance(t, 2))
        sim_run_for(t->sim, trial_random(t, DEAD_DOWN_MS));
    start(d);
    if (trial_chance(t, 2))
        check_expiry(d);
    look(d);
    sim_broker_check(t->broker);
    trial_stop(t);
    trial_end_down(t);
    free(d);
}
