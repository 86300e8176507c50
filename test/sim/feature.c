/* See feature.h. Written from RabbitMQ's rules, with none of the broker's code. */
#include "feature.h"

#include "base/check.h"

#include <string.h>

const char *const feature_keys[FEATURE_KEYS] = {"fq0", "fq1", "fq2", "fq3", "fq4",
                                                "fq5", "fq6", "k0",  "k1",  "nowhere"};
const char *const feature_exchanges[FEATURE_EXCHANGES] = {
    "", "fx.fanout", "fx.direct", "fx.missing", "fx.history", "fx.hash", "fx.modulus", "fx.random"};
const char *const feature_reasons[FEATURE_REASONS] = {"rejected", "expired", "maxlen", "delivery_limit"};

const struct feature_settings feature_plain = {.ttl_ms = FEATURE_UNSET,
                                               .length_max = FEATURE_UNSET,
                                               .bytes_max = FEATURE_UNSET,
                                               .expires_ms = FEATURE_UNSET,
                                               .delivery_limit = FEATURE_UNSET,
                                               .overflow = FEATURE_UNSET,
                                               .dead_exchange = FEATURE_NONE,
                                               .dead_key = FEATURE_NONE};

static uint32_t
route_key(const struct feature_topology *t, uint8_t exchange, uint8_t key)
{
    switch (exchange) {
    case FEATURE_DEFAULT: return key < FEATURE_QUEUES ? 1u << key : 0;
    case FEATURE_FANOUT: return 1u << 1 | 1u << 4;
    case FEATURE_DIRECT:
        return key == FEATURE_KEY_K0 ? 1u << 0 | 1u << 2 : key == FEATURE_KEY_K1 ? 1u << 3 : 0;
    case FEATURE_MISSING: return t->has_missing ? 1u << 2 | 1u << 3 : 0;
    case FEATURE_HISTORY: return t->history;
    default: return 0;
    }
}

uint32_t
feature_route(const struct feature_topology *t, uint8_t exchange, uint8_t key, uint8_t cc)
{
    return route_key(t, exchange, key) | (cc == FEATURE_NONE ? 0 : route_key(t, exchange, cc));
}

uint32_t
feature_route_one_of(uint8_t exchange)
{
    switch (exchange) {
    case FEATURE_HASH: return 1u << 0 | 1u << 2;
    case FEATURE_MODULUS: return 1u << 1 | 1u << 3;
    case FEATURE_RANDOM: return 1u << 0 | 1u << 3 | 1u << 4;
    default: return 0;
    }
}

static int64_t
lower(int64_t a, int64_t b)
{
    return a == FEATURE_UNSET || (b != FEATURE_UNSET && b < a) ? b : a;
}

/* A quorum queue goes by the policy's overflow and expiry first, has no reject-publish-dlx, and dead letters
 * at least once only where publishers can be held up. */
static void
make_quorum(struct feature_settings *s, const struct feature_settings *policy)
{
    if (policy->overflow != FEATURE_UNSET)
        s->overflow = policy->overflow;
    if (policy->expires_ms != FEATURE_UNSET)
        s->expires_ms = policy->expires_ms;
    if (s->overflow == FEATURE_REJECT_DLX)
        s->overflow = FEATURE_DROP_HEAD;
}

struct feature_settings
feature_settings_merge(const struct feature_type *type, const struct feature_settings *arguments,
                       const struct feature_settings *policy)
{
    const struct feature_settings *a = arguments, *p = policy;
    struct feature_settings s = {
        .ttl_ms = lower(a->ttl_ms, p->ttl_ms),
        .length_max = lower(a->length_max, p->length_max),
        .bytes_max = lower(a->bytes_max, p->bytes_max),
        .expires_ms = lower(a->expires_ms, p->expires_ms),
        .delivery_limit = type->is_quorum ? lower(a->delivery_limit, p->delivery_limit) : FEATURE_UNSET,
        .overflow = a->overflow == FEATURE_UNSET ? p->overflow : a->overflow,
        .dead_exchange = a->dead_exchange == FEATURE_NONE ? p->dead_exchange : a->dead_exchange,
        .dead_key = a->dead_key == FEATURE_NONE ? p->dead_key : a->dead_key,
    };
    if (type->is_quorum)
        make_quorum(&s, p);
    s.at_least_once = type->is_quorum && a->at_least_once && s.overflow == FEATURE_REJECT;
    return s;
}

uint32_t
feature_body_size(uint32_t number)
{
    return number * 7 % 41;
}

struct feature_letter
feature_die(const struct feature_letter *l, uint8_t queue, uint8_t reason, const struct feature_settings *s)
{
    struct feature_letter to;
    struct feature_death now = {.ttl_ms = l->ttl_ms,
                                .count = 0,
                                .queue = queue,
                                .reason = reason,
                                .exchange = l->exchange,
                                .key = l->key,
                                .cc = l->cc};
    memcpy(&to, l, sizeof to);
    uint8_t before = 0;
    while (before < l->death_count &&
           (l->deaths[before].queue != queue || l->deaths[before].reason != reason))
        before++;
    if (before < l->death_count)
        now = l->deaths[before];
    else
        CHECK(++to.death_count <= FEATURE_DEATHS_MAX);
    now.count++;
    memcpy(to.deaths + 1, l->deaths, before * sizeof *l->deaths);
    to.deaths[0] = now;
    const uint8_t story[3] = {l->exchange, queue, reason};
    if (l->death_count == 0)
        memcpy(to.first, story, sizeof story);
    memcpy(to.last, story, sizeof story);
    to.exchange = s->dead_exchange;
    if (s->dead_key != FEATURE_NONE) {
        to.key = s->dead_key;
        to.cc = FEATURE_NONE;
    }
    to.ttl_ms = FEATURE_UNSET;
    to.redelivered = false;
    to.returns = 0;
    return to;
}

bool
feature_is_cycle(const struct feature_letter *l, uint8_t queue)
{
    uint8_t at = 0;
    while (at < l->death_count && l->deaths[at].queue != queue)
        at++;
    if (at == l->death_count)
        return false;
    for (uint8_t i = 0; i <= at; i++)
        if (l->deaths[i].reason == FEATURE_REJECTED)
            return false;
    return true;
}
