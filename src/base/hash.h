/*
 * Hashes for tables in memory. They are neither keyed nor stable across versions: never stored, never sent.
 * (Record checksums of the store name XXH3 themselves.)
 */
#ifndef LEVERET_BASE_HASH_H
#define LEVERET_BASE_HASH_H

#include "base/slice.h"

#include <stdint.h>
#include <xxhash.h>

static inline uint64_t
hash_bytes(struct slice s)
{
    return XXH3_64bits(s.data, s.len);
}

/* A bijection that spreads every input bit over all output bits (the finalizer of splitmix64). */
static inline uint64_t
hash_u64(uint64_t v)
{
    v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
    v = (v ^ (v >> 27)) * 0x94d049bb133111ebu;
    return v ^ (v >> 31);
}

/* The hash of a pair; the order of the two matters. */
static inline uint64_t
hash_combine(uint64_t a, uint64_t b)
{
    return hash_u64(a * 0x9e3779b97f4a7c15u + b);
}

/* The bits in reverse order: in this order of their hashes tables are walked in pieces (cmap_walk()). */
static inline uint64_t
hash_reverse(uint64_t v)
{
    v = (v >> 1 & 0x5555555555555555u) | (v & 0x5555555555555555u) << 1;
    v = (v >> 2 & 0x3333333333333333u) | (v & 0x3333333333333333u) << 2;
    v = (v >> 4 & 0x0f0f0f0f0f0f0f0fu) | (v & 0x0f0f0f0f0f0f0f0fu) << 4;
    return __builtin_bswap64(v);
}

/* The first reversed hash behind those that share a slot of a table of `cap` slots (a power of two, above 1)
 * with `position`; 0: there is none. */
static inline uint64_t
hash_walk_next(uint64_t position, size_t cap)
{
    return (position | (UINT64_MAX >> __builtin_ctzll(cap))) + 1;
}

#endif
