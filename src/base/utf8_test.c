#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
test_characters_of_every_length_are_valid(void **state)
{
    static const char *texts[] = {"",
                                  "a",
                                  "\x7f",
                                  "\xc2\x80",
                                  "\xdf\xbf",
                                  "\xe0\xa0\x80",
                                  "\xed\x9f\xbf",
                                  "\xee\x80\x80",
                                  "\xef\xbf\xbf",
                                  "\xf0\x90\x80\x80",
                                  "\xf4\x8f\xbf\xbf",
                                  "plain text of some length",
                                  "h\xc3\xa4schen \xf0\x9f\x90\x87 12345678"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_true(utf8_is_valid(slice_str(texts[i])));
    assert_true(utf8_is_valid(slice_of("a\0b", 3)));
}

static void
test_malformed_text_is_refused_wherever_it_stands(void **state)
{
    static const char *texts[] = {
        "\x80",     /* a continuation alone */
        "\xc0\xaf", /* overlong */
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80", /* a surrogate */
        "\xed\xbf\xbf",
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xff",
        "\xfe",
        "\xc3", /* cut off */
        "\xe2\x82",
        "\xf0\x9f\x90",
        "\xc3(",
        "\xe2\x82(",
        "\xf0\x9f\x90(",
        "\xe2(\xa1",
    };
    char text[64];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t before = 0; before < 20; before++) {
            size_t n = strlen(texts[i]);
            memset(text, 'x', sizeof text);
            memcpy(text + before, texts[i], n);
            assert_false(utf8_is_valid(slice_of(text, before + n)));
            assert_false(utf8_is_valid(slice_of(text, before + n + 10)));
        }
    }
}

/* The decoder says what the encoder made: every code point, against the plain definition. */
static void
test_every_code_point_has_one_form(void **state)
{
    for (uint32_t c = 0; c <= 0x110000; c++) {
        uint8_t b[4] = {(uint8_t)c};
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (size_t i = n - 1; n > 1 && i > 0; i--)
            b[i] = (uint8_t)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
        if (n > 1)
            b[0] = (uint8_t)((0xf00 >> n) | c >> 6 * (n - 1));
        bool is_valid = c < 0x110000 && (c < 0xd800 || c > 0xdfff);
        assert_int_equal(utf8_char_len(slice_of(b, n)), is_valid ? n : 0);
        assert_int_equal(utf8_char_len(slice_of(b, n - 1)), 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_of_every_length_are_valid),
        cmocka_unit_test(test_malformed_text_is_refused_wherever_it_stands),
        cmocka_unit_test(test_every_code_point_has_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
