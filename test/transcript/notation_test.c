/* The notation against octets written by hand, in both directions. */
#include "notation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *
field_get(void *ctx, const char *field)
{
    const char *const *fields = ctx;
    for (; fields[0] != NULL; fields += 2) {
        if (strcmp(fields[0], field) == 0) {
            return fields[1];
        }
    }
    return NULL;
}

static void
field_put(void *ctx, const char *field, const char *text)
{
    bytes_printf(ctx, "%s=%s ", field, text);
}

static void
octets_check(const char *text, const char *wanted, size_t size)
{
    struct bytes out = {0}, why = {0};
    assert_true(notation_octets(&out, text, &why));
    assert_int_equal(out.size, size);
    assert_memory_equal(out.data, wanted, size);
    bytes_fini(&out);
    bytes_fini(&why);
}

static void
test_octets_of_every_form(void **state)
{
    octets_check("\"a\\x00\\\"\"", "a\0\"", 3);
    octets_check("hex:00ff + 3*\"ab\"",
                 "\x00\xff"
                 "ababab",
                 8);
    octets_check("nested:2",
                 "\x01"
                 "aF\0\0\0\7\x01"
                 "aF\0\0\0\0",
                 14);
}

static void
test_octets_that_are_none(void **state)
{
    static const char *const wrong[] = {"\"open", "hex:0", "word", "\"a\" \"b\"", ""};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct bytes out = {0}, why = {0};
        assert_false(notation_octets(&out, wrong[i], &why));
        assert_true(why.size > 0);
        bytes_fini(&out);
        bytes_fini(&why);
    }
}

/* queue.declare: bits share an octet, strings and tables carry their length. */
static void
test_method_to_octets_and_back(void **state)
{
    static const char wanted[] = "\0\x32\0\x0a\0\0\1q\x06\0\0\0\7\1aI\0\0\0\5";
    const char *fields[] = {"queue", "\"q\"", "durable", "1", "exclusive", "1", "arguments", "{a: 5}", NULL};
    struct notation_method method;
    struct bytes out = {0}, why = {0}, text = {0};
    assert_true(notation_method_by_name("queue.declare", &method));
    assert_true(notation_method_encode(&out, &method, field_get, fields, &why));
    assert_int_equal(out.size, sizeof(wanted) - 1);
    assert_memory_equal(out.data, wanted, out.size);
    assert_true(notation_method_decode(&method, out.data + 4, out.size - 4, field_put, &text, &why));
    assert_string_equal(bytes_text(&text),
                        "ticket=0 queue=\"q\" passive=0 durable=1 exclusive=1 auto-delete=0 "
                        "nowait=0 arguments={a:5} ");
    text.size = 0;
    assert_false(notation_method_decode(&method, out.data + 4, out.size - 5, field_put, &text, &why));
    assert_false(notation_method_decode(&method, out.data + 4, out.size - 3, field_put, &text, &why));
    bytes_fini(&out);
    bytes_fini(&why);
    bytes_fini(&text);
}

static void
test_properties_survive_the_way_there_and_back(void **state)
{
    static const char text[] =
        "{content-type:\"a\",headers:{b:true,c:(b)-1,d:(l)7,e:[1,\"x\"],f:{},g:void,h:(D)2:314,i:(d)1.5,"
        "\"odd key\":(T)9},delivery-mode:2,timestamp:1700000000,cluster-id:\"z\"}";
    struct bytes out = {0}, back = {0}, why = {0};
    assert_true(notation_props_encode(&out, text, &why));
    assert_int_equal(out.data[0], 0xb0);
    assert_int_equal(out.data[1], 0x44);
    assert_true(notation_props_decode(out.data, out.size, &back, &why));
    assert_string_equal(bytes_text(&back), text);
    assert_false(notation_props_decode(out.data, out.size - 1, &back, &why));
    bytes_fini(&out);
    bytes_fini(&back);
    bytes_fini(&why);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_octets_of_every_form),
        cmocka_unit_test(test_octets_that_are_none),
        cmocka_unit_test(test_method_to_octets_and_back),
        cmocka_unit_test(test_properties_survive_the_way_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
