/*
 * See feature_ops.h. Nothing is done at a moment at which something may be due, so that the model can tell
 * what came first.
 */
#include "feature_ops.h"

#include "broker/deadletter.h"
#include "feature_take.h"

#include <string.h>

enum {
    ACT_MS = 60,  /* one operation takes less, */
    REST_MS = 15, /* with what follows from it */
};

static struct features *
features_of(void *arg)
{
    return arg;
}

/* ---- what came ---- */

/* The next thing that this consumer saw, and has not been looked at; NULL: nothing. */
static const struct feature_sight *
next_sight(const struct features *f, const struct feature_rules *r, uint8_t queue, uint8_t slot,
           const unsigned *looked)
{
    const struct feature_client *c = &f->clients[r->consumers[queue][slot].client];
    unsigned skip = looked[slot];
    for (unsigned i = 0; i < c->sight_count; i++)
        if (c->sights[i].queue == queue && c->sights[i].slot == slot && skip-- == 0)
            return &c->sights[i];
    return NULL;
}

/* Who of the level that it was given to has seen this next? FEATURE_NONE: nobody. */
static uint8_t
who_saw(const struct features *f, const struct feature_rules *r, const struct feature_given *g,
        const unsigned *looked)
{
    for (uint8_t slot = 0; slot < FEATURE_CONSUMERS; slot++) {
        const struct feature_sight *s = next_sight(f, r, g->queue, slot, looked);
        if (s && feature_take_may(r, g->queue, slot) && r->consumers[g->queue][slot].level == g->level &&
            memcmp(&s->letter, &g->letter, sizeof g->letter) == 0)
            return slot;
    }
    return FEATURE_NONE;
}

/* Each consumer got, in its order, what its level was given. Then the world knows who has what. */
static bool
take_sights(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct features *f = arg;
    unsigned looked[FEATURE_QUEUES][FEATURE_CONSUMERS] = {0}, came = 0;
    for (int i = 0; i < FEATURE_CLIENTS; i++)
        came += f->clients[i].sight_count;
    if (came != w->given_count)
        return false;
    for (unsigned i = 0; i < w->given_count; i++) {
        const struct feature_given *g = &w->given[i];
        uint8_t slot = who_saw(f, r, g, looked[g->queue]);
        if (slot == FEATURE_NONE)
            return false;
        uint32_t tag = next_sight(f, r, g->queue, slot, looked[g->queue])->tag;
        looked[g->queue][slot]++;
        if (!feature_take_seen(w, r, g->queue, slot, &g->letter, tag))
            return false;
    }
    memset(w->given, 0, sizeof w->given);
    w->given_count = 0;
    w->refused = 0;
    return true;
}

void
feature_ops_keep_sights(struct features *f, const char *what)
{
    feature_model_keep(&f->model, take_sights, f, what);
    for (int i = 0; i < FEATURE_CLIENTS; i++)
        feature_client_forget(&f->clients[i]);
}

/* ---- time ---- */

static void
on_time(void *arg)
{
    features_of(arg)->is_time = true;
}

static bool
is_time(void *arg)
{
    return features_of(arg)->is_time;
}

/* Not a moment longer, whatever is due next. */
void
feature_ops_pass_time(struct features *f, uint64_t ms)
{
    f->is_time = false;
    sim_at(f->t->sim, ms, on_time, f);
    trial_until(f->t, is_time, f, ms + 1, "time");
}

static bool
is_at_rest(void *arg)
{
    const struct trial *t = arg;
    for (unsigned i = 0; i < t->broker->server->shard_count; i++)
        if (!deadletters_are_sent(t->broker->node.brokers[i]))
            return false;
    return true;
}

void
feature_ops_come_to_rest(struct features *f)
{
    trial_until(f->t, is_at_rest, f->t, FEATURE_WAIT_MS, "the dead letters");
    feature_ops_pass_time(f, REST_MS);
}

/* ---- before and after each operation ---- */

void
feature_ops_begin(struct features *f)
{
    uint64_t now, until;
    while (now = sim_now_ms(f->t->sim), feature_model_pass(&f->model, now),
           !f->model.is_vague && (until = feature_model_busy_until(&f->model, now - ACT_MS, now + ACT_MS))) {
        feature_ops_pass_time(f, until + ACT_MS - now);
        feature_ops_come_to_rest(f);
    }
    feature_ops_keep_sights(f, "what came while time passed");
    f->from = sim_now_ms(f->t->sim);
}

void
feature_ops_end_in(struct features *f, feature_act *act, void *arg, const char *what, unsigned *way,
                   unsigned ways)
{
    feature_ops_come_to_rest(f);
    uint64_t now = sim_now_ms(f->t->sim);
    TRIAL_EXPECT(f->t, now - f->from < ACT_MS, "an operation took %llu ms",
                 (unsigned long long)(now - f->from));
    feature_model_act_in(&f->model, f->from, now, act, arg, what, way, ways);
    feature_model_say(&f->model, false);
    f->t->operations++;
}

void
feature_ops_end(struct features *f, feature_act *act, void *arg, const char *what)
{
    unsigned way;
    feature_ops_end_in(f, act, arg, what, &way, 1);
}

bool
feature_ops_exists(const struct features *f, uint8_t queue)
{
    return f->model.worlds[0]->queues[queue].exists;
}
