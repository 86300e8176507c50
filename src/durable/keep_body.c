/*
 * Bodies over STORE_BODY_INLINE_MAX have a file each. A file is needed by as many (queue, position) pairs as
 * its message stands in on this shard; when the last one has left, it is deleted as soon as the batch that
 * says so is durable: a record whose body is missing is damage.
 */
#include "base/check.h"
#include "durable/keep_impl.h"

#include <stdlib.h>

static uint64_t
key_of(const struct message *m)
{
    return (uint64_t)(uintptr_t)m;
}

static struct keep_body *
body_get(struct keep *k, uint64_t id)
{
    struct keep_body *b = idmap_get(&k->bodies, id);
    if (b)
        return b;
    b = calloc(1, sizeof *b);
    CHECK(b);
    b->id = id;
    idmap_put(&k->bodies, id, b);
    return b;
}

uint64_t
keep_body_of(struct keep *k, const struct message *m)
{
    if (m->body_size <= STORE_BODY_INLINE_MAX)
        return 0;
    struct keep_body_message *x = idmap_get(&k->bodies_in_memory, key_of(m));
    return x ? x->id : 0;
}

uint64_t
keep_body_publish(struct keep *k, const struct message *m)
{
    if (m->body_size <= STORE_BODY_INLINE_MAX)
        return 0;
    uint64_t id = keep_body_of(k, m);
    if (!id)
        id = manifest_next_id(k->store->manifest);
    keep_body_hold(k, id);
    keep_body_enter(k, id, m);
    body_get(k, id)->batch = journal_batch(k->journal);
    return id;
}

bool
keep_body_is_durable(struct keep *k, uint64_t id)
{
    return body_get(k, id)->batch <= k->durable_batch;
}

void
keep_body_hold(struct keep *k, uint64_t id)
{
    body_get(k, id)->refs++;
}

void
keep_body_enter(struct keep *k, uint64_t id, const struct message *m)
{
    struct keep_body_message *x = idmap_get(&k->bodies_in_memory, key_of(m));
    if (!x) {
        x = calloc(1, sizeof *x);
        CHECK(x);
        x->id = id;
        idmap_put(&k->bodies_in_memory, key_of(m), x);
    }
    CHECK(x->id == id);
    x->entries++;
}

void
keep_body_exit(struct keep *k, const struct message *m)
{
    if (m->body_size <= STORE_BODY_INLINE_MAX)
        return;
    struct keep_body_message *x = idmap_get(&k->bodies_in_memory, key_of(m));
    if (!x || --x->entries > 0)
        return;
    idmap_remove(&k->bodies_in_memory, key_of(m));
    free(x);
}

void
keep_body_drop(struct keep *k, uint64_t id)
{
    struct keep_body *b = idmap_get(&k->bodies, id);
    if (!b || --b->refs > 0)
        return;
    idmap_remove(&k->bodies, id);
    b->batch = journal_batch(k->journal);
    b->next = k->dead_bodies;
    k->dead_bodies = b;
    k->dead_body_count++;
}

uint64_t *
keep_body_take_dead(struct keep *k, uint32_t *count)
{
    *count = 0;
    if (!k->dead_bodies)
        return NULL;
    uint64_t *ids = malloc(k->dead_body_count * sizeof *ids);
    CHECK(ids);
    for (struct keep_body **at = &k->dead_bodies, *b; (b = *at);) {
        if (b->batch > k->durable_batch) {
            at = &b->next;
            continue;
        }
        ids[(*count)++] = b->id;
        *at = b->next;
        k->dead_body_count--;
        free(b);
    }
    if (*count > 0)
        return ids;
    free(ids);
    return NULL;
}

void
keep_body_free(struct keep *k)
{
    size_t cursor = 0;
    for (struct keep_body *b; (b = idmap_next(&k->bodies, &cursor, NULL));)
        free(b);
    cursor = 0;
    for (struct keep_body_message *x; (x = idmap_next(&k->bodies_in_memory, &cursor, NULL));)
        free(x);
    idmap_fini(&k->bodies);
    idmap_fini(&k->bodies_in_memory);
    for (struct keep_body *b; (b = k->dead_bodies);) {
        k->dead_bodies = b->next;
        free(b);
    }
}
