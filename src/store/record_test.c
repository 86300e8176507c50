/* Records and batches: there and back, every truncation, every flipped bit, garbage. */
#include "store/record.h"

#include "base/byteorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SALT = 77, TARGETS = 3, RECORDS = 9 };

static const struct record_target targets[TARGETS] = {
    {1, 2, 3}, {UINT64_MAX, 5, 6}, {7, UINT64_MAX, UINT32_MAX}};

static struct record_message
message(void)
{
    return (struct record_message){.exchange = slice_str("amq.topic"),
                                   .routing_key = slice_str("a.b"),
                                   .properties = slice_str("\x80\0"),
                                   .body = slice_str("hello, world"),
                                   .body_size = 12,
                                   .flags = 0xa5};
}

static struct record_message
message_in_file(void)
{
    struct record_message m = message();
    m.body = slice_of(NULL, 0);
    m.body_size = (uint64_t)5 << 32;
    m.body_file = 99;
    return m;
}

/* One of each kind; RECORDS of them. The caller frees what is written. */
static struct slice
write_all(void)
{
    struct record_message m = message(), f = message_in_file(), empty = {0}, expiring = message_in_file();
    expiring.expires_at = UINT64_MAX;
    size_t size = record_publish_size(&m, TARGETS, false) + record_publish_size(&f, 1, true) +
                  record_publish_size(&empty, 1, false) + record_publish_size(&expiring, 1, true) +
                  5 * RECORD_SMALL_MAX;
    uint8_t *out = malloc(size), *p = out;
    assert_non_null(out);
    p += record_put_publish(p, &m, targets, TARGETS, 0);
    p += record_put_publish(p, &f, targets, 1, 4);
    p += record_put_publish(p, &empty, targets + 1, 1, 0);
    p += record_put_settle(p, targets[0], 10, 0);
    p += record_put_settle(p, targets[0], 10, UINT64_MAX);
    p += record_put_delivered(p, targets[2]);
    p += record_put_tx_end(p, 4);
    p += record_put_meta(p, 8, 9, slice_str("command"));
    p += record_put_publish(p, &expiring, targets, 1, 4);
    assert_true((size_t)(p - out) <= size);
    struct slice all = {.data = malloc((size_t)(p - out)), .len = (size_t)(p - out)};
    assert_non_null(all.data);
    memcpy((uint8_t *)all.data, out, all.len);
    free(out);
    return all;
}

static void
assert_target(struct record_target a, struct record_target b)
{
    assert_true(a.queue_id == b.queue_id && a.sequence == b.sequence && a.epoch == b.epoch);
}

static void
check_publishes(struct slice *in)
{
    struct record r;
    assert_int_equal(record_parse(in, &r), ERR_OK);
    assert_int_equal(r.type, RECORD_PUBLISH);
    assert_int_equal(r.target_count, TARGETS);
    for (unsigned i = 0; i < TARGETS; i++)
        assert_target(record_target_at(&r, i), targets[i]);
    assert_int_equal(r.message.flags, 0xa5);
    assert_true(slice_eq_str(r.message.exchange, "amq.topic") && slice_eq_str(r.message.routing_key, "a.b"));
    assert_true(slice_eq_str(r.message.properties, "\x80") && slice_eq_str(r.message.body, "hello, world"));
    assert_true(r.message.body_size == 12 && r.message.body_file == 0 && r.tx == 0);
    assert_int_equal(r.message.expires_at, 0);

    assert_int_equal(record_parse(in, &r), ERR_OK);
    assert_int_equal(r.flags, RECORD_IN_TX | RECORD_BODY_FILE);
    assert_true(r.tx == 4 && r.message.body_file == 99 && r.message.body_size == (uint64_t)5 << 32);
    assert_int_equal(r.message.body.len, 0);

    assert_int_equal(record_parse(in, &r), ERR_OK);
    assert_true(r.message.body_size == 0 && r.message.exchange.len == 0 && r.message.properties.len == 0);
    assert_target(record_target_at(&r, 0), targets[1]);
}

static void
every_kind_comes_back_as_it_was(void **state)
{
    struct slice all = write_all(), in = all;
    struct record r;
    check_publishes(&in);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(record_parse(&in, &r), ERR_OK);
        assert_true(r.type == RECORD_SETTLE && r.queue_id == 1 && r.first == 2 && r.epoch == 3);
        assert_true(r.count == 10 && r.tx == (i ? UINT64_MAX : 0));
    }
    assert_int_equal(record_parse(&in, &r), ERR_OK);
    assert_true(r.type == RECORD_DELIVERED && r.queue_id == 7 && r.first == UINT64_MAX);
    assert_true(r.epoch == UINT32_MAX);
    assert_int_equal(record_parse(&in, &r), ERR_OK);
    assert_true(r.type == RECORD_TX_END && r.tx == 4);
    assert_int_equal(record_parse(&in, &r), ERR_OK);
    assert_true(r.type == RECORD_META && r.term == 8 && r.index == 9);
    assert_true(slice_eq_str(r.command, "command"));
    assert_int_equal(record_parse(&in, &r), ERR_OK);
    assert_int_equal(r.flags, RECORD_IN_TX | RECORD_BODY_FILE | RECORD_EXPIRES);
    assert_true(r.tx == 4 && r.message.expires_at == UINT64_MAX && r.message.body_file == 99);
    assert_target(record_target_at(&r, 0), targets[0]);
    assert_int_equal(in.len, 0);
    assert_int_equal(record_parse(&in, &r), ERR_CORRUPT);
    free((void *)all.data);
}

/* Layouts are for ever: these bytes were written by version 1. */
static void
the_bytes_are_those_of_version_1(void **state)
{
    static const uint8_t settle[] = {40, 0, 0, 0, 2, 1, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
                                     0,  0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0};
    static const uint8_t publish[] = {
        54, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0,   0,   0,   0,   0,   0,   0,   3,   0,   0,
        0,  7, 1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 'e', 'r', 'k', 'p', 'p', 'p', 'b', 'o', 'd', 'y'};
    uint8_t out[64];
    struct record_message m = {.exchange = slice_str("e"),
                               .routing_key = slice_str("rk"),
                               .properties = slice_str("ppp"),
                               .body = slice_str("body"),
                               .body_size = 4,
                               .flags = 7};
    assert_int_equal(record_put_settle(out, targets[0], 4, 9), sizeof settle);
    assert_memory_equal(out, settle, sizeof settle);
    assert_int_equal(record_put_publish(out, &m, targets, 1, 0), sizeof publish);
    assert_memory_equal(out, publish, sizeof publish);
}

/* Parses until an error or the end, in memory of exactly this size, and looks at all that was found. */
static unsigned
parse_copy(struct slice bytes)
{
    uint8_t *copy = malloc(bytes.len + !bytes.len);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.len);
    struct slice in = slice_of(copy, bytes.len);
    struct record r;
    unsigned n = 0;
    uint64_t sum = 0;
    while (in.len > 0 && record_parse(&in, &r) == ERR_OK) {
        for (unsigned i = 0; i < r.target_count; i++)
            sum += record_target_at(&r, i).sequence;
        const struct slice *slices[] = {&r.message.exchange, &r.message.routing_key, &r.message.properties,
                                        &r.message.body, &r.command};
        for (unsigned i = 0; i < 5; i++)
            for (size_t k = 0; k < slices[i]->len; k++) {
                assert_true(slices[i]->data >= copy && slices[i]->data + k < copy + bytes.len);
                sum += slices[i]->data[k];
            }
        n++;
    }
    (void)sum;
    free(copy);
    return n;
}

static void
no_truncation_is_a_record(void **state)
{
    struct slice all = write_all();
    unsigned last = 0;
    for (size_t len = 0; len <= all.len; len++) {
        unsigned n = parse_copy(slice_of(all.data, len));
        assert_true(n == last || n == last + 1);
        last = n;
    }
    assert_int_equal(last, RECORDS);
    free((void *)all.data);
}

/* A record's own end cut off, with the length changed to fit: what its fields say no longer does. */
static void
a_record_fills_its_length_exactly(void **state)
{
    struct slice all = write_all(), in = all;
    struct record r;
    for (unsigned i = 0; i < RECORDS; i++) {
        const uint8_t *start = in.data;
        assert_int_equal(record_parse(&in, &r), ERR_OK);
        size_t len = (size_t)(in.data - start);
        uint8_t *copy = calloc(1, len + 1);
        assert_non_null(copy);
        memcpy(copy, start, len);
        for (size_t other = 0; other <= len + 1; other++) {
            struct slice one = slice_of(copy, other);
            if (other >= 4)
                le32_put(copy, (uint32_t)other);
            bool is_right = other == len || (r.type == RECORD_META && other >= 24);
            assert_int_equal(record_parse(&one, &r), is_right ? ERR_OK : ERR_CORRUPT);
        }
        free(copy);
    }
    free((void *)all.data);
}

static uint64_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void
garbage_and_changed_bytes_stay_inside(void **state)
{
    struct slice all = write_all();
    uint8_t *copy = malloc(all.len);
    uint64_t random = 1;
    unsigned parsed = 0;
    assert_non_null(copy);
    for (unsigned round = 0; round < 20000; round++) {
        memcpy(copy, all.data, all.len);
        for (unsigned i = 0; i <= round % 4; i++)
            copy[next_random(&random) % all.len] = (uint8_t)next_random(&random);
        parsed += parse_copy(slice_of(copy, all.len));
    }
    for (unsigned round = 0; round < 20000; round++) {
        size_t len = next_random(&random) % 64;
        for (size_t i = 0; i < len; i++)
            copy[i] = (uint8_t)next_random(&random);
        if (len >= 8) { /* a plausible beginning */
            le32_put(copy, (uint32_t)len);
            copy[4] %= RECORD_TYPES + 1;
            copy[6] %= 3;
            copy[7] = 0;
        }
        parsed += parse_copy(slice_of(copy, len));
    }
    assert_true(parsed > 1000);
    free(copy);
    free((void *)all.data);
}

static void
nonsense_is_corrupt(void **state)
{
    struct record r;
    uint8_t out[64];
    struct slice in;
    for (unsigned type = 0; type < 256; type++) {
        in = slice_of(out, record_put_delivered(out, targets[0]));
        out[4] = (uint8_t)type;
        assert_int_equal(record_parse(&in, &r),
                         type == RECORD_DELIVERED || type == RECORD_META ? ERR_OK : ERR_CORRUPT);
    }
    for (unsigned bit = 0; bit < 8; bit++) { /* flags that mean nothing */
        in = slice_of(out, record_put_delivered(out, targets[0]));
        out[5] |= (uint8_t)(1u << bit);
        assert_int_equal(record_parse(&in, &r), ERR_CORRUPT);
    }
    in = slice_of(out, record_put_settle(out, targets[0], 0, 0)); /* an empty range */
    assert_int_equal(record_parse(&in, &r), ERR_CORRUPT);
    in = slice_of(out, record_put_settle(out, targets[2], 1, 0)); /* one that ends behind the last number */
    assert_int_equal(record_parse(&in, &r), ERR_CORRUPT);
    in = slice_of(out, record_put_tx_end(out, 0));
    assert_int_equal(record_parse(&in, &r), ERR_CORRUPT);
}

/* ---- batches ---- */

static uint8_t *
write_batch(struct batch_header *h, size_t *size)
{
    struct slice all = write_all();
    uint8_t *batch = malloc(STORE_BATCH_HEADER + all.len);
    assert_non_null(batch);
    memcpy(batch + STORE_BATCH_HEADER, all.data, all.len);
    *h = (struct batch_header){.payload_size = (uint32_t)all.len, .record_count = RECORDS, .number = 12};
    batch_seal(batch, h, SALT);
    *size = STORE_BATCH_HEADER + all.len;
    free((void *)all.data);
    return batch;
}

static void
a_batch_is_valid_with_its_own_salt_only(void **state)
{
    struct batch_header h, got;
    size_t size;
    uint8_t *batch = write_batch(&h, &size);
    assert_true(batch_peek(slice_of(batch, size), &got, SALT));
    assert_true(got.payload_size == h.payload_size && got.record_count == RECORDS && got.number == 12);
    assert_true(batch_is_valid(slice_of(batch, size), SALT));
    assert_false(batch_peek(slice_of(batch, size), &got, SALT + 1));
    assert_false(batch_is_valid(slice_of(batch, size), SALT + 1));
    le64_put(batch + 24, SALT + 1); /* its salt rewritten without the checksum */
    assert_false(batch_is_valid(slice_of(batch, size), SALT + 1));
    free(batch);
}

static void
every_flipped_bit_and_truncation_shows(void **state)
{
    struct batch_header h, got;
    size_t size;
    uint8_t *batch = write_batch(&h, &size);
    for (size_t i = 0; i < size * 8; i++) {
        batch[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_false(batch_is_valid(slice_of(batch, size), SALT));
        batch[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t len = 0; len < size; len++) {
        uint8_t *copy = malloc(len + !len);
        assert_non_null(copy);
        memcpy(copy, batch, len);
        assert_false(batch_is_valid(slice_of(copy, len), SALT));
        assert_int_equal(batch_peek(slice_of(copy, len), &got, SALT), len >= STORE_BATCH_HEADER);
        free(copy);
    }
    assert_true(batch_is_valid(slice_of(batch, size), SALT));
    free(batch);
}

static void
a_batch_takes_whole_blocks(void **state)
{
    assert_int_equal(batch_footprint(1), 4096);
    assert_int_equal(batch_footprint(4096 - 64), 4096);
    assert_int_equal(batch_footprint(4096 - 63), 8192);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_as_it_was),
        cmocka_unit_test(the_bytes_are_those_of_version_1),
        cmocka_unit_test(no_truncation_is_a_record),
        cmocka_unit_test(a_record_fills_its_length_exactly),
        cmocka_unit_test(garbage_and_changed_bytes_stay_inside),
        cmocka_unit_test(nonsense_is_corrupt),
        cmocka_unit_test(a_batch_is_valid_with_its_own_salt_only),
        cmocka_unit_test(every_flipped_bit_and_truncation_shows),
        cmocka_unit_test(a_batch_takes_whole_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
