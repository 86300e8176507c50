/*
 * A connection's id is (shard, milliseconds since 1970, number): connection_id.h. Its number here is counted
 * from the start of the node: (milliseconds and number since then, shard, 1).
 */
#include "server/session_pid.h"

#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>

uint64_t
session_pid_number(const struct server *server, uint64_t connection_id)
{
    uint64_t time = connection_id & ((UINT64_C(1) << CONNECTION_ID_SHARD_SHIFT) - 1);
    uint64_t start = server->started_ms << CONNECTION_ID_TIME_SHIFT;
    return ((time - start) << SESSION_PID_SHARD_BITS | connection_id_shard(connection_id)) << 1 | 1;
}

const char *
session_pid_text(const struct server *server, uint64_t number, unsigned channel,
                 char text[SESSION_PID_TEXT_SIZE])
{
    snprintf(text, SESSION_PID_TEXT_SIZE, "<%s.%" PRIu64 ".%" PRIu64 ".%u>", server->node->name,
             server->started_ms / 1000, number, channel);
    return text;
}
