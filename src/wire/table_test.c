/* Field tables: every type, every truncation, deep nesting, and when two tables are the same. */
#include "wire/table.h"

#include "base/buffer.h"
#include "wire/wire_test.h"

/* One field or item of every type. */
static void
add_every_type(struct buffer *b, bool is_array)
{
#define NAME(text) (is_array ? NULL : (text))
    static const struct {
        const char *name;
        uint8_t type, size;
    } raw[] = {{"b", 'b', 1}, {"B", 'B', 1}, {"s", 's', 2}, {"u", 'u', 2},
               {"i", 'i', 4}, {"L", 'L', 8}, {"f", 'f', 4}, {"D", 'D', 5}};
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++) {
        static const uint8_t ones[8] = {255, 255, 255, 255, 255, 255, 255, 255};
        if (!is_array) {
            buffer_add_u8(b, 1);
            buffer_add_str(b, raw[i].name);
        }
        buffer_add_u8(b, raw[i].type);
        buffer_add(b, ones, raw[i].size);
    }
    table_add_bool(b, NAME("t"), true);
    table_add_int32(b, NAME("I"), -7);
    table_add_int64(b, NAME("l"), INT64_MIN);
    table_add_double(b, NAME("d"), 1.5);
    table_add_timestamp(b, NAME("T"), UINT64_MAX);
    table_add_str(b, NAME("S"), slice_str("text"));
    table_add_void(b, NAME("V"));
    size_t table = table_add_table_begin(b, NAME("F"));
    table_add_bool(b, "inner", false);
    table_end(b, table);
    size_t array = table_add_array_begin(b, NAME("A"));
    table_add_int32(b, NULL, 1);
    table_add_str(b, NULL, slice_str(""));
    table_end(b, array);
#undef NAME
}

static int64_t
int_of(struct slice table, const char *name)
{
    int64_t v = 42;
    assert_int_equal(table_get_int(table, name, &v), ERR_OK);
    return v;
}

static void
every_type_is_read(void **state)
{
    struct buffer b = {0};
    struct slice t, s;
    struct table_value v;
    bool flag = false;
    int64_t n;
    (void)state;
    add_every_type(&b, false);
    t = buffer_slice(&b);
    assert_int_equal(table_validate(t), ERR_OK);
    assert_true(int_of(t, "b") == -1 && int_of(t, "B") == 255 && int_of(t, "s") == -1);
    assert_true(int_of(t, "u") == 65535 && int_of(t, "i") == UINT32_MAX && int_of(t, "L") == -1);
    assert_true(int_of(t, "I") == -7 && int_of(t, "l") == INT64_MIN);
    assert_int_equal(table_get_bool(t, "t", &flag), ERR_OK);
    assert_true(flag);
    assert_int_equal(table_get_str(t, "S", &s), ERR_OK);
    assert_true(slice_eq_str(s, "text"));
    assert_true(table_find_str(t, "d", &v) && v.number == 1.5);
    assert_true(table_find_str(t, "T", &v) && v.timestamp == UINT64_MAX);
    assert_true(table_find_str(t, "D", &v) && v.scale == 255 && v.integer == UINT32_MAX);
    assert_true(table_find_str(t, "V", &v) && v.type == TABLE_VOID && v.encoded.len == 0);
    assert_int_equal(table_get_table(t, "F", &s), ERR_OK);
    assert_int_equal(table_get_bool(s, "inner", &flag), ERR_OK);
    assert_false(flag);
    assert_int_equal(table_get_int(t, "S", &n), ERR_TYPE);
    assert_int_equal(table_get_str(t, "I", &s), ERR_TYPE);
    assert_int_equal(table_get_int(t, "absent", &n), ERR_NOT_FOUND);
    buffer_fini(&b);
}

static void
arrays_are_walked_by_item(void **state)
{
    struct buffer b = {0};
    struct slice array, name = slice_str("not touched");
    struct table_value v;
    size_t count = 0;
    (void)state;
    add_every_type(&b, true);
    assert_int_equal(table_validate_array(buffer_slice(&b)), ERR_OK);
    struct table_iter it = table_iter_items(buffer_slice(&b));
    while (table_iter_next(&it, &name, &v)) {
        assert_int_equal(name.len, 0);
        count++;
    }
    assert_int_equal(count, 17);
    buffer_clear(&b);
    add_every_type(&b, false);
    assert_int_equal(table_get_array(buffer_slice(&b), "A", &array), ERR_OK);
    it = table_iter_items(array);
    assert_true(table_iter_next(&it, NULL, &v) && v.integer == 1);
    assert_true(table_iter_next(&it, NULL, &v) && v.type == TABLE_LONGSTR);
    assert_false(table_iter_next(&it, NULL, &v));
    buffer_fini(&b);
}

static void
only_cuts_between_fields_are_valid(void **state)
{
    struct buffer b = {0};
    struct table_value v;
    size_t boundary = 0;
    (void)state;
    add_every_type(&b, false);
    struct table_iter it = table_iter_fields(buffer_slice(&b));
    for (size_t len = 0; len < b.len; len++) {
        struct slice cut = test_copy(slice_of(b.data, len));
        assert_int_equal(table_validate(cut), len == boundary ? ERR_OK : ERR_TRUNCATED);
        test_copy_free(cut);
        if (len == boundary) {
            assert_true(table_iter_next(&it, NULL, &v));
            boundary = b.len - it.rest.len;
        }
    }
    assert_int_equal(boundary, b.len);
    buffer_fini(&b);
}

static void
unknown_type_letters_are_refused(void **state)
{
    static const char known[] = "tbBsuIilLfdDSATFVx";
    (void)state;
    for (unsigned type = 1; type < 256; type++) {
        uint8_t bytes[3] = {1, 'k', (uint8_t)type};
        enum err expected = type == 'V' ? ERR_OK : strchr(known, (int)type) ? ERR_TRUNCATED : ERR_TYPE;
        assert_int_equal(table_validate(slice_of(bytes, sizeof bytes)), expected);
    }
}

/* `depth` tables (or arrays) within each other. */
static void
add_nested(struct buffer *b, size_t depth, bool is_array)
{
    size_t *at = calloc(depth, sizeof *at);
    assert_non_null(at);
    for (size_t i = 1; i < depth; i++)
        at[i] = is_array ? table_add_array_begin(b, NULL) : table_add_table_begin(b, "k");
    for (size_t i = depth; i-- > 1;)
        table_end(b, at[i]);
    free(at);
}

static void
tables_nested_a_thousand_deep_are_refused(void **state)
{
    (void)state;
    for (int is_array = 0; is_array < 2; is_array++) {
        struct buffer b = {0};
        enum err (*validate)(struct slice) = is_array ? table_validate_array : table_validate;
        add_nested(&b, TABLE_DEPTH_MAX, is_array);
        assert_int_equal(validate(buffer_slice(&b)), ERR_OK);
        buffer_clear(&b);
        add_nested(&b, TABLE_DEPTH_MAX + 1, is_array);
        assert_int_equal(validate(buffer_slice(&b)), ERR_LIMIT);
        buffer_clear(&b);
        add_nested(&b, 1000, is_array);
        assert_int_equal(validate(buffer_slice(&b)), ERR_LIMIT);
        buffer_fini(&b);
    }
}

static void
the_first_of_equal_names_is_found(void **state)
{
    struct buffer b = {0};
    (void)state;
    table_add_int32(&b, "k", 1);
    table_add_int32(&b, "k", 2);
    assert_int_equal(int_of(buffer_slice(&b), "k"), 1);
    buffer_fini(&b);
}

static struct table_value
value_of(struct buffer *b, const char *name)
{
    struct table_value v;
    assert_true(table_find_str(buffer_slice(b), name, &v));
    return v;
}

static void
integers_of_all_types_are_equivalent(void **state)
{
    struct buffer b = {0};
    (void)state;
    table_add_int32(&b, "five", 5);
    table_add_int64(&b, "long five", 5);
    table_add_timestamp(&b, "time five", 5);
    table_add_timestamp(&b, "time max", UINT64_MAX);
    table_add_int32(&b, "minus one", -1);
    table_add_double(&b, "float five", 5);
    table_add_str(&b, "text five", slice_str("5"));
    struct table_value five = value_of(&b, "five"), long_five = value_of(&b, "long five");
    struct table_value time_five = value_of(&b, "time five"), time_max = value_of(&b, "time max");
    struct table_value minus_one = value_of(&b, "minus one"), float_five = value_of(&b, "float five");
    struct table_value text_five = value_of(&b, "text five");
    assert_true(table_value_equivalent(&five, &long_five));
    assert_true(table_value_equivalent(&time_five, &five));
    assert_false(table_value_equivalent(&time_max, &minus_one));
    assert_false(table_value_equivalent(&five, &float_five));
    assert_false(table_value_equivalent(&five, &text_five));
    assert_false(table_value_eq(&five, &long_five));
    assert_true(table_value_eq(&five, &five));
    buffer_fini(&b);
}

static void
order_of_fields_does_not_make_a_difference(void **state)
{
    struct buffer a = {0}, b = {0};
    uint8_t left[64], right[64];
    (void)state;
    table_add_int32(&a, "x", 1);
    table_add_bool(&a, "y", true);
    table_add_str(&a, "xx", slice_str("v"));
    table_add_str(&b, "xx", slice_str("v"));
    table_add_bool(&b, "y", true);
    table_add_int32(&b, "x", 1);
    b.data[b.len - 8] = 2; /* any octet but zero is true */
    assert_true(table_eq(buffer_slice(&a), buffer_slice(&b)));
    assert_true(table_hash(buffer_slice(&a)) == table_hash(buffer_slice(&b)));
    b.data[b.len - 8] = 1;
    table_canonical(buffer_slice(&a), left);
    table_canonical(buffer_slice(&b), right);
    assert_memory_equal(left, right, a.len);
    assert_int_equal(table_validate(slice_of(left, a.len)), ERR_OK);
    b.data[b.len - 1] = 2;
    assert_false(table_eq(buffer_slice(&a), buffer_slice(&b)));
    buffer_fini(&a);
    buffer_fini(&b);
}

static void
fields_of_one_name_keep_their_order(void **state)
{
    struct buffer a = {0}, b = {0};
    (void)state;
    table_add_int32(&a, "k", 1);
    table_add_int32(&a, "k", 2);
    table_add_int32(&b, "k", 2);
    table_add_int32(&b, "k", 1);
    assert_false(table_eq(buffer_slice(&a), buffer_slice(&b)));
    buffer_fini(&a);
    buffer_fini(&b);
}

static void
huge_tables_are_equal_only_byte_for_byte(void **state)
{
    struct buffer a = {0}, b = {0};
    uint8_t *copy;
    (void)state;
    table_add_int32(&b, "last", 1);
    for (int32_t i = 0; i < TABLE_SORT_MAX; i++) {
        table_add_int32(&a, "k", i);
        table_add_int32(&b, "k", i);
    }
    table_add_int32(&a, "last", 1);
    assert_true(table_eq(buffer_slice(&a), buffer_slice(&a)));
    assert_false(table_eq(buffer_slice(&a), buffer_slice(&b)));
    copy = malloc(a.len);
    assert_non_null(copy);
    table_canonical(buffer_slice(&b), copy);
    assert_memory_equal(copy, b.data, b.len);
    free(copy);
    buffer_fini(&a);
    buffer_fini(&b);
}

static void
one_field_can_be_left_out_or_copied(void **state)
{
    struct buffer a = {0}, b = {0}, c = {0};
    struct table_iter it;
    struct slice name;
    struct table_value v;
    (void)state;
    add_every_type(&a, false);
    table_add_all_but(&b, buffer_slice(&a), slice_str("S"));
    assert_int_equal(table_validate(buffer_slice(&b)), ERR_OK);
    assert_int_equal(b.len, a.len - (1 + 1 + 1 + 4 + 4));
    assert_false(table_find_str(buffer_slice(&b), "S", &v));
    it = table_iter_fields(buffer_slice(&b));
    while (table_iter_next(&it, &name, &v))
        table_add_value(&c, name, &v);
    assert_int_equal(table_validate(buffer_slice(&c)), ERR_OK);
    assert_int_equal(c.len, b.len);
    buffer_fini(&a);
    buffer_fini(&b);
    buffer_fini(&c);
}

static void
tables_print_for_people(void **state)
{
    struct buffer a = {0}, text = {0};
    (void)state;
    table_add_int32(&a, "n", 5);
    size_t array = table_add_array_begin(&a, "l");
    table_add_str(&a, NULL, slice_str("a"));
    table_add_bool(&a, NULL, true);
    size_t inner = table_add_table_begin(&a, NULL);
    table_end(&a, inner);
    table_end(&a, array);
    table_add_void(&a, "v");
    table_describe(buffer_slice(&a), &text);
    buffer_add_u8(&text, 0);
    assert_string_equal((char *)text.data, "{\"n\": 5, \"l\": [\"a\", true, {}], \"v\": void}");
    buffer_fini(&a);
    buffer_fini(&text);
}

static void
random_bytes_end_the_walk(void **state)
{
    struct test_random r = {7};
    struct buffer b = {0}, text = {0};
    (void)state;
    add_every_type(&b, false);
    for (int i = 0; i < 20000; i++) {
        struct slice copy = test_copy(buffer_slice(&b));
        struct table_value v;
        for (int n = 0; n < 3; n++)
            ((uint8_t *)(uintptr_t)copy.data)[test_random_below(&r, copy.len)] =
                (uint8_t)test_random_next(&r);
        enum err err = table_validate(copy);
        assert_true(err == ERR_OK || err == ERR_TRUNCATED || err == ERR_TYPE || err == ERR_LIMIT);
        buffer_clear(&text);
        table_describe(copy, &text);
        (void)table_find_str(copy, "A", &v);
        (void)table_hash(copy);
        assert_true(table_eq(copy, copy));
        test_copy_free(copy);
    }
    buffer_fini(&b);
    buffer_fini(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(arrays_are_walked_by_item),
        cmocka_unit_test(only_cuts_between_fields_are_valid),
        cmocka_unit_test(unknown_type_letters_are_refused),
        cmocka_unit_test(tables_nested_a_thousand_deep_are_refused),
        cmocka_unit_test(the_first_of_equal_names_is_found),
        cmocka_unit_test(integers_of_all_types_are_equivalent),
        cmocka_unit_test(order_of_fields_does_not_make_a_difference),
        cmocka_unit_test(fields_of_one_name_keep_their_order),
        cmocka_unit_test(huge_tables_are_equal_only_byte_for_byte),
        cmocka_unit_test(one_field_can_be_left_out_or_copied),
        cmocka_unit_test(tables_print_for_people),
        cmocka_unit_test(random_bytes_end_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
