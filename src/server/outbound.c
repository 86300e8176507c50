/*
 *   segments:  [chunk A: 310 bytes] [message M: 70,001 bytes] [chunk A: 62 bytes] [chunk B: ...]
 *
 * A run of copied bytes is one segment as long as nothing by reference comes between and the chunk does not
 * change. A chunk knows how many of its bytes are unsent: at zero it goes back to the pool, unless it is the
 * one being filled.
 */
#include "server/outbound.h"

#include "base/check.h"
#include "broker/message.h"

#include <stdlib.h>
#include <string.h>

void
outbound_pool_init(struct outbound_pool *pool, struct broker *broker)
{
    *pool = (struct outbound_pool){.broker = broker};
}

static void
outbound_chunks_free(struct outbound_chunk *chunk)
{
    while (chunk) {
        struct outbound_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void
outbound_pool_fini(struct outbound_pool *pool)
{
    outbound_chunks_free(pool->spare_chunks);
    outbound_chunks_free(pool->spare_first);
    while (pool->spare) {
        struct outbound *o = pool->spare;
        pool->spare = o->next;
        free(o->segments);
        free(o);
    }
    *pool = (struct outbound_pool){0};
}

static struct outbound_chunk *
outbound_chunk_new(struct outbound_pool *pool, size_t cap)
{
    struct outbound_chunk *chunk = NULL;
    if (cap == OUTBOUND_CHUNK_FIRST && pool->spare_first) {
        chunk = pool->spare_first;
        pool->spare_first = chunk->next;
        pool->spare_first_count--;
    } else if (cap == OUTBOUND_CHUNK && pool->spare_chunks) {
        chunk = pool->spare_chunks;
        pool->spare_chunks = chunk->next;
        pool->spare_chunks_count--;
    } else {
        chunk = malloc(sizeof *chunk + cap);
        CHECK(chunk);
        chunk->cap = (uint32_t)cap;
    }
    chunk->next = NULL;
    chunk->used = chunk->unsent = 0;
    return chunk;
}

static void
outbound_chunk_free(struct outbound_pool *pool, struct outbound_chunk *chunk)
{
    if (chunk->cap == OUTBOUND_CHUNK_FIRST && pool->spare_first_count < OUTBOUND_SPARE_FIRST) {
        chunk->next = pool->spare_first;
        pool->spare_first = chunk;
        pool->spare_first_count++;
    } else if (chunk->cap == OUTBOUND_CHUNK && pool->spare_chunks_count < OUTBOUND_SPARE_CHUNKS) {
        chunk->next = pool->spare_chunks;
        pool->spare_chunks = chunk;
        pool->spare_chunks_count++;
    } else {
        free(chunk);
    }
}

struct outbound *
outbound_new(struct outbound_pool *pool)
{
    struct outbound *o = pool->spare;
    if (o) {
        pool->spare = o->next;
        pool->spare_count--;
        o->next = NULL;
        return o;
    }
    o = calloc(1, sizeof *o);
    CHECK(o);
    return o;
}

static void
outbound_segment_done(struct outbound_pool *pool, struct outbound *o, struct outbound_segment *s, size_t n)
{
    if (s->is_message) {
        if (n == s->len)
            message_drop(pool->broker, &s->message);
        return;
    }
    s->chunk->unsent -= (uint32_t)n;
    if (s->chunk->unsent == 0 && s->chunk != o->chunk)
        outbound_chunk_free(pool, s->chunk);
}

void
outbound_free(struct outbound_pool *pool, struct outbound *o)
{
    if (!o)
        return;
    for (uint32_t i = 0; i < o->count; i++) {
        struct outbound_segment *s = &o->segments[o->first + i];
        outbound_segment_done(pool, o, s, s->len);
    }
    if (o->chunk)
        outbound_chunk_free(pool, o->chunk);
    if (pool->spare_count >= OUTBOUND_SPARE || o->cap > 1024) {
        free(o->segments);
        free(o);
        return;
    }
    *o = (struct outbound){.segments = o->segments, .cap = o->cap, .next = pool->spare};
    pool->spare = o;
    pool->spare_count++;
}

uint8_t *
outbound_reserve_slow(struct outbound_pool *pool, struct outbound *o, size_t n)
{
    struct outbound_chunk *old = o->chunk;
    size_t cap = !old && n <= OUTBOUND_CHUNK_FIRST ? OUTBOUND_CHUNK_FIRST
                 : n <= OUTBOUND_CHUNK             ? OUTBOUND_CHUNK
                                                   : n;
    o->chunk = outbound_chunk_new(pool, cap);
    if (old && old->unsent == 0)
        outbound_chunk_free(pool, old);
    return o->chunk->bytes;
}

static struct outbound_segment *
outbound_segment_add(struct outbound *o)
{
    if (o->first + o->count == o->cap) {
        if (o->first > 0 && o->first >= o->cap / 2) {
            memmove(o->segments, o->segments + o->first, o->count * sizeof *o->segments);
            o->first = 0;
        } else {
            o->cap = o->cap ? o->cap * 2 : 8;
            o->segments = realloc(o->segments, o->cap * sizeof *o->segments);
            CHECK(o->segments);
        }
    }
    return &o->segments[o->first + o->count++];
}

void
outbound_commit(struct outbound *o, size_t n)
{
    struct outbound_chunk *chunk = o->chunk;
    uint8_t *at = chunk->bytes + chunk->used;
    CHECK(n <= chunk->cap - chunk->used);
    chunk->used += (uint32_t)n;
    chunk->unsent += (uint32_t)n;
    o->bytes += n;
    if (o->count > 0) {
        struct outbound_segment *last = &o->segments[o->first + o->count - 1];
        if (!last->is_message && last->chunk == chunk) {
            last->len += (uint32_t)n;
            return;
        }
    }
    *outbound_segment_add(o) =
        (struct outbound_segment){.data = at, .len = (uint32_t)n, .is_message = false, .chunk = chunk};
}

void
outbound_add_message(struct outbound *o, struct message *m, const uint8_t *data, size_t len)
{
    *outbound_segment_add(o) =
        (struct outbound_segment){.data = data, .len = (uint32_t)len, .is_message = true, .message = m};
    o->bytes += len;
}

int
outbound_iov(const struct outbound *o, struct iovec *iov, int max)
{
    int n = o->count < (uint32_t)max ? (int)o->count : max;
    for (int i = 0; i < n; i++) {
        const struct outbound_segment *s = &o->segments[o->first + (uint32_t)i];
        iov[i] = (struct iovec){.iov_base = (void *)(uintptr_t)s->data, .iov_len = s->len};
    }
    return n;
}

void
outbound_written(struct outbound_pool *pool, struct outbound *o, size_t n)
{
    CHECK(n <= o->bytes);
    o->bytes -= n;
    while (n > 0) {
        struct outbound_segment *s = &o->segments[o->first];
        size_t part = n < s->len ? n : s->len;
        outbound_segment_done(pool, o, s, part);
        n -= part;
        if (part < s->len) {
            s->data += part;
            s->len -= (uint32_t)part;
            return;
        }
        o->first++;
        o->count--;
    }
    if (o->count == 0) {
        o->first = 0;
        if (o->chunk)
            o->chunk->used = 0;
    }
}
