/*
 * x-random: one of the bindings, each as likely as the others, whatever the keys. x-local-random
 * (RabbitMQ 4.0): one of those to queues of this node, whose binding key must be empty; on a node alone every
 * queue is local.
 */
#include "base/check.h"
#include "base/hash.h"
#include "broker/bindlist.h"
#include "broker/reply.h"
#include "broker/router.h"
#include "wire/amqp.h"

#include <stdlib.h>

struct random {
    struct bindlist all;
    struct epoch *epoch;
};

static void *
random_create(struct epoch *epoch, struct slice arguments)
{
    struct random *r = calloc(1, sizeof *r);
    CHECK(r);
    r->epoch = epoch;
    return r;
}

static void
random_destroy(void *router)
{
    struct random *r = router;
    bindlist_fini(&r->all);
    free(r);
}

static uint16_t
random_check_room(const void *router, char text[256])
{
    const struct random *r = router;
    return bindlist_check_room(&r->all, text);
}

static void
random_add(void *router, struct binding *b)
{
    struct random *r = router;
    bindlist_add(&r->all, b, 1, NULL, r->epoch);
}

static void
random_remove(void *router, struct binding *b)
{
    bindlist_remove(b);
}

static void
random_settle(void *router)
{
    struct random *r = router;
    bindlist_settle(&r->all, NULL, r->epoch);
}

static void
random_route(const void *router, const struct router_query *query, struct router_scratch *s)
{
    const struct random *r = router;
    const struct bindlist_items *items = bindlist_read(&r->all);
    if (!items)
        return;
    s->random +=
        0x9e3779b97f4a7c15u; /* splitmix64: spreads evenly and needs no seed; nobody's secret hangs on it */
    router_found(s, bindlist_at(items, hash_u64(s->random) % bindlist_sum(items)));
}

static uint16_t
local_random_check(const struct router_binding *binding, char text[256])
{
    if (binding->to_exchange)
        return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED, "Destination not found");
    if (binding->routing_key.len > 0)
        return reply_fail(text, AMQP_REPLY_PRECONDITION_FAILED, "Non empty binding '%.*s' key not permitted",
                          SLICE_FMT(binding->routing_key));
    return 0;
}

const struct router_ops exchange_random_ops = {
    .create = random_create,
    .destroy = random_destroy,
    .check_room = random_check_room,
    .add = random_add,
    .remove = random_remove,
    .settle = random_settle,
    .route = random_route,
};

const struct router_ops exchange_local_random_ops = {
    .create = random_create,
    .destroy = random_destroy,
    .check = local_random_check,
    .check_room = random_check_room,
    .add = random_add,
    .remove = random_remove,
    .settle = random_settle,
    .route = random_route,
};
