/* Inside io: what a world makes of a path. */
/* exports: local_ */
#ifndef LEVERET_IO_LOCAL_INSIDE_H
#define LEVERET_IO_LOCAL_INSIDE_H

#include "io/net.h"

ERR_USE enum err local_listen(struct shard *s, const char *path, net_on_accept *on_accept,
                              net_on_problem *on_problem, void *arg, struct net_listener **listener,
                              char *why, size_t why_size);
/* The name goes; nobody listens there any more. */
void local_unlink(const char *path);

#endif
