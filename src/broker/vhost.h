/*
 * Virtual hosts: each has its own exchanges, queues and bindings. Written by shard 0, read by all; valid
 * until the end of the turn, or for as long as it is held: an open connection holds its vhost. A held vhost
 * that was deleted is empty: nothing is found in it any more, and `deleted` says so.
 */
#ifndef LEVERET_BROKER_VHOST_H
#define LEVERET_BROKER_VHOST_H

#include "base/cmap.h"
#include "base/slice.h"

#include <stdatomic.h>

struct exchange;
struct meta;

struct vhost {
    uint64_t id;
    struct meta *meta;
    struct cmap exchanges; /* by name */
    struct cmap queues;    /* by name */
    struct cmap
        alternates; /* writer only: who names an exchange as alternate, by that name (meta_exchange.c) */
    struct exchange *default_exchange;
    _Atomic uint32_t holds;
    _Atomic bool deleted; /* unpublished and empty; the hook vhost_deleted closed the connections on it */
    uint8_t name_size;
    char name[]; /* NUL-terminated */
};

const struct vhost *vhost_find(const struct meta *m, struct slice name);

/* From any shard, in the turn in which it was found or while it is held. */
void vhost_hold(const struct vhost *v);
/* Any shard. The last one frees a deleted vhost. */
void vhost_drop(const struct vhost *v);

static inline bool
vhost_is_deleted(const struct vhost *v)
{
    return atomic_load_explicit(&v->deleted, memory_order_acquire);
}

#endif
