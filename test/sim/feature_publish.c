/* See feature_publish.h. */
#include "feature_publish.h"

#include "base/buffer.h"
#include "wire/table.h"

#include <string.h>

/* ---- publishing ---- */

struct burst {
    struct feature_letter letters[FEATURE_BURST];
    unsigned count, way;
    uint64_t refused;
};

static unsigned
bits(uint32_t mask)
{
    return (unsigned)__builtin_popcount(mask);
}

/* The n-th queue of those. */
static uint8_t
nth(uint32_t mask, unsigned n)
{
    while (n-- > 0)
        mask &= mask - 1;
    return (uint8_t)__builtin_ctz(mask);
}

/* One of them gets it: by the routing key always the same, or any. -> false: it would be another one. */
static bool
choose_one(struct feature_world *w, const struct burst *b, unsigned index, uint32_t of, uint32_t *targets)
{
    const struct feature_letter *l = &b->letters[index];
    unsigned way = b->way;
    if (l->exchange == FEATURE_RANDOM) {
        while (index-- > 0)
            way /= bits(of);
        *targets = 1u << nth(of, way % bits(of));
        return true;
    }
    uint8_t queue = nth(of, way), *chosen = &w->chosen[l->exchange - FEATURE_HASH][l->key];
    if (*chosen && *chosen != queue + 1)
        return false;
    *chosen = (uint8_t)(queue + 1);
    *targets = 1u << queue;
    return true;
}

/* In how many ways the exchange may choose. */
static unsigned
ways_of(const struct burst *b)
{
    uint32_t of = feature_route_one_of(b->letters[0].exchange);
    unsigned ways = of ? bits(of) : 1;
    for (unsigned i = 1; b->letters[0].exchange == FEATURE_RANDOM && i < b->count; i++)
        ways *= bits(of);
    return ways;
}

static bool
act_publish(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct burst *b = arg;
    for (unsigned i = 0; i < b->count; i++) {
        const struct feature_letter *l = &b->letters[i];
        uint32_t targets = feature_route(&r->topology, l->exchange, l->key, l->cc);
        uint32_t one_of = feature_route_one_of(l->exchange);
        if (one_of && !choose_one(w, b, i, one_of, &targets))
            return false;
        feature_world_send(w, FEATURE_CLIENT, targets, l, (uint8_t)i, false);
        feature_world_remember(w, FEATURE_CLIENT, l);
    }
    return true;
}

static bool
fits_refused(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const struct burst *b = arg;
    return w->refused == b->refused;
}

static uint8_t
random_exchange(struct trial *t)
{
    static const uint8_t some[] = {FEATURE_FANOUT,  FEATURE_DIRECT, FEATURE_DIRECT,  FEATURE_HISTORY,
                                   FEATURE_HISTORY, FEATURE_HASH,   FEATURE_MODULUS, FEATURE_RANDOM};
    return trial_chance(t, 3) ? some[trial_random(t, sizeof some)] : FEATURE_DEFAULT;
}

static struct feature_letter
random_letter(struct features *f, uint8_t exchange, uint8_t key)
{
    static const int32_t ttls[] = {0, 500, 1100, 3000};
    struct trial *t = f->t;
    struct feature_letter l;
    memset(&l, 0, sizeof l);
    l.number = ++f->numbers;
    l.ttl_ms = trial_chance(t, 4) ? ttls[trial_random(t, 4)] : FEATURE_UNSET;
    l.priority = trial_chance(t, 3) ? FEATURE_NONE : (uint8_t)trial_random(t, FEATURE_RANKS + 1);
    l.exchange = exchange;
    l.key = key;
    l.cc = !feature_route_one_of(exchange) && trial_chance(t, 12) ? (uint8_t)trial_random(t, FEATURE_KEYS)
                                                                  : FEATURE_NONE;
    l.is_not_stored = exchange == FEATURE_HISTORY && trial_chance(t, 4);
    return l;
}

void
feature_publish(struct features *f)
{
    struct trial *t = f->t;
    uint8_t exchange = random_exchange(t);
    uint8_t key = (uint8_t)trial_random(t, exchange == FEATURE_DEFAULT ? FEATURE_QUEUES : FEATURE_KEYS);
    struct burst b = {.count = 1 + (unsigned)trial_random(t, exchange == FEATURE_RANDOM ? 2 : FEATURE_BURST)};
    struct feature_client *c = &f->clients[0];
    for (unsigned i = 0; i < b.count; i++) {
        if (exchange == FEATURE_FANOUT || exchange == FEATURE_HISTORY) /* which do not go by it */
            key = (uint8_t)trial_random(t, FEATURE_KEYS);
        struct feature_letter l = random_letter(f, exchange, key);
        memcpy(&b.letters[i], &l, sizeof l);
        trial_say(t, "publishes m%u to '%s' %s, ttl %d, priority %u", l.number, feature_exchanges[exchange],
                  feature_keys[key], l.ttl_ms, l.priority);
        feature_client_publish(c, &l, trial_chance(t, 2));
    }
    feature_client_await_confirms(c);
    b.refused = c->nacks;
    feature_ops_end_in(f, act_publish, &b, "publishing", &b.way, ways_of(&b));
    feature_model_keep(&f->model, fits_refused, &b, "confirms");
}

/* ---- exchanges ---- */

/* Where fx.missing leads to, when it is there: so that one binding leads to all of its queues. */
#define BEHIND "fx.behind"

static void
bind_to(struct features *f, const char *exchange, const char *key, uint8_t queue)
{
    struct amqp_queue_bind m = {.exchange = slice_str(exchange),
                                .routing_key = slice_str(key),
                                .queue = slice_str(feature_keys[queue])};
    feature_client_call(&f->clients[0], AMQP_QUEUE_BIND, &m);
}

static void
bind(struct features *f, uint8_t exchange, const char *key, uint8_t queue)
{
    bind_to(f, feature_exchanges[exchange], key, queue);
}

static void
declare_behind(struct features *f)
{
    struct amqp_exchange_declare m = {.exchange = slice_str(BEHIND), .type = slice_str("fanout")};
    feature_client_call(&f->clients[0], AMQP_EXCHANGE_DECLARE, &m);
    bind_to(f, BEHIND, "", 2);
    bind_to(f, BEHIND, "", 3);
}

static void
declare(struct features *f, uint8_t exchange, const char *type)
{
    struct buffer arguments = {0};
    if (exchange == FEATURE_HISTORY)
        table_add_int64(&arguments, "x-recent-history-length", FEATURE_RING_LENGTH);
    struct amqp_exchange_declare m = {.exchange = slice_str(feature_exchanges[exchange]),
                                      .type = slice_str(type),
                                      .arguments = buffer_slice(&arguments)};
    feature_client_call(&f->clients[0], AMQP_EXCHANGE_DECLARE, &m);
    buffer_fini(&arguments);
}

static void
undeclare(struct features *f, uint8_t exchange)
{
    struct amqp_exchange_delete m = {.exchange = slice_str(feature_exchanges[exchange])};
    feature_client_call(&f->clients[0], AMQP_EXCHANGE_DELETE, &m);
}

void
feature_publish_set_up(struct features *f)
{
    static const struct {
        uint8_t exchange, queue;
        const char *type, *key;
    } bindings[] = {{FEATURE_FANOUT, 1, "fanout", ""},           {FEATURE_FANOUT, 4, "fanout", ""},
                    {FEATURE_DIRECT, 0, "direct", "k0"},         {FEATURE_DIRECT, 2, "direct", "k0"},
                    {FEATURE_DIRECT, 3, "direct", "k1"},         {FEATURE_HASH, 0, "x-consistent-hash", "1"},
                    {FEATURE_HASH, 2, "x-consistent-hash", "2"}, {FEATURE_MODULUS, 1, "x-modulus-hash", ""},
                    {FEATURE_MODULUS, 3, "x-modulus-hash", ""},  {FEATURE_RANDOM, 0, "x-random", ""},
                    {FEATURE_RANDOM, 3, "x-random", ""},         {FEATURE_RANDOM, 4, "x-random", ""}};
    f->model.rules.topology = (struct feature_topology){0};
    undeclare(f, FEATURE_MISSING);
    undeclare(f, FEATURE_HISTORY); /* with what it remembers */
    declare(f, FEATURE_HISTORY, "x-recent-history");
    declare_behind(f);
    for (unsigned i = 0; i < sizeof bindings / sizeof *bindings; i++) {
        declare(f, bindings[i].exchange, bindings[i].type);
        bind(f, bindings[i].exchange, bindings[i].key, bindings[i].queue);
    }
}

static bool
act_bind(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    const uint8_t *queue = arg;
    for (uint32_t i = 0; r->topology.history & 1u << *queue && i < w->ring_count; i++)
        feature_world_send(w, FEATURE_RING, 1u << *queue, &w->ring[i], 0, false);
    return true;
}

void
feature_publish_bind(struct features *f)
{
    uint8_t queue = (uint8_t)trial_random(f->t, FEATURE_EXPIRING);
    struct feature_topology *to = &f->model.rules.topology;
    trial_say(f->t, "%s %s %s", to->history & 1u << queue ? "unbinds" : "binds", feature_keys[queue],
              feature_exchanges[FEATURE_HISTORY]);
    if (to->history & 1u << queue) {
        struct amqp_queue_unbind m = {.exchange = slice_str(feature_exchanges[FEATURE_HISTORY]),
                                      .queue = slice_str(feature_keys[queue])};
        feature_client_call(&f->clients[0], AMQP_QUEUE_UNBIND, &m);
    } else {
        bind(f, FEATURE_HISTORY, "", queue);
    }
    to->history ^= 1u << queue;
    feature_ops_end(f, act_bind, &queue, "a binding");
}

static bool
act_missing(struct feature_world *w, const struct feature_rules *r, void *arg)
{
    return true; /* what is stuck is looked at after each operation */
}

void
feature_publish_missing(struct features *f)
{
    struct feature_topology *to = &f->model.rules.topology;
    trial_say(f->t, "%s %s", feature_exchanges[FEATURE_MISSING], to->has_missing ? "goes" : "comes");
    if (to->has_missing) {
        undeclare(f, FEATURE_MISSING);
    } else {
        struct amqp_exchange_bind m = {.source = slice_str(feature_exchanges[FEATURE_MISSING]),
                                       .destination = slice_str(BEHIND)};
        declare(f, FEATURE_MISSING, "fanout");
        feature_client_call(&f->clients[0], AMQP_EXCHANGE_BIND, &m);
    }
    to->has_missing = !to->has_missing;
    feature_ops_end(f, act_missing, NULL, "an exchange");
}
