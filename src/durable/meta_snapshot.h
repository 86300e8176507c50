/*
 * The declared things as of one command of their log, as one file:
 *
 *   magic u64 | version u32 | zero u32 | term u64 | index u64 | last id u64 | items u64 |
 *   items x (length u32 | command (meta_codec.h)) | XXH3 u64 over all before it
 *
 * Little-endian. The commands are meta_walk()'s. Every later version keeps magic, version and the checksum in
 * the last 8 bytes.
 */
#ifndef LEVERET_DURABLE_META_SNAPSHOT_H
#define LEVERET_DURABLE_META_SNAPSHOT_H

#include "base/buffer.h"
#include "base/err.h"
#include "broker/meta.h"
#include "store/store.h"

/* Where the log goes on: behind this command. */
struct meta_snapshot {
    uint64_t term, index;
    uint64_t items;
};

/* Appends the whole file. Writer only. */
void meta_snapshot_format(const struct meta *m, uint64_t term, uint64_t index, struct buffer *out);
/* Applies it to `m`, which is empty. ERR_CORRUPT (then `m` holds a part), ERR_UNSUPPORTED: a newer version.
 */
ERR_USE enum err meta_snapshot_parse(struct slice file, struct meta *m, struct meta_snapshot *s);

/* The file is complete and synced, and its directory too. Blocks. What remains after an error is no snapshot;
 * *what says what could not be done ("write"). */
ERR_USE enum err meta_snapshot_write(struct store *s, uint64_t id, struct slice file, const char **what);
ERR_USE enum err meta_snapshot_read(struct store *s, uint64_t id, struct meta *m, struct meta_snapshot *info,
                                    char *why, size_t why_size);

#endif
