/*
 * Frames: how AMQP 0-9-1 cuts a byte stream (specification, 4.2.3).
 *
 *     type: u8 | channel: u16 | size: u32 | payload: size bytes | 0xCE
 *
 * Parsing is in place and keeps no state: it is called again with the same bytes and more behind them.
 */
/* exports: content_header_ */
#ifndef LEVERET_WIRE_FRAME_H
#define LEVERET_WIRE_FRAME_H

#include "base/byteorder.h"
#include "base/err.h"
#include "base/slice.h"
#include "wire/amqp_methods.h"

#define FRAME_HEADER_SIZE          7  /* type, channel, size */
#define FRAME_OVERHEAD             8  /* the header and the end octet: frame_max includes them */
#define CONTENT_HEADER_SIZE_MIN    14 /* class, weight, body size, an empty property run */
#define FRAME_PROTOCOL_HEADER_SIZE 8

struct frame {
    uint8_t type; /* AMQP_FRAME_METHOD, _HEADER, _BODY or _HEARTBEAT */
    uint16_t channel;
    struct slice payload; /* inside the parsed bytes */
};

/*
 * The first frame of `in`. `frame_max` bounds the whole frame with its 8 octets of overhead; 0: no bound.
 *
 * - ERR_OK: *out is filled, *used is the frame's length in bytes.
 * - ERR_TRUNCATED: more bytes are needed. *used is the frame's whole length, or FRAME_HEADER_SIZE as long as
 *   that is not known.
 * - ERR_LIMIT: the frame is larger than frame_max. 501 FRAME_ERROR.
 * - ERR_UNSUPPORTED: no such frame type. 501 FRAME_ERROR.
 * - ERR_CORRUPT: the end octet is not 0xCE. 501 FRAME_ERROR.
 *
 * With the last three, out->type, out->channel and out->payload.len hold what the header says (payload.data
 * is NULL), for the reply's text. They are final: where the next frame starts is no longer known. Type and
 * size are judged as soon as the header is there: nobody waits for the rest of a frame that cannot be one.
 */
static inline enum err ERR_USE
frame_parse(struct slice in, uint32_t frame_max, struct frame *out, size_t *used)
{
    if (__builtin_expect(in.len < FRAME_HEADER_SIZE, 0)) {
        *used = FRAME_HEADER_SIZE;
        return ERR_TRUNCATED;
    }
    uint32_t size = be32_get(in.data + 3);
    size_t total = (size_t)size + FRAME_OVERHEAD;
    *used = total;
    out->type = in.data[0];
    out->channel = be16_get(in.data + 1);
    out->payload = slice_of(NULL, size);
    if (__builtin_expect(frame_max && total > frame_max, 0))
        return ERR_LIMIT;
    if (__builtin_expect((uint8_t)(out->type - 1) > 2 && out->type != AMQP_FRAME_HEARTBEAT, 0))
        return ERR_UNSUPPORTED;
    if (in.len < total)
        return ERR_TRUNCATED;
    if (__builtin_expect(in.data[total - 1] != AMQP_FRAME_END, 0))
        return ERR_CORRUPT;
    out->payload.data = in.data + FRAME_HEADER_SIZE;
    return ERR_OK;
}

/* Writes the 7 octets before a payload of `size` bytes; the caller puts AMQP_FRAME_END behind it. */
static inline void
frame_header_put(uint8_t *out, uint8_t type, uint16_t channel, uint32_t size)
{
    out[0] = type;
    be16_put(out + 1, channel);
    be32_put(out + 3, size);
}

/* The number of body frames for a body: none for an empty one. `frame_max` is at least AMQP_FRAME_MIN_SIZE,
 * or 0. */
static inline uint64_t
frame_body_count(uint64_t body_size, uint32_t frame_max)
{
    uint64_t payload_max = (frame_max ? frame_max : UINT32_MAX) - FRAME_OVERHEAD;
    return body_size / payload_max + (body_size % payload_max != 0);
}

/* The 8 bytes of a heartbeat frame. */
extern const uint8_t frame_heartbeat[FRAME_OVERHEAD];

/* "AMQP" 0 0 9 1: what a client sends first, and the answer to any other version (specification, 4.2.2). */
extern const uint8_t frame_protocol_header[FRAME_PROTOCOL_HEADER_SIZE];

/*
 * Judges the first bytes of a connection: ERR_OK for AMQP 0-9-1 (FRAME_PROTOCOL_HEADER_SIZE bytes used),
 * ERR_TRUNCATED with fewer than 8 bytes, ERR_UNSUPPORTED for anything else: the answer is
 * frame_protocol_header, then the connection is closed.
 */
enum err ERR_USE frame_protocol_header_check(struct slice in);

/* The payload of a content header frame. */
struct content_header {
    uint16_t class_id;
    uint64_t body_size;
    struct slice properties; /* the run: flags and values, not looked at; see properties.h */
};

/*
 * ERR_TRUNCATED when the payload is shorter than its fixed part with the property flags. The unused weight
 * may have any value, as with RabbitMQ. The properties are not validated: properties_validate() does that.
 */
enum err ERR_USE content_header_decode(struct slice payload, struct content_header *out);

/* The size of the frame that content_header_encode() writes. */
static inline size_t
content_header_size(struct slice properties)
{
    return FRAME_OVERHEAD + 12 + properties.len;
}

/* Writes a whole content header frame for a property run (at least its two octets of flags). Returns its
 * size. */
size_t content_header_encode(uint8_t *out, uint16_t channel, uint16_t class_id, uint64_t body_size,
                             struct slice properties);

#endif
