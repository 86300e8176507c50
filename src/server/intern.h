/*
 * Byte strings that many connections of a shard share: user names and client properties. Equal strings are
 * stored once and counted. One shard only; a connection that moves takes a private copy along.
 */
#ifndef LEVERET_SERVER_INTERN_H
#define LEVERET_SERVER_INTERN_H

#include "base/idmap.h"
#include "base/slice.h"

struct intern {
    uint32_t refs;
    uint32_t len;
    uint64_t hash;       /* never 0 */
    struct intern *next; /* another string with this hash */
    uint8_t bytes[];     /* a NUL behind them */
};

struct intern_table {
    struct idmap by_hash;
};

/* One hold for the caller. Never NULL. */
struct intern *intern_hold(struct intern_table *t, struct slice bytes);
/* NULL is allowed. */
void intern_drop(struct intern_table *t, struct intern *s);
/* How many different strings there are. */
size_t intern_count(const struct intern_table *t);
void intern_table_fini(struct intern_table *t);

/* NULL: the empty slice. */
static inline struct slice
intern_slice(const struct intern *s)
{
    return s ? slice_of(s->bytes, s->len) : slice_of("", 0);
}

#endif
