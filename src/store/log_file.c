/* The header of a log file. What follows it, batch after batch, is valid with this header's salt alone. */
#include "store/log_file.h"

#include "base/byteorder.h"

#include <xxhash.h>

enum { CHECKSUM_AT = 40, BYTES = 48 };

static const uint8_t magic[8] = "LVlog\r\n\x1a";

void
log_file_header_put(uint8_t *block, const struct log_file_header *h)
{
    memset(block, 0, STORE_BLOCK);
    memcpy(block, magic, sizeof magic);
    le16_put(block + 8, STORE_MESSAGE_VERSION);
    block[10] = h->sync;
    le32_put(block + 12, h->number);
    le64_put(block + 16, h->incarnation);
    le32_put(block + 24, h->boot);
    le16_put(block + 28, h->chain);
    le64_put(block + 32, h->salt);
    le64_put(block + CHECKSUM_AT, XXH3_64bits(block, CHECKSUM_AT));
}

enum err
log_file_header_get(struct slice block, struct log_file_header *h)
{
    const uint8_t *p = block.data;
    if (block.len < BYTES || memcmp(p, magic, sizeof magic) != 0 ||
        le64_get(p + CHECKSUM_AT) != XXH3_64bits(p, CHECKSUM_AT))
        return ERR_CORRUPT;
    if (le16_get(p + 8) == 0 || le16_get(p + 8) > STORE_MESSAGE_VERSION)
        return ERR_UNSUPPORTED;
    *h = (struct log_file_header){.number = le32_get(p + 12),
                                  .incarnation = le64_get(p + 16),
                                  .boot = le32_get(p + 24),
                                  .chain = le16_get(p + 28),
                                  .salt = le64_get(p + 32),
                                  .sync = p[10]};
    return h->number > 0 && h->sync <= STORE_SYNC_NEVER ? ERR_OK : ERR_CORRUPT;
}
