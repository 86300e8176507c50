/* Growable octets: `data` is owned, doubles when full, and is never NULL after the first append. */
#include "bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
bytes_reserve(struct bytes *b, size_t more)
{
    if (b->data != NULL && b->cap - b->size > more) {
        return;
    }
    size_t cap = b->cap == 0 ? 256 : b->cap;
    while (cap - b->size <= more) {
        cap *= 2;
    }
    uint8_t *data = realloc(b->data, cap);
    if (data == NULL) {
        abort();
    }
    b->data = data;
    b->cap = cap;
}

void
bytes_fini(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}

void
bytes_append(struct bytes *b, const void *data, size_t size)
{
    bytes_reserve(b, size);
    if (size > 0) {
        memcpy(b->data + b->size, data, size);
    }
    b->size += size;
}

void
bytes_put(struct bytes *b, uint64_t value, unsigned width)
{
    for (unsigned i = width; i-- > 0;) {
        uint8_t octet = (uint8_t)(value >> (8 * i));
        bytes_append(b, &octet, 1);
    }
}

void
bytes_printf(struct bytes *b, const char *format, ...)
{
    va_list args;
    if (!format) /* gcc's checks want it said */
        abort();
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0) {
        abort();
    }
    bytes_reserve(b, (size_t)size + 1);
    va_start(args, format);
    vsnprintf((char *)b->data + b->size, (size_t)size + 1, format, args);
    va_end(args);
    b->size += (size_t)size;
}

void
bytes_consume(struct bytes *b, size_t size)
{
    memmove(b->data, b->data + size, b->size - size);
    b->size -= size;
}

const char *
bytes_text(struct bytes *b)
{
    bytes_reserve(b, 1);
    b->data[b->size] = 0;
    return (const char *)b->data;
}
