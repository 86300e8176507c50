/* Frames: where they end, and what is said of those that cannot be. */
#include "wire/frame.h"

#include "wire/amqp.h"
#include "wire/wire_test.h"

/* A method, a content header, two bodies, an empty body and a heartbeat: as a publisher's stream has them. */
static size_t
stream_write(uint8_t out[512])
{
    const struct amqp_basic_publish publish = {.exchange = slice_str("e"), .routing_key = slice_str("key")};
    const uint8_t no_properties[2] = {0, 0};
    size_t n = amqp_encode_basic_publish(out, 1, &publish);
    n += content_header_encode(out + n, 1, AMQP_CLASS_BASIC, 9, slice_of(no_properties, 2));
    for (uint32_t size = 4; size < 6; size++) {
        frame_header_put(out + n, AMQP_FRAME_BODY, 1, size);
        memset(out + n + FRAME_HEADER_SIZE, 'x', size);
        n += FRAME_HEADER_SIZE + size;
        out[n++] = AMQP_FRAME_END;
    }
    frame_header_put(out + n, AMQP_FRAME_BODY, 65535, 0);
    n += FRAME_HEADER_SIZE;
    out[n++] = AMQP_FRAME_END;
    memcpy(out + n, frame_heartbeat, sizeof frame_heartbeat);
    return n + sizeof frame_heartbeat;
}

/* Parses all frames of `s`; returns the bytes used and a digest of what was seen. */
static size_t
stream_parse(struct slice s, uint64_t *digest)
{
    size_t used = 0;
    for (;;) {
        struct frame f;
        size_t n;
        enum err err = frame_parse(slice_of(s.data + used, s.len - used), AMQP_FRAME_MIN_SIZE, &f, &n);
        if (err == ERR_TRUNCATED) {
            assert_true(n > s.len - used);
            return used;
        }
        assert_int_equal(err, ERR_OK);
        *digest = *digest * 31 + f.type + f.channel * 7u + f.payload.len * 1009u;
        for (size_t i = 0; i < f.payload.len; i++)
            *digest = *digest * 31 + f.payload.data[i];
        used += n;
    }
}

static void
every_split_point_parses_like_the_whole(void **state)
{
    uint8_t bytes[512];
    size_t len = stream_write(bytes);
    uint64_t whole = 0;
    (void)state;
    assert_int_equal(stream_parse(slice_of(bytes, len), &whole), len);
    for (size_t split = 0; split <= len; split++) {
        uint64_t digest = 0;
        struct slice first = test_copy(slice_of(bytes, split));
        size_t used = stream_parse(first, &digest);
        assert_int_equal(used + stream_parse(slice_of(bytes + used, len - used), &digest), len);
        assert_true(digest == whole);
        test_copy_free(first);
    }
}

static void
truncated_frame_tells_what_it_needs(void **state)
{
    uint8_t bytes[512];
    struct frame f;
    size_t used;
    (void)state;
    (void)stream_write(bytes);
    assert_int_equal(frame_parse(slice_of(bytes, 28), 0, &f, &used), ERR_OK);
    size_t whole = used;
    for (size_t len = 0; len < whole; len++) {
        assert_int_equal(frame_parse(slice_of(bytes, len), 0, &f, &used), ERR_TRUNCATED);
        assert_int_equal(used, len < FRAME_HEADER_SIZE ? FRAME_HEADER_SIZE : whole);
    }
}

static void
wrong_frame_end_is_corrupt(void **state)
{
    uint8_t bytes[] = {AMQP_FRAME_HEARTBEAT, 0, 3, 0, 0, 0, 0, 0xcd};
    struct frame f;
    size_t used;
    (void)state;
    assert_int_equal(frame_parse(slice_of(bytes, sizeof bytes), 0, &f, &used), ERR_CORRUPT);
    assert_int_equal(f.type, AMQP_FRAME_HEARTBEAT);
    assert_int_equal(f.channel, 3);
}

static void
frame_max_includes_the_overhead(void **state)
{
    uint8_t bytes[FRAME_HEADER_SIZE];
    struct frame f;
    size_t used;
    (void)state;
    frame_header_put(bytes, AMQP_FRAME_BODY, 1, 4096 - FRAME_OVERHEAD);
    assert_int_equal(frame_parse(slice_of(bytes, sizeof bytes), 4096, &f, &used), ERR_TRUNCATED);
    assert_int_equal(used, 4096);
    frame_header_put(bytes, AMQP_FRAME_BODY, 1, 4096 - FRAME_OVERHEAD + 1);
    assert_int_equal(frame_parse(slice_of(bytes, sizeof bytes), 4096, &f, &used), ERR_LIMIT);
    assert_int_equal(f.payload.len, 4096 - FRAME_OVERHEAD + 1);
    assert_int_equal(frame_parse(slice_of(bytes, sizeof bytes), 0, &f, &used), ERR_TRUNCATED);
    frame_header_put(bytes, AMQP_FRAME_BODY, 1, UINT32_MAX);
    assert_int_equal(frame_parse(slice_of(bytes, sizeof bytes), UINT32_MAX, &f, &used), ERR_LIMIT);
}

static void
only_the_four_frame_types_are_supported(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        uint8_t bytes[FRAME_OVERHEAD] = {(uint8_t)type, 0, 0, 0, 0, 0, 0, AMQP_FRAME_END};
        struct frame f;
        size_t used;
        bool is_known = (type >= 1 && type <= 3) || type == 8;
        enum err err = frame_parse(slice_of(bytes, sizeof bytes), 0, &f, &used);
        assert_int_equal(err, is_known ? ERR_OK : ERR_UNSUPPORTED);
    }
}

static void
protocol_header_is_0_9_1(void **state)
{
    (void)state;
    assert_int_equal(frame_protocol_header_check(slice_of("AMQP\0\0\11\1", 8)), ERR_OK);
    assert_int_equal(frame_protocol_header_check(slice_of("AMQP\0\0\11", 7)), ERR_TRUNCATED);
    assert_int_equal(frame_protocol_header_check(slice_of("AMQP\0\1\0\0", 8)), ERR_UNSUPPORTED);
    assert_int_equal(frame_protocol_header_check(slice_of("GET / HT", 8)), ERR_UNSUPPORTED);
}

static void
content_header_round_trip(void **state)
{
    const uint8_t properties[] = {0x08, 0, 5};
    uint8_t bytes[64];
    struct frame f;
    struct content_header h;
    size_t used;
    (void)state;
    size_t len = content_header_encode(bytes, 7, AMQP_CLASS_BASIC, UINT64_MAX - 5, slice_of(properties, 3));
    assert_int_equal(len, content_header_size(slice_of(properties, 3)));
    assert_int_equal(frame_parse(slice_of(bytes, len), 0, &f, &used), ERR_OK);
    assert_int_equal(used, len);
    assert_int_equal(f.type, AMQP_FRAME_HEADER);
    assert_int_equal(content_header_decode(f.payload, &h), ERR_OK);
    assert_int_equal(h.class_id, AMQP_CLASS_BASIC);
    assert_true(h.body_size == UINT64_MAX - 5);
    assert_true(slice_eq(h.properties, slice_of(properties, 3)));
    for (size_t n = 0; n < CONTENT_HEADER_SIZE_MIN; n++)
        assert_int_equal(content_header_decode(slice_of(f.payload.data, n), &h), ERR_TRUNCATED);
}

static void
body_count_of_sizes_around_a_frame(void **state)
{
    (void)state;
    assert_int_equal(frame_body_count(0, 4096), 0);
    assert_int_equal(frame_body_count(1, 4096), 1);
    assert_int_equal(frame_body_count(4088, 4096), 1);
    assert_int_equal(frame_body_count(4089, 4096), 2);
    assert_int_equal(frame_body_count(UINT32_MAX, 0), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_point_parses_like_the_whole),
        cmocka_unit_test(truncated_frame_tells_what_it_needs),
        cmocka_unit_test(wrong_frame_end_is_corrupt),
        cmocka_unit_test(frame_max_includes_the_overhead),
        cmocka_unit_test(only_the_four_frame_types_are_supported),
        cmocka_unit_test(protocol_header_is_0_9_1),
        cmocka_unit_test(content_header_round_trip),
        cmocka_unit_test(body_count_of_sizes_around_a_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
