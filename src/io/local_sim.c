/* A path is a port of the node here. */
#include "io/local.h"

enum { BACKLOG = 16 };

enum err
local_listen(struct shard *s, const char *path, net_on_accept *on_accept, net_on_problem *on_problem,
             void *arg, struct net_listener **listener, char *why, size_t why_size)
{
    return net_listen(s, "127.0.0.1", LOCAL_SIM_PORT, BACKLOG, on_accept, on_problem, arg, listener, why,
                      why_size);
}

void
local_unlink(const char *path)
{
}

bool
local_peer(const struct net_socket *k, struct local_peer *peer)
{
    *peer = (struct local_peer){0};
    return true;
}
