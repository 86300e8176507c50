/*
 * Bodies over STORE_BODY_INLINE_MAX, a file each: | header of 64 bytes: magic, version, id, size, checksum |
 * body |. Written straight from the message's memory in pieces, synced with its directory before the batch
 * that names it. All block.
 */
#ifndef LEVERET_STORE_BODY_H
#define LEVERET_STORE_BODY_H

#include "base/slice.h"
#include "store/store.h"

/* ERR_NO_SPACE: nothing is left of it, the store has not failed, it can be tried again. Any other error fails
 * the store. An id is written once. */
ERR_USE enum err body_write(struct store *s, uint64_t id, struct slice body);
/* `body` has room for `size` bytes. ERR_CORRUPT when size or checksum differ, ERR_NOT_FOUND. Logged. */
ERR_USE enum err body_read(struct store *s, uint64_t id, uint8_t *body, uint64_t size);
/* A failure is logged: the next start tries again. None when it is gone already. */
void body_delete(struct store *s, uint64_t id);
/* Calls fn for each file that there was when it was called; fn may delete them. */
ERR_USE enum err body_list(struct store *s, void (*fn)(void *arg, uint64_t id), void *arg);

#endif
