/*
 * Bodies over STORE_BODY_INLINE_MAX have a file each. A file is needed by as many (queue, position) pairs as
 * its message stands in on this shard; when the last one has left, it is deleted as soon as the batch that
 * says so is durable: a record whose body is missing is damage.
 *
 * In memory such a message is known by its address, for as long as an entry of a queue has it. One body may
 * be there several times: read again for one queue while another one still has the first.
 */
#include "base/check.h"
#include "durable/keep_impl.h"

#include <stdlib.h>

/* A message in memory, and its body. */
struct keep_large {
    struct keep_body *body;
    uint32_t entries;
};

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
    struct keep_large *large = idmap_get(&k->larges, key_of(m));
    return large ? large->body->id : 0;
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
    struct keep_large *large = idmap_get(&k->larges, key_of(m));
    if (!large) {
        large = calloc(1, sizeof *large);
        CHECK(large);
        large->body = body_get(k, id);
        idmap_put(&k->larges, key_of(m), large);
    }
    CHECK(large->body->id == id);
    large->entries++;
}

void
keep_body_exit(struct keep *k, const struct message *m)
{
    if (m->body_size <= STORE_BODY_INLINE_MAX)
        return;
    struct keep_large *large = idmap_get(&k->larges, key_of(m));
    if (!large || --large->entries > 0)
        return;
    idmap_remove(&k->larges, key_of(m));
    free(large);
}

void
keep_body_drop(struct keep *k, uint64_t id)
{
    struct keep_body *b = idmap_get(&k->bodies, id);
    if (!b || --b->refs > 0)
        return;
    idmap_remove(&k->bodies, id);
    b->batch = keep_last_batch(k);
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
    idmap_fini(&k->bodies);
    cursor = 0;
    for (struct keep_large *large; (large = idmap_next(&k->larges, &cursor, NULL));)
        free(large);
    idmap_fini(&k->larges);
    for (struct keep_body *b; (b = k->dead_bodies);) {
        k->dead_bodies = b->next;
        free(b);
    }
}
