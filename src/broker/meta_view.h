/*
 * Looking through everything declared, in pieces that may lie in different turns: for lists of a running
 * node. Each is cmap_walk() over one table of the metadata: what is there all the time is shown exactly once.
 * Exchanges and queues of a vhost have tables of their own (vhost.h).
 */
#ifndef LEVERET_BROKER_META_VIEW_H
#define LEVERET_BROKER_META_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct meta;

typedef void meta_view_fn(void *arg, void *item);

/* From any shard. The items are struct vhost, struct user, struct permission_entry, struct topic_permission,
 * struct parameter. */
bool meta_view_vhosts(const struct meta *m, uint64_t *position, meta_view_fn *fn, void *arg);
bool meta_view_users(const struct meta *m, uint64_t *position, meta_view_fn *fn, void *arg);
bool meta_view_permissions(const struct meta *m, uint64_t *position, meta_view_fn *fn, void *arg);
bool meta_view_topic_permissions(const struct meta *m, uint64_t *position, meta_view_fn *fn, void *arg);
bool meta_view_parameters(const struct meta *m, uint64_t *position, meta_view_fn *fn, void *arg);
/* Writer only: struct binding, of all vhosts, without the implicit ones of the default exchange. */
bool meta_view_bindings(const struct meta *m, uint64_t *position, meta_view_fn *fn, void *arg);

/* How many there are, from any shard; `bindings` without the implicit ones, `quorum_queues` of the queues. */
struct meta_view_counts {
    size_t vhosts, users, queues, quorum_queues, bindings;
};
struct meta_view_counts meta_view_counts(const struct meta *m);

#endif
