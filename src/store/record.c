/*
 * Records and batches, bytes to structs and back. doc/storage.md shows their place; record.h the records'
 * bytes, field by field, little-endian, without gaps. A batch:
 *
 *   magic 8 | payload size u32 | records u32 | number u64 | salt u64 | zeros 24 | checksum u64 | records
 *
 * The checksum is XXH3 over the first 56 bytes, seeded with XXH3 over the records, which is seeded with the
 * salt: so the bytes of one file are no batch in another, and the two parts need not be copied together.
 *
 * A parser here takes any bytes. Every length is compared with what is left before it is believed, in 64
 * bits, where no sum of these fields can overflow; and a record must fill its length exactly, so that there
 * is one way to write each.
 */
#include "store/record.h"

#include "base/byteorder.h"
#include "base/check.h"

#include <xxhash.h>

enum {
    HEADER = 8,        /* of every record */
    TARGET = 20,       /* of a publish */
    MESSAGE = 16,      /* the fixed part of a message */
    RECORD_BYTES = 16, /* of the shortest record, tx-end */
    CHECKSUM_AT = 56,  /* in a batch's header */
};

static const uint8_t batch_magic[8] = "LVbatch1";

/* ---- writing ---- */

static uint8_t *
put_header(uint8_t *out, size_t length, enum record_type type, uint8_t flags, uint16_t count)
{
    CHECK(length <= UINT32_MAX);
    le32_put(out, (uint32_t)length);
    out[4] = (uint8_t)type;
    out[5] = flags;
    le16_put(out + 6, count);
    return out + HEADER;
}

static uint8_t *
put_u32(uint8_t *out, uint32_t v)
{
    le32_put(out, v);
    return out + 4;
}

static uint8_t *
put_u64(uint8_t *out, uint64_t v)
{
    le64_put(out, v);
    return out + 8;
}

static uint8_t *
put_bytes(uint8_t *out, struct slice s)
{
    if (s.len > 0)
        memcpy(out, s.data, s.len);
    return out + s.len;
}

size_t
record_publish_size(const struct record_message *m, unsigned targets, bool in_tx)
{
    return HEADER + (in_tx ? 8 : 0) + (m->expires_at ? 8 : 0) + (size_t)targets * TARGET + MESSAGE +
           (m->body_file ? 8 : 0) + m->exchange.len + m->routing_key.len + m->properties.len +
           (m->body_file ? 0 : m->body.len);
}

size_t
record_put_publish(uint8_t *out, const struct record_message *m, const struct record_target *targets,
                   unsigned count, uint64_t tx)
{
    CHECK(count >= 1 && count <= UINT16_MAX && m->exchange.len <= UINT8_MAX &&
          m->routing_key.len <= UINT16_MAX && m->properties.len <= UINT32_MAX &&
          (m->body_file || m->body.len == m->body_size));
    size_t size = record_publish_size(m, count, tx != 0);
    uint8_t flags = (uint8_t)((tx ? RECORD_IN_TX : 0) | (m->body_file ? RECORD_BODY_FILE : 0) |
                              (m->expires_at ? RECORD_EXPIRES : 0));
    uint8_t *p = put_header(out, size, RECORD_PUBLISH, flags, (uint16_t)count);
    if (tx)
        p = put_u64(p, tx);
    if (m->expires_at)
        p = put_u64(p, m->expires_at);
    for (unsigned i = 0; i < count; i++)
        p = put_u32(put_u64(put_u64(p, targets[i].queue_id), targets[i].sequence), targets[i].epoch);
    *p++ = m->flags;
    *p++ = (uint8_t)m->exchange.len;
    le16_put(p, (uint16_t)m->routing_key.len);
    p = put_u64(put_u32(p + 2, (uint32_t)m->properties.len), m->body_size);
    if (m->body_file)
        p = put_u64(p, m->body_file);
    p = put_bytes(put_bytes(put_bytes(p, m->exchange), m->routing_key), m->properties);
    if (!m->body_file)
        p = put_bytes(p, m->body);
    CHECK((size_t)(p - out) == size);
    return size;
}

size_t
record_put_settle(uint8_t *out, struct record_target first, uint32_t count, uint64_t tx)
{
    size_t size = HEADER + (tx ? 8 : 0) + 24;
    uint8_t *p = put_header(out, size, RECORD_SETTLE, tx ? RECORD_IN_TX : 0, 0);
    if (tx)
        p = put_u64(p, tx);
    (void)put_u32(put_u32(put_u64(put_u64(p, first.queue_id), first.sequence), first.epoch), count);
    return size;
}

size_t
record_put_delivered(uint8_t *out, struct record_target below)
{
    uint8_t *p = put_header(out, HEADER + TARGET, RECORD_DELIVERED, 0, 0);
    (void)put_u32(put_u64(put_u64(p, below.queue_id), below.sequence), below.epoch);
    return HEADER + TARGET;
}

size_t
record_put_tx_end(uint8_t *out, uint64_t tx)
{
    (void)put_u64(put_header(out, HEADER + 8, RECORD_TX_END, 0, 0), tx);
    return HEADER + 8;
}

size_t
record_put_meta(uint8_t *out, uint64_t term, uint64_t index, struct slice command)
{
    uint8_t *p = put_header(out, HEADER + 16 + command.len, RECORD_META, 0, 0);
    (void)put_bytes(put_u64(put_u64(p, term), index), command);
    return HEADER + 16 + command.len;
}

/* ---- reading ---- */

/* What is left of a record. Taking more than that makes it bad, and gives zeros from then on. */
struct reader {
    const uint8_t *p;
    uint64_t left;
    bool is_bad;
};

static const uint8_t *
take(struct reader *r, uint64_t n)
{
    static const uint8_t zeros[8];
    if (r->is_bad || n > r->left) {
        r->is_bad = true;
        return zeros;
    }
    const uint8_t *p = r->p;
    r->p += n;
    r->left -= n;
    return p;
}

static uint32_t
take_u32(struct reader *r)
{
    return le32_get(take(r, 4));
}

static uint64_t
take_u64(struct reader *r)
{
    return le64_get(take(r, 8));
}

static struct slice
take_slice(struct reader *r, uint64_t n)
{
    const uint8_t *p = take(r, n);
    return r->is_bad ? (struct slice){0} : slice_of(p, (size_t)n);
}

static void
take_tx(struct reader *in, struct record *r)
{
    if (!(r->flags & RECORD_IN_TX))
        return;
    r->tx = take_u64(in);
    in->is_bad |= r->tx == 0;
}

static void
parse_publish(struct reader *in, struct record *r)
{
    struct record_message *m = &r->message;
    take_tx(in, r);
    in->is_bad |= r->target_count == 0 || r->flags & ~(RECORD_IN_TX | RECORD_BODY_FILE | RECORD_EXPIRES);
    if (r->flags & RECORD_EXPIRES) {
        m->expires_at = take_u64(in);
        in->is_bad |= m->expires_at == 0;
    }
    r->targets = take(in, (uint64_t)r->target_count * TARGET);
    const uint8_t *sizes = take(in, 4);
    m->flags = sizes[0];
    uint8_t exchange = sizes[1];
    uint16_t routing_key = le16_get(sizes + 2);
    uint32_t properties = take_u32(in);
    m->body_size = take_u64(in);
    if (r->flags & RECORD_BODY_FILE) {
        m->body_file = take_u64(in);
        in->is_bad |= m->body_file == 0;
    }
    m->exchange = take_slice(in, exchange);
    m->routing_key = take_slice(in, routing_key);
    m->properties = take_slice(in, properties);
    if (!(r->flags & RECORD_BODY_FILE))
        m->body = take_slice(in, m->body_size);
}

/* The end of the range is a sequence, too. */
static void
parse_settle(struct reader *in, struct record *r)
{
    in->is_bad |= r->target_count != 0 || r->flags & ~RECORD_IN_TX;
    take_tx(in, r);
    r->queue_id = take_u64(in);
    r->first = take_u64(in);
    r->epoch = take_u32(in);
    r->count = take_u32(in);
    in->is_bad |= r->count == 0 || r->first > UINT64_MAX - r->count;
}

static void
parse_rest(struct reader *in, struct record *r)
{
    in->is_bad |= r->target_count != 0 || r->flags != 0;
    switch (r->type) {
    case RECORD_DELIVERED:
        r->queue_id = take_u64(in);
        r->first = take_u64(in);
        r->epoch = take_u32(in);
        break;
    case RECORD_TX_END:
        r->tx = take_u64(in);
        in->is_bad |= r->tx == 0;
        break;
    case RECORD_META:
        r->term = take_u64(in);
        r->index = take_u64(in);
        r->command = take_slice(in, in->left);
        break;
    default: in->is_bad = true;
    }
}

enum err
record_parse(struct slice *in, struct record *r)
{
    if (in->len < HEADER)
        return ERR_CORRUPT;
    uint32_t length = le32_get(in->data);
    if (length < HEADER || length > in->len)
        return ERR_CORRUPT;
    struct reader reader = {.p = in->data + HEADER, .left = length - HEADER};
    memset(r, 0, sizeof *r);
    r->type = (enum record_type)in->data[4];
    r->flags = in->data[5];
    r->target_count = le16_get(in->data + 6);
    if (r->type == RECORD_PUBLISH)
        parse_publish(&reader, r);
    else if (r->type == RECORD_SETTLE)
        parse_settle(&reader, r);
    else
        parse_rest(&reader, r);
    if (reader.is_bad || reader.left > 0)
        return ERR_CORRUPT;
    *in = slice_of(in->data + length, in->len - length);
    return ERR_OK;
}

struct record_target
record_target_at(const struct record *r, unsigned i)
{
    CHECK(i < r->target_count);
    const uint8_t *p = r->targets + (size_t)i * TARGET;
    return (struct record_target){
        .queue_id = le64_get(p), .sequence = le64_get(p + 8), .epoch = le32_get(p + 16)};
}

/* ---- batches ---- */

static uint64_t
checksum(const uint8_t *batch, size_t payload_size, uint64_t salt)
{
    uint64_t seed = XXH3_64bits_withSeed(batch + STORE_BATCH_HEADER, payload_size, salt);
    return XXH3_64bits_withSeed(batch, CHECKSUM_AT, seed);
}

void
batch_seal(uint8_t *batch, const struct batch_header *h, uint64_t salt)
{
    CHECK(h->number > 0 && h->record_count > 0 &&
          (uint64_t)h->record_count * RECORD_BYTES <= h->payload_size);
    memset(batch, 0, STORE_BATCH_HEADER);
    memcpy(batch, batch_magic, sizeof batch_magic);
    le32_put(batch + 8, h->payload_size);
    le32_put(batch + 12, h->record_count);
    le64_put(batch + 16, h->number);
    le64_put(batch + 24, salt);
    le64_put(batch + CHECKSUM_AT, checksum(batch, h->payload_size, salt));
}

bool
batch_peek(struct slice block, struct batch_header *h, uint64_t salt)
{
    if (block.len < STORE_BATCH_HEADER || memcmp(block.data, batch_magic, sizeof batch_magic) != 0)
        return false;
    h->payload_size = le32_get(block.data + 8);
    h->record_count = le32_get(block.data + 12);
    h->number = le64_get(block.data + 16);
    return le64_get(block.data + 24) == salt && h->number > 0 && h->record_count > 0 &&
           (uint64_t)h->record_count * RECORD_BYTES <= h->payload_size;
}

bool
batch_is_valid(struct slice batch, uint64_t salt)
{
    struct batch_header h;
    return batch_peek(batch, &h, salt) && h.payload_size <= batch.len - STORE_BATCH_HEADER &&
           le64_get(batch.data + CHECKSUM_AT) == checksum(batch.data, h.payload_size, salt);
}
