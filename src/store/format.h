/*
 * Constants of the files on disk. doc/storage.md shows the layout. A change of a format raises its version;
 * the reader of the old one stays.
 */
/* exports: STORE_ LOG_FILE_ */
#ifndef LEVERET_STORE_FORMAT_H
#define LEVERET_STORE_FORMAT_H

#include <stdint.h>

enum {
    STORE_FORMAT_VERSION = 1,
    STORE_MESSAGE_VERSION = 3, /* of log files and segments; in version 1 no message expires, up to version 2
                                  none has hidden keys (broker/message.h) */
    STORE_BLOCK = 4096,        /* batches and the header of a log file are aligned to it */
    STORE_BATCH_HEADER = 64,   /* bytes before a batch's records */
    STORE_BODY_INLINE_MAX = 1 << 20, /* a longer body has a file of its own */
    STORE_CHAIN_META = 0xffff,       /* the chain of the declared things; all others are shards' */
    STORE_EPOCH_ALONE = 1,           /* of queues that are not replicated */
};

/* What a confirm means. `store.sync` in the configuration. */
enum store_sync {
    STORE_SYNC_ALWAYS,   /* synced */
    STORE_SYNC_INTERVAL, /* written; synced every so often */
    STORE_SYNC_NEVER,    /* written; the system syncs when it likes */
};

#endif
