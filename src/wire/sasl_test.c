/* SASL responses: what is taken apart, and what is refused. */
#include "wire/sasl.h"

#include "base/buffer.h"
#include "wire/table.h"
#include "wire/wire_test.h"

#define BYTES(literal) slice_of(literal, sizeof literal - 1)

static void
plain_has_three_parts(void **state)
{
    struct sasl_response r;
    (void)state;
    assert_int_equal(sasl_parse(SASL_PLAIN, BYTES("\0guest\0p\xff"), &r), ERR_OK);
    assert_true(slice_eq_str(r.user, "guest") && slice_eq_str(r.password, "p\xff") && r.authzid.len == 0);
    assert_int_equal(sasl_parse(SASL_PLAIN, BYTES("\0u\0"), &r), ERR_OK);
    assert_true(slice_eq_str(r.user, "u") && r.password.len == 0);
    assert_int_equal(sasl_parse(SASL_PLAIN, BYTES("z\0u\0"), &r), ERR_UNSUPPORTED);
}

static void
plain_with_other_parts_is_refused(void **state)
{
    struct sasl_response r;
    (void)state;
    assert_int_equal(sasl_parse(SASL_PLAIN, BYTES(""), &r), ERR_SYNTAX);
    assert_int_equal(sasl_parse(SASL_PLAIN, BYTES("guest"), &r), ERR_SYNTAX);
    assert_int_equal(sasl_parse(SASL_PLAIN, BYTES("\0guest"), &r), ERR_SYNTAX);
    assert_int_equal(sasl_parse(SASL_PLAIN, BYTES("\0guest\0a\0b"), &r), ERR_SYNTAX);
    assert_int_equal(sasl_parse(SASL_PLAIN, BYTES("\0\xff\0a"), &r), ERR_SYNTAX);
    assert_int_equal(r.user.len, 0);
}

static void
amqplain_is_a_table(void **state)
{
    struct buffer b = {0};
    struct sasl_response r;
    (void)state;
    table_add_str(&b, "LOGIN", slice_str("guest"));
    assert_int_equal(sasl_parse(SASL_AMQPLAIN, buffer_slice(&b), &r), ERR_NOT_FOUND);
    table_add_str(&b, "PASSWORD", slice_str("secret"));
    assert_int_equal(sasl_parse(SASL_AMQPLAIN, buffer_slice(&b), &r), ERR_OK);
    assert_true(slice_eq_str(r.user, "guest") && slice_eq_str(r.password, "secret"));
    assert_int_equal(sasl_parse(SASL_AMQPLAIN, slice_of(b.data, b.len - 1), &r), ERR_SYNTAX);
    buffer_fini(&b);
}

static void
external_and_anonymous_name_no_user(void **state)
{
    struct sasl_response r;
    (void)state;
    assert_int_equal(sasl_parse(SASL_EXTERNAL, BYTES(""), &r), ERR_OK);
    assert_int_equal(r.user.len, 0);
    assert_int_equal(sasl_parse(SASL_EXTERNAL, BYTES("me"), &r), ERR_OK);
    assert_true(slice_eq_str(r.authzid, "me"));
    assert_int_equal(sasl_parse(SASL_ANONYMOUS, BYTES("trace"), &r), ERR_OK);
    assert_int_equal(r.user.len + r.password.len + r.authzid.len, 0);
}

static void
mechanisms_go_by_exact_name(void **state)
{
    enum sasl_mechanism m;
    (void)state;
    for (int i = 0; i < SASL_MECHANISM_COUNT; i++) {
        assert_true(sasl_mechanism_by_name(slice_str(sasl_mechanism_name((enum sasl_mechanism)i)), &m));
        assert_int_equal((int)m, i);
    }
    assert_false(sasl_mechanism_by_name(slice_str("plain"), &m));
    assert_false(sasl_mechanism_by_name(slice_str("PLAINX"), &m));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_has_three_parts),       cmocka_unit_test(plain_with_other_parts_is_refused),
        cmocka_unit_test(amqplain_is_a_table),         cmocka_unit_test(external_and_anonymous_name_no_user),
        cmocka_unit_test(mechanisms_go_by_exact_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
