/*
 * A socket in the file system, for programs on the same machine that may use the directory: a listener whose
 * connections are those of net.h. Who connects to it uses dial.h.
 *
 * In the simulation the socket is port LOCAL_SIM_PORT of the node, whatever its path.
 */
#ifndef LEVERET_IO_LOCAL_H
#define LEVERET_IO_LOCAL_H

#include "base/err.h"
#include "io/net.h"

enum { LOCAL_SIM_PORT = 64999 };

/*
 * Makes the socket with mode 0600; a left-over of that name is replaced, so the caller has to be the only one
 * who would serve there. Its clients may have the descriptors that are kept from those of the network: the
 * caller limits them. On failure `why` names path and reason. Otherwise as net_listen().
 */
ERR_USE enum err local_listen(struct shard *s, const char *path, net_on_accept *on_accept,
                              net_on_problem *on_problem, void *arg, struct net_listener **listener,
                              char *why, size_t why_size);
/* The name goes; nobody listens there any more. */
void local_unlink(const char *path);

/* Who has connected, as the system knows it. */
struct local_peer {
    uint32_t user_id, process_id;
};
/* False: the system does not say. */
bool local_peer(const struct net_socket *k, struct local_peer *peer);

#endif
