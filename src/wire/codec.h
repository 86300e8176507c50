/*
 * The reading and writing of AMQP's elementary types: what the generated methods are made of. Internal to
 * wire.
 *
 * A reader that meets the end, or a bad value, remembers the first error, gives zeros and empty slices from
 * there on, and says so at the end: so a decoder is one straight line.
 */
#ifndef LEVERET_WIRE_CODEC_H
#define LEVERET_WIRE_CODEC_H

#include "base/byteorder.h"
#include "base/check.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "wire/amqp.h"
#include "wire/frame.h"
#include "wire/table.h"

/* amqp_methods.c holds them; amqp.h has the functions over them. */
extern const struct amqp_method amqp_method_table[];
extern const size_t amqp_method_table_count;
extern const struct amqp_field amqp_property_table[PROPERTY_COUNT];

struct codec_reader {
    const uint8_t *p, *end;
    enum err err;
};

static inline struct codec_reader
codec_reader_of(struct slice s)
{
    const uint8_t *p = s.data ? s.data : (const uint8_t *)""; /* arithmetic on NULL is undefined */
    return (struct codec_reader){.p = p, .end = p + s.len, .err = ERR_OK};
}

/* What is not read yet. */
static inline struct slice
codec_reader_rest(const struct codec_reader *r)
{
    return slice_of(r->p, (size_t)(r->end - r->p));
}

static inline void
codec_reader_fail(struct codec_reader *r, enum err err)
{
    if (!r->err)
        r->err = err;
    r->p = r->end;
}

/* The next `n` bytes; NULL and an error when there are fewer. */
static inline const uint8_t *
codec_get(struct codec_reader *r, size_t n)
{
    if (__builtin_expect((size_t)(r->end - r->p) < n, 0)) {
        codec_reader_fail(r, ERR_TRUNCATED);
        return NULL;
    }
    const uint8_t *p = r->p;
    r->p += n;
    return p;
}

/* A method frame's payload, behind the method's number. */
static inline struct codec_reader
codec_method_reader(struct slice payload)
{
    struct codec_reader r = codec_reader_of(payload);
    (void)codec_get(&r, 4);
    return r;
}

static inline enum err ERR_USE
codec_reader_end(const struct codec_reader *r)
{
    return r->err ? r->err : r->p == r->end ? ERR_OK : ERR_SYNTAX;
}

static inline uint8_t
codec_get_u8(struct codec_reader *r)
{
    const uint8_t *p = codec_get(r, 1);
    return p ? *p : 0;
}

static inline uint16_t
codec_get_u16(struct codec_reader *r)
{
    const uint8_t *p = codec_get(r, 2);
    return p ? be16_get(p) : 0;
}

static inline uint32_t
codec_get_u32(struct codec_reader *r)
{
    const uint8_t *p = codec_get(r, 4);
    return p ? be32_get(p) : 0;
}

static inline uint64_t
codec_get_u64(struct codec_reader *r)
{
    const uint8_t *p = codec_get(r, 8);
    return p ? be64_get(p) : 0;
}

static inline struct slice
codec_get_bytes(struct codec_reader *r, size_t n)
{
    const uint8_t *p = codec_get(r, n);
    return p ? slice_of(p, n) : slice_of(NULL, 0);
}

/* A short string of any bytes: properties and field names. */
static inline struct slice
codec_get_shortstr_raw(struct codec_reader *r)
{
    return codec_get_bytes(r, codec_get_u8(r));
}

/* ASCII needs no closer look; the last eight bytes overlap those before them. */
static inline bool
codec_is_ascii(struct slice s)
{
    uint64_t seen = 0, eight;
    if (s.len < sizeof eight) {
        for (size_t i = 0; i < s.len; i++)
            seen |= s.data[i];
        return seen < 0x80;
    }
    for (size_t i = 0; i < s.len - sizeof eight; i += sizeof eight) {
        memcpy(&eight, s.data + i, sizeof eight);
        seen |= eight;
    }
    memcpy(&eight, s.data + s.len - sizeof eight, sizeof eight);
    return ((seen | eight) & 0x8080808080808080u) == 0;
}

/* A short string of a method: UTF-8. */
static inline struct slice
codec_get_shortstr(struct codec_reader *r)
{
    struct slice s = codec_get_shortstr_raw(r);
    if (__builtin_expect(!codec_is_ascii(s), 0) && !utf8_is_valid(s))
        codec_reader_fail(r, ERR_ENCODING);
    return s;
}

static inline struct slice
codec_get_longstr(struct codec_reader *r)
{
    return codec_get_bytes(r, codec_get_u32(r));
}

static inline struct slice
codec_get_table(struct codec_reader *r)
{
    struct slice s = codec_get_longstr(r);
    enum err err = table_validate(s);
    if (err)
        codec_reader_fail(r, err);
    return s;
}

/* Writers put at `p`, which has the room, and return what follows. */
static inline uint8_t *
codec_put_u8(uint8_t *p, uint8_t v)
{
    *p = v;
    return p + 1;
}

static inline uint8_t *
codec_put_u16(uint8_t *p, uint16_t v)
{
    be16_put(p, v);
    return p + 2;
}

static inline uint8_t *
codec_put_u32(uint8_t *p, uint32_t v)
{
    be32_put(p, v);
    return p + 4;
}

static inline uint8_t *
codec_put_u64(uint8_t *p, uint64_t v)
{
    be64_put(p, v);
    return p + 8;
}

static inline uint8_t *
codec_put_bytes(uint8_t *p, struct slice s)
{
    if (s.len)
        memcpy(p, s.data, s.len);
    return p + s.len;
}

static inline uint8_t *
codec_put_shortstr(uint8_t *p, struct slice s)
{
    CHECK(s.len <= AMQP_SHORTSTR_MAX);
    return codec_put_bytes(codec_put_u8(p, (uint8_t)s.len), s);
}

static inline uint8_t *
codec_put_longstr(uint8_t *p, struct slice s)
{
    CHECK(s.len <= UINT32_MAX);
    return codec_put_bytes(codec_put_u32(p, (uint32_t)s.len), s);
}

static inline uint8_t *
codec_put_table(uint8_t *p, struct slice s)
{
    return codec_put_longstr(p, s);
}

/* A method frame: begin leaves the size open, end fills it. */
static inline uint8_t *
codec_method_begin(uint8_t *out, uint16_t channel, uint32_t method)
{
    frame_header_put(out, AMQP_FRAME_METHOD, channel, 0);
    return codec_put_u32(out + FRAME_HEADER_SIZE, method);
}

static inline size_t
codec_method_end(uint8_t *out, uint8_t *p)
{
    be32_put(out + 3, (uint32_t)(p - out - FRAME_HEADER_SIZE));
    *p++ = AMQP_FRAME_END;
    return (size_t)(p - out);
}

#endif
