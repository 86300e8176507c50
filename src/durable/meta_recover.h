/* Reading the declared things back: the snapshot, then what the meta chains have behind it. For the start,
 * and for offline checks. */
#ifndef LEVERET_DURABLE_META_RECOVER_H
#define LEVERET_DURABLE_META_RECOVER_H

#include "broker/meta.h"
#include "store/store.h"

/*
 * Applies everything to `m`, which is empty; *index is the last command's (0: there never was one). Blocks.
 * ERR_CORRUPT: a command is missing in the middle, or one cannot be read; ERR_UNSUPPORTED: one of a newer
 * version; else what a file said. `why` says what, where, and what to do.
 */
ERR_USE enum err meta_recover(struct store *s, struct meta *m, uint64_t *index, char *why, size_t why_size);

#endif
