/*
 * x-modulus-hash: the hash of the routing key, modulo the number of bindings, chooses one of them; binding
 * keys mean nothing. The bindings stand in the order of their destinations' names, so that a key goes to the
 * same queue after a restart, too.
 */
#include "base/check.h"
#include "base/hash.h"
#include "broker/bindlist.h"
#include "broker/queue_def.h"
#include "broker/router.h"

#include <stdlib.h>

struct modulus_hash {
    struct bindlist all;
    struct epoch *epoch;
};

static void *
modulus_hash_create(struct epoch *epoch, struct slice arguments)
{
    struct modulus_hash *h = calloc(1, sizeof *h);
    CHECK(h);
    h->epoch = epoch;
    return h;
}

static void
modulus_hash_destroy(void *router)
{
    struct modulus_hash *h = router;
    bindlist_fini(&h->all);
    free(h);
}

static struct slice
name_of(const struct binding *b)
{
    if (b->to_exchange) {
        const struct exchange *x = b->destination;
        return slice_of(x->name, x->name_size);
    }
    const struct queue_def *q = b->destination;
    return slice_of(q->name, q->name_size);
}

/* By destination, and where two are of one destination, by key and arguments: any order does that depends on
 * nothing else. */
static bool
is_before(const struct binding *a, const struct binding *b)
{
    int c = (int)a->to_exchange - (int)b->to_exchange;
    if (c == 0)
        c = slice_compare(name_of(a), name_of(b));
    if (c == 0)
        c = slice_compare(slice_of(a->bytes, a->routing_key_size + a->arguments_size),
                          slice_of(b->bytes, b->routing_key_size + b->arguments_size));
    return c < 0;
}

static uint16_t
modulus_hash_check_room(const void *router, char text[256])
{
    const struct modulus_hash *h = router;
    return bindlist_check_room(&h->all, text);
}

static void
modulus_hash_add(void *router, struct binding *b)
{
    struct modulus_hash *h = router;
    bindlist_add(&h->all, b, 1, is_before, h->epoch);
}

static void
modulus_hash_remove(void *router, struct binding *b)
{
    bindlist_remove(b);
}

static void
modulus_hash_settle(void *router)
{
    struct modulus_hash *h = router;
    bindlist_settle(&h->all, NULL, h->epoch);
}

static void
modulus_hash_route(const void *router, const struct router_query *query, struct router_scratch *s)
{
    const struct modulus_hash *h = router;
    const struct bindlist_items *items = bindlist_read(&h->all);
    if (!items)
        return;
    uint64_t hash = 0;
    for (unsigned i = 0; i < query->key_count; i++)
        hash = hash_combine(hash, hash_bytes(query->keys[i]));
    router_found(s, bindlist_at(items, hash % bindlist_sum(items)));
}

const struct router_ops exchange_modulus_hash_ops = {
    .create = modulus_hash_create,
    .destroy = modulus_hash_destroy,
    .check_room = modulus_hash_check_room,
    .add = modulus_hash_add,
    .remove = modulus_hash_remove,
    .settle = modulus_hash_settle,
    .route = modulus_hash_route,
};
