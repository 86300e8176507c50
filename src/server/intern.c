/*
 * idmap: hash -> chain of strings with that hash. A chain longer than one is a collision of 64 bits or an
 * attempt to make one; it is walked and still right.
 */
#include "server/intern.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>

static uint64_t
intern_hash(struct slice bytes)
{
    uint64_t hash = hash_bytes(bytes);
    return hash ? hash : 1;
}

struct intern *
intern_hold(struct intern_table *t, struct slice bytes)
{
    uint64_t hash = intern_hash(bytes);
    struct intern *first = idmap_get(&t->by_hash, hash);
    for (struct intern *s = first; s; s = s->next) {
        if (slice_eq(intern_slice(s), bytes)) {
            s->refs++;
            return s;
        }
    }
    struct intern *s = malloc(sizeof *s + bytes.len + 1);
    CHECK(s);
    *s = (struct intern){.refs = 1, .len = (uint32_t)bytes.len, .hash = hash, .next = first};
    if (bytes.len)
        memcpy(s->bytes, bytes.data, bytes.len);
    s->bytes[bytes.len] = 0;
    idmap_put(&t->by_hash, hash, s);
    return s;
}

void
intern_drop(struct intern_table *t, struct intern *s)
{
    if (!s || --s->refs > 0)
        return;
    struct intern *first = idmap_get(&t->by_hash, s->hash);
    if (first != s) {
        struct intern *before = first;
        while (before->next != s)
            before = before->next;
        before->next = s->next;
    } else if (s->next) {
        idmap_put(&t->by_hash, s->hash, s->next);
    } else {
        idmap_remove(&t->by_hash, s->hash);
    }
    free(s);
}

size_t
intern_count(const struct intern_table *t)
{
    size_t cursor = 0, count = 0;
    for (struct intern *s; (s = idmap_next(&t->by_hash, &cursor, NULL));)
        for (; s; s = s->next)
            count++;
    return count;
}

void
intern_table_fini(struct intern_table *t)
{
    CHECK(idmap_count(&t->by_hash) == 0);
    idmap_fini(&t->by_hash);
}
