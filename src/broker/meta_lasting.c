/*
 * What is logged, and when that must be on the disk.
 *
 * What outlives the node, asked before a command is applied: does it change what META_NODE_STARTED would
 * leave? The answer is for the state as it is; a command that finds what it wants changes nothing.
 *
 * Taking away something transient can take a durable thing with it: an auto-delete exchange whose last
 * binding led there. That does not count: should it be forgotten, the next start removes both again, for the
 * same reason. But the first binding of such an exchange does, because from then on it can go.
 */
#include "broker/meta_impl.h"

static bool
is_durable_destination(const struct vhost *v, const struct meta_command *cmd)
{
    if (cmd->kind == META_QUEUE_BIND || cmd->kind == META_QUEUE_UNBIND) {
        const struct queue_def *q = queue_def_find(v, cmd->name);
        return q && q->durable;
    }
    const struct exchange *x = exchange_find(v, cmd->name);
    return x && x->durable;
}

static bool
is_lasting_bind(const struct meta *m, const struct vhost *v, const struct meta_command *cmd)
{
    const struct exchange *source = exchange_find(v, cmd->source);
    bool is_unbind = cmd->kind == META_QUEUE_UNBIND || cmd->kind == META_EXCHANGE_UNBIND;
    if (!source || !source->durable || meta_binding_is_there((struct meta *)m, cmd) != is_unbind)
        return false;
    return source->auto_delete || is_durable_destination(v, cmd);
}

bool
meta_is_refused(const struct meta_command *cmd)
{
    switch (cmd->kind) {
    case META_VHOST_ADD: return meta_vhost_is_refused(cmd);
    case META_USER_PUT:
    case META_USER_SET: return meta_user_is_refused(cmd);
    case META_POLICY_SET: return meta_policy_is_refused(cmd);
    case META_EXCHANGE_DECLARE: return meta_exchange_is_refused(cmd);
    case META_QUEUE_DECLARE: return meta_queue_is_refused(cmd);
    default: return false;
    }
}

bool
meta_is_lasting(const struct meta *m, const struct meta_command *cmd)
{
    const struct vhost *v = vhost_find(m, cmd->vhost);
    const struct exchange *x;
    const struct queue_def *q;
    switch (cmd->kind) {
    case META_EXCHANGE_DECLARE: return v && cmd->durable && !exchange_find(v, cmd->name);
    case META_EXCHANGE_DELETE: return v && (x = exchange_find(v, cmd->name)) && x->durable;
    case META_QUEUE_DECLARE:
        return v && cmd->durable && !cmd->exclusive && !(cmd->name.len > 0 && queue_def_find(v, cmd->name));
    case META_QUEUE_DELETE: return (q = queue_def_find_id(m, cmd->queue_id)) && q->durable;
    case META_EXCHANGE_BIND:
    case META_EXCHANGE_UNBIND:
    case META_QUEUE_BIND:
    case META_QUEUE_UNBIND: return v && is_lasting_bind(m, v, cmd);
    case META_VHOST_SET: return cmd->changes != VHOST_CHANGE_TRACING;
    default: return true;
    }
}
