/*
 * The header of a log file, one block:
 *
 *   magic 8 | version u16 | sync mode u8 | 0 u8 | number u32 | incarnation u64
 *   | boot u32 | chain u16 | 0 u16 | salt u64 | checksum u64 | zeros
 *
 * The checksum covers the 40 bytes in front of it.
 */
#ifndef LEVERET_STORE_LOG_FILE_H
#define LEVERET_STORE_LOG_FILE_H

#include "base/err.h"
#include "base/slice.h"
#include "store/format.h"

#include <stdint.h>

struct log_file_header {
    uint64_t incarnation, salt;
    uint32_t boot, number;
    uint16_t chain;
    uint8_t sync; /* enum store_sync */
};

/* Writes STORE_BLOCK bytes. */
void log_file_header_put(uint8_t *block, const struct log_file_header *h);
/* ERR_CORRUPT: it is none. ERR_UNSUPPORTED: of another version. */
ERR_USE enum err log_file_header_get(struct slice block, struct log_file_header *h);

#endif
