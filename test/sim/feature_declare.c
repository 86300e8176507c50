/* See feature_declare.h. */
#include "feature_declare.h"

#include "base/buffer.h"
#include "broker/meta.h"
#include "feature_dead.h"
#include "wire/table.h"

#include <stdio.h>
#include <string.h>

/* ---- settings ---- */

static int64_t
any_of(struct trial *t, unsigned chance, const int64_t *values, unsigned count)
{
    return trial_chance(t, chance) ? values[trial_random(t, count)] : FEATURE_UNSET;
}

static void
random_dead_letters(struct trial *t, struct feature_settings *s, unsigned keys)
{
    s->dead_exchange = (uint8_t)trial_random(t, trial_chance(t, 3) ? FEATURE_DEAD_EXCHANGES : 1);
    if (s->dead_exchange == FEATURE_DEFAULT || trial_chance(t, 2))
        s->dead_key = (uint8_t)trial_random(t, keys);
}

static struct feature_settings
random_settings(const struct features *f, bool may_expire)
{
    static const int64_t ttls[] = {0, 700, 1500, 4000}, lengths[] = {0, 1, 2, 3, 5}, bytes[] = {0, 40, 100},
                         expiries[] = {2000, 5000}, overflows[] = {0, 1, 2}, limits[] = {0, 1, 2, 3};
    struct trial *t = f->t;
    struct feature_settings s = feature_plain;
    s.ttl_ms = any_of(t, 3, ttls, 4);
    s.length_max = any_of(t, 3, lengths, 5);
    s.bytes_max = any_of(t, 8, bytes, 3);
    s.overflow = (int)any_of(t, 2, overflows, f->has_at_least_once ? 2 : 3);
    s.delivery_limit = any_of(t, 2, limits, 4);
    if (f->has_at_least_once && trial_chance(t, 3)) { /* somebody has to refuse such letters */
        s.overflow = FEATURE_REJECT;
        s.length_max = 1 + (int64_t)trial_random(t, 2);
    }
    if (may_expire)
        s.expires_ms = any_of(t, 2, expiries, 2);
    if (!trial_chance(t, 4))
        random_dead_letters(t, &s, FEATURE_KEYS);
    return s;
}

/* What is stuck in such a queue is bounded by its length. */
static void
ask_at_least_once(struct trial *t, struct feature_settings *s)
{
    s->at_least_once = true;
    s->overflow = FEATURE_REJECT;
    s->length_max = 1 + (int64_t)trial_random(t, 4);
    random_dead_letters(t, s, FEATURE_KEY_NOWHERE);
    if (trial_chance(t, 2))
        s->dead_exchange = trial_chance(t, 3) ? FEATURE_HISTORY : FEATURE_MISSING;
}

static struct feature_type
random_type(struct trial *t)
{
    struct feature_type type = {.is_single = trial_chance(t, 3)};
    switch (trial_random(t, 3)) {
    case 0: type.is_quorum = true; break;
    case 1: type.priority_max = (uint8_t)(1 + trial_random(t, FEATURE_RANKS - 1)); break;
    default: break;
    }
    return type;
}

static int
policy_of(uint8_t queue)
{
    return queue < 3 ? 0 : queue < FEATURE_EXPIRING ? 1 : 2;
}

static void
merge(struct features *f, uint8_t queue)
{
    f->model.rules.settings[queue] = feature_settings_merge(
        &f->model.rules.types[queue], &f->arguments[queue], &f->policies[policy_of(queue)]);
}

static const char *const overflow_names[] = {"drop-head", "reject-publish", "reject-publish-dlx"};

static void
add_numbers(struct buffer *out, const struct feature_settings *s)
{
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"x-message-ttl", s->ttl_ms},
                   {"x-max-length", s->length_max},
                   {"x-max-length-bytes", s->bytes_max},
                   {"x-expires", s->expires_ms},
                   {"x-delivery-limit", s->delivery_limit}};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value != FEATURE_UNSET)
            table_add_int64(out, numbers[i].name, numbers[i].value);
}

static void
add_arguments(struct buffer *out, const struct feature_type *type, const struct feature_settings *s)
{
    add_numbers(out, s);
    if (s->overflow >= 0)
        table_add_str(out, "x-overflow", slice_str(overflow_names[s->overflow]));
    if (s->dead_exchange != FEATURE_NONE)
        table_add_str(out, "x-dead-letter-exchange", slice_str(feature_exchanges[s->dead_exchange]));
    if (s->dead_key != FEATURE_NONE)
        table_add_str(out, "x-dead-letter-routing-key", slice_str(feature_keys[s->dead_key]));
    if (s->at_least_once)
        table_add_str(out, "x-dead-letter-strategy", slice_str("at-least-once"));
    if (type->is_quorum)
        table_add_str(out, "x-queue-type", slice_str("quorum"));
    if (type->priority_max)
        table_add_int64(out, "x-max-priority", type->priority_max);
    if (type->is_single)
        table_add_bool(out, "x-single-active-consumer", true);
}

/* ---- coming and going ---- */

static bool
act_declare(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const uint8_t *queue = arg;
    w->queues[*queue].exists = true;
    w->queues[*queue].used_from = w->from;
    w->queues[*queue].used_to = w->to;
    return true;
}

static struct feature_settings
random_arguments(const struct features *f, const struct feature_type *type, bool may_expire)
{
    struct feature_settings s = random_settings(f, may_expire);
    if (type->is_quorum && f->has_at_least_once && trial_chance(f->t, 2))
        ask_at_least_once(f->t, &s);
    if (!type->is_quorum)
        s.delivery_limit = FEATURE_UNSET;
    if (s.dead_exchange == FEATURE_NONE)
        s.dead_key = FEATURE_NONE;
    return s;
}

void
feature_declare(struct features *f, uint8_t queue)
{
    struct buffer arguments = {0};
    struct feature_type type = random_type(f->t);
    bool is_durable = queue % 2 || type.is_quorum;
    type.is_logged = is_durable && f->has_log;
    f->model.rules.types[queue] = type;
    f->arguments[queue] = random_arguments(f, &type, queue >= FEATURE_EXPIRING);
    add_arguments(&arguments, &type, &f->arguments[queue]);
    struct amqp_queue_declare m = {.queue = slice_str(feature_keys[queue]),
                                   .durable = is_durable,
                                   .arguments = buffer_slice(&arguments)};
    trial_say(f->t, "declares %s", feature_keys[queue]);
    feature_client_call(&f->clients[0], AMQP_QUEUE_DECLARE, &m);
    buffer_fini(&arguments);
    merge(f, queue);
    feature_ops_end(f, act_declare, &queue, "a declaration");
}

static bool
act_delete(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const uint8_t *queue = arg;
    feature_world_drop_queue(w, *queue);
    return true;
}

void
feature_declare_delete(struct features *f, uint8_t queue)
{
    struct amqp_queue_delete m = {.queue = slice_str(feature_keys[queue])};
    trial_say(f->t, "deletes %s", feature_keys[queue]);
    feature_client_call(&f->clients[0], AMQP_QUEUE_DELETE, &m);
    feature_ops_end(f, act_delete, &queue, "a deletion");
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
    for (int at; (at = feature_world_first(q, &r->types[p->queue])) >= 0;)
        feature_world_remove(q, (uint32_t)at);
    return true;
}

void
feature_declare_purge(struct features *f, uint8_t queue)
{
    struct amqp_queue_purge m = {.queue = slice_str(feature_keys[queue])};
    if (!feature_ops_exists(f, queue))
        return;
    feature_client_call(&f->clients[0], AMQP_QUEUE_PURGE, &m);
    trial_say(f->t, "purges %s of %u", feature_keys[queue], f->clients[0].count);
    struct purged p = {.queue = queue, .count = f->clients[0].count};
    feature_ops_end(f, act_purge, &p, "a purge");
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
                   {"expires", s->expires_ms},
                   {"delivery-limit", s->delivery_limit}};
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
send_policy(struct features *f, const struct meta_command *c)
{
    struct meta_request *r = meta_request_new(c);
    r->on_done = on_policy;
    r->cookie[0] = (uintptr_t)f;
    f->policy_answers = 0;
    /* From outside of its turns the shard has to be woken: meta_submit()'s mail, so posted. */
    shards_post_external(f->t->broker->node.shards, 0, &(struct mail){.type = MAIL_META, .p = r});
    trial_until(f->t, has_policy_answer, f, FEATURE_WAIT_MS, "a policy");
}

void
feature_declare_policy(struct features *f)
{
    static const char *const names[] = {"low", "high", "expiring"}, *const patterns[] = {
                                                                        "^fq[0-2]$", "^fq[34]$", "^fq[56]$"};
    struct trial *t = f->t;
    struct policed p;
    char value[400];
    unsigned i = (unsigned)trial_random(t, FEATURE_POLICIES);
    bool clears = f->policies[i].overflow != FEATURE_UNSET && trial_chance(t, 3);
    memcpy(p.before, f->model.rules.settings, sizeof p.before);
    struct meta_command c = {.vhost = slice_str("/"), .name = slice_str(names[i])};
    if (clears) {
        f->policies[i] = feature_plain;
        c.kind = META_POLICY_CLEAR;
    } else {
        f->policies[i] = random_settings(f, i == 2 && trial_chance(t, 3));
        if (f->policies[i].overflow == FEATURE_UNSET)
            f->policies[i].overflow = FEATURE_DROP_HEAD;
        write_policy(value, sizeof value, &f->policies[i]);
        c.kind = META_POLICY_SET;
        c.pattern = slice_str(patterns[i]);
        c.apply_to = slice_str("queues");
        c.value = slice_str(value);
    }
    trial_say(t, "policy %s: %s", names[i], clears ? "cleared" : value);
    send_policy(f, &c);
    for (uint8_t q = 0; q < FEATURE_QUEUES; q++)
        merge(f, q);
    feature_ops_end(f, act_policy, &p, "a policy");
}
