/*
 * A growable run of bytes: append at the end, consume from the front. For internal use and for things whose
 * size a named limit already bounds: running out of memory stops the process.
 */
#ifndef LEVERET_BASE_BUFFER_H
#define LEVERET_BASE_BUFFER_H

#include "base/byteorder.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

/* Zeroed is empty; an empty buffer may hold no memory. `data` moves whenever the buffer grows. */
struct buffer {
    uint8_t *data;
    size_t len, cap;
};

static inline void
buffer_init(struct buffer *b)
{
    *b = (struct buffer){0};
}

/* Frees the bytes; the buffer is empty and usable afterwards. */
void buffer_fini(struct buffer *b);

/* Makes room for `n` more bytes: the slow half of buffer_reserve. */
void buffer_grow(struct buffer *b, size_t n);

/* Room for at least `n` bytes at the end; the caller writes there and adds what it wrote to `len`. */
static inline uint8_t *
buffer_reserve(struct buffer *b, size_t n)
{
    if (__builtin_expect(n > b->cap - b->len || !b->data, 0))
        buffer_grow(b, n);
    return b->data + b->len;
}

static inline void
buffer_add(struct buffer *b, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    memcpy(buffer_reserve(b, n), bytes, n);
    b->len += n;
}

static inline void
buffer_add_slice(struct buffer *b, struct slice s)
{
    buffer_add(b, s.data, s.len);
}

static inline void
buffer_add_str(struct buffer *b, const char *text)
{
    buffer_add(b, text, strlen(text));
}

/* Integers are added in network byte order. */
static inline void
buffer_add_u8(struct buffer *b, uint8_t v)
{
    *buffer_reserve(b, 1) = v;
    b->len += 1;
}

static inline void
buffer_add_u16(struct buffer *b, uint16_t v)
{
    be16_put(buffer_reserve(b, 2), v);
    b->len += 2;
}

static inline void
buffer_add_u32(struct buffer *b, uint32_t v)
{
    be32_put(buffer_reserve(b, 4), v);
    b->len += 4;
}

static inline void
buffer_add_u64(struct buffer *b, uint64_t v)
{
    be64_put(buffer_reserve(b, 8), v);
    b->len += 8;
}

/* printf's format; no terminating zero is counted (one is written behind the text). */
void buffer_add_fmt(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops `n` bytes (at most `len`) from the front; the rest moves there. */
void buffer_consume(struct buffer *b, size_t n);

/* Forgets the bytes and keeps the memory. */
static inline void
buffer_clear(struct buffer *b)
{
    b->len = 0;
}

/* What is in it; valid until the next change. */
static inline struct slice
buffer_slice(const struct buffer *b)
{
    return slice_of(b->data, b->len);
}

#endif
