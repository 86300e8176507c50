/*
 * Entries of one size under ever-growing sequence numbers: added at the end, removed anywhere. It holds a
 * queue's messages by position and a channel's unacknowledged deliveries by delivery tag. seqdeque.c tells
 * how.
 *
 * A pointer to an entry is valid until the next push_back or until the entry is removed.
 */
#ifndef LEVERET_BASE_SEQDEQUE_H
#define LEVERET_BASE_SEQDEQUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEQDEQUE_BLOCK_LOG 8
#define SEQDEQUE_BLOCK     (1u << SEQDEQUE_BLOCK_LOG) /* sequences a full block covers */

struct seqdeque_block {
    uint32_t live_count;
    uint32_t cap; /* entries allocated: less than SEQDEQUE_BLOCK only in a young only block */
    uint64_t live[SEQDEQUE_BLOCK / 64]; /* a bit per entry */
    _Alignas(16) uint8_t entries[];
};

struct seqdeque {
    struct seqdeque_block **directory; /* [dir_head, dir_head + dir_len); NULL: block dropped */
    struct seqdeque_block *tail;       /* the last block of the directory, or NULL */
    struct seqdeque_block *spare;      /* an empty full-size block, or NULL */
    uint64_t base;                     /* sequence of the first entry of the first block */
    uint64_t next;                     /* sequence of the next push */
    uint64_t count;
    uint32_t dir_head, dir_len, dir_cap;
    uint16_t entry_size;
    uint16_t tail_room; /* entries that the tail can still take */
};

/* The first push gets the sequence `first`. An empty deque holds no memory. 0 < entry_size < 65536. */
void seqdeque_init(struct seqdeque *d, size_t entry_size, uint64_t first);

/* Frees everything, whatever is in it. */
void seqdeque_fini(struct seqdeque *d);

/* Entries have `entry_size` bytes from now on, which is more than before; what is there keeps its first ones.
 * Costs a copy. */
void seqdeque_widen(struct seqdeque *d, size_t entry_size);

/* Gives back what an empty deque kept for its next entries; no effect on one that is not empty. */
void seqdeque_trim(struct seqdeque *d);

/* The slow halves of the functions below. */
void seqdeque_push_slow(struct seqdeque *d);
void seqdeque_block_emptied(struct seqdeque *d, uint64_t index);

static inline uint64_t
seqdeque_count(const struct seqdeque *d)
{
    return d->count;
}

/* The sequence that the next push will get. */
static inline uint64_t
seqdeque_next_sequence(const struct seqdeque *d)
{
    return d->next;
}

/* Adds an entry and returns its sequence. `*entry` is where the caller writes it: it holds garbage, aligned
 * to 8 at least when entry_size is a multiple of 8. */
static inline uint64_t
seqdeque_push_back(struct seqdeque *d, void **entry)
{
    if (__builtin_expect(d->tail_room == 0, 0))
        seqdeque_push_slow(d);
    struct seqdeque_block *b = d->tail;
    uint32_t at = (uint32_t)(d->next - d->base) % SEQDEQUE_BLOCK;
    b->live[at / 64] |= (uint64_t)1 << at % 64;
    b->live_count++;
    d->tail_room--;
    d->count++;
    *entry = b->entries + (size_t)at * d->entry_size;
    return d->next++;
}

/* The entry, or NULL when it was removed or never was. */
static inline void *
seqdeque_get(const struct seqdeque *d, uint64_t sequence)
{
    uint64_t index = sequence - d->base;
    if (index >= d->next - d->base)
        return NULL;
    struct seqdeque_block *b = d->directory[d->dir_head + (index >> SEQDEQUE_BLOCK_LOG)];
    uint32_t at = (uint32_t)index % SEQDEQUE_BLOCK;
    if (!b || !(b->live[at / 64] >> at % 64 & 1))
        return NULL;
    return b->entries + (size_t)at * d->entry_size;
}

/* Removes an entry that is there, as seqdeque_get() has just told. */
static inline void
seqdeque_remove_known(struct seqdeque *d, uint64_t sequence)
{
    uint64_t index = sequence - d->base;
    struct seqdeque_block *b = d->directory[d->dir_head + (index >> SEQDEQUE_BLOCK_LOG)];
    uint32_t at = (uint32_t)index % SEQDEQUE_BLOCK;
    b->live[at / 64] &= ~((uint64_t)1 << at % 64);
    d->count--;
    if (--b->live_count == 0)
        seqdeque_block_emptied(d, index);
}

/* False when it was removed already or never was. */
static inline bool
seqdeque_remove(struct seqdeque *d, uint64_t sequence)
{
    if (!seqdeque_get(d, sequence))
        return false;
    seqdeque_remove_known(d, sequence);
    return true;
}

/* Uses up a sequence without an entry, as if it had been pushed and removed (a delivery that needs no ack).
 */
static inline uint64_t
seqdeque_skip(struct seqdeque *d)
{
    if (d->count == 0) {
        d->base = ++d->next;
        d->tail_room = d->tail ? (uint16_t)d->tail->cap : 0;
        return d->next - 1;
    }
    void *entry;
    uint64_t sequence = seqdeque_push_back(d, &entry);
    seqdeque_remove(d, sequence);
    return sequence;
}

/* Puts an entry in again at a sequence below the next one whose entry was removed (or skipped); the caller
 * writes it, as after seqdeque_push_back(). */
void *seqdeque_put(struct seqdeque *d, uint64_t sequence);

/* The oldest entry, with its sequence in `*sequence`; NULL (and `*sequence` untouched) when empty. */
void *seqdeque_first(const struct seqdeque *d, uint64_t *sequence);

/*
 * The oldest entry behind `*sequence`, which moves to it; NULL (and `*sequence` untouched) when there is
 * none. The entry at `*sequence` itself may have been removed, so a walk may remove what it visits.
 */
void *seqdeque_next(const struct seqdeque *d, uint64_t *sequence);

#endif
