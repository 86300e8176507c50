/*
 * The first byte tells the length and narrows what the second may be (RFC 3629, section 4); all others are 80
 * to BF. Text is mostly ASCII, so eight such bytes are passed at a time.
 */
#include "base/utf8.h"

static bool
is_within(uint8_t byte, uint8_t least, uint8_t most)
{
    return byte >= least && byte <= most;
}

size_t
utf8_char_len(struct slice s)
{
    if (s.len == 0)
        return 0;
    uint8_t first = s.data[0];
    if (first < 0x80)
        return 1;
    size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || s.len < len)
        return 0;
    uint8_t least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80; /* no overlong forms */
    uint8_t most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;  /* no surrogates, U+10FFFF at most */
    if (!is_within(s.data[1], least, most))
        return 0;
    for (size_t i = 2; i < len; i++)
        if (!is_within(s.data[i], 0x80, 0xbf))
            return 0;
    return len;
}

bool
utf8_is_valid(struct slice s)
{
    size_t at = 0;
    while (at < s.len) {
        uint64_t eight;
        if (s.len - at >= sizeof eight) {
            memcpy(&eight, s.data + at, sizeof eight);
            if ((eight & 0x8080808080808080u) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        size_t len = utf8_char_len(slice_of(s.data + at, s.len - at));
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}
