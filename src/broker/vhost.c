/* Finding and holding virtual hosts. They come and go in meta_vhost.c. */
#include "broker/vhost.h"

#include "base/hash.h"
#include "broker/meta_impl.h"
#include "broker/quota.h"

#include <stdlib.h>

static bool
vhost_eq(const void *item, const void *key)
{
    const struct vhost *v = item;
    return slice_eq(slice_of(v->name, v->name_size), *(const struct slice *)key);
}

const struct vhost *
vhost_find(const struct meta *m, struct slice name)
{
    return cmap_find(&m->vhosts, hash_bytes(name), vhost_eq, &name);
}

void
vhost_hold(const struct vhost *v)
{
    atomic_fetch_add_explicit(&((struct vhost *)v)->holds, 1, memory_order_relaxed);
}

/* The metadata's own hold ends a grace period after the vhost was taken out: so nobody looks at it when the
 * last one goes. */
void
vhost_drop(const struct vhost *v)
{
    struct vhost *mine = (struct vhost *)v;
    if (atomic_fetch_sub_explicit(&mine->holds, 1, memory_order_acq_rel) > 1)
        return;
    meta_exchange_free(mine->default_exchange);
    cmap_fini(&mine->exchanges);
    cmap_fini(&mine->queues);
    cmap_fini(&mine->alternates);
    free((void *)vhost_metadata(mine));
    free(mine);
}

void
vhost_limits_add(struct buffer *out, const struct vhost *v)
{
    int64_t connections = atomic_load_explicit(&v->connections_max, memory_order_relaxed);
    int64_t queues = atomic_load_explicit(&v->queues_max, memory_order_relaxed);
    quota_add(out, (const struct quota[]){
                       {"max-connections", &connections}, {"max-queues", &queues}, {NULL, NULL}});
}
