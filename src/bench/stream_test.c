/* The consumer's inner loop finds the same methods and messages however the stream is cut. */
#include "base/buffer.h"
#include "bench/stream.h"
#include "wire/amqp.h"
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { EVENTS_MAX = 32 };

struct heard {
    unsigned count;
    uint32_t ids[EVENTS_MAX];      /* of a method; 0: a message */
    uint8_t bytes[EVENTS_MAX][32]; /* a method's first bytes, or a body's */
};

static void
on_method(void *arg, uint32_t id, const uint8_t *fields, size_t n)
{
    struct heard *h = arg;
    assert_true(h->count < EVENTS_MAX && n <= STREAM_PEEK - 4);
    h->ids[h->count] = id;
    if (n > 0)
        memcpy(h->bytes[h->count], fields, n);
    h->count++;
}

static void
on_message(void *arg, const uint8_t body[16])
{
    struct heard *h = arg;
    assert_true(h->count < EVENTS_MAX);
    memcpy(h->bytes[h->count++], body, 16);
}

static void
add_frame(struct buffer *out, uint8_t type, const void *payload, uint32_t size)
{
    frame_header_put(buffer_reserve(out, FRAME_HEADER_SIZE), type, 1, size);
    out->len += FRAME_HEADER_SIZE;
    buffer_add(out, payload, size);
    buffer_add_u8(out, AMQP_FRAME_END);
}

/* A delivery whose body comes in frames of these sizes (0 ends them); its bytes are 1, 2, 3, ... */
static void
add_delivery(struct buffer *out, uint64_t tag, const uint32_t *parts)
{
    struct amqp_basic_deliver m = {.consumer_tag = slice_str("ctag"),
                                   .delivery_tag = tag,
                                   .exchange = slice_str("an-exchange"),
                                   .routing_key = slice_str("key")};
    uint8_t body[128], header[14] = {0, 60};
    uint64_t size = 0;
    for (unsigned i = 0; parts[i]; i++)
        size += parts[i];
    for (unsigned i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i + 1);
    out->len += amqp_encode_basic_deliver(buffer_reserve(out, AMQP_BASIC_DELIVER_SIZE_MAX), 1, &m);
    be64_put(header + 4, size);
    add_frame(out, AMQP_FRAME_HEADER, header, sizeof header);
    for (unsigned i = 0, at = 0; parts[i]; at += parts[i++])
        add_frame(out, AMQP_FRAME_BODY, body + at, parts[i]);
}

static void
record(struct buffer *out)
{
    static const uint32_t none[] = {0}, tiny[] = {3, 0}, one[] = {100, 0}, many[] = {1, 2, 10, 30, 24, 0};
    add_delivery(out, 1, none);
    add_delivery(out, 2, tiny);
    struct amqp_basic_ack ack = {.delivery_tag = 77, .multiple = true};
    out->len += amqp_encode_basic_ack(buffer_reserve(out, AMQP_BASIC_ACK_SIZE_MAX), 1, &ack);
    add_delivery(out, 3, one);
    add_frame(out, AMQP_FRAME_HEARTBEAT, "", 0);
    add_delivery(out, 4, many);
}

static void
feed(struct stream *s, const uint8_t *bytes, size_t n, struct heard *h)
{
    static const struct stream_events events = {.on_method = on_method, .on_message = on_message};
    stream_feed(s, bytes, n, &events, h);
}

static void
a_recorded_stream_has_its_methods_and_messages(void **state)
{
    static const uint32_t ids[] = {AMQP_BASIC_DELIVER, 0, AMQP_BASIC_DELIVER, 0, AMQP_BASIC_ACK,
                                   AMQP_BASIC_DELIVER, 0, AMQP_BASIC_DELIVER, 0};
    static const uint8_t filled[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    static const uint8_t tiny[16] = {1, 2, 3}, empty[16];
    struct buffer out = {0};
    struct stream s = {0};
    struct heard h = {0};
    record(&out);
    feed(&s, out.data, out.len, &h);
    assert_int_equal(h.count, sizeof ids / sizeof *ids);
    assert_memory_equal(h.ids, ids, sizeof ids);
    assert_memory_equal(h.bytes[1], empty, 16);
    assert_memory_equal(h.bytes[3], tiny, 16);
    assert_int_equal(be64_get(h.bytes[4]), 77);
    assert_memory_equal(h.bytes[6], filled, 16);
    assert_memory_equal(h.bytes[8], filled, 16);
    buffer_fini(&out);
}

static void
every_way_to_cut_it_gives_the_same(void **state)
{
    struct buffer out = {0};
    struct heard whole = {0};
    record(&out);
    feed(&(struct stream){0}, out.data, out.len, &whole);
    for (size_t a = 0; a <= out.len; a++)
        for (size_t b = a; b <= out.len; b += 1 + (b - a) / 8) {
            struct stream s = {0};
            struct heard h = {0};
            feed(&s, out.data, a, &h);
            feed(&s, out.data + a, b - a, &h);
            feed(&s, out.data + b, out.len - b, &h);
            assert_memory_equal(&h, &whole, sizeof h);
        }
    struct stream s = {0};
    struct heard h = {0};
    for (size_t i = 0; i < out.len; i++)
        feed(&s, out.data + i, 1, &h);
    assert_memory_equal(&h, &whole, sizeof h);
    buffer_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_stream_has_its_methods_and_messages),
        cmocka_unit_test(every_way_to_cut_it_gives_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
