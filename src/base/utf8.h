/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef LEVERET_BASE_UTF8_H
#define LEVERET_BASE_UTF8_H

#include "base/slice.h"

/* The empty slice is valid; U+0000 is a character like any other. */
bool utf8_is_valid(struct slice s);

/* Bytes (1 to 4) of the character at the start of `s`; 0 when there is no valid one (or `s` is empty). */
size_t utf8_char_len(struct slice s);

#endif
