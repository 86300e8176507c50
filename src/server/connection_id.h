/* A connection's id, which is all that others keep of it: exclusive queues, pids. */
#ifndef LEVERET_SERVER_CONNECTION_ID_H
#define LEVERET_SERVER_CONNECTION_ID_H

#include <stdint.h>

/*
 * An id tells when its connection was accepted, and on which shard: shard << 57 | milliseconds since 1970 <<
 * 14 | a number among those of one millisecond. More than 2^14 of these, or a clock that goes back, take from
 * the milliseconds that follow the last id's.
 */
enum { CONNECTION_ID_SHARD_SHIFT = 57, CONNECTION_ID_TIME_SHIFT = 14 };

static inline unsigned
connection_id_shard(uint64_t id)
{
    return (unsigned)(id >> CONNECTION_ID_SHARD_SHIFT);
}
/* Milliseconds since 1970. */
static inline uint64_t
connection_id_time(uint64_t id)
{
    return (id & ((UINT64_C(1) << CONNECTION_ID_SHARD_SHIFT) - 1)) >> CONNECTION_ID_TIME_SHIFT;
}

#endif
