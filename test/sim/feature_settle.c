/* See feature_settle.h. */
#include "feature_settle.h"

#include <string.h>

/* ---- getting ---- */

struct got {
    uint8_t queue;
    bool any, no_ack;
    struct feature_sight sight;
};

static bool
fits_got(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct got *g = arg;
    struct feature_queue *q = &w->queues[g->queue];
    int at = feature_world_first(q, &r->types[g->queue]);
    q->used_from = w->from;
    q->used_to = w->to;
    if (at < 0 || !g->any)
        return at < 0 && !g->any;
    if (memcmp(&q->copies[at].letter, &g->sight.letter, sizeof g->sight.letter) != 0)
        return false;
    if (g->no_ack)
        feature_world_remove(q, (uint32_t)at);
    else
        q->copies[at].tag = g->sight.tag;
    return true;
}

/* A quorum queue gives nothing past its single active consumer. */
static bool
is_for_consumers(const struct features *f, uint8_t queue)
{
    return f->model.rules.types[queue].is_quorum && f->model.rules.types[queue].is_single;
}

bool
feature_settle_can_get(const struct features *f, uint8_t queue)
{
    return feature_ops_exists(f, queue) && !is_for_consumers(f, queue);
}

void
feature_settle_get(struct features *f, struct feature_client *c, uint8_t queue, bool no_ack)
{
    if (is_for_consumers(f, queue)) {
        struct amqp_basic_get m = {.queue = slice_str(feature_keys[queue]), .no_ack = no_ack};
        feature_client_is_refused(c, AMQP_BASIC_GET, &m, AMQP_REPLY_RESOURCE_LOCKED);
        return;
    }
    struct got g = {.queue = queue, .no_ack = no_ack};
    g.any = feature_client_get(c, queue, no_ack);
    trial_say(f->t, "client %u gets from %s%s", c->number, feature_keys[queue], g.any ? "" : ": empty");
    memcpy(&g.sight, &c->got, sizeof g.sight);
    feature_ops_end(f, fits_got, &g, "a get");
}

/* ---- settling ---- */

struct settled {
    struct feature_held held[FEATURE_HELD_MAX];
    unsigned count;
    bool is_ack, requeue;
};

static void
settle_one(struct feature_world *w, const struct feature_rules *r, const struct settled *s, unsigned index)
{
    uint8_t queue = s->held[index].queue;
    struct feature_queue *q = &w->queues[queue];
    uint32_t at = 0;
    while (at < q->count && q->copies[at].tag != s->held[index].tag)
        at++;
    if (at == q->count)
        return; /* gone with its queue */
    if (s->requeue)
        feature_world_return(w, r, queue, at);
    else if (s->is_ack)
        feature_world_remove(q, at);
    else
        feature_world_leave_at(w, r, queue, at, FEATURE_REJECTED);
}

static bool
act_settle(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct settled *s = arg;
    for (unsigned i = 0; i < s->count; i++)
        settle_one(w, r, s, i);
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++)
        feature_world_squeeze(w, r, q);
    return true;
}

void
feature_settle(struct features *f, struct feature_client *c, unsigned index, bool multiple, bool is_ack,
               bool requeue)
{
    static struct settled s;
    unsigned from = multiple ? 0 : index;
    s = (struct settled){.count = index - from + 1, .is_ack = is_ack, .requeue = requeue};
    memcpy(s.held, c->held + from, s.count * sizeof *s.held);
    feature_client_settle(c, index, multiple, is_ack, requeue);
    (void)feature_client_count(c, 0); /* it is handled when that is answered */
    feature_ops_end(f, act_settle, &s, "settling");
}

void
feature_settle_any(struct features *f)
{
    struct trial *t = f->t;
    struct feature_client *c = &f->clients[trial_random(t, FEATURE_CLIENTS)];
    if (c->held_count == 0)
        return;
    bool is_ack = trial_chance(t, 3), requeue = !is_ack && trial_chance(t, 2);
    feature_settle(f, c, (unsigned)trial_random(t, c->held_count), trial_chance(t, 3), is_ack, requeue);
}
