/* Memory for things that are made one by one and freed together. Running out of it stops the process: a named
 * limit bounds what is put in. */
#ifndef LEVERET_BASE_ARENA_H
#define LEVERET_BASE_ARENA_H

#include "base/slice.h"

#include <stddef.h>

struct arena_block;

/* Zeroed is empty. */
struct arena {
    struct arena_block *blocks;
};

/* `size` zeroed bytes, aligned for anything, until arena_fini(). */
void *arena_alloc(struct arena *a, size_t size);
/* A copy with a zero behind it. */
char *arena_copy(struct arena *a, struct slice s);
/* Everything at once; the arena is empty and usable afterwards. */
void arena_fini(struct arena *a);

#endif
