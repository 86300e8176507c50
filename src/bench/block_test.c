/* What a publisher writes again and again is what the protocol wants: read back with the codec. */
#include "bench/block.h"
#include "wire/amqp.h"
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { FRAME_MAX = 4096 };

static struct frame
next_frame(struct slice *rest)
{
    struct frame f;
    size_t used;
    assert_int_equal(frame_parse(*rest, FRAME_MAX, &f, &used), ERR_OK);
    *rest = slice_of(rest->data + used, rest->len - used);
    assert_int_equal(f.channel, 1);
    return f;
}

/* One message: publish, header, body frames of FRAME_MAX at most. Returns its sequence number. */
static uint64_t
expect_message(struct slice *rest, const struct options *o, uint32_t publisher)
{
    struct amqp_basic_publish m;
    struct frame f = next_frame(rest);
    assert_int_equal(f.type, AMQP_FRAME_METHOD);
    assert_int_equal(amqp_method_id(f.payload), AMQP_BASIC_PUBLISH);
    assert_int_equal(amqp_decode_basic_publish(f.payload, &m), ERR_OK);
    assert_true(slice_eq_str(m.exchange, o->exchange) && slice_eq_str(m.routing_key, "key"));
    assert_int_equal(m.mandatory, o->mandatory);
    f = next_frame(rest);
    assert_int_equal(f.type, AMQP_FRAME_HEADER);
    assert_int_equal(be64_get(f.payload.data + 4), o->size);
    uint64_t left = (uint64_t)o->size, sequence = 0;
    for (bool is_first = true; left > 0; is_first = false) {
        f = next_frame(rest);
        assert_int_equal(f.type, AMQP_FRAME_BODY);
        assert_true(f.payload.len <= left);
        if (is_first && left >= 16) {
            assert_int_equal(be32_get(f.payload.data), publisher);
            sequence = be64_get(f.payload.data + 8);
        }
        left -= f.payload.len;
    }
    return sequence;
}

static void
every_message_of_a_block_is_a_whole_publish(void **state)
{
    static const int64_t sizes[] = {0, 1, 16, FRAME_MAX - 8, FRAME_MAX - 7, 3 * FRAME_MAX, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct options o = {.size = sizes[i], .exchange = "x", .mandatory = i % 2, .batch = 3};
        struct block b;
        block_init(&b, &o, "key", FRAME_MAX);
        assert_int_equal(b.count, 3);
        assert_int_equal(b.bytes.len, (size_t)b.count * b.message_size);
        if (o.size >= 16)
            block_number(&b, 0, b.count, 7, 1000);
        struct slice rest = buffer_slice(&b.bytes);
        for (uint32_t n = 0; n < b.count; n++) {
            uint64_t sequence = expect_message(&rest, &o, 7);
            assert_int_equal(sequence, o.size >= 16 ? 1000 + n : 0);
        }
        assert_int_equal(rest.len, 0);
        block_fini(&b);
    }
}

static void
a_block_without_a_batch_is_about_64_kib(void **state)
{
    struct options o = {.size = 16, .exchange = ""};
    struct block b;
    block_init(&b, &o, "key", FRAME_MAX);
    assert_in_range(b.bytes.len, 32768, 65536);
    block_fini(&b);
    o.size = 1 << 20;
    block_init(&b, &o, "key", FRAME_MAX);
    assert_int_equal(b.count, 1);
    block_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_of_a_block_is_a_whole_publish),
        cmocka_unit_test(a_block_without_a_batch_is_about_64_kib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
