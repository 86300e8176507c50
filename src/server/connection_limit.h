/* Limits of virtual hosts and users: who may still come. */
#ifndef LEVERET_SERVER_CONNECTION_LIMIT_H
#define LEVERET_SERVER_CONNECTION_LIMIT_H

#include <stdbool.h>

struct connection;
struct vhost;

/* Counts it in, as one of its user's in that vhost. False: it has failed with 530. */
bool connection_limit_open(struct connection *c, const struct vhost *v);
/* It is no longer one. Harmless for one that was never counted. */
void connection_limit_end(struct connection *c);

/* A channel is to be opened. False: the connection has failed with 530. */
bool connection_limit_channel(struct connection *c);
void connection_limit_channel_end(struct connection *c);

#endif
