/* Heartbeats of an open connection, both ways. */
#ifndef LEVERET_SERVER_HEARTBEAT_H
#define LEVERET_SERVER_HEARTBEAT_H

#include "server/connection.h"

void heartbeat_start(struct connection *c);

#endif
