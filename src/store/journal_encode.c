/*
 * Ops to records. What is elided leaves nothing. Neighbours become one record where one says it all:
 * publishes of one message (a fan-out: the body stands there once), settles of adjacent sequences.
 *
 * The bytes grow behind room for the batch's header, which is written when the file, and so the salt, is
 * known.
 */
#include "store/journal_inside.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES_MIN = 2 * STORE_BLOCK, TARGETS_MIN = 16, TARGETS_KEPT = 256 };

/* ---- memory ---- */

static uint8_t *
reserve(struct journal_encoder *e, size_t n)
{
    if (n > e->capacity - e->len) {
        size_t capacity = e->capacity ? e->capacity : BYTES_MIN;
        while (capacity - e->len < n)
            capacity *= 2;
        e->bytes = realloc(e->bytes, capacity);
        CHECK(e->bytes);
        e->capacity = capacity;
    }
    return e->bytes + e->len;
}

static void
add_target(struct journal_encoder *e, const struct journal_op *op)
{
    if (e->target_count == e->target_capacity) {
        e->target_capacity = e->target_capacity ? e->target_capacity * 2 : TARGETS_MIN;
        e->targets = realloc(e->targets, e->target_capacity * sizeof *e->targets);
        CHECK(e->targets);
    }
    e->targets[e->target_count++] =
        (struct record_target){.queue_id = op->queue_id, .sequence = op->sequence, .epoch = op->epoch};
}

void
journal_encode_trim(struct journal_encoder *e, size_t keep)
{
    if (e->capacity > keep) {
        free(e->bytes);
        e->bytes = NULL;
        e->len = e->capacity = 0;
    }
    if (e->target_capacity > TARGETS_KEPT || keep == 0) {
        free(e->targets);
        e->targets = NULL;
        e->target_capacity = 0;
    }
}

/* ---- records ---- */

bool
journal_encode_is_same(const struct journal_op *a, const struct journal_op *b)
{
    return a->type == JOURNAL_PUBLISH && b->type == JOURNAL_PUBLISH && a->bytes == b->bytes &&
           a->tx == b->tx && a->expires_at == b->expires_at && a->body_file == b->body_file &&
           a->message_flags == b->message_flags && a->exchange_size == b->exchange_size &&
           a->routing_key_size == b->routing_key_size && a->properties_size == b->properties_size &&
           a->body_size == b->body_size;
}

static bool
is_next_settle(const struct journal_op *a, uint32_t count, const struct journal_op *b)
{
    return b->type == JOURNAL_SETTLE && a->queue_id == b->queue_id && a->epoch == b->epoch &&
           a->tx == b->tx && a->sequence + count == b->sequence && count <= UINT32_MAX - b->count;
}

static struct record_message
message_of(const struct journal_op *op)
{
    const uint8_t *key = op->bytes + op->exchange_size, *properties = key + op->routing_key_size;
    return (struct record_message){
        .exchange = slice_of(op->bytes, op->exchange_size),
        .routing_key = slice_of(key, op->routing_key_size),
        .properties = slice_of(properties, op->properties_size),
        .body = op->body_file ? slice_of(NULL, 0) : slice_of(properties + op->properties_size, op->body_size),
        .body_size = op->body_size,
        .body_file = op->body_file,
        .expires_at = op->expires_at,
        .flags = op->message_flags,
    };
}

/* Each takes ops[0] and its neighbours that fit, and returns how many ops that were. */

static uint32_t
encode_publish(struct journal_encoder *e, const struct journal_op *ops, uint32_t count)
{
    uint32_t i = 0;
    e->target_count = 0;
    for (; i < count && e->target_count < UINT16_MAX; i++) {
        if (ops[i].type == JOURNAL_NOTHING) {
            e->elided++;
            continue;
        }
        if (!journal_encode_is_same(&ops[0], &ops[i]))
            break;
        add_target(e, &ops[i]);
    }
    struct record_message m = message_of(&ops[0]);
    uint8_t *out = reserve(e, record_publish_size(&m, e->target_count, ops[0].tx != 0));
    e->len += record_put_publish(out, &m, e->targets, e->target_count, ops[0].tx);
    return i;
}

static uint32_t
encode_settle(struct journal_encoder *e, const struct journal_op *ops, uint32_t count)
{
    uint32_t i = 1, sequences = ops[0].count;
    for (; i < count; i++) {
        if (ops[i].type == JOURNAL_NOTHING) {
            e->elided++;
            continue;
        }
        if (!is_next_settle(&ops[0], sequences, &ops[i]))
            break;
        sequences += ops[i].count;
    }
    struct record_target first = {
        .queue_id = ops[0].queue_id, .sequence = ops[0].sequence, .epoch = ops[0].epoch};
    e->len += record_put_settle(reserve(e, RECORD_SMALL_MAX), first, sequences, ops[0].tx);
    return i;
}

static uint32_t
encode_one(struct journal_encoder *e, const struct journal_op *op)
{
    struct record_target at = {.queue_id = op->queue_id, .sequence = op->sequence, .epoch = op->epoch};
    if (op->type == JOURNAL_DELIVERED) {
        e->len += record_put_delivered(reserve(e, RECORD_SMALL_MAX), at);
    } else if (op->type == JOURNAL_TX_END) {
        e->len += record_put_tx_end(reserve(e, RECORD_SMALL_MAX), op->tx);
    } else {
        CHECK(op->type == JOURNAL_META);
        uint8_t *out = reserve(e, RECORD_SMALL_MAX + (size_t)op->body_size);
        e->len += record_put_meta(out, op->queue_id, op->sequence, slice_of(op->bytes, op->body_size));
    }
    return 1;
}

/* ---- a batch ---- */

static void
begin(struct journal_encoder *e)
{
    e->len = e->records = e->elided = 0;
    (void)reserve(e, STORE_BATCH_HEADER);
    e->len = STORE_BATCH_HEADER;
}

/* The zeros are there, but not counted in `len`. */
static void
pad(struct journal_encoder *e)
{
    CHECK(e->len - STORE_BATCH_HEADER <= UINT32_MAX);
    size_t padding = (size_t)batch_footprint(journal_encode_size(e)) - e->len;
    memset(reserve(e, padding), 0, padding);
}

void
journal_encode(struct journal_encoder *e, const struct journal_op *ops, uint32_t count)
{
    begin(e);
    for (uint32_t i = 0; i < count;) {
        const struct journal_op *op = &ops[i];
        if (op->type == JOURNAL_NOTHING) {
            e->elided++;
            i++;
            continue;
        }
        if (op->type == JOURNAL_PUBLISH)
            i += encode_publish(e, op, count - i);
        else if (op->type == JOURNAL_SETTLE)
            i += encode_settle(e, op, count - i);
        else
            i += encode_one(e, op);
        e->records++;
    }
    pad(e);
}

void
journal_encode_raw(struct journal_encoder *e, struct slice records, uint32_t count)
{
    begin(e);
    if (records.len > 0)
        memcpy(reserve(e, records.len), records.data, records.len);
    e->len += records.len;
    e->records = count;
    pad(e);
}

uint32_t
journal_encode_size(const struct journal_encoder *e)
{
    return (uint32_t)(e->len - STORE_BATCH_HEADER);
}
