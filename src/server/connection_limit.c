/*
 * How many connections a virtual host and a user may have, and how many channels a user: what an operator
 * set, asked when one comes. The counts are the vhost's and the user's, over all shards; a connection that
 * runs is counted in both, from connection.open to its end, its channels while they are there.
 */
#include "server/connection_limit.h"

#include "broker/quota.h"
#include "broker/user.h"
#include "broker/vhost.h"
#include "server/connection.h"
#include "server/server.h"
#include "wire/amqp.h"

static const struct user *
user_of(const struct connection *c)
{
    return user_find(c->home->server->node->meta, intern_slice(c->user));
}

bool
connection_limit_open(struct connection *c, const struct vhost *v)
{
    const struct user *u = user_of(c);
    struct slice name = intern_slice(c->user);
    int64_t max = atomic_load_explicit(&v->connections_max, memory_order_relaxed);
    if (!quota_take(&((struct vhost *)v)->connections, max)) {
        connection_fail(c, AMQP_REPLY_NOT_ALLOWED, AMQP_CONNECTION_OPEN,
                        "access to vhost '%s' refused for user '%.*s': connection limit (%lld) is reached",
                        v->name, SLICE_FMT(name), (long long)max);
        return false;
    }
    if (!u || !quota_take(&u->usage->connections, u->connections_max)) {
        quota_give(&((struct vhost *)v)->connections);
        connection_fail(c, AMQP_REPLY_NOT_ALLOWED, AMQP_CONNECTION_OPEN,
                        "connection refused for user '%.*s': user connection limit (%lld) is reached",
                        SLICE_FMT(name), u ? (long long)u->connections_max : 0);
        return false;
    }
    c->usage = user_usage_hold(u->usage);
    return true;
}

void
connection_limit_end(struct connection *c)
{
    if (!c->usage)
        return;
    quota_give(&((struct vhost *)c->vhost)->connections);
    quota_give(&c->usage->connections);
    user_usage_drop(c->usage);
    c->usage = NULL;
}

bool
connection_limit_channel(struct connection *c)
{
    const struct user *u = user_of(c);
    int64_t max = u ? u->channels_max : QUOTA_NONE;
    if (quota_take(&c->usage->channels, max))
        return true;
    connection_fail(
        c, AMQP_REPLY_NOT_ALLOWED, 0,
        "number of channels opened for user '%.*s' has reached the maximum allowed user limit of (%lld)",
        SLICE_FMT(intern_slice(c->user)), (long long)max);
    return false;
}

void
connection_limit_channel_end(struct connection *c)
{
    quota_give(&c->usage->channels);
}
