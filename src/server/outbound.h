/*
 * What a connection still has to write: a list of segments. Small things are copied one behind the other into
 * chunks; the bodies of large messages stay where they are and are held until the socket has taken them. Once
 * per turn the list goes out with one writev.
 *
 * A connection has an outbound only while there is something to write: it is taken from the shard's pool and
 * goes back there when it is empty, so that an idle connection pays for a pointer.
 */
#ifndef LEVERET_SERVER_OUTBOUND_H
#define LEVERET_SERVER_OUTBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct broker;
struct message;

enum {
    OUTBOUND_CHUNK = 65536,       /* bytes of a chunk */
    OUTBOUND_CHUNK_FIRST = 2048,  /* of the first one of a connection: most turns need no more */
    OUTBOUND_BY_REFERENCE = 4096, /* bodies from here on are not copied */
    OUTBOUND_SPARE_CHUNKS = 64,   /* kept by the pool when nobody needs them */
    OUTBOUND_SPARE_FIRST = 1024,
    OUTBOUND_SPARE = 1024,
};

struct outbound_chunk {
    struct outbound_chunk *next; /* in the pool */
    uint32_t cap, used;
    uint32_t unsent; /* bytes that segments still refer to */
    uint8_t bytes[];
};

struct outbound_segment {
    const uint8_t *data;
    uint32_t len;
    bool is_message;
    union {
        struct outbound_chunk *chunk;
        struct message *message; /* one hold */
    };
};

struct outbound {
    struct outbound_segment *segments; /* [first, first + count) */
    uint32_t first, count, cap;
    struct outbound_chunk *chunk; /* the one that is being filled */
    uint64_t bytes;               /* unsent, all together */
    struct outbound *next;        /* in the pool */
};

/* A shard's spare outbounds and chunks. */
struct outbound_pool {
    struct broker *broker; /* for dropping messages */
    struct outbound *spare;
    struct outbound_chunk *spare_chunks, *spare_first;
    uint32_t spare_count, spare_chunks_count, spare_first_count;
};

void outbound_pool_init(struct outbound_pool *pool, struct broker *broker);
void outbound_pool_fini(struct outbound_pool *pool);

/* An empty one. */
struct outbound *outbound_new(struct outbound_pool *pool);
/* Whatever is in it is forgotten. NULL is allowed. */
void outbound_free(struct outbound_pool *pool, struct outbound *o);

/* The slow half of outbound_reserve. */
uint8_t *outbound_reserve_slow(struct outbound_pool *pool, struct outbound *o, size_t n);

/* Room for `n` bytes in one piece; what is written there counts from outbound_commit(), which must come next.
 */
static inline uint8_t *
outbound_reserve(struct outbound_pool *pool, struct outbound *o, size_t n)
{
    struct outbound_chunk *chunk = o->chunk;
    if (__builtin_expect(chunk && chunk->cap - chunk->used >= n, 1))
        return chunk->bytes + chunk->used;
    return outbound_reserve_slow(pool, o, n);
}

/* At most what was reserved. */
void outbound_commit(struct outbound *o, size_t n);
/* Bytes inside a message's blob, by reference; takes over one hold. */
void outbound_add_message(struct outbound *o, struct message *m, const uint8_t *data, size_t len);

/* The first `max` segments at most; returns how many. */
int outbound_iov(const struct outbound *o, struct iovec *iov, int max);
/* The first `n` bytes are out. */
void outbound_written(struct outbound_pool *pool, struct outbound *o, size_t n);

#endif
