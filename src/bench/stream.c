/*
 * A frame is looked at in two steps: its header with the first STREAM_PEEK bytes of payload (from the input
 * directly when they are all there, else gathered in `head`), then the rest is skipped by counting.
 */
#include "bench/stream.h"

#include "base/byteorder.h"
#include "wire/amqp.h"

#include <string.h>

static void
message_done(struct stream *s, const struct stream_events *events, void *arg)
{
    s->in_body = false;
    if (events->on_message)
        events->on_message(arg, s->body);
}

/* `head` has the header and `n` bytes of payload of a frame of `size`. */
static void
frame_begin(struct stream *s, const uint8_t *head, uint32_t size, size_t n,
            const struct stream_events *events, void *arg)
{
    const uint8_t *payload = head + 7;
    s->type = head[0];
    s->skip = (uint64_t)size - n + 1;
    if (s->type == AMQP_FRAME_BODY) {
        for (size_t i = 0; i < n && s->body_fill < sizeof s->body; i++)
            s->body[s->body_fill++] = payload[i];
        s->body_left -= size < s->body_left ? size : s->body_left;
    } else if (s->type == AMQP_FRAME_HEADER && n >= 12) {
        s->body_left = be64_get(payload + 4);
        s->body_fill = 0;
        memset(s->body, 0, sizeof s->body);
        s->in_body = true;
    } else if (s->type == AMQP_FRAME_METHOD && n >= 4 && events->on_method) {
        events->on_method(arg, be32_get(payload), payload + 4, n - 4);
    }
}

static void
frame_end(struct stream *s, const struct stream_events *events, void *arg)
{
    if (s->in_body && s->body_left == 0 && s->type != AMQP_FRAME_METHOD)
        message_done(s, events, arg);
}

void
stream_feed(struct stream *s, const uint8_t *p, size_t n, const struct stream_events *events, void *arg)
{
    const uint8_t *end = p + n;
    while (p < end) {
        if (s->skip) {
            size_t step = (size_t)(end - p) < s->skip ? (size_t)(end - p) : (size_t)s->skip;
            p += step;
            s->skip -= step;
            if (s->skip == 0)
                frame_end(s, events, arg);
            continue;
        }
        if (s->head_fill == 0 && end - p >= 7 + STREAM_PEEK) {
            uint32_t size = be32_get(p + 3);
            size_t peek = size < STREAM_PEEK ? size : STREAM_PEEK;
            frame_begin(s, p, size, peek, events, arg);
            p += 7 + peek;
            continue;
        }
        s->head[s->head_fill++] = *p++;
        if (s->head_fill == 7) {
            uint32_t size = be32_get(s->head + 3);
            s->head_want = (uint8_t)(7 + (size < STREAM_PEEK ? size : STREAM_PEEK));
        }
        if (s->head_fill >= 7 && s->head_fill == s->head_want) {
            uint32_t size = be32_get(s->head + 3);
            size_t peek = (size_t)s->head_want - 7;
            s->head_fill = 0;
            frame_begin(s, s->head, size, peek, events, arg);
        }
    }
}
