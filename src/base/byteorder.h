/* Unaligned loads and stores: big-endian (AMQP's byte order) and little-endian (the store's). */
#ifndef LEVERET_BASE_BYTEORDER_H
#define LEVERET_BASE_BYTEORDER_H

#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the loads and stores below are for such machines");

static inline uint16_t
be16_get(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}

static inline uint32_t
be32_get(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

static inline uint64_t
be64_get(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

static inline void
be16_put(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
}

static inline void
be32_put(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}

static inline void
be64_put(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

static inline uint16_t
le16_get(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t
le32_get(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t
le64_get(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void
le16_put(uint8_t *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void
le32_put(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void
le64_put(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

#endif
