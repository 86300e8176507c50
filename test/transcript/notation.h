/*
 * The notation of AMQP values in transcripts, in both directions: text to octets and octets to text.
 *
 *   numbers      5, -1           in a table: a signed 32-bit integer (I), 64-bit (l) when it does not fit
 *   strings      "a\"b\x00"      in a table: a long string (S)
 *   booleans     true, false     in a table; bit fields of methods are 0 and 1
 *   tables       {k: 1, "odd key": "v"}      arrays  [1, "a"]      nothing  void
 *   other types  (b)-1 (B)1 (s)1 (u)1 (i)1 (L)1 (T)1700000000 (f)1.5 (d)1.5 (D)2:314 (x)"bytes"
 *   octets       "text", hex:00ff, 1000*"x" (repeated), nested:1000 (a table in a table ...), joined by +
 *
 * Rendered text has no blanks outside quotes; keys are quoted only when they must be.
 */
#ifndef LEVERET_TEST_TRANSCRIPT_NOTATION_H
#define LEVERET_TEST_TRANSCRIPT_NOTATION_H

#include "bytes.h"

#include <stdbool.h>

struct notation_field {
    char name[32];
    char type[12];
};

struct notation_method {
    unsigned class_id;
    unsigned method_id;
    char name[40];
    bool has_content;
    unsigned field_count;
    struct notation_field fields[10];
};

/* Looks a method up by its name ("queue.declare") or its ids; false when there is none. */
bool notation_method_by_name(const char *name, struct notation_method *method);
bool notation_method_by_id(unsigned class_id, unsigned method_id, struct notation_method *method);

/* Values of a method's fields as text: `get` returns NULL for the default (0, "", {}). */
typedef const char *(*notation_get_fn)(void *ctx, const char *field);
/* Receives each field of a decoded method or property list in order. */
typedef void (*notation_put_fn)(void *ctx, const char *field, const char *text);

/* Appends class id, method id and fields. On failure returns false with the reason in `why`. */
bool notation_method_encode(struct bytes *out, const struct notation_method *method, notation_get_fn get,
                            void *ctx, struct bytes *why);

/* Decodes what follows the ids; every octet must be used up. */
bool notation_method_decode(const struct notation_method *method, const uint8_t *data, size_t size,
                            notation_put_fn put, void *ctx, struct bytes *why);

/* Text of basic properties, e.g. {delivery-mode: 2, headers: {a: 1}}, to flags and values, and back. */
bool notation_props_encode(struct bytes *out, const char *text, struct bytes *why);
bool notation_props_decode(const uint8_t *data, size_t size, struct bytes *text, struct bytes *why);

/* Octets written as text, hex:, repetition or a sum of those. */
bool notation_octets(struct bytes *out, const char *text, struct bytes *why);

/* Copies `text` without blanks outside quotes. */
void notation_squeeze(struct bytes *out, const char *text);

/* The end of the value that starts at `p`: the next blank, comma, semicolon or closing bracket outside it. */
const char *notation_value_end(const char *p);

#endif
