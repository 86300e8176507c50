/*
 * Virtual hosts: each has its own exchanges, queues and bindings. Written by shard 0, read by all; valid
 * until the end of the turn, or for as long as it is held: an open connection holds its vhost. A held vhost
 * that was deleted is empty: nothing is found in it any more, and `deleted` says so.
 */
#ifndef LEVERET_BROKER_VHOST_H
#define LEVERET_BROKER_VHOST_H

#include "base/buffer.h"
#include "base/cmap.h"
#include "base/list.h"
#include "base/slice.h"

#include <stdatomic.h>

struct exchange;
struct meta;
struct meta_request;

enum { VHOST_DESCRIPTION_MAX = 4096, VHOST_TAGS_MAX = 4096 }; /* bytes */

/* What META_VHOST_SET changes. */
enum vhost_change {
    VHOST_CHANGE_DESCRIPTION = 1 << 0,
    VHOST_CHANGE_TAGS = 1 << 1,
    VHOST_CHANGE_DEFAULT_QUEUE_TYPE = 1 << 2,
    VHOST_CHANGE_PROTECTED = 1 << 3,
    VHOST_CHANGE_TRACING = 1 << 4,
};

/* Never changes once published. */
struct vhost_metadata {
    struct slice description, tags;  /* owned; tags comma separated */
    struct slice default_queue_type; /* "classic", "quorum", "stream", or empty */
    bool is_protected;               /* from deletion */
};

struct vhost {
    uint64_t id;
    struct meta *meta;
    struct cmap exchanges; /* by name */
    struct cmap queues;    /* by name */
    struct cmap
        alternates; /* writer only: who names an exchange as alternate, by that name (meta_exchange.c) */
    struct exchange *default_exchange;
    const struct vhost_metadata *_Atomic metadata;
    _Atomic bool is_tracing;                     /* trace_on: until it is turned off, or the node stops */
    _Atomic int64_t connections_max, queues_max; /* its limits: -1 none */
    struct list
        policies[2]; /* writer only: user's and operator's, the one that comes first applies (policy.h) */
    struct list policy_sweep;           /* writer only: in meta.policy_sweeps (meta_policy.c) */
    size_t policy_sweep_cursor;         /* writer only */
    bool policy_sweep_queues;           /* writer only: the exchanges are done */
    struct meta_request *policy_change; /* writer only: the last one, for who is told of it; or NULL */
    uint64_t policy_work;               /* writer only: patterns that were tried, by what they cost */
    _Atomic uint32_t connections;       /* that are open */
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

/* Its limits as JSON: {"max-queues":5}; {} without any. */
void vhost_limits_add(struct buffer *out, const struct vhost *v);

/* Good until the end of the turn. */
static inline const struct vhost_metadata *
vhost_metadata(const struct vhost *v)
{
    return atomic_load_explicit(&v->metadata, memory_order_acquire);
}

static inline bool
vhost_is_tracing(const struct vhost *v)
{
    return atomic_load_explicit(&v->is_tracing, memory_order_relaxed);
}

static inline bool
vhost_is_deleted(const struct vhost *v)
{
    return atomic_load_explicit(&v->deleted, memory_order_acquire);
}

#endif
