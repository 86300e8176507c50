/*
 * What a queue can be told to do with its messages, all at once: priorities, quorum queues with their
 * delivery limits and at-least-once dead letters, single active, exclusive and preferred consumers, TTLs of
 * queues and of messages, limits with each overflow, dead-letter exchanges in chains and circles, rejections
 * and requeues, policies that come and go, queues that expire, exchanges that remember or choose. Two clients
 * do one thing after the other and wait until everything has come to rest; what they may see then is known in
 * full, to the last header: feature_model.h.
 */
#include "feature_consume.h"
#include "feature_declare.h"
#include "feature_publish.h"
#include "feature_settle.h"

#include "durable/durable.h"

enum {
    OPERATIONS = 160,
    STARTS_MOST = 12,   /* so often the model may lose track, in one run */
    MESSAGES_MOST = 16, /* in all queues: more make too many worlds */
};

/* ---- looking ---- */

struct counted {
    uint8_t queue;
    uint32_t count;
};

static bool
fits_count(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct counted *c = arg;
    struct feature_queue *q = &w->queues[c->queue];
    q->used_from = w->from;
    q->used_to = w->to;
    return feature_world_ready_count(q) == c->count;
}

static void
count(struct features *f, uint8_t queue)
{
    struct counted c = {.queue = queue, .count = feature_client_count(&f->clients[0], queue)};
    trial_say(f->t, "%s has %u", feature_keys[queue], c.count);
    feature_ops_end(f, fits_count, &c, "a count");
}

static void
count_all(struct features *f)
{
    for (uint8_t q = 0; q < FEATURE_EXPIRING; q++) {
        feature_ops_begin(f);
        count(f, q);
    }
}

/* Takes one queue apart and puts everything back, or takes it for good. */
static void
look(struct features *f, uint8_t queue, bool take)
{
    struct feature_client *c = &f->clients[0];
    if (!feature_settle_can_get(f, queue) || feature_world_is_consumed(&f->model.rules, queue))
        return;
    unsigned before;
    do {
        before = c->held_count;
        feature_ops_begin(f);
        if (!feature_ops_exists(f, queue))
            return;
        feature_settle_get(f, c, queue, false);
    } while (c->held_count > before && !f->model.is_vague);
    while (c->held_count > 0 && c->held[c->held_count - 1].queue == queue && !f->model.is_vague) {
        feature_ops_begin(f);
        feature_settle(f, c, c->held_count - 1, false, take, !take);
    }
}

/* ---- the run ---- */

static void
set_up(struct features *f)
{
    feature_model_reset(&f->model, 0);
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++) {
        f->from = sim_now_ms(f->t->sim);
        feature_declare(f, q);
    }
    feature_publish_set_up(f);
}

/* The model has lost track: everything goes, and other queues come. */
static void
start_over(struct features *f)
{
    trial_say(f->t, "too many worlds: starting over");
    feature_consume_cancel_all(f);
    for (int i = 0; i < FEATURE_CLIENTS; i++) {
        struct feature_client *c = &f->clients[i];
        while (c->held_count > 0)
            feature_client_settle(c, c->held_count - 1, true, true, false);
        (void)feature_client_count(c, 0);
    }
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++) {
        struct amqp_queue_delete m = {.queue = slice_str(feature_keys[q])};
        feature_client_call(&f->clients[0], AMQP_QUEUE_DELETE, &m);
    }
    feature_ops_come_to_rest(f);
    for (int i = 0; i < FEATURE_CLIENTS; i++)
        feature_client_forget(&f->clients[i]);
    set_up(f);
    f->starts++;
}

static void
come_and_go(struct features *f)
{
    uint8_t queue = (uint8_t)(FEATURE_EXPIRING + trial_random(f->t, FEATURE_QUEUES - FEATURE_EXPIRING));
    if (!feature_ops_exists(f, queue))
        feature_declare(f, queue);
    else if (!feature_world_is_consumed(&f->model.rules, queue))
        feature_declare_delete(f, queue);
}

static void
get_any(struct features *f, uint8_t queue)
{
    if (feature_ops_exists(f, queue))
        feature_settle_get(f, &f->clients[trial_random(f->t, FEATURE_CLIENTS)], queue, trial_chance(f->t, 5));
}

static void
make_room(struct features *f, uint8_t queue)
{
    if (!f->model.rules.topology.has_missing)
        feature_publish_missing(f);
    else
        feature_declare_purge(f, queue);
}

static void
pass_time(struct features *f)
{
    feature_ops_pass_time(f, 200 + trial_random(f->t, 3000));
    feature_ops_begin(f);
}

static void
operate(struct features *f)
{
    uint32_t all;
    uint8_t queue = (uint8_t)trial_random(f->t, FEATURE_QUEUES);
    uint64_t dice = trial_random(f->t, 100);
    (void)feature_model_depth(&f->model, &all);
    if (all > MESSAGES_MOST)
        make_room(f, queue);
    else if (dice < 38)
        feature_publish(f);
    else if (dice < 47)
        get_any(f, queue);
    else if (dice < 62)
        feature_settle_any(f);
    else if (dice < 69)
        pass_time(f);
    else if (dice < 74)
        feature_declare_policy(f);
    else if (dice < 84)
        feature_consume(f);
    else if (dice < 86)
        feature_consume_lose(f);
    else if (dice < 89)
        come_and_go(f);
    else if (dice < 91)
        feature_publish_bind(f);
    else if (dice < 93)
        feature_publish_missing(f);
    else if (dice < 94)
        feature_declare_purge(f, queue);
    else if (dice < 97)
        look(f, queue, trial_chance(f->t, 3));
    else
        count_all(f);
}

static void
run(struct features *f)
{
    for (unsigned i = 0; i < OPERATIONS; i++) {
        feature_ops_begin(f);
        operate(f);
        feature_ops_keep_sights(f, "what came");
        if (trial_chance(f->t, 2)) {
            feature_ops_begin(f);
            count(f, (uint8_t)trial_random(f->t, FEATURE_EXPIRING));
            feature_ops_keep_sights(f, "what came with a count");
        }
        if (f->model.is_vague)
            start_over(f);
    }
}

static void
tear_down(struct features *f)
{
    for (uint8_t q = 0; q < FEATURE_QUEUES && !f->model.is_vague; q++) {
        feature_ops_begin(f);
        look(f, q, true);
    }
    trial_say(f->t, "%u worlds at most, %u starts", f->model.count_most, f->starts);
    TRIAL_EXPECT(f->t, f->starts <= STARTS_MOST, "the model has lost track %u times", f->starts);
    for (int i = 0; i < FEATURE_CLIENTS; i++)
        feature_client_close(&f->clients[i]);
    feature_model_fini(&f->model);
    trial_end_full(f->t);
}

void
workload_features(struct trial *t)
{
    static struct features f;
    struct sim_broker_options options;
    struct durable_config durable;
    sim_broker_options_init(&options);
    sim_broker_durable_init(&durable);
    trial_begin_world(t);
    struct sim_net net = sim_net(t->sim);
    net.latency_max_ns = 200000; /* operations are one after the other: a slow network shows nothing here */
    net.chunk_max = 0;
    net.buffer_bytes = 65536;
    sim_set_net(t->sim, &net);
    options.shards = trial_shards(t);
    if (trial_chance(t, 3))
        options.durable = &durable;
    f = (struct features){.t = t};
    for (int i = 0; i < FEATURE_POLICIES; i++)
        f.policies[i] = feature_plain;
    trial_begin(t, &options);
    feature_model_init(&f.model, t);
    f.has_log = options.durable != NULL;
    f.has_at_least_once = trial_chance(t, 2);
    for (uint8_t i = 0; i < FEATURE_CLIENTS; i++)
        feature_client_open(&f.clients[i], t, i);
    set_up(&f);
    run(&f);
    tear_down(&f);
}
