/*
 * What a session may not ask of a quorum queue. Everything else about such a queue is the broker's
 * (doc/queues.md, Quorum queues of one member): to a client it is a queue like any other.
 */
#include "broker/policy_key.h"
#include "broker/vhost.h"
#include "server/class.h"
#include "wire/table.h"

bool
quorum_is(const struct queue_def *q)
{
    return q->arguments.len > 0 && queue_def_target(q) == POLICY_QUORUM;
}

bool
quorum_may_consume(struct channel *ch, const struct queue_def *q)
{
    if (!ch->global_prefetch || !quorum_is(q))
        return true;
    channel_fail(ch, AMQP_REPLY_NOT_IMPLEMENTED, AMQP_BASIC_CONSUME,
                 "queue '%s' in vhost '%s' does not support global qos", q->name, q->vhost->name);
    return false;
}

bool
quorum_may_get(struct channel *ch, const struct queue_def *q)
{
    bool is_single;
    if (!quorum_is(q) || table_get_bool(q->arguments, "x-single-active-consumer", &is_single) != ERR_OK ||
        !is_single)
        return true;
    channel_fail(ch, AMQP_REPLY_RESOURCE_LOCKED, AMQP_BASIC_GET,
                 "cannot obtain access to locked queue '%s' in vhost '%s'. basic.get operations are not "
                 "supported by quorum queues with single active consumer",
                 q->name, q->vhost->name);
    return false;
}

bool
quorum_may_delete(struct channel *ch, const struct queue_def *q, bool if_unused, bool if_empty)
{
    if ((!if_unused && !if_empty) || !quorum_is(q))
        return true;
    channel_fail(ch, AMQP_REPLY_NOT_IMPLEMENTED, AMQP_QUEUE_DELETE,
                 "cannot delete queue '%s' in vhost '%s'. queue.delete operations with %s flag set are not "
                 "supported by quorum queues",
                 q->name, q->vhost->name, if_unused ? "if-unused" : "if-empty");
    return false;
}
