/*
 * The declared things as the commands that make them, each behind what it needs: vhosts, users, permissions,
 * parameters, policies, exchanges, queues, bindings. What is predeclared comes with its vhost; alternate
 * exchanges are arguments, and may name what does not exist.
 */
#include "broker/meta_impl.h"
#include "broker/parameter.h"
#include "broker/permission.h"
#include "broker/policy.h"
#include "broker/topic_permission.h"

struct walker {
    void (*fn)(void *arg, const struct meta_command *cmd);
    void *arg;
};

static void
give(const struct walker *w, struct meta_command cmd)
{
    w->fn(w->arg, &cmd);
}

static struct slice
vhost_name(const struct vhost *v)
{
    return slice_of(v->name, v->name_size);
}

static struct slice
exchange_name(const struct exchange *x)
{
    return slice_of(x->name, x->name_size);
}

/* An object without a limit is as good as none. */
static struct slice
limits(const struct buffer *json)
{
    return slice_eq_str(buffer_slice(json), "{}") ? slice_of(NULL, 0) : buffer_slice(json);
}

static void
walk_vhost(void *arg, const struct vhost *v)
{
    const struct vhost_metadata *d = vhost_metadata(v);
    struct buffer json = {0};
    vhost_limits_add(&json, v);
    give(arg, (struct meta_command){.kind = META_VHOST_ADD,
                                    .forced_id = v->id,
                                    .name = vhost_name(v),
                                    .description = d->description,
                                    .tags = d->tags,
                                    .default_queue_type = d->default_queue_type,
                                    .is_protected = d->is_protected,
                                    .is_tracing = vhost_is_tracing(v),
                                    .value = limits(&json)});
    buffer_fini(&json);
}

static void
walk_user(void *arg, const struct user *u)
{
    struct buffer json = {0};
    user_limits_add(&json, u);
    give(arg, (struct meta_command){.kind = META_USER_PUT,
                                    .forced_id = u->id,
                                    .name = slice_of(u->name, u->name_size),
                                    .password_hash = u->password_hash,
                                    .tags = u->tags_text,
                                    .value = limits(&json)});
    buffer_fini(&json);
}

static void
walk_permission(const struct walker *w, const struct permission_entry *e)
{
    give(w, (struct meta_command){.kind = META_PERMISSION_SET,
                                  .vhost = vhost_name(e->vhost),
                                  .user = slice_of(e->user, e->user_size),
                                  .configure = e->patterns[PERMISSION_CONFIGURE].text,
                                  .write = e->patterns[PERMISSION_WRITE].text,
                                  .read = e->patterns[PERMISSION_READ].text});
}

static void
walk_topic_permission(void *arg, const struct topic_permission *p)
{
    give(arg, (struct meta_command){.kind = META_TOPIC_PERMISSION_SET,
                                    .vhost = vhost_name(p->vhost),
                                    .user = p->user,
                                    .name = p->exchange,
                                    .write = p->write,
                                    .read = p->read});
}

static void
walk_parameter(void *arg, void *item)
{
    const struct parameter *p = item;
    give(arg, (struct meta_command){.kind = META_PARAMETER_SET,
                                    .vhost = p->vhost ? vhost_name(p->vhost) : slice_of(NULL, 0),
                                    .component = p->component,
                                    .name = p->name,
                                    .value = p->value});
}

static void
walk_policy(void *arg, const struct policy *p)
{
    give(arg, (struct meta_command){.kind = META_POLICY_SET,
                                    .vhost = vhost_name(p->vhost),
                                    .name = slice_of(p->name, p->name_size),
                                    .is_operator = p->is_operator,
                                    .pattern = p->pattern,
                                    .apply_to = slice_str(policy_applies_name(p->apply_to)),
                                    .priority = p->priority,
                                    .value = p->definition});
}

static void
walk_policies(void *arg, const struct vhost *v)
{
    policy_each(v, false, walk_policy, arg);
    policy_each(v, true, walk_policy, arg);
}

static void
walk_exchanges(void *arg, const struct vhost *v)
{
    const struct exchange *x;
    for (size_t at = 0; (x = cmap_next(&v->exchanges, &at));)
        if (!x->is_predeclared)
            give(arg, (struct meta_command){.kind = META_EXCHANGE_DECLARE,
                                            .forced_id = x->id,
                                            .vhost = vhost_name(v),
                                            .name = exchange_name(x),
                                            .type = slice_str(exchange_type_name(x->type)),
                                            .durable = x->durable,
                                            .auto_delete = x->auto_delete,
                                            .internal = x->internal,
                                            .arguments = x->arguments});
}

static void
walk_queue(const struct walker *w, const struct queue_def *q)
{
    give(w, (struct meta_command){.kind = META_QUEUE_DECLARE,
                                  .forced_id = q->id,
                                  .vhost = vhost_name(q->vhost),
                                  .name = queue_def_name(q),
                                  .durable = q->durable,
                                  .auto_delete = q->auto_delete,
                                  .placed = q->shard + 1u,
                                  .exclusive = q->exclusive_owner != 0,
                                  .connection_id = q->exclusive_owner,
                                  .arguments = q->arguments});
}

static void
walk_binding(const struct walker *w, const struct binding *b)
{
    const struct queue_def *q = b->to_exchange ? NULL : b->destination;
    give(w, (struct meta_command){.kind = q ? META_QUEUE_BIND : META_EXCHANGE_BIND,
                                  .vhost = vhost_name(b->source->vhost),
                                  .source = exchange_name(b->source),
                                  .name = q ? queue_def_name(q) : exchange_name(b->destination),
                                  .connection_id = q ? q->exclusive_owner : 0,
                                  .routing_key = binding_routing_key(b),
                                  .arguments = binding_arguments(b)});
}

void
meta_walk(const struct meta *m, void (*fn)(void *arg, const struct meta_command *cmd), void *arg)
{
    struct walker w = {.fn = fn, .arg = arg};
    const void *item;
    meta_each_vhost(m, walk_vhost, &w);
    meta_each_user(m, walk_user, &w);
    for (size_t at = 0; (item = cmap_next(&m->permissions, &at));)
        walk_permission(&w, item);
    topic_permission_each(m, walk_topic_permission, &w);
    cmap_foreach(&m->parameters, walk_parameter, &w);
    meta_each_vhost(m, walk_policies, &w);
    meta_each_vhost(m, walk_exchanges, &w);
    for (size_t at = 0; (item = cmap_next(&m->queues, &at));)
        walk_queue(&w, item);
    for (size_t at = 0; (item = cmap_next(&m->bindings, &at));)
        walk_binding(&w, item);
}
