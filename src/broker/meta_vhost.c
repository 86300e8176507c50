/* Virtual hosts come with the predeclared exchanges, and go with everything in them. */
#include "base/check.h"
#include "base/hash.h"
#include "broker/meta_impl.h"
#include "wire/amqp.h"

#include <stdlib.h>

uint64_t
meta_vhost_hash(const void *item)
{
    const struct vhost *v = item;
    return hash_bytes(slice_of(v->name, v->name_size));
}

struct vhost *
meta_vhost_of(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = (struct vhost *)vhost_find(m, cmd->vhost);
    if (!v)
        meta_fail(r, AMQP_REPLY_NOT_ALLOWED, "vhost %.*s not found", SLICE_FMT(cmd->vhost));
    return v;
}

void
meta_vhost_add(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    if (cmd->name.len == 0 || cmd->name.len > UINT8_MAX) {
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "a vhost's name has 1 to 255 bytes, not %zu",
                  cmd->name.len);
        return;
    }
    if (vhost_find(m, cmd->name)) {
        r->existed = true;
        return;
    }
    struct vhost *v = calloc(1, sizeof *v + cmd->name.len + 1);
    CHECK(v);
    v->id = meta_take_id(m, cmd);
    v->meta = m;
    v->name_size = (uint8_t)cmd->name.len;
    memcpy(v->name, cmd->name.data, cmd->name.len);
    atomic_init(&v->holds, 1);
    meta_exchanges_init(m, v);
    meta_queues_init(m, v);
    meta_exchanges_predeclare(m, v);
    cmap_insert(&m->vhosts, meta_vhost_hash(v), v);
}

static void
drop_vhost(void *item)
{
    vhost_drop(item);
}

void
meta_vhost_delete(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = (struct vhost *)vhost_find(m, cmd->name);
    if (!v) {
        meta_fail(r, AMQP_REPLY_NOT_FOUND, "no vhost '%.*s'", SLICE_FMT(cmd->name));
        return;
    }
    CHECK(cmap_remove(&m->vhosts, meta_vhost_hash(v), v));
    atomic_store_explicit(&v->deleted, true, memory_order_release);
    void *item;
    for (size_t at = 0; (item = cmap_next(&v->queues, &at));)
        meta_queue_remove(m, item);
    for (size_t at = 0; (item = cmap_next(&v->exchanges, &at));)
        meta_exchange_remove(m, item);
    meta_permissions_of_vhost_remove(m, v);
    if (m->hooks.vhost_deleted)
        m->hooks.vhost_deleted(m->hooks_arg, v);
    epoch_defer(m->epoch, drop_vhost, v);
}
