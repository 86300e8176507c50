/*
 * What a queue can be told to do with its messages, all at once: TTLs of queues and of messages, limits with
 * each overflow, dead-letter exchanges in chains and circles, rejections and requeues, policies that come and
 * go, queues that expire. One client does one thing after the other and waits until everything has come to
 * rest; what it may see then is known in full, to the last header: feature_model.h.
 *
 * Nothing is done at a moment at which something may be due, so that the model can tell what came first.
 */
#include "feature_client.h"
#include "feature_model.h"

#include "base/buffer.h"
#include "base/check.h"
#include "broker/deadletter.h"
#include "broker/meta.h"
#include "wire/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FEATURES_OPERATIONS = 160,
    FEATURES_ACT_MS = 60,  /* one operation takes less, */
    FEATURES_REST_MS = 15, /* with what follows from it */
    FEATURES_WAIT_MS = 10000,
    FEATURES_BURST = 4,
    FEATURES_STARTS_MOST = 12,   /* so often the model may lose track, in one run */
    FEATURES_MESSAGES_MOST = 16, /* in all queues: more make too many worlds */
    FEATURES_POLICIES = 3,
};

struct features {
    struct trial *t;
    struct feature_client client;
    struct feature_model model;
    struct feature_settings arguments[FEATURE_QUEUES], policies[FEATURES_POLICIES];
    uint32_t numbers;
    uint64_t from; /* this operation began then */
    unsigned policy_answers;
    bool is_time;
    unsigned starts; /* over */
};

static struct features *
features_of(void *arg)
{
    return arg;
}

/* ---- settings ---- */

static int64_t
any_of(struct trial *t, unsigned chance, const int64_t *values, unsigned count)
{
    return trial_chance(t, chance) ? values[trial_random(t, count)] : FEATURE_UNSET;
}

static struct feature_settings
random_settings(struct trial *t, bool may_expire)
{
    static const int64_t ttls[] = {0, 700, 1500, 4000}, lengths[] = {0, 1, 2, 3, 5}, bytes[] = {0, 40, 100},
                         expiries[] = {2000, 5000}, overflows[] = {0, 1, 2};
    struct feature_settings s = feature_plain;
    s.ttl_ms = any_of(t, 3, ttls, 4);
    s.length_max = any_of(t, 3, lengths, 5);
    s.bytes_max = any_of(t, 8, bytes, 3);
    s.overflow = (int)any_of(t, 2, overflows, 3);
    if (may_expire)
        s.expires_ms = any_of(t, 2, expiries, 2);
    if (trial_chance(t, 4))
        return s;
    s.dead_exchange = (uint8_t)trial_random(t, trial_chance(t, 3) ? FEATURE_EXCHANGES : 1);
    if (s.dead_exchange == FEATURE_DEFAULT || trial_chance(t, 2))
        s.dead_key = (uint8_t)trial_random(t, FEATURE_KEYS);
    return s;
}

static int
policy_of(uint8_t queue)
{
    return queue < 3 ? 0 : queue < FEATURE_EXPIRING ? 1 : 2;
}

static void
merge(struct features *f, uint8_t queue)
{
    f->model.rules.settings[queue] =
        feature_settings_merge(&f->arguments[queue], &f->policies[policy_of(queue)]);
}

static const char *const overflow_names[] = {"drop-head", "reject-publish", "reject-publish-dlx"};

static void
add_arguments(struct buffer *out, const struct feature_settings *s)
{
    if (s->ttl_ms >= 0)
        table_add_int64(out, "x-message-ttl", s->ttl_ms);
    if (s->length_max >= 0)
        table_add_int64(out, "x-max-length", s->length_max);
    if (s->bytes_max >= 0)
        table_add_int64(out, "x-max-length-bytes", s->bytes_max);
    if (s->expires_ms >= 0)
        table_add_int64(out, "x-expires", s->expires_ms);
    if (s->overflow >= 0)
        table_add_str(out, "x-overflow", slice_str(overflow_names[s->overflow]));
    if (s->dead_exchange != FEATURE_NONE)
        table_add_str(out, "x-dead-letter-exchange", slice_str(feature_exchanges[s->dead_exchange]));
    if (s->dead_key != FEATURE_NONE)
        table_add_str(out, "x-dead-letter-routing-key", slice_str(feature_keys[s->dead_key]));
}

/* ---- before and after each operation ---- */

static bool
is_at_rest(void *arg)
{
    const struct trial *t = arg;
    for (unsigned i = 0; i < t->broker->server->shard_count; i++)
        if (!deadletters_are_idle(t->broker->node.brokers[i]))
            return false;
    return true;
}

/* Per queue what came, in the order in which it came, is what was given. */
static bool
fits_sights(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct feature_client *c = &features_of(arg)->client;
    unsigned given = 0;
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++)
        for (unsigned i = 0, k = 0;; i++, k++) {
            while (i < c->sight_count && c->sights[i].queue != q)
                i++;
            while (k < w->given_count && w->given[k].queue != q)
                k++;
            if (i == c->sight_count || k == w->given_count) {
                if (i < c->sight_count || k < w->given_count)
                    return false;
                break;
            }
            given++;
            if (memcmp(&c->sights[i].letter, &w->given[k].letter, sizeof w->given[k].letter) != 0)
                return false;
        }
    return given == w->given_count;
}

static bool
tag_sights(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct feature_client *c = &features_of(arg)->client;
    for (unsigned i = 0; i < c->sight_count; i++) {
        struct feature_given g = {.queue = c->sights[i].queue};
        memcpy(&g.letter, &c->sights[i].letter, sizeof g.letter);
        feature_world_tag(w, &g, c->sights[i].tag);
    }
    memset(w->given, 0, sizeof w->given);
    w->given_count = 0;
    w->refused = 0;
    return true;
}

static void
keep_sights(struct features *f, const char *what)
{
    feature_model_keep(&f->model, fits_sights, f, what);
    feature_model_keep(&f->model, tag_sights, f, what);
    feature_client_forget(&f->client);
}

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
static void
pass_time(struct features *f, uint64_t ms)
{
    f->is_time = false;
    sim_at(f->t->sim, ms, on_time, f);
    trial_until(f->t, is_time, f, ms + 1, "time");
}

static void
come_to_rest(struct features *f)
{
    trial_until(f->t, is_at_rest, f->t, FEATURES_WAIT_MS, "the dead letters");
    pass_time(f, FEATURES_REST_MS);
}

static void
begin(struct features *f)
{
    uint64_t now, until;
    while (now = sim_now_ms(f->t->sim),
           !f->model.is_vague &&
               (until = feature_model_busy_until(&f->model, now - FEATURES_ACT_MS, now + FEATURES_ACT_MS))) {
        pass_time(f, until + FEATURES_ACT_MS - now);
        come_to_rest(f);
        now = sim_now_ms(f->t->sim);
        feature_model_pass(&f->model, now - FEATURES_ACT_MS / 2);
    }
    feature_model_pass(&f->model, now);
    keep_sights(f, "what came while time passed");
    f->from = sim_now_ms(f->t->sim);
}

/* Everything that the operation has led to has happened; then `act` is what it does to a world. */
static void
end(struct features *f, feature_act *act, void *arg, const char *what)
{
    come_to_rest(f);
    uint64_t now = sim_now_ms(f->t->sim);
    TRIAL_EXPECT(f->t, now - f->from < FEATURES_ACT_MS, "an operation took %llu ms",
                 (unsigned long long)(now - f->from));
    feature_model_act(&f->model, f->from, now, act, arg, what);
    feature_model_say(&f->model, false);
    f->t->operations++;
}

/* ---- publishing ---- */

struct burst {
    struct feature_letter letters[FEATURES_BURST];
    unsigned count;
    uint64_t refused;
};

static bool
act_publish(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct burst *b = arg;
    for (unsigned i = 0; i < b->count; i++) {
        const struct feature_letter *l = &b->letters[i];
        feature_world_send(w, FEATURE_CLIENT, feature_route(l->exchange, l->key, l->cc), l, (uint8_t)i);
    }
    return true;
}

static bool
fits_refused(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct burst *b = arg;
    return w->refused == b->refused;
}

static void
do_publish(struct features *f)
{
    static const int32_t ttls[] = {0, 500, 1100, 3000};
    struct trial *t = f->t;
    struct burst b = {.count = 1 + (unsigned)trial_random(t, FEATURES_BURST)};
    bool is_default = !trial_chance(t, 4);
    uint8_t exchange = is_default ? FEATURE_DEFAULT : (uint8_t)(1 + trial_random(t, FEATURE_MISSING - 1));
    uint8_t key = (uint8_t)trial_random(t, is_default ? FEATURE_QUEUES : FEATURE_KEYS);
    for (unsigned i = 0; i < b.count; i++) {
        struct feature_letter *l = &b.letters[i];
        l->number = ++f->numbers;
        l->ttl_ms = trial_chance(t, 4) ? ttls[trial_random(t, 4)] : FEATURE_UNSET;
        l->exchange = exchange;
        l->key = key;
        l->cc = trial_chance(t, 12) ? (uint8_t)trial_random(t, FEATURE_KEYS) : FEATURE_NONE;
        trial_say(t, "publishes m%u to '%s' %s, ttl %d", l->number, feature_exchanges[exchange],
                  feature_keys[key], l->ttl_ms);
        feature_client_publish(&f->client, l, trial_chance(t, 2));
    }
    feature_client_await_confirms(&f->client);
    b.refused = f->client.nacks;
    end(f, act_publish, &b, "publishing");
    feature_model_keep(&f->model, fits_refused, &b, "confirms");
}

/* ---- getting and settling ---- */

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
    int at = feature_world_ready(q, 0);
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

static void
get(struct features *f, uint8_t queue, bool no_ack)
{
    struct got g = {.queue = queue, .no_ack = no_ack};
    g.any = feature_client_get(&f->client, queue, no_ack);
    trial_say(f->t, "gets from %s%s", feature_keys[queue], g.any ? "" : ": empty");
    g.sight = f->client.got;
    end(f, fits_got, &g, "a get");
}

struct settled {
    struct feature_held held[FEATURE_HELD_MAX];
    unsigned count;
    bool is_ack, requeue;
};

static bool
act_settle(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct settled *s = arg;
    uint32_t returned = 0;
    for (unsigned i = 0; i < s->count; i++) {
        struct feature_queue *q = &w->queues[s->held[i].queue];
        uint32_t at = 0;
        while (at < q->count && q->copies[at].tag != s->held[i].tag)
            at++;
        if (at == q->count)
            continue; /* gone with its queue */
        if (s->requeue) {
            q->copies[at].tag = 0;
            q->copies[at].is_lent = false;
            q->copies[at].letter.redelivered = true;
            returned |= 1u << s->held[i].queue;
            continue;
        }
        struct feature_letter l;
        memcpy(&l, &q->copies[at].letter, sizeof l);
        feature_world_remove(q, at);
        if (!s->is_ack)
            feature_world_leave(w, r, s->held[i].queue, &l, FEATURE_REJECTED);
    }
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++)
        if (returned & 1u << q)
            feature_world_returned(w, r, q);
        else
            feature_world_squeeze(w, r, q);
    return true;
}

static void
settle(struct features *f, unsigned index, bool multiple, bool is_ack, bool requeue)
{
    static struct settled s;
    unsigned from = multiple ? 0 : index;
    s = (struct settled){.count = index - from + 1, .is_ack = is_ack, .requeue = requeue};
    memcpy(s.held, f->client.held + from, s.count * sizeof *s.held);
    feature_client_settle(&f->client, index, multiple, is_ack, requeue);
    (void)feature_client_count(&f->client, 0); /* it is handled when that is answered */
    end(f, act_settle, &s, "settling");
}

static void
do_settle(struct features *f)
{
    struct trial *t = f->t;
    if (f->client.held_count == 0)
        return;
    bool is_ack = trial_chance(t, 3), requeue = !is_ack && trial_chance(t, 2);
    settle(f, (unsigned)trial_random(t, f->client.held_count), trial_chance(t, 3), is_ack, requeue);
}

/* ---- queues ---- */

static bool
exists(const struct features *f, uint8_t queue)
{
    return f->model.worlds[0]->queues[queue].exists;
}

static bool
act_declare(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const uint8_t *queue = arg;
    w->queues[*queue].exists = true;
    w->queues[*queue].used_from = w->from;
    w->queues[*queue].used_to = w->to;
    return true;
}

static void
declare(struct features *f, uint8_t queue)
{
    struct buffer arguments = {0};
    f->arguments[queue] = random_settings(f->t, queue >= FEATURE_EXPIRING);
    if (f->arguments[queue].dead_exchange == FEATURE_NONE)
        f->arguments[queue].dead_key = FEATURE_NONE;
    add_arguments(&arguments, &f->arguments[queue]);
    struct amqp_queue_declare m = {
        .queue = slice_str(feature_keys[queue]), .durable = queue % 2, .arguments = buffer_slice(&arguments)};
    trial_say(f->t, "declares %s", feature_keys[queue]);
    feature_client_call(&f->client, AMQP_QUEUE_DECLARE, &m);
    buffer_fini(&arguments);
    merge(f, queue);
    end(f, act_declare, &queue, "a declaration");
}

static bool
act_delete(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const uint8_t *queue = arg;
    feature_world_drop_queue(&w->queues[*queue]);
    return true;
}

static void
do_come_and_go(struct features *f)
{
    uint8_t queue = (uint8_t)(FEATURE_EXPIRING + trial_random(f->t, FEATURE_QUEUES - FEATURE_EXPIRING));
    if (!exists(f, queue)) {
        declare(f, queue);
        return;
    }
    if (f->model.rules.prefetch[queue])
        return;
    struct amqp_queue_delete m = {.queue = slice_str(feature_keys[queue])};
    trial_say(f->t, "deletes %s", feature_keys[queue]);
    feature_client_call(&f->client, AMQP_QUEUE_DELETE, &m);
    end(f, act_delete, &queue, "a deletion");
}

struct purged {
    uint8_t queue;
    uint32_t count;
};

static bool
act_purge(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct purged *p = arg;
    struct feature_queue *q = &w->queues[p->queue];
    if (feature_world_ready_count(q) != p->count)
        return false;
    for (int at; (at = feature_world_ready(q, 0)) >= 0;)
        feature_world_remove(q, (uint32_t)at);
    return true;
}

static void
do_purge(struct features *f, uint8_t queue)
{
    struct amqp_queue_purge m = {.queue = slice_str(feature_keys[queue])};
    if (!exists(f, queue))
        return;
    trial_say(f->t, "purges %s", feature_keys[queue]);
    feature_client_call(&f->client, AMQP_QUEUE_PURGE, &m);
    struct purged p = {.queue = queue, .count = f->client.count};
    end(f, act_purge, &p, "a purge");
}

/* ---- consumers ---- */

static bool
act_consume(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const uint8_t *queue = arg;
    struct feature_queue *q = &w->queues[*queue];
    for (uint32_t i = 0; r->prefetch[*queue] == 0 && i < q->count; i++)
        q->copies[i].is_lent = false; /* held all the same */
    q->used_from = w->from;
    q->used_to = w->to;
    feature_world_deliver(w, r, *queue);
    return true;
}

static void
do_consume(struct features *f)
{
    uint8_t queue = (uint8_t)trial_random(f->t, FEATURE_QUEUES);
    struct slice name = slice_str(feature_keys[queue]);
    uint32_t *prefetch = &f->model.rules.prefetch[queue];
    if (!exists(f, queue))
        return;
    trial_say(f->t, "%s %s", *prefetch ? "cancels" : "consumes", feature_keys[queue]);
    if (*prefetch) {
        struct amqp_basic_cancel m = {.consumer_tag = name};
        feature_client_call(&f->client, AMQP_BASIC_CANCEL, &m);
        *prefetch = 0;
    } else {
        *prefetch = 1 + (uint32_t)trial_random(f->t, 3);
        struct amqp_basic_qos qos = {.prefetch_count = (uint16_t)*prefetch};
        struct amqp_basic_consume m = {.queue = name, .consumer_tag = name};
        feature_client_call(&f->client, AMQP_BASIC_QOS, &qos);
        feature_client_call(&f->client, AMQP_BASIC_CONSUME, &m);
    }
    end(f, act_consume, &queue, "a consumer");
}

/* ---- policies ---- */

static void
on_policy(struct broker *b, struct meta_request *r)
{
    struct features *f = (struct features *)(uintptr_t)r->cookie[0];
    TRIAL_EXPECT(f->t, r->result.code == 0, "a policy is refused: %s", r->result.text);
    f->policy_answers++;
    meta_request_free(r);
}

static void
write_policy(char *out, size_t size, const struct feature_settings *s)
{
    int n = snprintf(out, size, "{\"overflow\":\"%s\"", overflow_names[s->overflow]);
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {{"message-ttl", s->ttl_ms},
                   {"max-length", s->length_max},
                   {"max-length-bytes", s->bytes_max},
                   {"expires", s->expires_ms}};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value != FEATURE_UNSET)
            n += snprintf(out + n, size - (size_t)n, ",\"%s\":%lld", numbers[i].key,
                          (long long)numbers[i].value);
    if (s->dead_exchange != FEATURE_NONE)
        n += snprintf(out + n, size - (size_t)n, ",\"dead-letter-exchange\":\"%s\"",
                      feature_exchanges[s->dead_exchange]);
    if (s->dead_key != FEATURE_NONE)
        n += snprintf(out + n, size - (size_t)n, ",\"dead-letter-routing-key\":\"%s\"",
                      feature_keys[s->dead_key]);
    snprintf(out + n, size - (size_t)n, "}");
}

struct policed {
    struct feature_settings before[FEATURE_QUEUES];
};

static bool
act_policy(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct policed *p = arg;
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++) {
        feature_world_squeeze(w, r, q);
        if (p->before[q].expires_ms == r->settings[q].expires_ms)
            continue;
        w->queues[q].used_from = w->queues[q].exists ? w->from : 0;
        w->queues[q].used_to = w->queues[q].exists ? w->to : 0;
    }
    return true;
}

static bool
has_policy_answer(void *arg)
{
    const struct features *f = arg;
    return f->policy_answers > 0;
}

static void
do_policy(struct features *f)
{
    static const char *const names[] = {"low", "high", "expiring"}, *const patterns[] = {
                                                                        "^fq[0-2]$", "^fq[34]$", "^fq[56]$"};
    struct trial *t = f->t;
    struct policed p;
    char value[400];
    unsigned i = (unsigned)trial_random(t, FEATURES_POLICIES);
    bool clears = f->policies[i].overflow != FEATURE_UNSET && trial_chance(t, 3);
    memcpy(p.before, f->model.rules.settings, sizeof p.before);
    struct meta_command c = {.vhost = slice_str("/"), .name = slice_str(names[i])};
    if (clears) {
        f->policies[i] = feature_plain;
        c.kind = META_POLICY_CLEAR;
    } else {
        f->policies[i] = random_settings(t, i == 2 && trial_chance(t, 3));
        if (f->policies[i].overflow == FEATURE_UNSET)
            f->policies[i].overflow = FEATURE_DROP_HEAD;
        write_policy(value, sizeof value, &f->policies[i]);
        c.kind = META_POLICY_SET;
        c.pattern = slice_str(patterns[i]);
        c.apply_to = slice_str("queues");
        c.value = slice_str(value);
    }
    trial_say(t, "policy %s: %s", names[i], clears ? "cleared" : value);
    struct meta_request *r = meta_request_new(&c);
    r->on_done = on_policy;
    r->cookie[0] = (uintptr_t)f;
    f->policy_answers = 0;
    /* From outside of its turns the shard has to be woken: meta_submit()'s mail, so posted. */
    shards_post_external(t->broker->node.shards, 0, &(struct mail){.type = MAIL_META, .p = r});
    trial_until(t, has_policy_answer, f, FEATURES_WAIT_MS, "a policy");
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++)
        merge(f, q);
    end(f, act_policy, &p, "a policy");
}

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
    struct counted c = {.queue = queue, .count = feature_client_count(&f->client, queue)};
    trial_say(f->t, "%s has %u", feature_keys[queue], c.count);
    end(f, fits_count, &c, "a count");
}

static void
do_count(struct features *f)
{
    for (uint8_t q = 0; q < FEATURE_EXPIRING; q++) {
        begin(f);
        count(f, q);
    }
}

/* Takes one queue apart and puts everything back, or takes it for good. */
static void
look(struct features *f, uint8_t queue, bool take)
{
    if (!exists(f, queue) || f->model.rules.prefetch[queue])
        return;
    unsigned before;
    do {
        before = f->client.held_count;
        begin(f);
        if (!exists(f, queue))
            return;
        get(f, queue, false);
    } while (f->client.held_count > before && !f->model.is_vague);
    while (f->client.held_count > 0 && f->client.held[f->client.held_count - 1].queue == queue &&
           !f->model.is_vague) {
        begin(f);
        settle(f, f->client.held_count - 1, false, take, !take);
    }
}

/* ---- the run ---- */

static void
cancel(struct features *f, uint8_t queue)
{
    struct amqp_basic_cancel m = {.consumer_tag = slice_str(feature_keys[queue])};
    if (f->model.rules.prefetch[queue])
        feature_client_call(&f->client, AMQP_BASIC_CANCEL, &m);
    f->model.rules.prefetch[queue] = 0;
}

/* The model has lost track: everything goes, and it is known again what there is. */
static void
start_over(struct features *f)
{
    trial_say(f->t, "too many worlds: starting over");
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++)
        cancel(f, q);
    while (f->client.held_count > 0)
        feature_client_settle(&f->client, f->client.held_count - 1, true, true, false);
    for (uint8_t q = FEATURE_EXPIRING; q < FEATURE_QUEUES; q++) {
        struct amqp_queue_delete m = {.queue = slice_str(feature_keys[q])};
        feature_client_call(&f->client, AMQP_QUEUE_DELETE, &m);
    }
    for (uint32_t left = 1; left > 0;) { /* purged messages do not move on, but others are on their way */
        come_to_rest(f);
        left = 0;
        for (uint8_t q = 0; q < FEATURE_EXPIRING; q++) {
            struct amqp_queue_purge m = {.queue = slice_str(feature_keys[q])};
            feature_client_call(&f->client, AMQP_QUEUE_PURGE, &m);
            left += f->client.count;
        }
    }
    feature_model_reset(&f->model, (1u << FEATURE_EXPIRING) - 1);
    feature_client_forget(&f->client);
    f->starts++;
}

static void
do_time(struct features *f)
{
    pass_time(f, 200 + trial_random(f->t, 3000));
    begin(f);
}

static void
operate(struct features *f)
{
    uint32_t all;
    uint8_t queue = (uint8_t)trial_random(f->t, FEATURE_QUEUES);
    uint64_t dice = trial_random(f->t, 100);
    (void)feature_model_depth(&f->model, &all);
    if (all > FEATURES_MESSAGES_MOST)
        do_purge(f, queue);
    else if (dice < 40)
        do_publish(f);
    else if (dice < 50 && exists(f, queue))
        get(f, queue, trial_chance(f->t, 5));
    else if (dice < 65)
        do_settle(f);
    else if (dice < 75)
        do_time(f);
    else if (dice < 81)
        do_policy(f);
    else if (dice < 87)
        do_consume(f);
    else if (dice < 91)
        do_come_and_go(f);
    else if (dice < 92)
        do_purge(f, queue);
    else if (dice < 95)
        look(f, queue, trial_chance(f->t, 3));
    else
        do_count(f);
}

static void
set_up(struct features *f)
{
    static const struct {
        uint8_t exchange, key, queue;
    } bindings[] = {{FEATURE_FANOUT, FEATURE_KEY_NOWHERE, 1},
                    {FEATURE_FANOUT, FEATURE_KEY_NOWHERE, 4},
                    {FEATURE_DIRECT, FEATURE_KEY_K0, 0},
                    {FEATURE_DIRECT, FEATURE_KEY_K0, 2},
                    {FEATURE_DIRECT, FEATURE_KEY_K1, 3}};
    feature_client_open(&f->client, f->t);
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++) {
        f->from = sim_now_ms(f->t->sim);
        declare(f, q);
    }
    for (uint8_t x = FEATURE_FANOUT; x <= FEATURE_DIRECT; x++) {
        struct amqp_exchange_declare m = {.exchange = slice_str(feature_exchanges[x]),
                                          .type = slice_str(feature_exchanges[x] + 3)};
        feature_client_call(&f->client, AMQP_EXCHANGE_DECLARE, &m);
    }
    for (unsigned i = 0; i < sizeof bindings / sizeof *bindings; i++) {
        struct amqp_queue_bind m = {.exchange = slice_str(feature_exchanges[bindings[i].exchange]),
                                    .routing_key = slice_str(feature_keys[bindings[i].key]),
                                    .queue = slice_str(feature_keys[bindings[i].queue])};
        feature_client_call(&f->client, AMQP_QUEUE_BIND, &m);
    }
}

static void
tear_down(struct features *f)
{
    for (uint8_t q = 0; q < FEATURE_QUEUES && !f->model.is_vague; q++) {
        begin(f);
        look(f, q, true);
    }
    trial_say(f->t, "%u worlds at most, %u starts", f->model.count_most, f->starts);
    TRIAL_EXPECT(f->t, f->starts <= FEATURES_STARTS_MOST, "the model has lost track %u times", f->starts);
    feature_client_close(&f->client);
    feature_model_fini(&f->model);
    trial_end_full(f->t);
}

static void
run(struct features *f)
{
    for (unsigned i = 0; i < FEATURES_OPERATIONS; i++) {
        begin(f);
        operate(f);
        keep_sights(f, "what came");
        if (trial_chance(f->t, 2)) {
            begin(f);
            count(f, (uint8_t)trial_random(f->t, FEATURE_EXPIRING));
            keep_sights(f, "what came with a count");
        }
        if (f->model.is_vague)
            start_over(f);
    }
}

void
workload_features(struct trial *t)
{
    static struct features f;
    struct sim_broker_options options;
    sim_broker_options_init(&options);
    trial_begin_world(t);
    struct sim_net net = sim_net(t->sim);
    net.latency_max_ns = 200000; /* operations are one after the other: a slow network shows nothing here */
    net.chunk_max = 0;
    net.buffer_bytes = 65536;
    sim_set_net(t->sim, &net);
    options.shards = trial_shards(t);
    f = (struct features){.t = t};
    for (int i = 0; i < FEATURES_POLICIES; i++)
        f.policies[i] = feature_plain;
    trial_begin(t, &options);
    feature_model_init(&f.model, t);
    set_up(&f);
    run(&f);
    tear_down(&f);
}
