/* The examples of RFC 4648, every length and byte there and back, and texts that nobody wrote. */
#include "base/base64url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
examples_of_the_rfc(void **state)
{
    static const char *const examples[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        char text[16] = {0};
        struct slice bytes = slice_str(examples[i][0]);
        assert_int_equal(base64url_encode(text, bytes), BASE64URL_SIZE(bytes.len));
        assert_string_equal(text, examples[i][1]);
    }
}

static void
every_byte_at_every_place_comes_back(void **state)
{
    for (size_t len = 1; len <= 7; len++)
        for (size_t place = 0; place < len; place++)
            for (int byte = 0; byte < 256; byte++) {
                uint8_t bytes[7] = {0x5a, 0xa5, 0xff, 0x00, 0x81, 0x7e, 0x3c}, back[7] = {0};
                char text[BASE64URL_SIZE(7)];
                bytes[place] = (uint8_t)byte;
                size_t n = base64url_encode(text, slice_of(bytes, len));
                assert_int_equal(n, BASE64URL_SIZE(len));
                assert_int_equal(n * 3 / 4, len);
                assert_true(base64url_decode(back, slice_of(text, n)));
                assert_memory_equal(back, bytes, len);
            }
}

static void
other_texts_are_refused(void **state)
{
    static const char *const wrong[] = {"Z",    "Zm9vY", "Zm9v=", "Zg==", "Zm+v",
                                        "Zm/v", "Zm v",  "Zh",    "Zm9",  "Zm9vYh"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t out[8];
        assert_false(base64url_decode(out, slice_str(wrong[i])));
    }
    uint8_t out[3];
    assert_false(base64url_decode(out, slice_of("Zm9\0", 4)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfc),
        cmocka_unit_test(every_byte_at_every_place_comes_back),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
