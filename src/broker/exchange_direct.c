/* Direct: a table of routing keys, each with the set of bindings that have exactly this key. */
#include "base/check.h"
#include "base/cmap.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "broker/bindset.h"

#include <stdlib.h>

struct direct_key {
    struct bindset bindings; /* never empty while it is in the table */
    uint8_t size;
    uint8_t bytes[];
};

struct direct {
    struct cmap keys;
    struct epoch *epoch;
};

static uint64_t
key_hash(const void *item)
{
    const struct direct_key *k = item;
    return hash_bytes(slice_of(k->bytes, k->size));
}

static bool
key_eq(const void *item, const void *key)
{
    const struct direct_key *k = item;
    return slice_eq(slice_of(k->bytes, k->size), *(const struct slice *)key);
}

static void *
direct_create(struct epoch *epoch, struct slice arguments)
{
    struct direct *d = calloc(1, sizeof *d);
    CHECK(d);
    d->epoch = epoch;
    cmap_init(&d->keys, key_hash, epoch_retire, epoch);
    return d;
}

static void
direct_destroy(void *router)
{
    struct direct *d = router;
    cmap_fini(&d->keys);
    free(d);
}

static void
direct_add(void *router, struct binding *b)
{
    struct direct *d = router;
    struct slice key = binding_routing_key(b);
    uint64_t hash = hash_bytes(key);
    struct direct_key *k = cmap_find(&d->keys, hash, key_eq, &key);
    if (k) {
        bindset_add(&k->bindings, b, d->epoch);
        return;
    }
    k = calloc(1, sizeof *k + key.len);
    CHECK(k);
    k->size = b->routing_key_size;
    if (key.len > 0)
        memcpy(k->bytes, key.data, key.len);
    bindset_add(&k->bindings, b, d->epoch);
    cmap_insert(&d->keys, hash, k);
}

static void
direct_remove(void *router, struct binding *b)
{
    struct direct *d = router;
    struct slice key = binding_routing_key(b);
    uint64_t hash = hash_bytes(key);
    struct direct_key *k = cmap_find(&d->keys, hash, key_eq, &key);
    CHECK(k && bindset_remove(&k->bindings, b, d->epoch));
    if (bindset_is_empty(&k->bindings)) {
        cmap_remove(&d->keys, hash, k);
        epoch_defer(d->epoch, free, k);
    }
}

static void
direct_route(const void *router, const struct router_query *query, struct router_scratch *s)
{
    const struct direct *d = router;
    for (unsigned i = 0; i < query->key_count; i++) {
        const struct direct_key *k = cmap_find(&d->keys, hash_bytes(query->keys[i]), key_eq, &query->keys[i]);
        if (k)
            bindset_collect(&k->bindings, s);
    }
}

const struct router_ops exchange_direct_ops = {
    .create = direct_create,
    .destroy = direct_destroy,
    .add = direct_add,
    .remove = direct_remove,
    .route = direct_route,
};
