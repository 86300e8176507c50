/* A growable run of octets for the test programs; running out of memory ends the program. */
#ifndef LEVERET_TEST_TRANSCRIPT_BYTES_H
#define LEVERET_TEST_TRANSCRIPT_BYTES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *data;
    size_t size;
    size_t cap;
};

void bytes_fini(struct bytes *b);

void bytes_append(struct bytes *b, const void *data, size_t size);

/* Appends the `width` low octets of `value`, most significant first. */
void bytes_put(struct bytes *b, uint64_t value, unsigned width);

/* Appends formatted text, without a final NUL. */
void bytes_printf(struct bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first `size` octets. */
void bytes_consume(struct bytes *b, size_t size);

/* The content as a C string: valid until the next change. */
const char *bytes_text(struct bytes *b);

#endif
