/* From the first byte of a connection to connection.open-ok. */
#ifndef LEVERET_SERVER_HANDSHAKE_H
#define LEVERET_SERVER_HANDSHAKE_H

#include "server/connection.h"

void handshake_begin(struct connection *c);
/* The protocol header was right: connection.start goes out. */
void handshake_started(struct connection *c);
/* connection.* methods before RUNNING. */
void handshake_method(struct connection *c, uint32_t method, struct slice payload);

#endif
