/* Addresses of direct reply-to: 24 octets in base64url, which need no padding. One text for each address:
 * bits cannot be left over, and other characters than the 64 are refused. */
#include "broker/replyto.h"

#include "base/base64url.h"
#include "base/byteorder.h"

enum { REPLYTO_RAW = 24 };
_Static_assert(REPLYTO_ADDRESS_SIZE == sizeof REPLYTO_PREFIX - 1 + BASE64URL_SIZE(REPLYTO_RAW), "replyto.h");

void
replyto_encode(char *out, struct channel_ref to, uint64_t key)
{
    uint8_t raw[REPLYTO_RAW];
    be64_put(raw, to.connection);
    be16_put(raw + 8, to.shard);
    be16_put(raw + 10, to.channel);
    be32_put(raw + 12, to.serial);
    be64_put(raw + 16, key);
    memcpy(out, REPLYTO_PREFIX, sizeof REPLYTO_PREFIX - 1);
    base64url_encode(out + sizeof REPLYTO_PREFIX - 1, slice_of(raw, sizeof raw));
}

bool
replyto_decode(struct slice address, unsigned shard_count, struct channel_ref *to, uint64_t *key)
{
    if (address.len != REPLYTO_ADDRESS_SIZE || !replyto_is_address(address))
        return false;
    size_t prefix = sizeof REPLYTO_PREFIX - 1;
    uint8_t raw[REPLYTO_RAW];
    if (!base64url_decode(raw, slice_of(address.data + prefix, address.len - prefix)))
        return false;
    *to = (struct channel_ref){.connection = be64_get(raw),
                               .shard = be16_get(raw + 8),
                               .channel = be16_get(raw + 10),
                               .serial = be32_get(raw + 12)};
    *key = be64_get(raw + 16);
    return to->shard < shard_count;
}
