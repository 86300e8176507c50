/*
 * A copy of a store as of one moment: the files that a manifest names, the chains that were still written up
 * to a given end. The copy is another store: it gets an incarnation of its own.
 */
#ifndef LEVERET_STORE_STORE_COPY_H
#define LEVERET_STORE_STORE_COPY_H

#include "base/buffer.h"
#include "base/slice.h"
#include "store/manifest.h"

/* What is behind it does not belong to the cut. */
struct store_cut_end {
    uint64_t offset;
    uint32_t boot, file;
    uint16_t chain;
};

struct store_cut {
    struct manifest_view manifest;
    struct store_cut_end *ends; /* of chains that go on; the others belong whole */
    size_t end_count;
};

/* All that there is: for a store that nobody writes. store_cut_fini() frees it. */
void store_cut_whole(struct store *s, struct store_cut *cut);
void store_cut_fini(struct store_cut *cut);
/* One line without its end, both ways. ERR_CORRUPT. */
void store_cut_format(const struct store_cut *cut, struct buffer *line);
ERR_USE enum err store_cut_parse(struct slice line, struct store_cut *cut);

struct store_copy {
    struct io_world *world;
    const char *dir, *target; /* data directories */
    /* Called often. May be NULL. */
    void (*on_progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
    uint64_t bytes; /* set: what was copied */
};

/*
 * `target` does not exist, or is empty. The files of the cut stay as they are meanwhile: the caller sees to
 * that. When it returns ERR_OK everything is synced. After an error the target has no manifest: it is no
 * store. Blocks.
 */
ERR_USE enum err store_copy(struct store_copy *c, const struct store_cut *cut, char *why, size_t why_size);

#endif
