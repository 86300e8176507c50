/*
 * Sequence s lies in entry (s - base) % 256 of block (s - base) / 256 of the directory. Always true:
 *
 * - `base` grows only by whole blocks, when the first block is dropped, or to `next` when the deque is empty;
 * the first block of the directory always has a live entry unless the deque is empty, and then the directory
 * holds one block at most.
 * - A block without a live entry is dropped at once: freed, or kept as the one spare, with NULL in its place.
 * So one stuck old entry costs its block and 8 bytes for every block dropped behind it. Only the tail stays
 * while it has room.
 * - An entry that was taken out can be put in again at its sequence, also in front of `base`: the directory
 * then grows to the front, by whole blocks. (Arithmetic is modulo 2^64, so `base` may pass below 0.)
 * - Only the first block of an empty deque starts small, at 8 entries, and doubles to 256: a deque with few
 * entries stays small. When the deque runs empty, a block of 8 stays for the next entries, a larger one is
 * freed, and the spare with it. So a queue that swings between empty and nearly empty allocates nothing, and
 * an idle one holds next to nothing.
 */
#include "base/seqdeque.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define CAP_MIN     8
#define DIR_CAP_MIN 3 /* with malloc's header 32 bytes */

static size_t
block_bytes(const struct seqdeque *d, uint32_t cap)
{
    return sizeof(struct seqdeque_block) + (size_t)cap * d->entry_size;
}

static struct seqdeque_block *
block_new(const struct seqdeque *d, uint32_t cap)
{
    struct seqdeque_block *b = malloc(block_bytes(d, cap));
    CHECK(b);
    memset(b, 0, sizeof *b);
    b->cap = cap;
    return b;
}

void
seqdeque_init(struct seqdeque *d, size_t entry_size, uint64_t first)
{
    CHECK(entry_size > 0 && entry_size <= UINT16_MAX);
    *d = (struct seqdeque){.entry_size = (uint16_t)entry_size, .base = first, .next = first};
}

void
seqdeque_fini(struct seqdeque *d)
{
    for (uint32_t i = 0; i < d->dir_len; i++)
        free(d->directory[d->dir_head + i]);
    free(d->directory);
    free(d->spare);
    seqdeque_init(d, d->entry_size, d->next);
}

/* Frees the narrow one. */
static struct seqdeque_block *
block_widened(const struct seqdeque *wide, struct seqdeque_block *narrow, size_t entry_size)
{
    struct seqdeque_block *b = block_new(wide, narrow->cap);
    b->live_count = narrow->live_count;
    memcpy(b->live, narrow->live, sizeof b->live);
    for (uint32_t i = 0; i < narrow->cap; i++)
        if (narrow->live[i / 64] >> i % 64 & 1)
            memcpy(b->entries + (size_t)i * wide->entry_size, narrow->entries + i * entry_size, entry_size);
    free(narrow);
    return b;
}

void
seqdeque_widen(struct seqdeque *d, size_t entry_size)
{
    size_t before = d->entry_size;
    CHECK(entry_size >= before && entry_size <= UINT16_MAX);
    d->entry_size = (uint16_t)entry_size;
    free(d->spare);
    d->spare = NULL;
    for (uint32_t i = 0; i < d->dir_len; i++) {
        struct seqdeque_block **place = &d->directory[d->dir_head + i], *narrow = *place;
        if (!narrow)
            continue;
        *place = block_widened(d, narrow, before);
        if (d->tail == narrow)
            d->tail = *place;
    }
}

void
seqdeque_trim(struct seqdeque *d)
{
    if (d->count == 0)
        seqdeque_fini(d);
}

/* Room for one more block at the end of the directory. */
static void
directory_reserve(struct seqdeque *d)
{
    if (d->dir_head + d->dir_len < d->dir_cap)
        return;
    if (d->dir_head > d->dir_cap / 2) {
        memmove(d->directory, d->directory + d->dir_head, d->dir_len * sizeof *d->directory);
        d->dir_head = 0;
        return;
    }
    CHECK(d->dir_cap < 1u << 30);
    d->dir_cap = d->dir_cap ? d->dir_cap * 2 : DIR_CAP_MIN;
    d->directory = realloc(d->directory, d->dir_cap * sizeof *d->directory);
    CHECK(d->directory);
}

static void
append_block(struct seqdeque *d, struct seqdeque_block *b)
{
    directory_reserve(d);
    d->directory[d->dir_head + d->dir_len++] = b;
    d->tail = b;
    d->tail_room = (uint16_t)b->cap;
}

/* The tail has no room: makes some, in it or behind it. */
void
seqdeque_push_slow(struct seqdeque *d)
{
    if (d->count == 0) {
        d->base = d->next;
        if (d->tail)
            d->tail_room = (uint16_t)d->tail->cap;
        else
            append_block(d, block_new(d, CAP_MIN));
    } else if (d->tail && d->tail->cap < SEQDEQUE_BLOCK) {
        uint32_t before = d->tail->cap;
        struct seqdeque_block *b = realloc(d->tail, block_bytes(d, before * 2));
        CHECK(b);
        b->cap = before * 2;
        d->tail = d->directory[d->dir_head + d->dir_len - 1] = b;
        d->tail_room = (uint16_t)before;
    } else {
        struct seqdeque_block *b = d->spare ? d->spare : block_new(d, SEQDEQUE_BLOCK);
        d->spare = NULL;
        append_block(d, b);
    }
}

/* Unless entries were put back in front of it, a tail of CAP_MIN entries is the only block, and there is no
 * spare. */
static void
rewind_empty(struct seqdeque *d)
{
    if (d->dir_len == 1 && d->tail && d->tail->cap == CAP_MIN) {
        d->base = d->next;
        d->tail_room = CAP_MIN;
    } else {
        seqdeque_fini(d);
    }
}

/* Pops the dropped blocks from the front, so that the first one is live (or nothing is left). */
static void
drop_front(struct seqdeque *d)
{
    while (d->dir_len > 0 && !d->directory[d->dir_head]) {
        d->dir_head++;
        d->dir_len--;
        d->base += SEQDEQUE_BLOCK;
    }
}

/* The block of `index` (an offset from `base`) has lost its last live entry. */
void
seqdeque_block_emptied(struct seqdeque *d, uint64_t index)
{
    struct seqdeque_block **place = &d->directory[d->dir_head + (index >> SEQDEQUE_BLOCK_LOG)];
    if (d->count == 0) {
        rewind_empty(d);
        return;
    }
    if (*place == d->tail) {
        if (d->tail->cap < SEQDEQUE_BLOCK || d->tail_room > 0)
            return;
        d->tail = NULL;
    }
    if (d->spare)
        free(*place);
    else
        d->spare = *place;
    *place = NULL;
    drop_front(d);
}

/* `n` more places in front of the first block. */
static void
directory_extend_front(struct seqdeque *d, uint64_t n)
{
    CHECK(n + d->dir_len < 1u << 29);
    if (d->dir_head < n) {
        uint32_t cap = (uint32_t)(n + d->dir_len) + d->dir_len / 2 + DIR_CAP_MIN;
        struct seqdeque_block **grown = malloc(cap * sizeof *grown);
        CHECK(grown);
        if (d->dir_len > 0)
            memcpy(grown + n, d->directory + d->dir_head, d->dir_len * sizeof *grown);
        free(d->directory);
        d->directory = grown;
        d->dir_cap = cap;
        d->dir_head = (uint32_t)n;
    }
    d->dir_head -= (uint32_t)n;
    d->dir_len += (uint32_t)n;
    memset(d->directory + d->dir_head, 0, n * sizeof *d->directory);
    d->base -= n * SEQDEQUE_BLOCK;
}

void *
seqdeque_put(struct seqdeque *d, uint64_t sequence)
{
    if (d->count == 0)
        seqdeque_fini(d);
    if ((int64_t)(sequence - d->base) < 0)
        directory_extend_front(d, (d->base - sequence + SEQDEQUE_BLOCK - 1) / SEQDEQUE_BLOCK);
    uint64_t index = sequence - d->base;
    CHECK(index < d->next - d->base);
    struct seqdeque_block **place = &d->directory[d->dir_head + (index >> SEQDEQUE_BLOCK_LOG)];
    if (!*place) {
        *place = d->spare ? d->spare : block_new(d, SEQDEQUE_BLOCK);
        d->spare = NULL;
    }
    struct seqdeque_block *b = *place;
    uint32_t at = (uint32_t)index % SEQDEQUE_BLOCK;
    CHECK(!(b->live[at / 64] >> at % 64 & 1));
    b->live[at / 64] |= (uint64_t)1 << at % 64;
    b->live_count++;
    d->count++;
    return b->entries + (size_t)at * d->entry_size;
}

/* The first live entry from `index` on. */
static void *
find_live(const struct seqdeque *d, uint64_t index, uint64_t *sequence)
{
    for (uint64_t n = index >> SEQDEQUE_BLOCK_LOG; n < d->dir_len; n++, index = n << SEQDEQUE_BLOCK_LOG) {
        struct seqdeque_block *b = d->directory[d->dir_head + n];
        if (!b || b->live_count == 0)
            continue;
        uint32_t at = (uint32_t)index % SEQDEQUE_BLOCK;
        uint64_t word = b->live[at / 64] >> at % 64 << at % 64;
        for (uint32_t w = at / 64;; word = b->live[w]) {
            if (word) {
                at = w * 64 + (uint32_t)__builtin_ctzll(word);
                *sequence = d->base + (n << SEQDEQUE_BLOCK_LOG) + at;
                return b->entries + (size_t)at * d->entry_size;
            }
            if (++w == SEQDEQUE_BLOCK / 64)
                break;
        }
    }
    return NULL;
}

void *
seqdeque_first(const struct seqdeque *d, uint64_t *sequence)
{
    return d->count == 0 ? NULL : find_live(d, 0, sequence);
}

void *
seqdeque_next(const struct seqdeque *d, uint64_t *sequence)
{
    if (d->count == 0 || *sequence >= d->next)
        return NULL;
    return find_live(d, (int64_t)(*sequence - d->base) < 0 ? 0 : *sequence + 1 - d->base, sequence);
}
