/*
 * The PROXY protocol's two forms.
 *
 *     1: "PROXY TCP4 192.0.2.1 192.0.2.2 5000 5672\r\n", TCP6, or UNKNOWN and anything; at most 107 bytes
 *     2: 12 bytes of signature | version 2 and command: u8 | family and transport: u8 | length: u16 |
 * addresses, then extensions (type, length, value), which are stepped over
 */
#include "wire/proxy.h"

#include "base/byteorder.h"

#include <arpa/inet.h>

#define V1_SHORTEST   15 /* "PROXY UNKNOWN\r\n" */
#define V2_FIXED_SIZE 16

static const uint8_t v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static const uint8_t v1_signature[6] = "PROXY ";

/* Does `in`, as far as it goes, begin like this? */
static bool
may_be(struct slice in, const uint8_t *signature, size_t len)
{
    return memcmp(in.data, signature, in.len < len ? in.len : len) == 0;
}

/* The next word of a line, which ends with the space that is taken too, or with the line. */
static struct slice
word_take(struct slice *line)
{
    const uint8_t *space = line->len ? memchr(line->data, ' ', line->len) : NULL;
    struct slice word = slice_of(line->data, space ? (size_t)(space - line->data) : line->len);
    size_t taken = word.len + (space != NULL);
    *line = slice_of(line->data + taken, line->len - taken);
    return word;
}

static bool
address_parse(struct slice word, int family, uint8_t out[16])
{
    char text[INET6_ADDRSTRLEN];
    if (word.len >= sizeof text || memchr(word.data, 0, word.len))
        return false;
    memcpy(text, word.data, word.len);
    text[word.len] = 0;
    return inet_pton(family, text, out) == 1;
}

/* Decimal without leading zeros. */
static bool
port_parse(struct slice word, uint16_t *out)
{
    uint32_t port = 0;
    if (word.len == 0 || word.len > 5 || (word.len > 1 && word.data[0] == '0'))
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.data[i] < '0' || word.data[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(word.data[i] - '0');
    }
    *out = (uint16_t)port;
    return port <= UINT16_MAX;
}

static enum err
v1_line_parse(struct slice line, struct proxy_header *out)
{
    struct slice protocol = word_take(&line);
    if (slice_eq_str(protocol, "UNKNOWN")) {
        out->family = PROXY_UNKNOWN;
        return ERR_OK;
    }
    if (!slice_eq_str(protocol, "TCP4") && !slice_eq_str(protocol, "TCP6"))
        return ERR_SYNTAX;
    bool is_inet = slice_eq_str(protocol, "TCP4");
    int family = is_inet ? AF_INET : AF_INET6;
    struct slice source = word_take(&line), destination = word_take(&line), source_port = word_take(&line);
    if (!address_parse(source, family, out->source) ||
        !address_parse(destination, family, out->destination) ||
        !port_parse(source_port, &out->source_port) || !port_parse(line, &out->destination_port))
        return ERR_SYNTAX;
    out->family = is_inet ? PROXY_INET : PROXY_INET6;
    return ERR_OK;
}

static enum err
v1_parse(struct slice in, struct proxy_header *out, size_t *used)
{
    size_t max = in.len < PROXY_V1_SIZE_MAX ? in.len : PROXY_V1_SIZE_MAX;
    const uint8_t *end = memchr(in.data, '\n', max);
    if (!end)
        return max == PROXY_V1_SIZE_MAX ? ERR_LIMIT : ERR_TRUNCATED;
    size_t len = (size_t)(end - in.data);
    if (len < sizeof v1_signature || in.data[len - 1] != '\r')
        return ERR_SYNTAX;
    *used = len + 1;
    return v1_line_parse(slice_of(in.data + sizeof v1_signature, len - 1 - sizeof v1_signature), out);
}

/* Fills the addresses of `size` bytes each and, behind them, the ports. */
static enum err
v2_addresses(struct slice body, enum proxy_family family, size_t size, struct proxy_header *out)
{
    if (body.len < 2 * size + 4)
        return ERR_SYNTAX;
    memcpy(out->source, body.data, size);
    memcpy(out->destination, body.data + size, size);
    out->source_port = be16_get(body.data + 2 * size);
    out->destination_port = be16_get(body.data + 2 * size + 2);
    out->family = family;
    return ERR_OK;
}

static enum err
v2_parse(struct slice in, struct proxy_header *out, size_t *used)
{
    if (in.len < V2_FIXED_SIZE)
        return ERR_TRUNCATED;
    uint8_t command = in.data[12], family = in.data[13] >> 4, transport = in.data[13] & 0x0f;
    if ((command != 0x20 && command != 0x21) || family > 3 || transport > 2)
        return ERR_SYNTAX;
    *used = V2_FIXED_SIZE + (size_t)be16_get(in.data + 14);
    if (*used > PROXY_V2_SIZE_MAX)
        return ERR_LIMIT;
    if (in.len < *used)
        return ERR_TRUNCATED;
    struct slice body = slice_of(in.data + V2_FIXED_SIZE, *used - V2_FIXED_SIZE);
    out->family = command == 0x20 ? PROXY_LOCAL : PROXY_UNKNOWN;
    if (command == 0x20 || transport != 1) /* only streams arrive here */
        return ERR_OK;
    switch (family) {
    case 1: return v2_addresses(body, PROXY_INET, 4, out);
    case 2: return v2_addresses(body, PROXY_INET6, 16, out);
    case 3: out->family = PROXY_UNIX; return ERR_OK;
    default: return ERR_OK;
    }
}

enum err
proxy_parse(struct slice in, struct proxy_header *out, size_t *used)
{
    *out = (struct proxy_header){.family = PROXY_UNKNOWN};
    *used = 0;
    if (in.len == 0)
        return ERR_TRUNCATED;
    if (may_be(in, v2_signature, sizeof v2_signature))
        return v2_parse(in, out, used);
    if (may_be(in, v1_signature, sizeof v1_signature))
        return v1_parse(in, out, used);
    return ERR_SYNTAX;
}

size_t
proxy_missing(struct slice in)
{
    if (in.len == 0)
        return V1_SHORTEST;
    if (!may_be(in, v2_signature, sizeof v2_signature))
        return in.len < V1_SHORTEST ? V1_SHORTEST - in.len : 1;
    if (in.len < V2_FIXED_SIZE)
        return V2_FIXED_SIZE - in.len;
    return V2_FIXED_SIZE + (size_t)be16_get(in.data + 14) - in.len;
}
