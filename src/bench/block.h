/*
 * A block: `count` publishes of one routing key, encoded once and written again and again. With numbering,
 * the first 16 bytes of each body (publisher u32, zero u32, sequence u64) are patched before each use.
 */
#ifndef LEVERET_BENCH_BLOCK_H
#define LEVERET_BENCH_BLOCK_H

#include "base/buffer.h"
#include "bench/options.h"

struct block {
    struct buffer bytes;
    uint32_t count;
    uint32_t message_size; /* bytes on the wire of each */
    uint32_t body_offset;  /* of the first body byte in a message */
};

void block_init(struct block *b, const struct options *o, const char *key, uint32_t frame_max);
void block_fini(struct block *b);
void block_number(struct block *b, uint32_t first, uint32_t count, uint32_t publisher, uint64_t sequence);

#endif
