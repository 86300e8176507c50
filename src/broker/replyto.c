/* Addresses of direct reply-to: 24 octets in base64url, which need no padding. One text for each address:
 * bits cannot be left over, and other characters than the 64 are refused. */
#include "broker/replyto.h"

#include "base/byteorder.h"

static const char digits[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void
replyto_encode(char *out, struct channel_ref to, uint64_t key)
{
    uint8_t raw[24];
    be64_put(raw, to.connection);
    be16_put(raw + 8, to.shard);
    be16_put(raw + 10, to.channel);
    be32_put(raw + 12, to.serial);
    be64_put(raw + 16, key);
    memcpy(out, REPLYTO_PREFIX, sizeof REPLYTO_PREFIX - 1);
    out += sizeof REPLYTO_PREFIX - 1;
    for (size_t i = 0; i < sizeof raw; i += 3) {
        uint32_t bits = (uint32_t)raw[i] << 16 | (uint32_t)raw[i + 1] << 8 | raw[i + 2];
        for (unsigned shift = 24; shift; *out++ = digits[bits >> (shift -= 6) & 63])
            ;
    }
}

static bool
digit_value(uint8_t c, uint32_t *value)
{
    const char *at = memchr(digits, c, sizeof digits);
    if (!at)
        return false;
    *value = (uint32_t)(at - digits);
    return true;
}

bool
replyto_decode(struct slice address, unsigned shard_count, struct channel_ref *to, uint64_t *key)
{
    if (address.len != REPLYTO_ADDRESS_SIZE || !replyto_is_address(address))
        return false;
    const uint8_t *text = address.data + sizeof REPLYTO_PREFIX - 1;
    uint8_t raw[24];
    for (size_t i = 0; i < sizeof raw; i += 3, text += 4) {
        uint32_t a, b, c, d;
        if (!digit_value(text[0], &a) || !digit_value(text[1], &b) || !digit_value(text[2], &c) ||
            !digit_value(text[3], &d))
            return false;
        uint32_t bits = a << 18 | b << 12 | c << 6 | d;
        raw[i] = (uint8_t)(bits >> 16);
        raw[i + 1] = (uint8_t)(bits >> 8);
        raw[i + 2] = (uint8_t)bits;
    }
    *to = (struct channel_ref){.connection = be64_get(raw),
                               .shard = be16_get(raw + 8),
                               .channel = be16_get(raw + 10),
                               .serial = be32_get(raw + 12)};
    *key = be64_get(raw + 16);
    return to->shard < shard_count;
}
