/*
 * A source owes time: each failure adds window / failures_max to what it owes, and what it owes goes by as
 * time does. Whoever would owe more than a window with the next failure has to wait. So one number for each
 * source says everything, and an entry whose time has come is as good as an empty one: nothing has to be
 * cleaned up.
 *
 *   place   | tag, 28 bits: of the source's keyed hash | when its debt is over, 36 bits of ticks |
 *   table   512 buckets of 8 places; another part of the hash chooses the bucket
 *
 * A place is one word and changes by compare and swap; a change that loses against another is tried anew, and
 * after a few rounds left out. When a bucket is full the smallest debt makes way: under attack from more
 * sources than it can hold the table forgets debts early. It never invents one: an address pays for another
 * only if bucket and tag are the same (one pair in 2^37), and which addresses those are depends on the seed.
 */
#include "server/login_limit.h"

#include "base/check.h"
#include "base/hash.h"
#include "io/net.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    TICK_SHIFT = 4, /* 16 ms: 36 bits of them are 34 years */
    WHEN_BITS = 36,
    BUCKETS = LOGIN_LIMIT_SOURCES_MAX / LOGIN_LIMIT_PER_BUCKET,
    SWAPS_MAX = 64,
};

#define WHEN_MASK ((UINT64_C(1) << WHEN_BITS) - 1)

struct bucket {
    _Alignas(64) _Atomic uint64_t places[LOGIN_LIMIT_PER_BUCKET];
};

struct login_limit {
    uint64_t seed;
    uint64_t window, step; /* ticks; window 0: no limit */
    struct bucket buckets[BUCKETS];
};

struct login_limit *
login_limit_new(uint32_t failures_max, uint32_t window_ms, uint64_t seed)
{
    struct login_limit *l = aligned_alloc(_Alignof(struct login_limit), sizeof *l);
    CHECK(l);
    memset(l, 0, sizeof *l);
    l->seed = seed;
    if (failures_max == 0)
        return l;
    l->step = ((uint64_t)window_ms >> TICK_SHIFT) / failures_max;
    if (l->step == 0)
        l->step = 1;
    l->window = l->step * failures_max;
    return l;
}

void
login_limit_free(struct login_limit *l)
{
    free(l);
}

/* False: this address is not limited. */
static bool
source_hash(const struct login_limit *l, const struct net_addr *a, uint64_t *hash)
{
    if (l->window == 0 || a->family == NET_NONE || net_addr_is_loopback(a))
        return false;
    size_t len = a->family == NET_IPV4 ? 4 : 8; /* who has one IPv6 address has 2^64 */
    *hash = XXH3_64bits_withSeed(a->ip, len, l->seed ^ a->family);
    return true;
}

static uint64_t
tag_of(uint64_t hash)
{
    uint64_t tag = hash & ~WHEN_MASK;
    return tag ? tag : UINT64_C(1) << WHEN_BITS;
}

/* In ticks from now; 0: nothing, or no entry. */
static uint64_t
debt_of(uint64_t place, uint64_t now)
{
    uint64_t when = place & WHEN_MASK;
    return when > now ? when - now : 0;
}

static uint64_t
ticks(uint64_t now_ms)
{
    return (now_ms >> TICK_SHIFT) & WHEN_MASK;
}

uint64_t
login_limit_wait_ms(const struct login_limit *l, const struct net_addr *source, uint64_t now_ms)
{
    uint64_t hash, now = ticks(now_ms);
    if (!source_hash(l, source, &hash))
        return 0;
    const struct bucket *b = &l->buckets[hash % BUCKETS];
    for (unsigned i = 0; i < LOGIN_LIMIT_PER_BUCKET; i++) {
        uint64_t place = atomic_load_explicit(&b->places[i], memory_order_relaxed);
        uint64_t debt = debt_of(place, now);
        if ((place & ~WHEN_MASK) == tag_of(hash))
            return debt + l->step > l->window ? (debt + l->step - l->window) << TICK_SHIFT : 0;
    }
    return 0;
}

/* The source's own place, else the one with the smallest debt. */
static _Atomic uint64_t *
choose_place(struct bucket *b, uint64_t tag, uint64_t now, uint64_t *place)
{
    _Atomic uint64_t *chosen = NULL;
    for (unsigned i = 0; i < LOGIN_LIMIT_PER_BUCKET; i++) {
        uint64_t at = atomic_load_explicit(&b->places[i], memory_order_relaxed);
        bool is_own = (at & ~WHEN_MASK) == tag;
        if (is_own || !chosen || debt_of(at, now) < debt_of(*place, now)) {
            chosen = &b->places[i];
            *place = at;
        }
        if (is_own)
            break;
    }
    return chosen;
}

bool
login_limit_failed(struct login_limit *l, const struct net_addr *source, uint64_t now_ms)
{
    uint64_t hash, now = ticks(now_ms);
    if (!source_hash(l, source, &hash))
        return false;
    uint64_t tag = tag_of(hash);
    for (unsigned round = 0; round < SWAPS_MAX; round++) {
        uint64_t old = 0;
        _Atomic uint64_t *place = choose_place(&l->buckets[hash % BUCKETS], tag, now, &old);
        uint64_t before = (old & ~WHEN_MASK) == tag ? debt_of(old, now) : 0;
        uint64_t debt = before + l->step;
        if (debt > l->window) /* several shards at once; the budget was used up already */
            return false;
        if (atomic_compare_exchange_weak_explicit(place, &old, tag | ((now + debt) & WHEN_MASK),
                                                  memory_order_relaxed, memory_order_relaxed))
            return debt + l->step > l->window;
    }
    return false;
}
