/*
 * A node has started: what lived with its predecessor goes, as in RabbitMQ: exclusive queues, queues and
 * exchanges that are not durable, the bindings of all these, and auto-delete exchanges that thereby lose
 * their last one; and nothing is traced any more. First all queues, then all exchanges, then (after the
 * command, meta_exchanges_sweep) what those leave behind: a set that only grows, so that no order within a
 * step matters.
 */
#include "broker/meta_impl.h"

static void
remove_queues(struct meta *m)
{
    struct queue_def *q;
    for (size_t at = 0; (q = cmap_next(&m->queues, &at));)
        if (!q->durable)
            meta_queue_remove(m, q);
}

static void
remove_exchanges(struct meta *m, struct vhost *v)
{
    struct exchange *x;
    for (size_t at = 0; (x = cmap_next(&v->exchanges, &at));)
        if (!x->durable)
            meta_exchange_remove(m, x);
}

/* Ids that the node gave after the end of what was kept, to things that are gone, are not given again. */
void
meta_node_started(struct meta *m, const struct meta_command *cmd, struct meta_result *r)
{
    remove_queues(m);
    struct vhost *v;
    for (size_t at = 0; (v = cmap_next(&m->vhosts, &at));) {
        remove_exchanges(m, v);
        atomic_store_explicit(&v->is_tracing, false, memory_order_relaxed);
    }
    meta_policy_settle(m);
    meta_raise_id_last(m, cmd->forced_id);
}
