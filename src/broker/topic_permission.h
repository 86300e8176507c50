/*
 * Topic permissions: on a topic exchange a user's publishing (write) and binding (read) may depend on the
 * routing key too. A user without an entry for an exchange is not restricted there. In the expressions
 * {username} and {vhost} stand for the connection's. Changed by meta_apply() (meta_topic_permission.c), read
 * by every shard; every change raises permission_generation().
 */
#ifndef LEVERET_BROKER_TOPIC_PERMISSION_H
#define LEVERET_BROKER_TOPIC_PERMISSION_H

#include "base/slice.h"
#include "broker/user.h"

struct meta;
struct vhost;

struct topic_permission {
    const struct vhost *vhost;
    struct slice user, exchange;
    struct slice write, read; /* expressions as given, owned */
    struct regex *regex[2];   /* write, read; with the variables filled in */
};

/* May the user do it with this key? `kind`: PERMISSION_WRITE or PERMISSION_READ. */
bool topic_permission_is_granted(const struct meta *m, struct slice user, const struct vhost *v,
                                 struct slice exchange, enum permission kind, struct slice routing_key);
/* NULL if there is none. */
const struct topic_permission *topic_permission_find(const struct meta *m, struct slice user,
                                                     const struct vhost *v, struct slice exchange);
/* In no particular order, from any shard. */
void topic_permission_each(const struct meta *m, void (*fn)(void *arg, const struct topic_permission *p),
                           void *arg);

#endif
