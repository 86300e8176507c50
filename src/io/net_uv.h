/* Inside io's real implementation: what net_uv.c and net_open_uv.c share. */
#ifndef LEVERET_IO_NET_UV_H
#define LEVERET_IO_NET_UV_H

#include "io/net.h"
#include "io/shard_uv.h"

#include <sys/socket.h>

struct net_socket {
    int fd;
    struct net_addr peer;
};

/* A socket around an open, non-blocking, connected descriptor; TCP_NODELAY is set here. */
struct net_socket *net_socket_of(int fd);
/* Takes a listening, non-blocking descriptor. On failure it has been closed. */
ERR_USE enum err net_listener_of(struct shard *s, int fd, net_on_accept *on_accept,
                                 net_on_problem *on_problem, void *arg, struct net_listener **listener);
/* Its clients may have the last descriptors, too, which are kept for files otherwise: few, and the node's own
 * operators. */
void net_listener_use_reserve(struct net_listener *l);
/* Either of getpeername and getsockname. NET_NONE when the system does not know (any more). */
void net_addr_of(const struct sockaddr_storage *from, struct net_addr *addr);

#endif
