/*
 * Reading chains: every valid batch of every file in order, what is wrong with the rest, and where. Used by
 * recovery, check, dump and backup. Blocks.
 */
#ifndef LEVERET_STORE_CHAIN_H
#define LEVERET_STORE_CHAIN_H

#include "store/manifest.h"
#include "store/record.h"
#include "store/store.h"

struct chain_file {
    char path[STORE_PATH_MAX];
    uint64_t size, salt;
    uint32_t boot, number;
    uint16_t chain;
    uint8_t sync; /* enum store_sync */
};

/* ERR_CORRUPT when the header is not whole, or not this store's (incarnation 0: any). */
ERR_USE enum err chain_file_open(struct store *s, const char *path, uint64_t incarnation,
                                 struct chain_file *f);

/* The number of the last file that there is of a chain; 0: none. */
ERR_USE enum err chain_last_file(struct store *s, const struct manifest_chain *c, uint32_t *number);

struct chain_visitor {
    /* A valid batch, with where it stands. False: stop here (no error). May be NULL. */
    bool (*on_batch)(void *arg, const struct chain_file *f, uint64_t offset, const struct batch_header *h,
                     struct slice records);
    /* Something is wrong there: corruption, or (is_tail) merely the torn end of the chain. May be NULL. */
    void (*on_damage)(void *arg, const struct chain_file *f, uint64_t offset, bool is_tail, const char *what);
    void *arg;
};

struct chain_end {
    uint64_t batches;
    uint64_t last_batch;   /* number of the last valid one; 0: none */
    uint32_t last_file;    /* the last file that exists */
    bool is_damaged;       /* corruption was reported */
    uint32_t damaged_file; /* the first such file */
    uint8_t *last_records; /* payload of the last valid batch: malloc'd, the caller's */
    size_t last_records_size;
    uint32_t last_record_count;
};

/*
 * Walks the files of one chain from `low` on, without a gap. A missing file in the middle, and an unreadable
 * header of any but the last file, is ERR_NOT_FOUND or ERR_CORRUPT with `why`. A bad batch k is corruption
 * when a valid batch with a higher number follows anywhere in the chain (it goes on there); else the tail. It
 * is told with the place where k was expected: the end of a file that is shorter than it was. In files of
 * other sync modes than `always` the first bad batch ends the chain.
 */
ERR_USE enum err chain_walk(struct store *s, const struct manifest_chain *c, const struct chain_visitor *v,
                            struct chain_end *end, char *why, size_t why_size);
/* Moves a damaged file aside: store/quarantine/. The manifest no longer needs it. */
ERR_USE enum err chain_quarantine(struct store *s, const struct chain_file *f);

#endif
