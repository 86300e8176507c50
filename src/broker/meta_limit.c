/*
 * How many vhosts, queues and exchanges a node takes is its configuration's, and no part of the state: a
 * command that would make one too many is refused when it comes, before it is logged, and never once it is.
 * What is under way to being made counts as there.
 */
#include "broker/meta_impl.h"
#include "broker/reply.h"
#include "wire/amqp.h"

static enum meta_limited
makes(const struct meta *m, const struct meta_command *cmd)
{
    const struct vhost *v = vhost_find(m, cmd->kind == META_VHOST_ADD ? cmd->name : cmd->vhost);
    switch (cmd->kind) {
    case META_VHOST_ADD: return v ? META_LIMITED_NOTHING : META_LIMITED_VHOST;
    case META_QUEUE_DECLARE:
        return !v || (cmd->name.len > 0 && queue_def_find(v, cmd->name)) ? META_LIMITED_NOTHING
                                                                         : META_LIMITED_QUEUE;
    case META_EXCHANGE_DECLARE:
        return !v || exchange_find(v, cmd->name) ? META_LIMITED_NOTHING : META_LIMITED_EXCHANGE;
    default: return META_LIMITED_NOTHING;
    }
}

static void
refuse(struct meta_request *r, enum meta_limited what, uint32_t most)
{
    const struct meta_command *cmd = &r->command;
    if (what == META_LIMITED_VHOST)
        meta_fail(&r->result, AMQP_REPLY_PRECONDITION_FAILED,
                  "cannot create vhost '%.*s': vhost limit of %u is reached", SLICE_FMT(cmd->name), most);
    else if (what == META_LIMITED_QUEUE)
        meta_fail(&r->result, AMQP_REPLY_PRECONDITION_FAILED,
                  "cannot declare queue '%.*s': queue limit in cluster (%u) is reached", SLICE_FMT(cmd->name),
                  most);
    else
        meta_fail(&r->result, AMQP_REPLY_PRECONDITION_FAILED,
                  "cannot declare exchange '%.*s' in vhost '%.*s': exchange limit of %u is reached",
                  SLICE_FMT(cmd->name), SLICE_FMT(cmd->vhost), most);
}

void
meta_limit_take(struct meta *m, struct meta_request *r)
{
    const struct broker_limits *l = &m->node->limits;
    if (!l->vhosts_max && !l->queues_max && !l->exchanges_max)
        return;
    const uint32_t most[] = {[META_LIMITED_NOTHING] = 0,
                             [META_LIMITED_VHOST] = l->vhosts_max,
                             [META_LIMITED_QUEUE] = l->queues_max,
                             [META_LIMITED_EXCHANGE] = l->exchanges_max};
    const size_t there[] = {[META_LIMITED_NOTHING] = 0,
                            [META_LIMITED_VHOST] = cmap_count(&m->vhosts),
                            [META_LIMITED_QUEUE] = cmap_count(&m->queues),
                            [META_LIMITED_EXCHANGE] = m->exchange_count};
    enum meta_limited what = makes(m, &r->command);
    if (most[what] == 0)
        return;
    if (there[what] + m->under_way[what] >= most[what]) {
        refuse(r, what, most[what]);
        return;
    }
    m->under_way[what]++;
    r->limited = what;
}

void
meta_limit_give(struct meta *m, struct meta_request *r)
{
    if (r->limited)
        m->under_way[r->limited]--;
    r->limited = META_LIMITED_NOTHING;
}
