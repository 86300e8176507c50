/* Bits are gathered in `bits`, the oldest highest; `count` of the lowest are not written yet. */
#include "base/base64url.h"

static const char digits[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t
base64url_encode(char *out, struct slice bytes)
{
    char *at = out;
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | bytes.data[i];
        for (count += 8; count >= 6; count -= 6)
            *at++ = digits[bits >> (count - 6) & 63];
    }
    if (count > 0)
        *at++ = digits[bits << (6 - count) & 63];
    return (size_t)(at - out);
}

bool
base64url_decode(uint8_t *out, struct slice text)
{
    uint32_t bits = 0;
    unsigned count = 0;
    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = memchr(digits, text.data[i], sizeof digits);
        if (!digit)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        count += 6;
        if (count >= 8) {
            count -= 8;
            *out++ = (uint8_t)(bits >> count);
        }
    }
    return (bits & (((uint32_t)1 << count) - 1)) == 0;
}
