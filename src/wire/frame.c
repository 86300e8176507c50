/*
 * The parts of frames that are not on the way of every message: the protocol header, content headers,
 * constants.
 *
 *     content header payload: class: u16 | weight: u16, unused | body size: u64 | properties: flags u16,
 * values
 */
#include "wire/frame.h"

const uint8_t frame_heartbeat[FRAME_OVERHEAD] = {AMQP_FRAME_HEARTBEAT, 0, 0, 0, 0, 0, 0, AMQP_FRAME_END};
const uint8_t frame_protocol_header[FRAME_PROTOCOL_HEADER_SIZE] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};

enum err
frame_protocol_header_check(struct slice in)
{
    if (in.len < FRAME_PROTOCOL_HEADER_SIZE)
        return ERR_TRUNCATED;
    return memcmp(in.data, frame_protocol_header, FRAME_PROTOCOL_HEADER_SIZE) == 0 ? ERR_OK : ERR_UNSUPPORTED;
}

enum err
content_header_decode(struct slice payload, struct content_header *out)
{
    if (payload.len < CONTENT_HEADER_SIZE_MIN)
        return ERR_TRUNCATED;
    out->class_id = be16_get(payload.data);
    out->body_size = be64_get(payload.data + 4);
    out->properties = slice_of(payload.data + 12, payload.len - 12);
    return ERR_OK;
}

size_t
content_header_encode(uint8_t *out, uint16_t channel, uint16_t class_id, uint64_t body_size,
                      struct slice properties)
{
    uint8_t *p = out + FRAME_HEADER_SIZE;
    frame_header_put(out, AMQP_FRAME_HEADER, channel, (uint32_t)(12 + properties.len));
    be16_put(p, class_id);
    be16_put(p + 2, 0);
    be64_put(p + 4, body_size);
    memcpy(p + 12, properties.data, properties.len);
    p[12 + properties.len] = AMQP_FRAME_END;
    return content_header_size(properties);
}
