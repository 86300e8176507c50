/*
 * One cache per shard: a chained hash table of entries by (exchange id, routing key), each with the
 * generation that its exchange had before the route was computed. The writer changes the tables first and
 * raises generations after, so a route with the present generation was computed from tables at least as new.
 * Bounded in entries and bytes; a clock picks what goes.
 *
 * A route that leaves the cache may still be in use in this turn, or be pinned by a memo for longer: it goes
 * to limbo when nothing pins it, and limbo is emptied when the turn ends. Routes that depend on more than the
 * key, that are a union over several keys, or that are very long begin their life in limbo. As this may be
 * every publish of a connection, those of the usual size are not freed but kept for the next turns.
 */
#include "broker/route.h"

#include "base/check.h"
#include "base/hash.h"
#include "broker/ptrset.h"
#include "broker/router.h"

#include <stdlib.h>

enum {
    ROUTE_ENTRY_BYTES =
        1024,               /* what an entry may take on average: the cache's bytes are entries times this */
    ROUTE_LARGE_SHARE = 8,  /* a route of more than this part of the cache's bytes is not cached */
    ROUTE_KEPT_TARGETS = 8, /* a route for one turn has room for so many, and then can be used again */
    ROUTE_KEPT_MAX = 4096,  /* so many of them wait */
    ROUTE_HISTORIES_MAX = 64, /* of further exchanges the history misses the message */
};

struct route_entry {
    struct route_entry *next; /* in its bucket, or in limbo */
    struct list clock;
    uint64_t exchange_id, generation, hash;
    uint32_t pins;
    uint32_t bytes;
    bool is_cached;
    bool is_used;  /* since the clock's hand came by */
    bool is_usual; /* for one turn, with room for ROUTE_KEPT_TARGETS */
    uint8_t key_size;
    struct route route; /* behind its targets: the key */
};

struct route_cache {
    struct route_entry **buckets;
    uint32_t bucket_mask;
    size_t entries_max, bytes_max, count, bytes;
    struct list clock; /* the hand is at its head */
    struct route_entry *limbo;
    struct route_entry *kept; /* usual ones, unused */
    unsigned kept_count;
    /* Of the route that is being computed: */
    struct router_scratch scratch;
    struct ptrset queues, exchanges;
    const struct exchange **work;
    uint32_t work_count, work_capacity;
    struct route_target *targets;
    uint32_t target_count, target_capacity;
    uint64_t histories[ROUTE_HISTORIES_MAX];
    uint16_t history_count;
    bool saw_by_message;
};

struct route_cache *
route_cache_new(size_t entries_max)
{
    struct route_cache *c = calloc(1, sizeof *c);
    CHECK(c && entries_max > 0);
    uint32_t buckets = 16;
    while (buckets < entries_max && buckets < (1u << 30))
        buckets *= 2;
    c->buckets = calloc(buckets, sizeof(struct route_entry *));
    CHECK(c->buckets);
    c->bucket_mask = buckets - 1;
    c->entries_max = entries_max;
    c->bytes_max = entries_max * ROUTE_ENTRY_BYTES;
    list_init(&c->clock);
    return c;
}

static void
entries_free(struct route_entry *e)
{
    for (struct route_entry *next; e; e = next) {
        next = e->next;
        free(e);
    }
}

void
route_cache_turn(struct route_cache *c)
{
    for (struct route_entry *e; (e = c->limbo);) {
        c->limbo = e->next;
        if (e->is_usual && c->kept_count < ROUTE_KEPT_MAX) {
            e->next = c->kept;
            c->kept = e;
            c->kept_count++;
        } else {
            free(e);
        }
    }
}

void
route_cache_free(struct route_cache *c)
{
    if (!c)
        return;
    LIST_FOREACH_SAFE (node, tmp, &c->clock)
        free(LIST_ENTRY(node, struct route_entry, clock));
    entries_free(c->limbo);
    entries_free(c->kept);
    router_scratch_fini(&c->scratch);
    ptrset_fini(&c->queues);
    ptrset_fini(&c->exchanges);
    free(c->work);
    free(c->targets);
    free(c->buckets);
    free(c);
}

/* ---- computing a route ---- */

static void
add_target(struct route_cache *c, const struct queue_def *q)
{
    if (!ptrset_add(&c->queues, q))
        return;
    if (c->target_count == c->target_capacity) {
        c->target_capacity = c->target_capacity ? c->target_capacity * 2 : 16;
        c->targets = realloc(c->targets, c->target_capacity * sizeof *c->targets);
        CHECK(c->targets);
    }
    c->targets[c->target_count++] = (struct route_target){.queue = q, .queue_id = q->id, .shard = q->shard};
}

static void
add_work(struct route_cache *c, const struct exchange *x)
{
    if (!x || !ptrset_add(&c->exchanges, x))
        return;
    if (c->work_count == c->work_capacity) {
        c->work_capacity = c->work_capacity ? c->work_capacity * 2 : 16;
        c->work = realloc(c->work, c->work_capacity * sizeof(const struct exchange *));
        CHECK(c->work);
    }
    c->work[c->work_count++] = x;
}

static void
visit_default(struct route_cache *c, const struct exchange *x, const struct router_query *query)
{
    for (unsigned i = 0; i < query->key_count; i++) {
        const struct queue_def *q = queue_def_find(x->vhost, query->keys[i]);
        if (q)
            add_target(c, q);
    }
}

static void
visit(struct route_cache *c, const struct exchange *x, const struct router_query *query)
{
    c->scratch.work += query->key_count - 1; /* a message with CC may have thousands, for nobody */
    if (x->is_default) {
        visit_default(c, x, query);
        return;
    }
    c->saw_by_message |= x->is_by_message;
    if (x->type == EXCHANGE_RECENT_HISTORY && c->history_count < ROUTE_HISTORIES_MAX)
        c->histories[c->history_count++] = x->id;
    c->scratch.found_count = 0;
    router_ops_of(x->type)->route(x->router, query, &c->scratch);
    c->scratch.work += c->scratch.found_count;
    for (uint32_t i = 0; i < c->scratch.found_count; i++) {
        const struct binding *b = c->scratch.found[i];
        if (b->to_exchange)
            add_work(c, b->destination);
        else
            add_target(c, b->destination);
    }
    struct slice alternate = exchange_alternate(x);
    if (c->scratch.found_count == 0 && alternate.len > 0)
        add_work(c, exchange_find(x->vhost, alternate));
}

/* Leaves the targets in c->targets. */
static void
compute(struct broker *b, const struct exchange *x, const struct router_query *query)
{
    struct route_cache *c = b->routes;
    uint64_t work = c->scratch.work;
    c->target_count = c->work_count = c->history_count = 0;
    c->saw_by_message = false;
    ptrset_clear(&c->queues);
    ptrset_clear(&c->exchanges);
    add_work(c, x);
    while (c->work_count > 0)
        visit(c, c->work[--c->work_count], query);
    b->route_work += c->scratch.work - work + c->target_count;
}

static struct slice
entry_key(const struct route_entry *e)
{
    return slice_of(e->route.targets + e->route.count, e->key_size);
}

static size_t
entry_size(uint32_t targets, size_t key_size)
{
    return sizeof(struct route_entry) + targets * sizeof(struct route_target) + key_size;
}

static struct route_entry *
entry_alloc(size_t bytes)
{
    struct route_entry *e = malloc(bytes);
    CHECK(e && bytes <= UINT32_MAX);
    e->bytes = (uint32_t)bytes;
    e->is_usual = false;
    return e;
}

/* Makes an entry of the route that was just computed. */
static struct route_entry *
entry_fill(const struct route_cache *c, struct route_entry *e, struct slice key)
{
    e->next = NULL;
    e->clock = (struct list){0};
    e->pins = 0;
    e->is_cached = e->is_used = false;
    e->route.count = c->target_count;
    e->route.only_shard = c->target_count > 0 ? c->targets[0].shard : ROUTE_MANY_SHARDS;
    for (uint32_t i = 0; i < c->target_count; i++) {
        e->route.targets[i] = c->targets[i];
        if (c->targets[i].shard != e->route.only_shard)
            e->route.only_shard = ROUTE_MANY_SHARDS;
    }
    e->route.history_count = c->history_count;
    if (c->history_count > 0) {
        CHECK(key.len == 0); /* it is for one turn */
        e->route.only_shard = ROUTE_MANY_SHARDS;
        memcpy(e->route.targets + e->route.count, c->histories, c->history_count * sizeof c->histories[0]);
    }
    e->key_size = (uint8_t)key.len;
    if (key.len > 0)
        memcpy(e->route.targets + e->route.count, key.data, key.len);
    return e;
}

static void
limbo_add(struct route_cache *c, struct route_entry *e)
{
    e->next = c->limbo;
    c->limbo = e;
}

/* A route for this turn only. */
static const struct route *
route_once(struct route_cache *c)
{
    struct route_entry *e = c->kept;
    size_t bytes = entry_size(c->target_count, c->history_count * sizeof c->histories[0]);
    if (bytes > entry_size(ROUTE_KEPT_TARGETS, 0)) {
        e = entry_alloc(bytes);
    } else if (e) {
        c->kept = e->next;
        c->kept_count--;
    } else {
        e = entry_alloc(entry_size(ROUTE_KEPT_TARGETS, 0));
        e->is_usual = true;
    }
    limbo_add(c, entry_fill(c, e, slice_of(NULL, 0)));
    return &e->route;
}

/* ---- the cache ---- */

static struct route_entry *
entry_of(const struct route *r)
{
    return (struct route_entry *)((uintptr_t)r - offsetof(struct route_entry, route));
}

static struct route_entry *
cache_find(const struct route_cache *c, uint64_t hash, uint64_t exchange_id, struct slice key)
{
    struct route_entry *e = c->buckets[hash & c->bucket_mask];
    while (e && !(e->hash == hash && e->exchange_id == exchange_id && slice_eq(entry_key(e), key)))
        e = e->next;
    return e;
}

static void
cache_remove(struct route_cache *c, struct route_entry *e)
{
    struct route_entry **at = &c->buckets[e->hash & c->bucket_mask];
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    list_remove(&e->clock);
    e->is_cached = false;
    c->count--;
    c->bytes -= e->bytes;
    if (e->pins == 0)
        limbo_add(c, e);
}

/* The hand goes round: what was used since gets another round. */
static void
cache_make_room(struct route_cache *c, size_t bytes)
{
    while (c->count > 0 && (c->count >= c->entries_max || c->bytes + bytes > c->bytes_max)) {
        struct route_entry *e = LIST_ENTRY(c->clock.next, struct route_entry, clock);
        if (!e->is_used) {
            cache_remove(c, e);
            continue;
        }
        e->is_used = false;
        list_remove(&e->clock);
        list_push_back(&c->clock, &e->clock);
    }
}

static void
cache_add(struct route_cache *c, struct route_entry *e, uint64_t hash, uint64_t exchange_id)
{
    cache_make_room(c, e->bytes);
    e->hash = hash;
    e->exchange_id = exchange_id;
    e->next = c->buckets[hash & c->bucket_mask];
    c->buckets[hash & c->bucket_mask] = e;
    list_push_back(&c->clock, &e->clock);
    e->is_cached = true;
    c->count++;
    c->bytes += e->bytes;
}

/* Has the route that was just computed the same targets? Ids are never reused: the same definitions then. */
static bool
is_computed_again(const struct route_cache *c, const struct route_entry *e)
{
    if (e->route.count != c->target_count)
        return false;
    for (uint32_t i = 0; i < c->target_count; i++)
        if (e->route.targets[i].queue_id != c->targets[i].queue_id)
            return false;
    return true;
}

static const struct route *
find_slowly(struct broker *b, struct route_entry *old, const struct exchange *x, uint64_t hash,
            const struct router_query *query)
{
    struct route_cache *c = b->routes;
    uint64_t generation = exchange_generation(x);
    compute(b, x, query);
    if (old && !c->saw_by_message && is_computed_again(c, old)) {
        old->generation = generation;
        old->is_used = true;
        return &old->route;
    }
    if (old)
        cache_remove(c, old);
    if (c->saw_by_message || query->keys[0].len > UINT8_MAX ||
        c->target_count > c->bytes_max / ROUTE_LARGE_SHARE / sizeof(struct route_target))
        return route_once(c);
    struct route_entry *e =
        entry_fill(c, entry_alloc(entry_size(c->target_count, query->keys[0].len)), query->keys[0]);
    e->generation = generation;
    cache_add(c, e, hash, x->id);
    return &e->route;
}

const struct route *
route_find(struct broker *b, const struct exchange *x, struct slice routing_key, struct slice properties)
{
    struct route_cache *c = b->routes;
    uint64_t hash = hash_combine(x->id, hash_bytes(routing_key));
    struct route_entry *e = cache_find(c, hash, x->id, routing_key);
    if (e && e->generation == exchange_generation(x)) {
        e->is_used = true;
        b->route_work += e->route.count;
        return &e->route;
    }
    struct router_query query = {.keys = &routing_key, .key_count = 1, .properties = properties};
    return find_slowly(b, e, x, hash, &query);
}

const struct route *
route_find_many(struct broker *b, const struct exchange *x, const struct slice *routing_keys, unsigned n,
                struct slice properties)
{
    CHECK(n > 0);
    if (n == 1)
        return route_find(b, x, routing_keys[0], properties);
    struct router_query query = {.keys = routing_keys, .key_count = n, .properties = properties};
    compute(b, x, &query);
    return route_once(b->routes);
}

/* ---- memos ---- */

void
route_memo_clear(struct broker *b, struct route_memo *memo)
{
    if (memo->route) {
        struct route_entry *e = entry_of(memo->route);
        CHECK(e->pins > 0);
        if (--e->pins == 0 && !e->is_cached)
            limbo_add(b->routes, e);
    }
    *memo = (struct route_memo){0};
}

const struct route *
route_find_memo(struct broker *b, struct route_memo *memo, const struct exchange *x, struct slice routing_key)
{
    if (memo->exchange == x && memo->generation == exchange_generation(x) &&
        slice_eq(slice_of(memo->routing_key, memo->routing_key_size), routing_key)) {
        b->route_work += memo->route->count;
        return memo->route;
    }
    route_memo_clear(b, memo);
    if (exchange_needs_message(x))
        return NULL;
    const struct route *r = route_find(b, x, routing_key, slice_of(NULL, 0));
    /* An exchange that goes by the message may have been bound to it at this very moment. */
    if (exchange_needs_message(x))
        return NULL;
    struct route_entry *e = entry_of(r);
    if (!e->is_cached || routing_key.len > sizeof memo->routing_key)
        return r;
    e->pins++;
    memo->exchange = x;
    memo->generation = e->generation;
    memo->route = r;
    memo->routing_key_size = (uint8_t)routing_key.len;
    if (routing_key.len > 0)
        memcpy(memo->routing_key, routing_key.data, routing_key.len);
    return r;
}
