/*
 * Cuts a byte stream of frames into content, fast: the consumer's inner loop. It knows just enough of AMQP to
 * find the ends of messages and the fields that a load generator looks at. Works on any chunking of the
 * stream.
 */
#ifndef LEVERET_BENCH_STREAM_H
#define LEVERET_BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STREAM_PEEK = 24 };

struct stream {
    uint8_t
        head[7 + STREAM_PEEK]; /* the frame's header and the first bytes of its payload, while incomplete */
    uint8_t head_fill, head_want;
    uint8_t type;
    uint64_t skip;      /* bytes of this frame still to pass over, its end octet included */
    uint64_t body_left; /* of the message */
    uint8_t body[16];   /* the first bytes of the message's body */
    uint8_t body_fill;
    bool in_body;
};

/* What a stream meets; `arg` is the caller's. Either may be NULL. */
struct stream_events {
    /* A method frame: class << 16 | method, and the first bytes after it (at most STREAM_PEEK - 4). */
    void (*on_method)(void *arg, uint32_t id, const uint8_t *fields, size_t n);
    /* A message is complete; `body` has its first 16 bytes (fewer if it is shorter: zeros). */
    void (*on_message)(void *arg, const uint8_t body[16]);
};

void stream_feed(struct stream *s, const uint8_t *bytes, size_t n, const struct stream_events *events,
                 void *arg);

#endif
