/*
 * A transaction: two growing arrays and a state. OPEN collects; REPLAYING has begun a commit and stands at
 * publishes[replayed] or settles[settled]; WAITING has handed everything over and counts answers. What a peer
 * makes us keep, array places included, is charged to tx->bytes.
 */
#include "broker/tx.h"

#include "base/check.h"

#include <stdlib.h>

static void
tx_clear(struct broker *b, struct tx *tx)
{
    for (uint32_t i = 0; i < tx->publish_count; i++) {
        if (tx->publishes[i].message)
            message_drop(b, &tx->publishes[i].message);
        free(tx->publishes[i].extra_keys);
    }
    free(tx->publishes);
    free(tx->settles);
    *tx = (struct tx){.seq = tx->seq};
}

void
tx_fini(struct broker *b, struct tx *tx)
{
    tx_clear(b, tx);
}

static bool
tx_charge(struct broker *b, struct tx *tx, size_t bytes)
{
    CHECK(tx->state == TX_OPEN);
    if (bytes > b->node->limits.tx_bytes_max - tx->bytes)
        return false;
    tx->bytes += bytes;
    return true;
}

static void *
tx_grow(void *array, uint32_t count, uint32_t *cap, size_t size)
{
    if (count < *cap)
        return array;
    *cap = *cap ? *cap * 2 : 8;
    array = realloc(array, *cap * size);
    CHECK(array);
    return array;
}

static uint8_t *
keys_copy(const struct slice *keys, unsigned count, size_t size)
{
    uint8_t *copy = malloc(size), *at = copy;
    CHECK(copy);
    for (unsigned i = 0; i < count; i++) {
        *at++ = (uint8_t)keys[i].len;
        if (keys[i].len)
            memcpy(at, keys[i].data, keys[i].len);
        at += keys[i].len;
    }
    return copy;
}

bool
tx_add_publish(struct broker *b, struct tx *tx, struct message **m, const struct slice *extra_keys,
               unsigned extra_count, bool mandatory)
{
    size_t keys_size = 0;
    for (unsigned i = 0; i < extra_count; i++) {
        CHECK(extra_keys[i].len <= UINT8_MAX);
        keys_size += 1 + extra_keys[i].len;
    }
    if (extra_count > UINT16_MAX ||
        !tx_charge(b, tx, message_size(*m) + keys_size + sizeof(struct tx_publish)))
        return false;
    tx->publishes = tx_grow(tx->publishes, tx->publish_count, &tx->publish_cap, sizeof *tx->publishes);
    tx->publishes[tx->publish_count++] =
        (struct tx_publish){.message = *m,
                            .extra_keys = extra_count ? keys_copy(extra_keys, extra_count, keys_size) : NULL,
                            .extra_count = (uint16_t)extra_count,
                            .mandatory = mandatory};
    *m = NULL;
    return true;
}

bool
tx_add_settle(struct broker *b, struct tx *tx, const struct tx_settle *s)
{
    if (!tx_charge(b, tx, sizeof *s))
        return false;
    tx->settles = tx_grow(tx->settles, tx->settle_count, &tx->settle_cap, sizeof *tx->settles);
    tx->settles[tx->settle_count++] = *s;
    return true;
}

struct slice
tx_next_key(const uint8_t **at)
{
    struct slice key = slice_of(*at + 1, **at);
    *at += 1 + key.len;
    return key;
}

static enum tx_outcome
tx_outcome(struct broker *b, struct tx *tx)
{
    if (tx->pending)
        return TX_PENDING;
    bool has_failed = tx->has_failed;
    tx_clear(b, tx);
    return has_failed ? TX_FAILED : TX_COMMITTED;
}

static void
tx_end_all(struct tx *tx, const struct tx_replay *replay, void *arg)
{
    for (unsigned word = 0; word < SHARDS_COUNT_MAX / 64; word++)
        for (uint64_t shards = tx->shards[word]; shards; shards &= shards - 1)
            tx->pending += replay->end(arg, tx, word * 64 + (unsigned)__builtin_ctzll(shards));
}

void
tx_abandon(struct tx *tx, const struct tx_replay *replay, void *arg)
{
    CHECK(tx->state == TX_REPLAYING);
    tx_end_all(tx, replay, arg);
}

enum tx_outcome
tx_commit(struct broker *b, struct tx *tx, const struct tx_replay *replay, void *arg)
{
    CHECK(tx->state != TX_WAITING);
    if (tx->state == TX_OPEN) {
        tx->state = TX_REPLAYING;
        tx->seq++;
    }
    for (; tx->replayed < tx->publish_count; tx->replayed++)
        if (!replay->publish(arg, tx, &tx->publishes[tx->replayed]))
            return TX_AGAIN;
    for (; tx->settled < tx->settle_count; tx->settled++) {
        if (!replay->settle(arg, tx, &tx->settles[tx->settled]))
            return TX_AGAIN;
        tx_involve(tx, tx->settles[tx->settled].queue_shard);
    }
    tx_end_all(tx, replay, arg);
    tx->state = TX_WAITING;
    return tx_outcome(b, tx);
}

void
tx_published(struct tx *tx, enum publish_result result, unsigned pending)
{
    CHECK(tx->state == TX_REPLAYING);
    if (result == PUBLISH_PENDING)
        tx->pending += pending;
    tx->has_failed |= result == PUBLISH_REJECTED;
}

enum tx_outcome
tx_answered(struct broker *b, struct tx *tx, uint64_t first, uint64_t last, bool nack)
{
    if (tx->state == TX_OPEN || tx->seq < first || tx->seq > last || tx->pending == 0)
        return TX_PENDING;
    tx->pending--;
    tx->has_failed |= nack;
    return tx->state == TX_WAITING ? tx_outcome(b, tx) : TX_PENDING;
}

void
tx_rollback(struct broker *b, struct tx *tx, void (*restore)(void *arg, const struct tx_settle *s), void *arg)
{
    CHECK(tx->state == TX_OPEN);
    for (uint32_t i = 0; restore && i < tx->settle_count; i++)
        restore(arg, &tx->settles[i]);
    tx_clear(b, tx);
}
