/*
 * Records of the log: whatever parses is written again to the very same bytes. The same input as a batch:
 * never valid by chance, and valid once it is sealed.
 */
#include "fuzz.h"
#include "store/record.h"

#include <stdlib.h>

enum { SALT = 77 };

static size_t
write_again(uint8_t *out, const struct record *r)
{
    struct record_target at = {.queue_id = r->queue_id, .sequence = r->first, .epoch = r->epoch};
    if (r->type == RECORD_SETTLE)
        return record_put_settle(out, at, r->count, r->tx);
    if (r->type == RECORD_DELIVERED)
        return record_put_delivered(out, at);
    if (r->type == RECORD_TX_END)
        return record_put_tx_end(out, r->tx);
    if (r->type == RECORD_META)
        return record_put_meta(out, r->term, r->index, r->command);
    struct record_target *targets = malloc(r->target_count * sizeof *targets);
    CHECK(targets && r->type == RECORD_PUBLISH);
    for (unsigned i = 0; i < r->target_count; i++)
        targets[i] = record_target_at(r, i);
    CHECK(record_publish_size(&r->message, r->target_count, r->tx != 0) ==
          record_put_publish(out, &r->message, targets, r->target_count, r->tx));
    free(targets);
    return record_publish_size(&r->message, r->target_count, r->tx != 0);
}

static void
check_batch(struct slice records, uint32_t count)
{
    size_t size = STORE_BATCH_HEADER + records.len;
    struct batch_header h = {.payload_size = (uint32_t)records.len, .record_count = count, .number = 1}, got;
    uint8_t *batch = calloc(1, size);
    CHECK(batch);
    CHECK(!batch_peek(slice_of(batch, size), &got, SALT));
    memcpy(batch + STORE_BATCH_HEADER, records.data, records.len);
    batch_seal(batch, &h, SALT);
    CHECK(batch_is_valid(slice_of(batch, size), SALT) && !batch_is_valid(slice_of(batch, size - 1), SALT));
    free(batch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice in = slice_of(data, len);
    struct record r;
    struct batch_header h;
    uint32_t count = 0;
    uint8_t *out = malloc(len + 1);
    CHECK(out);
    CHECK(!batch_is_valid(in, SALT));
    (void)batch_peek(in, &h, SALT);
    while (in.len > 0) {
        const uint8_t *start = in.data;
        if (record_parse(&in, &r) != ERR_OK) {
            CHECK(in.data == start);
            break;
        }
        size_t size = (size_t)(in.data - start);
        CHECK(write_again(out, &r) == size && memcmp(out, start, size) == 0);
        count++;
    }
    free(out);
    if (count > 0)
        check_batch(slice_of(data, len - in.len), count);
    return 0;
}
