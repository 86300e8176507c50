/*
 * Is a store whole? Everything in it is read: the manifest, each batch of each log file and its records,
 * each segment with its runs, its ack bitmap and every entry, each body. Nothing is changed.
 */
#ifndef LEVERET_STORE_STORE_CHECK_H
#define LEVERET_STORE_STORE_CHECK_H

#include "base/slice.h"
#include "store/store.h"

struct store_check {
    /* `what` is wrong with that file; offset 0 where it is about the whole. Is it damage, or can the file
     * only not be read? May be NULL. */
    void (*on_problem)(void *arg, const char *path, uint64_t offset, bool is_damage, const char *what);
    /* So many of all bytes have been looked at. Called often. May be NULL. */
    void (*on_progress)(void *arg, uint64_t done, uint64_t total);
    /* What only the layer above can read: the snapshot's file, the command of a meta record. An error is a
     * problem; `why` is empty or says more. May be NULL. */
    enum err (*on_snapshot)(void *arg, struct store *s, uint64_t id, char *why, size_t why_size);
    enum err (*on_meta)(void *arg, struct slice command);
    void *arg;
};

struct store_check_counts {
    uint64_t log_files, batches, records, segments, entries, live_entries, bodies;
    uint64_t bytes;      /* of all files */
    uint64_t tails;      /* chains with a torn end: normal after a crash */
    uint64_t damages;    /* what was told as such */
    uint64_t unreadable; /* the same */
};

/* Of a store that was opened offline. Blocks. */
void store_check(struct store *s, const struct store_check *how, struct store_check_counts *counts);

#endif
