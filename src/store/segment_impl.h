/* Inside store: what the files of segment_*.c share. */
#ifndef LEVERET_STORE_SEGMENT_IMPL_H
#define LEVERET_STORE_SEGMENT_IMPL_H

#include "base/buffer.h"
#include "io/worker.h"
#include "store/segment.h"

#include <stdatomic.h>

struct file;

/* ---- the bytes (segment_format.c) ---- */

enum {
    SEGMENT_HEADER = 64,
    SEGMENT_TRAILER = 64,
    SEGMENT_ENTRY_MIN = 25, /* of one with SEGMENT_SAME; the others are longer */
};
/* Flags of an entry. */
enum {
    SEGMENT_SAME = 1,
    SEGMENT_BODY_FILE = 2,
    SEGMENT_TRANSIENT = 4,
    SEGMENT_EXPIRES = 8,
};

struct segment_body {
    uint64_t id;
    uint32_t bit;
};

/* What the footer tells, and the shard changes. */
struct segment_index {
    struct segment_run *runs; /* in the order of the file and of their bits */
    uint32_t *live;           /* of each run: bits that are not set in `dead` */
    uint32_t run_count, run_capacity;
    uint32_t bits, words; /* in use; room in `dead`, in words of 64 */
    uint64_t *dead;       /* NULL: no bit is set */
    struct segment_body *bodies;
    uint32_t body_count, body_capacity;
    uint64_t live_count, entry_count;
    bool may_expire; /* some entry has SEGMENT_EXPIRES */
};

struct segment_entry {
    uint32_t length;
    uint8_t flags;
    uint64_t sequence;
    uint64_t distance;       /* SEGMENT_SAME */
    struct record_message m; /* with SEGMENT_SAME only expires_at; slices of the input */
};

struct segment_trailer {
    uint64_t id, file_size, footer_checksum;
    uint32_t run_count, body_count, words;
    bool may_expire;
};

void segment_header_put(uint8_t *out, uint64_t id);
/* ERR_CORRUPT, ERR_UNSUPPORTED. */
ERR_USE enum err segment_header_parse(const uint8_t *header, uint64_t id);

size_t segment_entry_size(const struct record_message *m, bool is_same);
/* `distance` 0: the message itself. */
void segment_entry_put(uint8_t *out, size_t size, uint64_t id, uint64_t sequence,
                       const struct record_message *m, bool is_transient, uint64_t distance);
/*
 * The entry at the start of `in`, which may have at most `room` bytes. ERR_TRUNCATED: it is longer than `in`,
 * and e->length says how long (or SEGMENT_ENTRY_MIN, while even that is not known). ERR_CORRUPT: it is none.
 */
ERR_USE enum err segment_entry_parse(struct slice in, uint64_t room, uint64_t id, struct segment_entry *e);

/* Appends footer and trailer of a segment whose entries end at `offset`. `absent`: as many words as ix->bits
 * need, or NULL. */
void segment_footer_put(const struct segment_index *ix, const uint64_t *absent, uint64_t id, uint64_t offset,
                        struct buffer *out);
ERR_USE enum err segment_trailer_parse(const uint8_t *trailer, uint64_t id, uint64_t file_size,
                                       struct segment_trailer *t);
uint64_t segment_footer_size(const struct segment_trailer *t);
/* `footer` has the size that the trailer says. On an error nothing is to be freed. */
ERR_USE enum err segment_footer_parse(struct slice footer, const struct segment_trailer *t,
                                      struct segment_index *ix);

/* ---- the index (segment.c) ---- */

static inline uint64_t
segment_run_span(const struct segment_run *run)
{
    return run->last - run->first + 1;
}
static inline size_t
segment_words(uint64_t bits)
{
    return (size_t)((bits + 63) / 64);
}
/* Counts what lives anew. False: a run has more of it than entries. */
bool segment_index_count(struct segment_index *ix);
void segment_index_fini(struct segment_index *ix);
/* Sets bits; returns how many were clear. */
uint64_t segment_bits_set(uint64_t *words, uint64_t first, uint64_t count);

/* ---- an ack file (segment_acks.c) ---- */

/* Merges its bits into the index (which has `ix->bits` of them), without counting. */
ERR_USE enum err segment_acks_merge(struct slice file, uint64_t id, uint32_t generation,
                                    struct segment_index *ix);

/* ---- a segment ---- */

/* Bytes on their way to the file. */
struct segment_chunk {
    struct worker_job job;
    struct segment *segment;
    struct segment_chunk *next; /* handed over after this one */
    uint8_t *data;              /* NULL: written, or there is nothing to write */
    uint64_t offset;
    size_t size, capacity;
};

struct segment {
    struct store *store;
    uint64_t id;

    /* The shard's. */
    struct worker *pager; /* NULL: loaded */
    struct segment_index ix;
    uint64_t *absent; /* gaps and transient entries, as many words as ix.dead; NULL when none of those can be
                         settled any more */
    uint64_t
        *lost; /* of the bits in ix.dead, those that do not outlive the node: segment_lose(). NULL: none */
    uint64_t size, durable_count;
    uint32_t acks_generation;
    bool is_sealed, is_dirty, has_transient;
    bool is_broken;                /* the next entry starts a run */
    struct segment_chunk *filling; /* not handed over */
    struct segment_chunk *last;    /* of those that were */

    /* The shard's and the pager's. */
    _Atomic uint64_t waiting; /* bytes handed over and not written */
    _Atomic bool is_short;    /* the disk was full at the last attempt */

    /* The pager's; the keeper's when everything is written. */
    struct segment_chunk *head; /* the oldest that is not freed; set by the shard before it is submitted */
    struct file *file;          /* while it is written */
    uint64_t written;           /* so far the file's content is there */
};

#endif
