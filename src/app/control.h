/*
 * DIR/control.sock: what a running node does for a command on the same machine. A request is a line of words,
 * an answer a line that begins with "ok" or "error TEXT".
 *
 *   backup       ok CUT (store_cut_format()); the files of the cut stay until backup-end,
 *                or until the connection ends
 *   backup-end   ok
 */
#ifndef LEVERET_APP_CONTROL_H
#define LEVERET_APP_CONTROL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define CONTROL_SOCKET "control.sock"

struct backup;
struct control;
struct shard;

/* On shard 0. `dir` is the data directory, whose lock is held. */
ERR_USE enum err control_open(struct shard *s, const char *dir, struct backup *backup,
                              struct control **control, char *why, size_t why_size);
/* After shards_join(). NULL is harmless. */
void control_free(struct control *c);

#endif
