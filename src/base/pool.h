/*
 * A shard's allocator for messages: a few nanoseconds a pair, no header per object, and the memory of a
 * drained backlog goes back to the system. One thread; what was allocated here is released here. The caller
 * says the size again when it releases. pool.c tells how. Running out of address space stops the process:
 * what a peer can size asks its budget first.
 */
#ifndef LEVERET_BASE_POOL_H
#define LEVERET_BASE_POOL_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_STEP16_MAX 512   /* classes every 16 bytes to here */
#define POOL_STEP64_MAX 2048  /* every 64 bytes to here */
#define POOL_WIDE_MIN   4081  /* from here on a class is cut from spans of 256 KiB, below of 64 KiB */
#define POOL_CLASSES    81    /* class 0 is not used */
#define POOL_CLASS_MAX  32752 /* size of the last class; larger goes to malloc */
#define POOL_SPARES     8     /* empty arenas of 1 MiB kept at hand */
#define POOL_TRIM_SPANS 1024  /* whose pages one pool_trim() gives back: some milliseconds */

/* Under AddressSanitizer everything goes to malloc, so that it sees each object. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define POOL_SMALL_MAX 0
#else
#define POOL_SMALL_MAX POOL_CLASS_MAX
#endif

struct pool_arena;

/* At the start of each span, found by masking an object's address. */
struct pool_span {
    _Alignas(64) void *free; /* objects given back, linked through their first word */
    uint32_t live;
    uint32_t size;      /* of an object */
    bool is_full;       /* on no list: its next release puts it back */
    uint8_t class;      /* of the objects */
    uint32_t untouched; /* offset of the first byte that never was an object */
    uint32_t end;       /* offset behind the last object */
    struct list link;   /* in pool.partial[class], unless full */
    struct pool_arena *arena;
};

struct pool {
    struct pool_span *current[POOL_CLASSES]; /* where the next object comes from */
    struct list partial[POOL_CLASSES];       /* spans with room, the current one among them */
    struct list arenas[2];                   /* with a free span; [1]: cut in wide spans */
    struct list full_arenas;
    struct list large;
    struct pool_arena *spares[POOL_SPARES]; /* arenas without spans */
    unsigned spare_count;
    size_t used, mapped;
};

struct pool *pool_new(void);

/* Frees the pool and all that came from it. */
void pool_free_all(struct pool *p);

/* Gives back to the system the empty memory that the pool keeps at hand. For a timer: about once a second.
 * True: that was much, and more may be left. Without objects nothing stays mapped. */
bool pool_trim(struct pool *p);

/* The slow halves of the functions below. */
void *pool_alloc_slow(struct pool *p, size_t size);
void *pool_alloc_class_slow(struct pool *p, unsigned class);
void pool_release_slow(struct pool *p, void *object, size_t size);
void pool_span_turned(struct pool *p, struct pool_span *s);

/* Never NULL, aligned to 16; 0 < size. */
static inline void *
pool_alloc(struct pool *p, size_t size)
{
    unsigned class;
    if (size - 1 < POOL_STEP16_MAX && size <= POOL_SMALL_MAX)
        class = (unsigned)(size + 15) / 16;
    else if (size - 1 < POOL_STEP64_MAX && size <= POOL_SMALL_MAX)
        class = POOL_STEP16_MAX / 16 + (unsigned)(size - POOL_STEP16_MAX + 63) / 64;
    else
        return pool_alloc_slow(p, size);
    struct pool_span *s = p->current[class];
    void **object = s->free;
    if (__builtin_expect(!object, 0))
        return pool_alloc_class_slow(p, class);
    s->free = *object;
    s->live++;
    p->used += s->size;
    return object;
}

/* `size` is the one it was allocated (or last resized) with. NULL is allowed. */
static inline void
pool_release(struct pool *p, void *object, size_t size)
{
    if (!object)
        return;
    if (size >= POOL_WIDE_MIN || size > POOL_SMALL_MAX) {
        pool_release_slow(p, object, size);
        return;
    }
    struct pool_span *s = (struct pool_span *)((uintptr_t)object & ~(uintptr_t)0xffff);
    *(void **)object = s->free;
    s->free = object;
    p->used -= s->size;
    if (__builtin_expect(--s->live == 0 || s->is_full, 0))
        pool_span_turned(p, s);
}

/* Keeps the first bytes, as realloc does; `old` is the size so far. Large ones move by remapping, not by
 * copying. */
void *pool_resize(struct pool *p, void *object, size_t old, size_t size);

/* Bytes handed out, rounded to their classes. */
static inline size_t
pool_bytes_used(const struct pool *p)
{
    return p->used;
}

/* Bytes taken from the system, handed out or not. */
static inline size_t
pool_bytes_mapped(const struct pool *p)
{
    return p->mapped;
}

#endif
