/*
 * The manifest: what counts in the store's directory. It is in memory and on disk; every change is made in
 * memory under the lock (any thread) and becomes true with manifest_commit(), which writes the whole beside
 * the old one, syncs it, renames it over and syncs the directory. Changes of several threads may go with one
 * commit.
 *
 * Order, always: a new file is complete and synced (and its directory) before the manifest names it; it is
 * out of the committed manifest before it is deleted or written over.
 */
#ifndef LEVERET_STORE_MANIFEST_H
#define LEVERET_STORE_MANIFEST_H

#include "base/buffer.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/store.h"

struct manifest_chain {
    uint32_t boot;
    uint16_t chain; /* shard index or STORE_CHAIN_META */
    uint32_t low;   /* number of the first file that still counts */
};
struct manifest_segment {
    uint64_t id, size;
    uint32_t acks_generation; /* 0: no ack file */
};

enum {
    MANIFEST_ID_BLOCK = 1 << 20
}; /* ids reserved at once: so many that a shard never has to commit by itself */

struct manifest *manifest_new(struct store *s);
void manifest_free(struct manifest *m);
/* ERR_NOT_FOUND: there is none. */
ERR_USE enum err manifest_read(struct manifest *m, char *why, size_t why_size);
/* Blocks in syncs: for keepers and start-up. A failure is store_fail()ed and returned, but for ERR_NO_SPACE:
 * then the old one counts, and the next commit tries again with all changes. */
ERR_USE enum err manifest_commit(struct manifest *m);

/* Ids are never used twice: reserved in blocks that are committed before use. Any thread; it commits itself
 * (and blocks) only when hundreds were taken without a commit of anybody's. */
uint64_t manifest_next_id(struct manifest *m);

void manifest_set_chain(struct manifest *m, const struct manifest_chain *c); /* adds it or moves its low */
void manifest_drop_chain(struct manifest *m, uint32_t boot, uint16_t chain);
void manifest_set_segment(struct manifest *m, const struct manifest_segment *s);
void manifest_drop_segment(struct manifest *m, uint64_t id);
/* The declared things as of (term, index) of the meta chain. */
void manifest_set_snapshot(struct manifest *m, uint64_t id, uint64_t term, uint64_t index);

/* Copies, to be free()d; chains in the order of (boot, chain), segments by id. For start-up, checks, views.
 */
struct manifest_view {
    uint64_t incarnation, snapshot_id, snapshot_term, snapshot_index, next_id;
    uint32_t boot;
    struct manifest_chain *chains;
    size_t chain_count;
    struct manifest_segment *segments;
    size_t segment_count;
};
void manifest_view(struct manifest *m, struct manifest_view *view);
void manifest_view_free(struct manifest_view *view);

/* The bytes of a manifest file, both ways; for fuzzing, check and dump. */
ERR_USE enum err manifest_parse(struct slice file, struct manifest_view *view);
/* Appends them. `next_id`: ids below it may have been used. */
void manifest_format(const struct manifest_view *view, struct buffer *out);

#endif
