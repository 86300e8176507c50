/*
 * A connection for programs that may wait: commands, never a shard. Every call blocks, until the deadline at
 * most. On the machine only.
 */
#ifndef LEVERET_IO_DIAL_H
#define LEVERET_IO_DIAL_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct dial;

/*
 * To a socket in the file system; to the first of a host's addresses that answers. `timeout_ms` from now is
 * the connection's deadline, for all calls together; 0: none. ERR_NOT_FOUND (no such path, no such host),
 * ERR_REFUSED: nobody listens there; ERR_PERMISSION; ERR_TIMEOUT ...
 */
ERR_USE enum err dial_local(const char *path, uint64_t timeout_ms, struct dial **dial);
ERR_USE enum err dial_tcp(const char *host, uint16_t port, uint64_t timeout_ms, struct dial **dial);
/* A new deadline, from now. */
void dial_set_timeout(struct dial *d, uint64_t timeout_ms);
/* All of it. ERR_CLOSED: the other side has gone; ERR_TIMEOUT. */
ERR_USE enum err dial_write(struct dial *d, const void *data, size_t len);
/* What there is, once there is something: *got bytes, at least one. ERR_CLOSED: the end of the stream. */
ERR_USE enum err dial_read(struct dial *d, void *data, size_t size, size_t *got);
/* NULL is harmless. */
void dial_close(struct dial *d);

#endif
