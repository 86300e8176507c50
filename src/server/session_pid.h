/* Names of connections and channels in the shape of Erlang's process identifiers; mgmt/info_pid.h says more.
 */
#ifndef LEVERET_SERVER_SESSION_PID_H
#define LEVERET_SERVER_SESSION_PID_H

#include "server/connection_id.h"

struct server;

enum { SESSION_PID_TEXT_SIZE = 340, SESSION_PID_SHARD_BITS = 64 - CONNECTION_ID_SHARD_SHIFT };

/* The number of a connection in such a name. */
uint64_t session_pid_number(const struct server *server, uint64_t connection_id);
/* With its terminating zero; returns `text`. `channel` 0: of the connection. */
const char *session_pid_text(const struct server *server, uint64_t number, unsigned channel,
                             char text[SESSION_PID_TEXT_SIZE]);

#endif
