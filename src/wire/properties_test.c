/* Property runs: every combination of flags, every cut, and runs rebuilt with one property more, other or
 * fewer. */
#include "wire/properties.h"

#include "base/buffer.h"
#include "wire/amqp.h"
#include "wire/table.h"
#include "wire/wire_test.h"

#define RUN_SIZE_MAX 512

/* All properties, each with a value of its own. */
static struct properties
sample(struct buffer *headers)
{
    table_add_int32(headers, "n", 5);
    return (struct properties){
        .content_type = slice_str("text/plain"),
        .content_encoding = slice_str("gzip"),
        .headers = buffer_slice(headers),
        .delivery_mode = 2,
        .priority = 7,
        .correlation_id = slice_str("correlation"),
        .reply_to = slice_str("amq.rabbitmq.reply-to"),
        .expiration = slice_str("60000"),
        .message_id = slice_str("\xff not UTF-8"),
        .timestamp = 0x0102030405060708,
        .type = slice_str(""),
        .user_id = slice_str("guest"),
        .app_id = slice_str("a"),
        .cluster_id = slice_str("c"),
    };
}

static void
every_combination_of_flags_round_trips(void **state)
{
    struct buffer headers = {0};
    struct properties p = sample(&headers);
    (void)state;
    for (unsigned set = 0; set < 1u << PROPERTY_COUNT; set++) {
        uint8_t run[RUN_SIZE_MAX], again[RUN_SIZE_MAX];
        struct properties out;
        struct slice value;
        p.flags = (uint16_t)(set << 2);
        size_t len = properties_encode(run, &p);
        assert_int_equal(len, properties_size(&p));
        assert_int_equal(properties_validate(slice_of(run, len)), ERR_OK);
        assert_int_equal(properties_decode(slice_of(run, len), &out), ERR_OK);
        assert_int_equal(out.flags, p.flags);
        assert_int_equal(properties_encode(again, &out), len);
        assert_memory_equal(run, again, len);
        bool has = properties_find(slice_of(run, len), PROPERTY_EXPIRATION, &value);
        assert_int_equal(has, properties_has(slice_of(run, len), PROPERTY_EXPIRATION));
        assert_true(!has || slice_eq_str(value, "60000"));
    }
    buffer_fini(&headers);
}

static void
single_properties_are_found(void **state)
{
    struct buffer headers = {0};
    struct properties p = sample(&headers);
    uint8_t run_bytes[RUN_SIZE_MAX];
    const uint8_t empty[2] = {0, 0};
    struct slice value;
    (void)state;
    p.flags = 0xfffc;
    struct slice run = slice_of(run_bytes, properties_encode(run_bytes, &p));
    assert_int_equal(properties_octet(run, PROPERTY_DELIVERY_MODE, 1), 2);
    assert_int_equal(properties_octet(run, PROPERTY_PRIORITY, 0), 7);
    assert_int_equal(properties_octet(slice_of(empty, 2), PROPERTY_PRIORITY, 9), 9);
    assert_true(slice_eq(properties_headers(run), buffer_slice(&headers)));
    assert_int_equal(properties_headers(slice_of(empty, 2)).len, 0);
    assert_true(properties_find(run, PROPERTY_TIMESTAMP, &value) && be64_get(value.data) == p.timestamp);
    assert_true(properties_find(run, PROPERTY_CLUSTER_ID, &value) && slice_eq_str(value, "c"));
    assert_true(properties_find(run, PROPERTY_CONTENT_TYPE, &value) && slice_eq_str(value, "text/plain"));
    buffer_fini(&headers);
}

static void
runs_end_exactly(void **state)
{
    struct buffer headers = {0};
    struct properties p = sample(&headers);
    uint8_t run[RUN_SIZE_MAX];
    (void)state;
    p.flags = 0xfffc;
    size_t len = properties_encode(run, &p);
    for (size_t cut = 0; cut < len; cut++) {
        struct slice copy = test_copy(slice_of(run, cut));
        assert_int_equal(properties_validate(copy), ERR_TRUNCATED);
        test_copy_free(copy);
    }
    run[len] = 0;
    assert_int_equal(properties_validate(slice_of(run, len + 1)), ERR_SYNTAX);
    buffer_fini(&headers);
}

static void
more_flags_are_refused_and_the_spare_one_ignored(void **state)
{
    const uint8_t more[] = {0, 1, 0, 0}, spare[] = {0, 2};
    struct properties out;
    (void)state;
    assert_int_equal(properties_validate(slice_of(more, 4)), ERR_SYNTAX);
    assert_int_equal(properties_decode(slice_of(spare, 2), &out), ERR_OK);
    assert_int_equal(out.flags, 0);
}

static void
malformed_headers_are_refused(void **state)
{
    const uint8_t run[] = {0x20, 0, 0, 0, 0, 3, 1, 'k', '?'};
    (void)state;
    assert_int_equal(properties_validate(slice_of(run, sizeof run)), ERR_TYPE);
}

/* What a decode, a change of the struct and an encode would give. */
static void
check_replace(const struct properties *before, enum property property, const struct properties *after)
{
    uint8_t run[RUN_SIZE_MAX], expected[RUN_SIZE_MAX], got[RUN_SIZE_MAX];
    size_t len = properties_encode(run, before), expected_len = properties_encode(expected, after);
    struct slice value, *set = NULL;
    if (properties_find(slice_of(expected, expected_len), property, &value))
        set = &value;
    size_t got_len = properties_replace(got, slice_of(run, len), property, set);
    assert_int_equal(got_len, expected_len);
    assert_memory_equal(got, expected, got_len);
    assert_true(got_len <= len + (set ? value.len : 0) + PROPERTIES_REPLACE_EXTRA);
}

static void
each_property_can_be_set_and_removed(void **state)
{
    struct buffer headers = {0};
    struct properties p = sample(&headers);
    struct test_random r = {5};
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        enum property property = (enum property)(i % PROPERTY_COUNT);
        struct properties before = p, after = p;
        before.flags = after.flags = (uint16_t)(test_random_next(&r) & 0xfffc);
        after.flags |= PROPERTY_FLAG(property);
        check_replace(&before, property, &after);
        after.flags &= (uint16_t)~PROPERTY_FLAG(property);
        check_replace(&before, property, &after);
    }
    buffer_fini(&headers);
}

static void
names_are_found_with_dashes_and_underscores(void **state)
{
    enum property property;
    (void)state;
    assert_true(property_by_name(slice_str("content-type"), &property) && property == PROPERTY_CONTENT_TYPE);
    assert_true(property_by_name(slice_str("user_id"), &property) && property == PROPERTY_USER_ID);
    assert_false(property_by_name(slice_str("userid"), &property));
    assert_string_equal(property_name(PROPERTY_DELIVERY_MODE), "delivery_mode");
}

static void
mutated_runs_do_not_harm(void **state)
{
    struct buffer headers = {0};
    struct properties p = sample(&headers);
    struct test_random r = {6};
    uint8_t run[RUN_SIZE_MAX];
    (void)state;
    p.flags = 0xfffc;
    size_t len = properties_encode(run, &p);
    for (int i = 0; i < 20000; i++) {
        struct slice copy = test_copy(slice_of(run, len));
        struct properties out;
        for (int n = 0; n < 2; n++)
            ((uint8_t *)(uintptr_t)copy.data)[test_random_below(&r, len)] = (uint8_t)test_random_next(&r);
        enum err err = properties_validate(copy);
        assert_int_equal(properties_decode(copy, &out), err);
        test_copy_free(copy);
    }
    buffer_fini(&headers);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_of_flags_round_trips),
        cmocka_unit_test(single_properties_are_found),
        cmocka_unit_test(runs_end_exactly),
        cmocka_unit_test(more_flags_are_refused_and_the_spare_one_ignored),
        cmocka_unit_test(malformed_headers_are_refused),
        cmocka_unit_test(each_property_can_be_set_and_removed),
        cmocka_unit_test(names_are_found_with_dashes_and_underscores),
        cmocka_unit_test(mutated_runs_do_not_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
