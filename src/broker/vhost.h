/* Virtual hosts: each has its own exchanges, queues and bindings. Written by shard 0, read by all; valid until the end of the turn
 * unless it is the vhost of an open connection: a connection counts itself in `connections` and is closed before the vhost goes. */
#ifndef LEVERET_BROKER_VHOST_H
#define LEVERET_BROKER_VHOST_H

#include "base/cmap.h"
#include "base/slice.h"

#include <stdatomic.h>

struct meta;

struct vhost {
    uint64_t id;
    struct meta *meta;
    struct cmap exchanges; /* by name */
    struct cmap queues;    /* by name */
    _Atomic bool deleted;  /* unpublished: connections on it are to be closed */
    uint8_t name_size;
    char name[];           /* NUL-terminated */
};

const struct vhost *vhost_find(const struct meta *m, struct slice name);

#endif
