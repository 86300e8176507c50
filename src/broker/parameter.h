/*
 * Runtime parameters: JSON values that parts of the broker (components: shovel, federation-upstream, ...) are
 * configured with, by (component, vhost, name); and global parameters, by name alone. Changed by meta_apply()
 * (meta_parameter.c), read by every shard without locks; what is found is good until the end of the turn.
 */
#ifndef LEVERET_BROKER_PARAMETER_H
#define LEVERET_BROKER_PARAMETER_H

#include "base/slice.h"

#include <stdint.h>

struct meta;
struct vhost;

enum {
    PARAMETER_VALUE_MAX = 1 << 20, /* bytes of JSON */
    PARAMETERS_MAX = 100000,       /* on a node */
};

struct parameter {
    const struct vhost *vhost; /* NULL: global, without a component */
    struct slice component, name;
    struct slice value; /* JSON, sorted and compact */
};

/* NULL if there is none; v NULL and no component: a global one. */
const struct parameter *parameter_find(const struct meta *m, const struct vhost *v, struct slice component,
                                       struct slice name);
const struct parameter *parameter_find_global(const struct meta *m, const char *name);
/* In no particular order, from any shard. v NULL: the global ones. */
void parameter_each(const struct meta *m, const struct vhost *v,
                    void (*fn)(void *arg, const struct parameter *p), void *arg);
/* The global parameter cluster_name if it is set, else the node's. Good until the end of the turn. */
struct slice parameter_cluster_name(const struct meta *m);

#endif
