/*
 * Records of the log and the batches that hold them: bytes to structs and back, no I/O.
 *
 *   record: | length u32 (of all of it) | type u8 | flags u8 | count u16 | ... |
 *   publish: (RECORD_IN_TX: transaction u64) (RECORD_EXPIRES: when u64)
 *            count x (queue u64, sequence u64, epoch u32)
 *            message flags u8, exchange size u8, routing key size u16, properties size u32, body size u64
 *            (RECORD_BODY_FILE: body file u64) exchange, routing key, properties, body unless in a file
 *   settle:  (RECORD_IN_TX: transaction u64) queue u64, first u64, epoch u32, count u32 of sequences
 *   delivered: queue u64, below u64, epoch u32; the last one of a queue counts
 *   tx-end:  transaction u64
 *   meta:    term u64, index u64, command bytes
 */
/* exports: batch_ */
#ifndef LEVERET_STORE_RECORD_H
#define LEVERET_STORE_RECORD_H

#include "base/buffer.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_type {
    RECORD_PUBLISH = 1,
    RECORD_SETTLE,
    RECORD_DELIVERED,
    RECORD_TX_END,
    RECORD_META,
    RECORD_TYPES
};
enum { RECORD_IN_TX = 1, RECORD_BODY_FILE = 2, RECORD_EXPIRES = 4 };

struct record_target {
    uint64_t queue_id, sequence;
    uint32_t epoch;
};

/* A message as the disk has it. `body` is empty when it lies in a file. */
struct record_message {
    struct slice exchange, routing_key, properties, body;
    uint64_t body_size;
    uint64_t body_file;  /* 0: none */
    uint64_t expires_at; /* milliseconds since 1970; 0: never. It belongs to message and queue together */
    uint8_t flags;       /* the broker's */
};

/* A parsed record; slices point into the input. Which fields count depends on the type. */
struct record {
    enum record_type type;
    uint8_t flags;          /* RECORD_* */
    uint16_t target_count;  /* publish: from 1 */
    const uint8_t *targets; /* unparsed: record_target_at() */
    uint64_t tx;            /* with RECORD_IN_TX, and tx-end */
    struct record_message message;
    uint64_t queue_id, first; /* settle; delivered: first is `below` */
    uint32_t epoch, count;
    uint64_t term, index; /* meta */
    struct slice command;
};

struct record_target record_target_at(const struct record *r, unsigned i);

/* Bytes that record_put_*() will write. */
size_t record_publish_size(const struct record_message *m, unsigned targets, bool in_tx);
/* Each writes at `out` and returns the bytes written. tx 0: not in a transaction. */
size_t record_put_publish(uint8_t *out, const struct record_message *m, const struct record_target *targets,
                          unsigned count, uint64_t tx);
size_t record_put_settle(uint8_t *out, struct record_target first, uint32_t count, uint64_t tx);
size_t record_put_delivered(uint8_t *out, struct record_target below);
size_t record_put_tx_end(uint8_t *out, uint64_t tx);
size_t record_put_meta(uint8_t *out, uint64_t term, uint64_t index, struct slice command);
enum { RECORD_SMALL_MAX = 48 }; /* an upper bound for settle, delivered and tx-end */

/* Takes the next record off *in. ERR_CORRUPT when what stands there is none: lengths that do not fit, types
 * that do not exist. Never reads outside of *in, whatever the bytes are. */
ERR_USE enum err record_parse(struct slice *in, struct record *r);

/* ---- batches ---- */

struct batch_header {
    uint32_t payload_size; /* bytes of records */
    uint32_t record_count;
    uint64_t number; /* within the chain, from 1, without a gap */
};

/* Writes the 64 bytes in front of a payload that follows them directly; the checksum covers both. */
void batch_seal(uint8_t *batch, const struct batch_header *h, uint64_t salt);
/* Reads a header alone: false when it cannot be one (magic, sizes); the checksum is not looked at yet. */
bool batch_peek(struct slice block, struct batch_header *h, uint64_t salt);
/* The whole batch is there and its checksum is right. */
bool batch_is_valid(struct slice batch, uint64_t salt);
/* Header and payload, rounded up to STORE_BLOCK. */
static inline uint64_t
batch_footprint(uint64_t payload_size)
{
    return (STORE_BATCH_HEADER + payload_size + STORE_BLOCK - 1) / STORE_BLOCK * STORE_BLOCK;
}

#endif
