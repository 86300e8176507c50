/*
 * The bytes are data[0, len) of an allocation of `cap` bytes. Growth doubles, so adding is O(1) a byte;
 * consuming moves what is left to the front, so a consumer takes as much as it can at a time and not byte by
 * byte.
 */
#include "base/buffer.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUFFER_CAP_MIN 64

void
buffer_fini(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){0};
}

void
buffer_grow(struct buffer *b, size_t n)
{
    CHECK(n <= SIZE_MAX / 4 - b->len);
    size_t cap = b->cap * 2 > BUFFER_CAP_MIN ? b->cap * 2 : BUFFER_CAP_MIN;
    if (cap < b->len + n)
        cap = b->len + n;
    b->data = realloc(b->data, cap);
    CHECK(b->data);
    b->cap = cap;
}

void
buffer_add_fmt(struct buffer *b, const char *format, ...)
{
    va_list args;
    uint8_t *tail = buffer_reserve(b, 1);
    va_start(args, format);
    int n = vsnprintf((char *)tail, b->cap - b->len, format, args);
    va_end(args);
    CHECK(n >= 0);
    if ((size_t)n >= b->cap - b->len) {
        tail = buffer_reserve(b, (size_t)n + 1);
        va_start(args, format);
        vsnprintf((char *)tail, (size_t)n + 1, format, args);
        va_end(args);
    }
    b->len += (size_t)n;
}

void
buffer_consume(struct buffer *b, size_t n)
{
    CHECK(n <= b->len);
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->data, b->data + n, b->len);
}
