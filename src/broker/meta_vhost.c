/*
 * Virtual hosts come with the predeclared exchanges, and go with everything in them. Of what is said about
 * one, its metadata is replaced as a whole, so that a reader sees one state of it; each limit stands alone.
 */
#include "base/check.h"
#include "base/hash.h"
#include "broker/meta_impl.h"
#include "broker/quota.h"
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

struct vhost *
meta_vhost_known(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = (struct vhost *)vhost_find(m, cmd->vhost);
    if (!v)
        meta_fail_vhost(r, cmd->vhost);
    return v;
}

/* ---- what is said about one ---- */

/* One block: | struct vhost_metadata | description | tags | default queue type |. */
static struct vhost_metadata *
metadata_new(const struct vhost_metadata *values)
{
    size_t texts = values->description.len + values->tags.len + values->default_queue_type.len;
    struct vhost_metadata *d = malloc(sizeof *d + texts);
    CHECK(d);
    *d = *values;
    struct slice *const all[] = {&d->description, &d->tags, &d->default_queue_type};
    uint8_t *at = (uint8_t *)(d + 1);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i]->len > 0)
            memcpy(at, all[i]->data, all[i]->len);
        all[i]->data = at;
        at += all[i]->len;
    }
    return d;
}

static bool
is_queue_type(struct slice name)
{
    return name.len == 0 || slice_eq_str(name, "classic") || slice_eq_str(name, "quorum") ||
           slice_eq_str(name, "stream");
}

static bool
metadata_fits(const struct meta_command *cmd, struct meta_result *r)
{
    if (cmd->description.len > VHOST_DESCRIPTION_MAX || cmd->tags.len > VHOST_TAGS_MAX)
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED,
                  "a vhost's description has at most %d bytes, its tags %d: not %zu and %zu",
                  VHOST_DESCRIPTION_MAX, VHOST_TAGS_MAX, cmd->description.len, cmd->tags.len);
    else if (!is_queue_type(cmd->default_queue_type))
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED,
                  "default queue type '%.*s' is unknown: it is 'classic', 'quorum' or 'stream'",
                  SLICE_FMT(cmd->default_queue_type));
    return r->code == 0;
}

static bool
parse_limits(const struct meta_command *cmd, int64_t *connections, int64_t *queues, struct meta_result *r)
{
    const struct quota quotas[] = {{"max-connections", connections}, {"max-queues", queues}, {NULL, NULL}};
    *connections = *queues = QUOTA_NONE;
    if (!quota_parse(cmd->value, quotas, "limits", "Validation failed\n\n", r->text))
        r->code = AMQP_REPLY_PRECONDITION_FAILED;
    return r->code == 0;
}

bool
meta_vhost_is_refused(const struct meta_command *cmd)
{
    struct meta_result r = {0};
    int64_t connections, queues;
    return !metadata_fits(cmd, &r) || !parse_limits(cmd, &connections, &queues, &r);
}

void
meta_vhost_limits(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    int64_t connections, queues;
    struct vhost *v = meta_vhost_known(m, cmd, r);
    if (!v || !parse_limits(cmd, &connections, &queues, r))
        return;
    atomic_store_explicit(&v->connections_max, connections, memory_order_relaxed);
    atomic_store_explicit(&v->queues_max, queues, memory_order_relaxed);
}

void
meta_vhost_set(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    struct vhost *v = (struct vhost *)vhost_find(m, cmd->name);
    if (!v)
        meta_fail_vhost(r, cmd->name);
    if (!v || !metadata_fits(cmd, r))
        return;
    if (cmd->changes & VHOST_CHANGE_TRACING)
        atomic_store_explicit(&v->is_tracing, cmd->is_tracing, memory_order_relaxed);
    const struct vhost_metadata *old = vhost_metadata(v);
    struct vhost_metadata values = *old;
    if (cmd->changes & VHOST_CHANGE_DESCRIPTION)
        values.description = cmd->description;
    if (cmd->changes & VHOST_CHANGE_TAGS)
        values.tags = cmd->tags;
    if (cmd->changes & VHOST_CHANGE_DEFAULT_QUEUE_TYPE)
        values.default_queue_type = cmd->default_queue_type;
    if (cmd->changes & VHOST_CHANGE_PROTECTED)
        values.is_protected = cmd->is_protected;
    atomic_store_explicit(&v->metadata, metadata_new(&values), memory_order_release);
    epoch_defer(m->epoch, free, (void *)old);
}

/* ---- coming and going ---- */

void
meta_vhost_add(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    int64_t connections, queues;
    if (cmd->name.len == 0 || cmd->name.len > UINT8_MAX) {
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED, "a vhost's name has 1 to 255 bytes, not %zu",
                  cmd->name.len);
        return;
    }
    if (vhost_find(m, cmd->name)) {
        r->existed = true;
        return;
    }
    if (!metadata_fits(cmd, r) || !parse_limits(cmd, &connections, &queues, r))
        return;
    struct vhost *v = calloc(1, sizeof *v + cmd->name.len + 1);
    CHECK(v);
    v->id = meta_take_id(m, cmd);
    v->meta = m;
    v->name_size = (uint8_t)cmd->name.len;
    memcpy(v->name, cmd->name.data, cmd->name.len);
    atomic_init(&v->holds, 1);
    atomic_init(&v->connections_max, connections);
    atomic_init(&v->queues_max, queues);
    atomic_init(&v->is_tracing, cmd->is_tracing);
    atomic_init(&v->metadata,
                metadata_new(&(struct vhost_metadata){.description = cmd->description,
                                                      .tags = cmd->tags,
                                                      .default_queue_type = cmd->default_queue_type,
                                                      .is_protected = cmd->is_protected}));
    list_init(&v->policies[0]);
    list_init(&v->policies[1]);
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
        meta_fail_vhost(r, cmd->name);
        return;
    }
    if (vhost_metadata(v)->is_protected && !m->is_ending) {
        meta_fail(r, AMQP_REPLY_PRECONDITION_FAILED,
                  "Cannot delete vhost '%s': it is protected from deletion", v->name);
        return;
    }
    CHECK(cmap_remove(&m->vhosts, meta_vhost_hash(v), v));
    atomic_store_explicit(&v->deleted, true, memory_order_release);
    meta_event_vhost_ends(m, v);
    meta_policies_remove(m, v);
    void *item;
    for (size_t at = 0; (item = cmap_next(&v->queues, &at));)
        meta_queue_remove(m, item);
    for (size_t at = 0; (item = cmap_next(&v->exchanges, &at));)
        meta_exchange_remove(m, item);
    meta_topic_permissions_remove(m, slice_of(NULL, 0), v);
    meta_permissions_of_vhost_remove(m, v);
    meta_parameters_remove(m, v);
    if (m->hooks.vhost_deleted)
        m->hooks.vhost_deleted(m->hooks_arg, v);
    epoch_defer(m->epoch, drop_vhost, v);
}
