/*
 * For this folder's tests: a node without sockets, with a vhost "/" and effects that the test writes down.
 * Either one broker without a shard (nothing may cross), or shards that run on threads or in the simulation.
 */
#ifndef LEVERET_BROKER_FIXTURE_H
#define LEVERET_BROKER_FIXTURE_H

#include "base/check.h"
#include "broker/broker.h"
#include "broker/courier.h"
#include "broker/effects.h"
#include "broker/message.h"
#include "broker/meta.h"
#include "broker/queue.h"

#include <stdlib.h>

struct fixture {
    struct epoch epoch; /* unless there are shards: theirs is used */
    struct node node;
    const struct vhost *vhost;
};

/* Small ones, so that tests reach them; all others are the program's. */
enum {
    FIXTURE_TX_BYTES = 4096,
    FIXTURE_CREDIT_MESSAGES = 20,
    FIXTURE_CREDIT_BYTES = 8192,
    FIXTURE_WINDOW_BYTES = 16384,
    FIXTURE_TURN_MESSAGES = 64,
    FIXTURE_ROUTES = 100,
};

static inline struct broker_limits
fixture_limits(void)
{
    struct broker_limits l = broker_limits_default();
    l.tx_bytes_max = FIXTURE_TX_BYTES;
    l.remote_credit_messages = FIXTURE_CREDIT_MESSAGES;
    l.remote_credit_bytes = FIXTURE_CREDIT_BYTES;
    l.publish_window_bytes = FIXTURE_WINDOW_BYTES;
    l.queue_turn_messages = FIXTURE_TURN_MESSAGES;
    l.route_cache_entries = FIXTURE_ROUTES;
    return l;
}

static inline void
fixture_meta_init(struct fixture *f)
{
    struct meta_result result = {0};
    f->node.name = "rabbit@test";
    f->node.limits = fixture_limits();
    f->node.meta = meta_new(&f->node);
    meta_apply(f->node.meta, &(struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("/")}, &result);
    CHECK(result.code == 0);
    f->vhost = vhost_find(f->node.meta, slice_str("/"));
    CHECK(f->vhost);
}

/* Before the shards start, or without shards. */
static inline const struct queue_def *
fixture_queue(struct fixture *f, const char *name, unsigned shard, bool auto_delete)
{
    struct meta_result result = {0};
    struct meta_command declare = {.kind = META_QUEUE_DECLARE,
                                   .vhost = slice_str("/"),
                                   .name = slice_str(name),
                                   .auto_delete = auto_delete,
                                   .first_of_connection = true,
                                   .shard_hint = (uint16_t)shard};
    meta_apply(f->node.meta, &declare, &result);
    CHECK(result.code == 0);
    const struct queue_def *def = queue_def_find(f->vhost, slice_str(name));
    CHECK(def && def->shard == shard);
    return def;
}

/* A transient message whose body is one number, and perhaps more. */
static inline struct message *
fixture_message(struct broker *b, uint64_t number, uint32_t size)
{
    static const uint8_t no_properties[2];
    struct message *m = message_new(b, slice_str("x"), slice_str("key"), slice_of(no_properties, 2), size);
    memset(message_body_mut(m), 0, size);
    memcpy(message_body_mut(m), &number, sizeof number);
    return m;
}

static inline uint64_t
fixture_number(const struct message *m)
{
    uint64_t number;
    memcpy(&number, message_body(m).data, sizeof number);
    return number;
}

/* A route to these queues, as route_find() would make it; free() it. */
static inline struct route *
fixture_route(const struct queue_def *const *queues, uint32_t count)
{
    struct route *r = calloc(1, sizeof *r + count * sizeof r->targets[0]);
    CHECK(r);
    r->count = count;
    for (uint32_t i = 0; i < count; i++) {
        r->targets[i] = (struct route_target){queues[i], queues[i]->id, queues[i]->shard};
        if (i == 0)
            r->only_shard = queues[i]->shard;
        else if (r->only_shard != queues[i]->shard)
            r->only_shard = ROUTE_MANY_SHARDS;
    }
    return r;
}

#endif
