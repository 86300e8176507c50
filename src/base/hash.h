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

#endif
