/*
 * A list of blocks; the newest is filled from its start to its end. What is larger than half a block gets a
 * block of its own behind it, so that the rest of the newest is not lost.
 */
#include "base/arena.h"

#include "base/check.h"

#include <stdalign.h>
#include <stdlib.h>

enum { ARENA_BLOCK_BYTES = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

static struct arena_block *
block_new(size_t size)
{
    struct arena_block *b = calloc(1, sizeof *b + size);
    CHECK(b);
    b->size = size;
    return b;
}

void *
arena_alloc(struct arena *a, size_t size)
{
    CHECK(size < SIZE_MAX / 2);
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_block *b = a->blocks;
    if (b && b->size - b->used >= size) {
        void *p = b->bytes + b->used;
        b->used += size;
        return p;
    }
    bool is_large = size > ARENA_BLOCK_BYTES / 2;
    struct arena_block *fresh = block_new(is_large ? size : ARENA_BLOCK_BYTES);
    fresh->used = size;
    if (b && is_large) {
        fresh->next = b->next;
        b->next = fresh;
    } else {
        fresh->next = b;
        a->blocks = fresh;
    }
    return fresh->bytes;
}

char *
arena_copy(struct arena *a, struct slice s)
{
    char *copy = arena_alloc(a, s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    return copy;
}

void
arena_fini(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *b = a->blocks;
        a->blocks = b->next;
        free(b);
    }
}
