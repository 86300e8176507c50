/* See block.h. */
#include "bench/block.h"

#include "wire/amqp.h"
#include "wire/frame.h"

enum { BLOCK_BYTES = 65536, BLOCK_COUNT_MAX = 1024 };

static void
add_message(struct block *b, const struct options *o, const char *key, uint32_t frame_max)
{
    struct buffer *out = &b->bytes;
    struct amqp_basic_publish publish = {
        .exchange = slice_str(o->exchange), .routing_key = slice_str(key), .mandatory = o->mandatory};
    out->len += amqp_encode_basic_publish(buffer_reserve(out, AMQP_BASIC_PUBLISH_SIZE_MAX), 1, &publish);
    /* content-type and delivery-mode, as most clients send them, or nothing */
    static const char type[] = "application/octet-stream";
    struct buffer properties = {0};
    buffer_add_u16(&properties, o->bare ? 0 : 0x9000);
    if (!o->bare) {
        buffer_add_u8(&properties, sizeof type - 1);
        buffer_add_str(&properties, type);
        buffer_add_u8(&properties, o->persistent ? 2 : 1);
    }
    struct slice run = buffer_slice(&properties);
    out->len +=
        content_header_encode(buffer_reserve(out, content_header_size(run)), 1, 60, (uint64_t)o->size, run);
    buffer_fini(&properties);
    b->body_offset = (uint32_t)out->len + FRAME_HEADER_SIZE;
    uint64_t left = (uint64_t)o->size;
    while (left) {
        uint32_t part = left < frame_max - FRAME_OVERHEAD ? (uint32_t)left : frame_max - FRAME_OVERHEAD;
        frame_header_put(buffer_reserve(out, (size_t)part + FRAME_OVERHEAD), AMQP_FRAME_BODY, 1, part);
        memset(out->data + out->len + FRAME_HEADER_SIZE, 'x', part);
        out->data[out->len + FRAME_HEADER_SIZE + part] = AMQP_FRAME_END;
        out->len += (size_t)part + FRAME_OVERHEAD;
        left -= part;
    }
}

void
block_init(struct block *b, const struct options *o, const char *key, uint32_t frame_max)
{
    *b = (struct block){0};
    add_message(b, o, key, frame_max);
    b->message_size = (uint32_t)b->bytes.len;
    uint64_t count = o->batch ? (uint64_t)o->batch : BLOCK_BYTES / b->message_size;
    b->count = count < 1 ? 1 : count > BLOCK_COUNT_MAX ? BLOCK_COUNT_MAX : (uint32_t)count;
    for (uint32_t i = 1; i < b->count; i++) {
        uint8_t *place = buffer_reserve(&b->bytes, b->message_size);
        memcpy(place, b->bytes.data, b->message_size);
        b->bytes.len += b->message_size;
    }
}

void
block_fini(struct block *b)
{
    buffer_fini(&b->bytes);
}

void
block_number(struct block *b, uint32_t first, uint32_t count, uint32_t publisher, uint64_t sequence)
{
    for (uint32_t i = first; i < first + count; i++) {
        uint8_t *body = b->bytes.data + (size_t)i * b->message_size + b->body_offset;
        be32_put(body, publisher);
        be32_put(body + 4, 0);
        be64_put(body + 8, sequence++);
    }
}
