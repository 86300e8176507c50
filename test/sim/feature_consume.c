/* See feature_consume.h. */
#include "feature_consume.h"

#include "base/buffer.h"
#include "feature_take.h"
#include "wire/table.h"

#include <string.h>

struct come {
    uint8_t queue, left; /* left: the slot of one that has gone; FEATURE_NONE */
};

static bool
act_consume(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct come *c = arg;
    struct feature_queue *q = &w->queues[c->queue];
    if (c->left != FEATURE_NONE)
        feature_take_keep(q, c->left);
    q->used_from = w->from;
    q->used_to = w->to;
    feature_world_squeeze(w, r, c->queue);
    return true;
}

/* ---- coming ---- */

static void
consume(struct feature_client *client, uint8_t queue, uint8_t slot, const struct feature_consumer *c,
        bool is_refused)
{
    char tag[8];
    struct buffer arguments = {0};
    struct amqp_basic_qos qos = {.prefetch_count = (uint16_t)c->prefetch};
    feature_client_consumer(tag, queue, slot);
    if (c->level)
        table_add_int64(&arguments, "x-priority", c->level);
    struct amqp_basic_consume m = {.queue = slice_str(feature_keys[queue]),
                                   .consumer_tag = slice_str(tag),
                                   .exclusive = c->is_exclusive,
                                   .arguments = buffer_slice(&arguments)};
    if (is_refused) {
        feature_client_is_refused(client, AMQP_BASIC_CONSUME, &m, AMQP_REPLY_ACCESS_REFUSED);
    } else {
        feature_client_call(client, AMQP_BASIC_QOS, &qos);
        feature_client_call(client, AMQP_BASIC_CONSUME, &m);
    }
    buffer_fini(&arguments);
}

/* An exclusive consumer shares with nobody, and is not for a queue with a single active one. Quorum queues do
 * not know what it is. */
static bool
must_refuse(const struct feature_rules *r, uint8_t queue, bool is_exclusive)
{
    if (r->types[queue].is_quorum)
        return false;
    for (int i = 0; i < FEATURE_CONSUMERS; i++)
        if (r->consumers[queue][i].is_exclusive)
            return true;
    return is_exclusive && (feature_world_is_consumed(r, queue) || r->types[queue].is_single);
}

static void
join(struct features *f, uint8_t queue, uint8_t slot)
{
    struct trial *t = f->t;
    struct feature_rules *r = &f->model.rules;
    struct feature_consumer c = {.prefetch = 1 + (uint32_t)trial_random(t, 3),
                                 .number = ++f->consumers,
                                 .client = (uint8_t)trial_random(t, FEATURE_CLIENTS),
                                 .level = trial_chance(t, 2) ? (uint8_t)trial_random(t, FEATURE_LEVELS) : 0,
                                 .is_exclusive = trial_chance(t, 6)};
    struct come come = {.queue = queue, .left = FEATURE_NONE};
    bool is_refused = must_refuse(r, queue, c.is_exclusive);
    trial_say(t, "client %u consumes %s%s as %u%s", c.client, feature_keys[queue],
              c.is_exclusive ? " alone" : "", slot, is_refused ? ": refused" : "");
    consume(&f->clients[c.client], queue, slot, &c, is_refused);
    if (!is_refused) {
        if (r->types[queue].is_quorum)
            c.is_exclusive = false;
        r->consumers[queue][slot] = c;
        feature_take_joined(r, queue, slot);
        feature_ops_end(f, act_consume, &come, "a consumer");
    }
}

/* ---- going ---- */

static void
cancel(struct features *f, uint8_t queue, uint8_t slot)
{
    char tag[8];
    feature_client_consumer(tag, queue, slot);
    struct amqp_basic_cancel m = {.consumer_tag = slice_str(tag)};
    feature_client_call(&f->clients[f->model.rules.consumers[queue][slot].client], AMQP_BASIC_CANCEL, &m);
    feature_take_left(&f->model.rules, queue, slot);
}

/* A place that is free, mostly: few consumers show little. */
static uint8_t
random_slot(struct features *f, uint8_t queue)
{
    const struct feature_consumer *all = f->model.rules.consumers[queue];
    uint8_t slot = (uint8_t)trial_random(f->t, FEATURE_CONSUMERS);
    if (trial_chance(f->t, 3))
        return slot;
    for (uint8_t free = 0; free < FEATURE_CONSUMERS; free++)
        if (!all[free].prefetch)
            return free;
    return slot;
}

/* Half of the time one with a single active consumer: it takes three to see who follows. */
static uint8_t
random_queue(struct features *f)
{
    uint8_t queue = (uint8_t)trial_random(f->t, FEATURE_QUEUES);
    if (trial_chance(f->t, 2))
        return queue;
    for (uint8_t i = 0; i < FEATURE_QUEUES && !f->model.rules.types[queue].is_single; i++)
        queue = (uint8_t)((queue + 1) % FEATURE_QUEUES);
    return queue;
}

void
feature_consume(struct features *f)
{
    uint8_t queue = random_queue(f);
    if (!feature_ops_exists(f, queue))
        return;
    uint8_t slot = random_slot(f, queue);
    if (!f->model.rules.consumers[queue][slot].prefetch) {
        join(f, queue, slot);
        return;
    }
    struct come come = {.queue = queue, .left = slot};
    trial_say(f->t, "cancels %u of %s", slot, feature_keys[queue]);
    cancel(f, queue, slot);
    feature_ops_end(f, act_consume, &come, "a cancel");
}

struct lost {
    struct feature_client *client;
    struct feature_held held[FEATURE_HELD_MAX];
    unsigned held_count;
    uint32_t queues; /* it had consumers there */
};

/* All of its consumers go, then everything comes back, then somebody else may have it. */
static bool
act_lose(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct lost *l = arg;
    for (unsigned i = 0; i < l->held_count; i++) {
        struct feature_queue *q = &w->queues[l->held[i].queue];
        for (uint32_t at = 0; at < q->count; at++)
            if (q->copies[at].tag == l->held[i].tag) {
                feature_world_return(w, r, l->held[i].queue, at);
                break;
            }
    }
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++) {
        feature_world_squeeze(w, r, q);
        if (l->queues & 1u << q) {
            w->queues[q].used_from = w->from;
            w->queues[q].used_to = w->to;
        }
    }
    return true;
}

void
feature_consume_lose(struct features *f)
{
    static struct lost l;
    static const char *const names[] = {"closes its channel", "closes", "breaks off"};
    enum feature_loss how = (enum feature_loss)trial_random(f->t, FEATURE_LOSSES);
    struct feature_client *c = &f->clients[1];
    struct feature_rules *r = &f->model.rules;
    l = (struct lost){.client = c, .held_count = c->held_count};
    memcpy(l.held, c->held, c->held_count * sizeof *c->held);
    trial_say(f->t, "client 1 %s", names[how]);
    feature_client_lose(c, how);
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++)
        for (uint8_t slot = 0; slot < FEATURE_CONSUMERS; slot++)
            if (r->consumers[q][slot].prefetch && r->consumers[q][slot].client == c->number) {
                feature_take_left(r, q, slot);
                l.queues |= 1u << q;
            }
    feature_ops_end(f, act_lose, &l, "a loss");
}

void
feature_consume_cancel_all(struct features *f)
{
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++)
        for (uint8_t slot = 0; slot < FEATURE_CONSUMERS; slot++)
            if (f->model.rules.consumers[q][slot].prefetch)
                cancel(f, q, slot);
}
