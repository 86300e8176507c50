/* base64url without padding (RFC 4648, section 5): three bytes become four characters of A-Z a-z 0-9 - _, and
 * one or two left over become two or three. */
#ifndef LEVERET_BASE_BASE64URL_H
#define LEVERET_BASE_BASE64URL_H

#include "base/slice.h"

/* Characters for so many bytes. */
#define BASE64URL_SIZE(bytes) (((bytes)*4 + 2) / 3)

/* Writes BASE64URL_SIZE(bytes.len) characters, no NUL, and returns how many that are. */
size_t base64url_encode(char *out, struct slice bytes);
/* Writes text.len * 3 / 4 bytes. False: not what base64url_encode() writes. One text for each value: bits
 * that are left over must be zero. */
bool base64url_decode(uint8_t *out, struct slice text);

#endif
