/* Methods: the generated code and the walk over descriptions say the same, of good bytes and of bad ones. */
#include "wire/amqp.h"

#include "base/buffer.h"
#include "wire/frame.h"
#include "wire/table.h"
#include "wire/wire_test.h"

#define FRAME_SIZE_TEST_MAX 8192

/* Random fields; the strings live in `pool`. */
struct fields {
    union amqp_any any;
    uint8_t pool[4096];
    size_t used;
};

static struct slice
random_text(struct fields *f, struct test_random *r, size_t max)
{
    size_t len = test_random_below(r, 4) == 0 ? max : test_random_below(r, 12);
    uint8_t *at = f->pool + f->used;
    assert_true(f->used + len <= sizeof f->pool);
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)('a' + test_random_below(r, 26));
    f->used += len;
    return slice_of(at, len);
}

static struct slice
random_table(struct fields *f, struct test_random *r)
{
    struct buffer b = {0};
    uint8_t *at = f->pool + f->used;
    if (test_random_below(r, 2))
        table_add_int32(&b, "x-max-length", (int32_t)test_random_next(r));
    if (test_random_below(r, 2))
        table_add_str(&b, "x-dead-letter-exchange", slice_str("dlx"));
    assert_true(f->used + b.len <= sizeof f->pool);
    if (b.len)
        memcpy(at, b.data, b.len);
    f->used += b.len;
    struct slice table = slice_of(at, b.len);
    buffer_fini(&b);
    return table;
}

static void
fields_random(struct fields *f, const struct amqp_method *method, struct test_random *r)
{
    memset(f, 0, sizeof *f);
    for (size_t i = 0; i < method->field_count; i++) {
        void *at = (char *)&f->any + method->fields[i].offset;
        uint64_t number = test_random_next(r);
        switch (method->fields[i].type) {
        case AMQP_TYPE_BIT: *(bool *)at = number & 1; break;
        case AMQP_TYPE_OCTET: *(uint8_t *)at = (uint8_t)number; break;
        case AMQP_TYPE_SHORT: *(uint16_t *)at = (uint16_t)number; break;
        case AMQP_TYPE_LONG: *(uint32_t *)at = (uint32_t)number; break;
        case AMQP_TYPE_LONGLONG:
        case AMQP_TYPE_TIMESTAMP: *(uint64_t *)at = number; break;
        case AMQP_TYPE_SHORTSTR: *(struct slice *)at = random_text(f, r, AMQP_SHORTSTR_MAX); break;
        case AMQP_TYPE_LONGSTR: *(struct slice *)at = random_text(f, r, 600); break;
        case AMQP_TYPE_TABLE: *(struct slice *)at = random_table(f, r); break;
        }
    }
}

/* The generated functions behind one shape. */
static size_t
typed_encode(uint32_t id, uint8_t *out, const union amqp_any *m)
{
    switch (id) {
#define X(upper, name)                                                                                       \
    case AMQP_##upper: {                                                                                     \
        size_t size = amqp_encode_##name(out, 9, &m->name);                                                  \
        assert_int_equal(size, amqp_size_##name(&m->name));                                                  \
        return size;                                                                                         \
    }
        AMQP_METHODS_WITH_FIELDS(X)
#undef X
#define X(upper, name)                                                                                       \
    case AMQP_##upper: return amqp_encode_##name(out, 9);
        AMQP_METHODS_WITHOUT_FIELDS(X)
#undef X
    }
    fail_msg("no such method");
    return 0;
}

static enum err
typed_decode(struct slice payload, union amqp_any *out)
{
    switch (amqp_method_id(payload)) {
#define X(upper, name)                                                                                       \
    case AMQP_##upper: return amqp_decode_##name(payload, &out->name);
        AMQP_METHODS_WITH_FIELDS(X)
#undef X
#define X(upper, name)                                                                                       \
    case AMQP_##upper: return amqp_decode_##name(payload);
        AMQP_METHODS_WITHOUT_FIELDS(X)
#undef X
    }
    return payload.len < 4 ? ERR_TRUNCATED : ERR_NOT_FOUND;
}

static void
assert_fields_equal(const struct amqp_method *method, const void *a, const void *b)
{
    uint8_t left[FRAME_SIZE_TEST_MAX], right[FRAME_SIZE_TEST_MAX];
    size_t left_size, right_size;
    assert_int_equal(amqp_method_encode(method, a, 1, left, sizeof left, &left_size), ERR_OK);
    assert_int_equal(amqp_method_encode(method, b, 1, right, sizeof right, &right_size), ERR_OK);
    assert_int_equal(left_size, right_size);
    assert_memory_equal(left, right, left_size);
}

static void
every_method_round_trips(void **state)
{
    struct test_random r = {1};
    size_t count;
    const struct amqp_method *all = amqp_method_all(&count);
    (void)state;
    assert_int_equal(count, 66);
    for (size_t i = 0; i < count * 50; i++) {
        const struct amqp_method *method = &all[i % count], *found;
        struct fields f;
        uint8_t typed[FRAME_SIZE_TEST_MAX], generic[FRAME_SIZE_TEST_MAX];
        size_t generic_size;
        fields_random(&f, method, &r);
        size_t size = typed_encode(method->id, typed, &f.any);
        assert_int_equal(amqp_method_encode(method, &f.any, 9, generic, sizeof generic, &generic_size),
                         ERR_OK);
        assert_int_equal(size, generic_size);
        assert_memory_equal(typed, generic, size);
        assert_int_equal(amqp_method_encode(method, &f.any, 9, generic, size - 1, &generic_size), ERR_LIMIT);

        struct frame frame;
        size_t used;
        union amqp_any out, other;
        assert_int_equal(frame_parse(slice_of(typed, size), 0, &frame, &used), ERR_OK);
        assert_int_equal(used, size);
        assert_int_equal(frame.channel, 9);
        assert_int_equal(typed_decode(frame.payload, &out), ERR_OK);
        assert_int_equal(amqp_method_decode(frame.payload, &found, &other), ERR_OK);
        assert_ptr_equal(found, method);
        assert_fields_equal(method, &out, &f.any);
        assert_fields_equal(method, &other, &f.any);
    }
}

static void
truncated_or_longer_methods_are_refused(void **state)
{
    struct test_random r = {2};
    size_t count;
    const struct amqp_method *all = amqp_method_all(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct fields f;
        uint8_t bytes[FRAME_SIZE_TEST_MAX];
        const struct amqp_method *found;
        union amqp_any out;
        fields_random(&f, &all[i], &r);
        size_t len = typed_encode(all[i].id, bytes, &f.any) - FRAME_OVERHEAD;
        for (size_t cut = 0; cut < len; cut++) {
            struct slice payload = test_copy(slice_of(bytes + FRAME_HEADER_SIZE, cut));
            assert_int_equal(typed_decode(payload, &out), ERR_TRUNCATED);
            assert_int_equal(amqp_method_decode(payload, &found, &out), ERR_TRUNCATED);
            test_copy_free(payload);
        }
        struct slice longer = slice_of(bytes + FRAME_HEADER_SIZE, len + 1); /* the frame's end octet */
        assert_int_equal(typed_decode(longer, &out), ERR_SYNTAX);
        assert_int_equal(amqp_method_decode(longer, &found, &out), ERR_SYNTAX);
    }
}

static void
mutated_methods_are_judged_alike(void **state)
{
    struct test_random r = {3};
    size_t count;
    const struct amqp_method *all = amqp_method_all(&count);
    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        struct fields f;
        uint8_t bytes[FRAME_SIZE_TEST_MAX];
        const struct amqp_method *method = &all[test_random_below(&r, count)], *found;
        union amqp_any typed, generic;
        fields_random(&f, method, &r);
        size_t len = typed_encode(method->id, bytes, &f.any) - FRAME_OVERHEAD;
        for (uint64_t n = 1 + test_random_below(&r, 4); n > 0; n--)
            bytes[FRAME_HEADER_SIZE + test_random_below(&r, len)] = (uint8_t)test_random_next(&r);
        struct slice payload = test_copy(slice_of(bytes + FRAME_HEADER_SIZE, len));
        enum err err = typed_decode(payload, &typed);
        assert_int_equal(amqp_method_decode(payload, &found, &generic), err);
        if (err == ERR_OK)
            assert_fields_equal(found, &typed, &generic);
        test_copy_free(payload);
    }
}

static void
short_strings_of_methods_are_utf8(void **state)
{
    uint8_t bytes[256];
    const struct amqp_channel_open good = {.out_of_band = slice_str("h\xc3\xa9")};
    const struct amqp_channel_open bad = {.out_of_band = slice_str("h\xc3")};
    struct amqp_channel_open out;
    (void)state;
    size_t len = amqp_encode_channel_open(bytes, 1, &good) - FRAME_OVERHEAD;
    assert_int_equal(amqp_decode_channel_open(slice_of(bytes + FRAME_HEADER_SIZE, len), &out), ERR_OK);
    len = amqp_encode_channel_open(bytes, 1, &bad) - FRAME_OVERHEAD;
    assert_int_equal(amqp_decode_channel_open(slice_of(bytes + FRAME_HEADER_SIZE, len), &out), ERR_ENCODING);
}

static void
one_bad_byte_anywhere_is_seen(void **state)
{
    uint8_t text[40], bytes[128];
    struct amqp_channel_open out;
    (void)state;
    for (size_t len = 1; len <= sizeof text; len++) {
        for (size_t at = 0; at < len; at++) {
            memset(text, 'a', sizeof text);
            text[at] = 0x80;
            struct amqp_channel_open m = {.out_of_band = slice_of(text, len)};
            size_t size = amqp_encode_channel_open(bytes, 1, &m) - FRAME_OVERHEAD;
            assert_int_equal(amqp_decode_channel_open(slice_of(bytes + FRAME_HEADER_SIZE, size), &out),
                             ERR_ENCODING);
        }
    }
}

static void
undefined_bits_are_ignored(void **state)
{
    const uint8_t payload[] = {0, 60, 0, 10, 0, 0, 0, 0, 0, 7, 0xff}; /* as RabbitMQ does */
    struct amqp_basic_qos qos;
    (void)state;
    assert_int_equal(amqp_decode_basic_qos(slice_of(payload, sizeof payload), &qos), ERR_OK);
    assert_int_equal(qos.prefetch_count, 7);
    assert_true(qos.global);
}

static void
malformed_arguments_are_refused(void **state)
{
    uint8_t bytes[512];
    struct amqp_queue_declare m = {.queue = slice_str("q"), .arguments = slice_of("\1a?", 3)};
    struct amqp_queue_declare out;
    (void)state;
    size_t len = amqp_encode_queue_declare(bytes, 1, &m) - FRAME_OVERHEAD;
    assert_int_equal(amqp_decode_queue_declare(slice_of(bytes + FRAME_HEADER_SIZE, len), &out), ERR_TYPE);
}

static void
size_max_is_the_longest(void **state)
{
    uint8_t text[AMQP_SHORTSTR_MAX], bytes[AMQP_BASIC_DELIVER_SIZE_MAX];
    memset(text, 'x', sizeof text);
    struct slice longest = slice_of(text, sizeof text);
    const struct amqp_basic_deliver m = {
        .consumer_tag = longest, .exchange = longest, .routing_key = longest};
    (void)state;
    assert_int_equal(amqp_encode_basic_deliver(bytes, 1, &m), AMQP_BASIC_DELIVER_SIZE_MAX);
    assert_int_equal(AMQP_TX_SELECT_OK_SIZE_MAX, 12);
}

static void
too_long_short_string_cannot_be_encoded(void **state)
{
    uint8_t text[256] = {0}, bytes[1024];
    size_t size;
    struct amqp_channel_open m = {.out_of_band = slice_of(text, 256)};
    (void)state;
    const struct amqp_method *method = amqp_method_by_id(AMQP_CHANNEL_OPEN);
    assert_int_equal(amqp_method_encode(method, &m, 1, bytes, sizeof bytes, &size), ERR_RANGE);
}

static void
descriptions_say_what_the_specification_says(void **state)
{
    const struct amqp_method *m = amqp_method_by_name(slice_str("basic.publish"));
    (void)state;
    assert_non_null(m);
    assert_int_equal(m->id, 0x003c0028);
    assert_true(m->has_content && !m->is_sync && m->sender == AMQP_FROM_CLIENT);
    assert_string_equal(amqp_field_by_name(m, slice_str("routing-key"))->name, "routing_key");
    assert_null(amqp_field_by_name(m, slice_str("routing-keys")));
    assert_null(amqp_field_by_name(m, slice_str("")));
    assert_null(amqp_method_by_name(slice_str("basic.publis")));
    assert_null(amqp_method_by_id(0x003c0029));
    assert_int_equal(amqp_method_by_name(slice_str("basic.deliver"))->sender, AMQP_FROM_SERVER);
    assert_int_equal(amqp_method_by_name(slice_str("channel.close"))->sender, AMQP_FROM_BOTH);
}

static void
defaults_are_those_of_the_specification(void **state)
{
    struct amqp_exchange_declare declare;
    struct amqp_basic_nack nack;
    struct amqp_connection_start start;
    (void)state;
    amqp_method_defaults(amqp_method_by_id(AMQP_EXCHANGE_DECLARE), &declare);
    assert_true(slice_eq_str(declare.type, "direct"));
    assert_false(declare.durable);
    amqp_method_defaults(amqp_method_by_id(AMQP_BASIC_NACK), &nack);
    assert_true(nack.requeue && !nack.multiple);
    amqp_method_defaults(amqp_method_by_id(AMQP_CONNECTION_START), &start);
    assert_int_equal(start.version_minor, 9);
}

static void
methods_print_without_secrets(void **state)
{
    struct buffer b = {0}, arguments = {0};
    (void)state;
    table_add_int32(&arguments, "x-max-length", 5);
    struct amqp_queue_declare declare = {
        .queue = slice_str("a\"b\n"), .durable = true, .arguments = buffer_slice(&arguments)};
    amqp_method_describe(amqp_method_by_id(AMQP_QUEUE_DECLARE), &declare, &b);
    buffer_add_u8(&b, 0);
    assert_string_equal((char *)b.data, "queue.declare queue=\"a\\\"b\\x0a\" durable=true "
                                        "arguments={\"x-max-length\": 5}");
    buffer_clear(&b);
    struct amqp_connection_secure_ok secure = {.response = slice_str("hush")};
    amqp_method_describe(amqp_method_by_id(AMQP_CONNECTION_SECURE_OK), &secure, &b);
    buffer_add_u8(&b, 0);
    assert_string_equal((char *)b.data, "connection.secure-ok response=***");
    buffer_fini(&b);
    buffer_fini(&arguments);
}

static void
reply_codes_have_names_and_classes(void **state)
{
    (void)state;
    assert_string_equal(amqp_reply_name(404), "NOT_FOUND");
    assert_string_equal(amqp_reply_name(320), "CONNECTION_FORCED");
    assert_string_equal(amqp_reply_name(999), "UNKNOWN");
    assert_true(amqp_reply_is_soft(AMQP_REPLY_PRECONDITION_FAILED));
    assert_false(amqp_reply_is_soft(AMQP_REPLY_NOT_ALLOWED));
    assert_false(amqp_reply_is_soft(999));
}

static void
reply_text_is_cut_between_characters(void **state)
{
    char out[AMQP_REPLY_TEXT_SIZE];
    char name[400];
    (void)state;
    size_t whole = amqp_reply_text(out, 404, "no queue '%s' in vhost '/'", "q");
    assert_int_equal(whole, strlen(out));
    assert_string_equal(out, "NOT_FOUND - no queue 'q' in vhost '/'");
    for (size_t shift = 0; shift < 4; shift++) { /* U+20AC, three bytes */
        memset(name, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof name; i += 3)
            memcpy(name + i, "\xe2\x82\xac", 4);
        size_t len = amqp_reply_text(out, 404, "%s", name);
        assert_int_equal(len, strlen(out));
        assert_true(len <= 255 && len >= 253);
        assert_string_equal(out + len - 3, "...");
        assert_int_equal((len - strlen("NOT_FOUND - ") - shift) % 3, 0);
    }
    (void)amqp_reply_text(out, 406, "bad \xff byte and end \xe2");
    assert_string_equal(out, "PRECONDITION_FAILED - bad ? byte and end ?");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_round_trips),
        cmocka_unit_test(truncated_or_longer_methods_are_refused),
        cmocka_unit_test(mutated_methods_are_judged_alike),
        cmocka_unit_test(short_strings_of_methods_are_utf8),
        cmocka_unit_test(one_bad_byte_anywhere_is_seen),
        cmocka_unit_test(undefined_bits_are_ignored),
        cmocka_unit_test(malformed_arguments_are_refused),
        cmocka_unit_test(size_max_is_the_longest),
        cmocka_unit_test(too_long_short_string_cannot_be_encoded),
        cmocka_unit_test(descriptions_say_what_the_specification_says),
        cmocka_unit_test(defaults_are_those_of_the_specification),
        cmocka_unit_test(methods_print_without_secrets),
        cmocka_unit_test(reply_codes_have_names_and_classes),
        cmocka_unit_test(reply_text_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
