/*
 * The parts of a journal. The shard's is journal.c; journal_write.c (with journal_encode.c) is the writer's
 * thread, journal_file.c the keeper's. Each part touches its own struct; the shard touches it while no job
 * that uses it is submitted.
 */
#ifndef LEVERET_STORE_JOURNAL_INSIDE_H
#define LEVERET_STORE_JOURNAL_INSIDE_H

#include "store/journal.h"

/* ---- ops ---- */

struct journal_ops {
    struct journal_op *ops;
    uint32_t count, capacity;
    uint32_t accounted; /* so many of them are in `bytes` and `awaited` */
    uint32_t awaited;   /* of them, all but settles: somebody waits for those */
    uint64_t bytes;
};

/* ---- ops to bytes (journal_encode.c) ---- */

/* Zeroed is empty. */
struct journal_encoder {
    uint8_t *bytes; /* room for a batch's header, the records, zeros up to a whole block */
    size_t len, capacity;
    struct record_target *targets; /* of the publish in the making */
    uint32_t target_count, target_capacity;
    uint32_t records, elided; /* of this batch */
};

/* The records of a batch, and its padding. */
void journal_encode(struct journal_encoder *e, const struct journal_op *ops, uint32_t count);
/* The same for records that are bytes already. */
void journal_encode_raw(struct journal_encoder *e, struct slice records, uint32_t count);
/* Of the records; the batch has batch_footprint() of it. */
uint32_t journal_encode_size(const struct journal_encoder *e);
/* Gives back memory beyond `keep` bytes. */
void journal_encode_trim(struct journal_encoder *e, size_t keep);
/* The same message for the same transaction: one record can name both targets. */
bool journal_encode_is_same(const struct journal_op *a, const struct journal_op *b);

/* ---- files (journal_file.c): everything blocks ---- */

struct journal_file {
    struct file *file; /* NULL: none */
    uint64_t size, salt;
    uint32_t number;
};

/*
 * A file of the chain, ready to be written: zeros through to its size, header, synced with its directory.
 * *spare: the number of a superfluous file that may become it; 0: none, and afterwards when it was used up.
 * ERR_NO_SPACE: nothing is left behind, and it can be tried again; any other failure is store_fail()ed.
 */
ERR_USE enum err journal_file_make(struct store *s, uint16_t chain, uint32_t number, uint64_t size,
                                   uint32_t *spare, struct journal_file *f);
/* Makes an unused one larger. Errors as above. */
ERR_USE enum err journal_file_grow(struct store *s, uint16_t chain, struct journal_file *f, uint64_t size);
/* A failure is logged: the next start tries again. */
void journal_file_delete(struct store *s, uint16_t chain, uint32_t number);

/* ---- the writer's thread (journal_write.c) ---- */

enum journal_outcome {
    JOURNAL_NOT_RUN,
    JOURNAL_WRITTEN,
    JOURNAL_NEEDS_FILE, /* with room for `footprint` bytes of batches */
    JOURNAL_NO_SPACE,   /* for a body's file */
    JOURNAL_FAILED,     /* the store has */
};

struct journal_writer {
    struct store *store;
    uint16_t chain;
    struct journal_file current;
    uint64_t offset; /* of the next batch in it */
    uint64_t number; /* of the last batch in the chain */
    bool is_unsynced;
    struct journal_encoder encoder;
    bool is_encoded;      /* the batch waits for a file */
    uint32_t bodies_done; /* ops whose body files are written */
    /* What it is asked. */
    const struct journal_ops *ops;
    struct journal_file next; /* a file that it may take; taken: file is NULL afterwards */
    /* What it answers. */
    enum journal_outcome outcome;
    bool took_next;
    uint64_t footprint;
    uint32_t payload, records, elided;
};

/* Writes the batch of `ops`; as often as needed until the outcome is JOURNAL_WRITTEN or JOURNAL_FAILED. */
void journal_write(struct journal_writer *w);
/* What was written is synced, in any mode. False: the store has failed. */
bool journal_write_sync(struct journal_writer *w);
/* Writes records that are bytes already as the next batch, and syncs them. For files that are large enough.
 */
ERR_USE enum err journal_write_raw(struct journal_writer *w, struct slice records, uint32_t count);

#endif
