/* Bindings. Binding twice and unbinding what is not bound are fine; neither is the default exchange's to take
 * part in. */
#include "base/check.h"
#include "base/hash.h"
#include "broker/meta_impl.h"
#include "broker/recent_history.h"
#include "wire/amqp.h"

#include <stdlib.h>

uint64_t
meta_binding_hash(const void *item)
{
    const struct binding *b = item;
    uint64_t to = b->to_exchange ? ((const struct exchange *)b->destination)->id
                                 : ((const struct queue_def *)b->destination)->id;
    return binding_hash(b->source->id, to, binding_routing_key(b), binding_arguments(b));
}

/* What a bind or unbind command is about. */
struct ends {
    struct vhost *vhost;
    struct exchange *source;
    struct exchange *exchange; /* destination */
    struct queue_def *queue;   /* or this */
    void *destination;         /* whichever it is */
};

static bool
binding_eq(const void *item, const void *key)
{
    const struct meta_command *cmd = ((const void *const *)key)[0];
    const struct ends *ends = ((const void *const *)key)[1];
    return binding_is(item, ends->source, ends->destination, cmd->routing_key, cmd->arguments);
}

static struct binding *
find(const struct meta *m, const struct meta_command *cmd, const struct ends *ends)
{
    const void *key[] = {cmd, ends};
    uint64_t from = ends->source ? ends->source->id : 0;
    uint64_t to = ends->queue ? ends->queue->id : ends->exchange ? ends->exchange->id : 0;
    uint64_t hash = binding_hash(from, to, cmd->routing_key, cmd->arguments);
    return cmap_find(&m->bindings, hash, binding_eq, key);
}

/* False, and the result says why, if vhost or the default exchange forbid it. Ends that are not there are
 * NULL. */
static bool
find_ends(struct meta *m, const struct meta_command *cmd, bool to_exchange, struct ends *ends,
          struct meta_result *r)
{
    *ends = (struct ends){.vhost = meta_vhost_of(m, cmd, r)};
    if (!ends->vhost)
        return false;
    if (cmd->source.len == 0 || (to_exchange && cmd->name.len == 0)) {
        meta_fail(r, AMQP_REPLY_ACCESS_REFUSED, "operation not permitted on the default exchange");
        return false;
    }
    ends->source = (struct exchange *)exchange_find(ends->vhost, cmd->source);
    if (to_exchange)
        ends->destination = ends->exchange = (struct exchange *)exchange_find(ends->vhost, cmd->name);
    else
        ends->destination = ends->queue = (struct queue_def *)queue_def_find(ends->vhost, cmd->name);
    return true;
}

bool
meta_binding_is_there(struct meta *m, const struct meta_command *cmd)
{
    bool to_exchange = cmd->kind == META_EXCHANGE_BIND || cmd->kind == META_EXCHANGE_UNBIND;
    struct ends ends;
    struct meta_result r;
    return find_ends(m, cmd, to_exchange, &ends, &r) && ends.source && ends.destination &&
           find(m, cmd, &ends);
}

static bool
is_allowed(const struct meta_command *cmd, const struct ends *ends, struct meta_result *r)
{
    if (ends->queue)
        r->code = queue_def_check_exclusive(ends->queue, cmd->connection_id, r->text);
    return r->code == 0;
}

static void
add(struct meta *m, const struct meta_command *cmd, const struct ends *ends)
{
    struct exchange *source = ends->source;
    struct binding *b =
        binding_new(source, ends->destination, ends->exchange != NULL, cmd->routing_key, cmd->arguments);
    list_push_back(&source->bindings_from, &b->from_node);
    list_push_back(ends->exchange ? &ends->exchange->bindings_to : &ends->queue->bindings, &b->to_node);
    cmap_insert(&m->bindings, meta_binding_hash(b), b);
    if (ends->exchange)
        meta_exchange_leads_to(m, source, ends->exchange);
    router_ops_of(source->type)->add(source->router, b);
    meta_exchange_touch(m, source);
    meta_event_binding(m, b, true);
    if (source->type == EXCHANGE_RECENT_HISTORY)
        m->has_told = recent_history_bound(m->histories, m->node->brokers[0], b);
}

static void
bind(struct meta *m, const struct meta_command *cmd, bool to_exchange, struct meta_result *r)
{
    struct ends ends;
    if (!find_ends(m, cmd, to_exchange, &ends, r))
        return;
    if (!ends.source || !ends.destination) {
        bool no_exchange = !ends.source || to_exchange;
        meta_fail(r, AMQP_REPLY_NOT_FOUND, "no %s '%.*s' in vhost '%s'", no_exchange ? "exchange" : "queue",
                  SLICE_FMT(ends.source ? cmd->name : cmd->source), ends.vhost->name);
        return;
    }
    const struct router_ops *ops = router_ops_of(ends.source->type);
    const struct router_binding binding = {cmd->routing_key, cmd->arguments, to_exchange};
    if (ops->check && (r->code = ops->check(&binding, r->text)))
        return;
    if (!is_allowed(cmd, &ends, r))
        return;
    r->existed = find(m, cmd, &ends) != NULL;
    if (!r->existed && ops->check_room)
        r->code = ops->check_room(ends.source->router, r->text);
    if (!r->existed && r->code == 0)
        add(m, cmd, &ends);
}

static void
unbind(struct meta *m, const struct meta_command *cmd, bool to_exchange, struct meta_result *r)
{
    struct ends ends;
    if (!find_ends(m, cmd, to_exchange, &ends, r) || !ends.source || !ends.destination)
        return;
    struct binding *b = find(m, cmd, &ends);
    if (!b || !is_allowed(cmd, &ends, r))
        return;
    r->existed = true;
    meta_binding_remove(m, b);
}

void
meta_binding_remove(struct meta *m, struct binding *b)
{
    struct exchange *source = b->source;
    meta_event_binding(m, b, false);
    CHECK(cmap_remove(&m->bindings, meta_binding_hash(b), b));
    const struct router_ops *ops = router_ops_of(source->type);
    ops->remove(source->router, b);
    if (ops->settle && !source->is_removed && !list_is_linked(&source->stale_node))
        list_push_back(&m->stale, &source->stale_node);
    list_remove(&b->from_node);
    list_remove(&b->to_node);
    meta_exchange_touch(m, source);
    epoch_defer(m->epoch, free, b);
    bool is_last = list_is_empty(&source->bindings_from);
    if (is_last && source->auto_delete && !source->is_removed && !list_is_linked(&source->doomed_node))
        list_push_back(&m->doomed, &source->doomed_node);
}

void
meta_queue_bind(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    bind(m, cmd, false, r);
}

void
meta_queue_unbind(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    unbind(m, cmd, false, r);
}

void
meta_exchange_bind(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    bind(m, cmd, true, r);
}

void
meta_exchange_unbind(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    unbind(m, cmd, true, r);
}
