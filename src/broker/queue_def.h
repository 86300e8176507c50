/*
 * A queue as a declared thing: what meta_apply() knows of it. Its messages and consumers are `struct queue`
 * (queue.h) and live on the shard that the definition names. Written by shard 0, read by all without locks;
 * fields never change after publication, except `runtime`, which only the queue's own shard touches, and
 * `effect`. Valid until the end of the turn.
 */
#ifndef LEVERET_BROKER_QUEUE_DEF_H
#define LEVERET_BROKER_QUEUE_DEF_H

#include "base/list.h"
#include "base/slice.h"

#include <stdatomic.h>

struct meta;
struct policy_effect;
struct queue;
struct vhost;

struct queue_def {
    uint64_t id; /* never reused */
    struct vhost *vhost;
    struct queue *runtime;                /* the owning shard's; NULL until first used */
    uint64_t exclusive_owner;             /* connection id, 0: not exclusive */
    struct policy_effect *_Atomic effect; /* of its policies: policy_effect_of_queue() */
    struct slice arguments;               /* table payload, owned */
    struct list bindings;                 /* writer only: bindings with this destination */
    uint16_t shard;
    bool durable, auto_delete;
    uint8_t name_size;
    char name[]; /* NUL-terminated */
};

/* NULL if there is none of that name. */
const struct queue_def *queue_def_find(const struct vhost *v, struct slice name);
const struct queue_def *queue_def_find_id(const struct meta *m, uint64_t id);

/* What policies see in it: enum policy_target, one bit. */
unsigned queue_def_target(const struct queue_def *q);

static inline struct slice
queue_def_name(const struct queue_def *q)
{
    return slice_of(q->name, q->name_size);
}

#endif
