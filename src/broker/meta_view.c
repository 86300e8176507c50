/* The metadata's tables, opened to walks in pieces. */
#include "broker/meta_view.h"

#include "broker/meta_impl.h"

bool
meta_view_vhosts(const struct meta *m, uint64_t *position, meta_view_fn *fn, void *arg)
{
    return cmap_walk(&m->vhosts, position, fn, arg);
}

bool
meta_view_users(const struct meta *m, uint64_t *position, meta_view_fn *fn, void *arg)
{
    return cmap_walk(&m->users, position, fn, arg);
}

bool
meta_view_permissions(const struct meta *m, uint64_t *position, meta_view_fn *fn, void *arg)
{
    return cmap_walk(&m->permissions, position, fn, arg);
}

bool
meta_view_bindings(const struct meta *m, uint64_t *position, meta_view_fn *fn, void *arg)
{
    return cmap_walk(&m->bindings, position, fn, arg);
}

bool
meta_view_topic_permissions(const struct meta *m, uint64_t *position, meta_view_fn *fn, void *arg)
{
    return cmap_walk(&m->topic_permissions, position, fn, arg);
}

bool
meta_view_parameters(const struct meta *m, uint64_t *position, meta_view_fn *fn, void *arg)
{
    return cmap_walk(&m->parameters, position, fn, arg);
}

struct meta_view_counts
meta_view_counts(const struct meta *m)
{
    return (struct meta_view_counts){.vhosts = cmap_count(&m->vhosts),
                                     .users = cmap_count(&m->users),
                                     .queues = cmap_count(&m->queues),
                                     .quorum_queues = m->quorum_queues,
                                     .bindings = cmap_count(&m->bindings)};
}
