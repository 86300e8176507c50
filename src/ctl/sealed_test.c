/* Encrypted values that RabbitMQ made can be read, ours come back, and nothing else is taken for one. */
#include "ctl/external.h"
#include "ctl/sealed.h"
#include "wire/erlang_terms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct sealed_how usual = {SEALED_CIPHER, SEALED_HASH, SEALED_ITERATIONS};

static void
check_open(const char *base64, const char *passphrase, const char *expected)
{
    struct buffer bytes = {0}, text = {0};
    assert_int_equal(sealed_open(&bytes, &usual, passphrase, slice_str(base64)), ERR_OK);
    assert_int_equal(external_print(&text, buffer_slice(&bytes)), ERR_OK);
    buffer_add_u8(&text, 0);
    assert_string_equal((const char *)text.data, expected);
    buffer_fini(&bytes);
    buffer_fini(&text);
}

/* Published with RabbitMQ's documentation: an old one, padded to 32 bytes, and one of 3.13. */
static void
values_of_rabbitmq_are_read(void **state)
{
    check_open("cPAymwqmMnbPXXRVqVzpxJdrS8mHEKuo2V+3vt1u/fymexD9oztQ2G/oJ4PAaSb2c5N/hRJ2aqP/X0VAfx8xOQ==",
               "mypassphrase", "<<\"guest\">>");
    check_open("fHrsMqvZGNbxwujPMDTjwQ61Pu9weIZDgqnEyATvnZrNIEi5HmJSr4qCRGn7ljLI", "rabbitmq-server-11347",
               "\"grapefruit\"");
}

static void
wrong_passphrase_or_text_is_no_value(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "====",
                                      "AAAA",
                                      "cPAymwqmMnbPXXRVqVzpxJdrS8mHEKuo2V+3vt1u/fw=",
                                      "fHrsMqvZGNbxwujPMDTjwQ61Pu9weIZDgqnEyATvnZrNIEi5HmJSr4qCRGn7ljL!"};
    struct buffer out = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(sealed_open(&out, &usual, "p", slice_str(bad[i])), ERR_CORRUPT);
    assert_int_equal(
        sealed_open(&out, &usual, "other",
                    slice_str("fHrsMqvZGNbxwujPMDTjwQ61Pu9weIZDgqnEyATvnZrNIEi5HmJSr4qCRGn7ljLI")),
        ERR_CORRUPT);
    assert_int_equal(out.len, 0);
    buffer_fini(&out);
}

static void
every_cipher_and_hash_there_is_works(void **state)
{
    struct sealed_how how = usual;
    for (size_t i = 0; sealed_ciphers[i]; i++)
        for (size_t j = 0; sealed_hashes[j]; j++) {
            struct buffer sealed = {0}, opened = {0};
            how = (struct sealed_how){sealed_ciphers[i], sealed_hashes[j], 3};
            assert_true(sealed_has_cipher(how.cipher) && sealed_has_hash(how.hash));
            assert_int_equal(sealed_close(&sealed, &how, "pass", slice_str("0123456789abcdef")), ERR_OK);
            assert_int_equal(sealed_open(&opened, &how, "pass", buffer_slice(&sealed)), ERR_OK);
            assert_true(slice_eq_str(buffer_slice(&opened), "0123456789abcdef"));
            buffer_fini(&sealed);
            buffer_fini(&opened);
        }
}

static void
check_term(const char *term, const char *expected)
{
    struct erlang_terms terms;
    struct erlang_error error;
    struct buffer bytes = {0}, text = {0};
    assert_true(erlang_terms_parse(&terms, slice_str(term), &error));
    assert_int_equal(external_encode(&bytes, terms.first), ERR_OK);
    assert_int_equal(external_print(&text, buffer_slice(&bytes)), ERR_OK);
    buffer_add_u8(&text, 0);
    assert_string_equal((const char *)text.data, expected);
    erlang_terms_fini(&terms);
    buffer_fini(&bytes);
    buffer_fini(&text);
}

static void
terms_come_back_as_they_were(void **state)
{
    check_term("\"a \\\"b\\\"\".", "\"a \\\"b\\\"\"");
    check_term("<<\"guest\">>.", "<<\"guest\">>");
    check_term("guest.", "guest");
    check_term("'A b'.", "'A b'");
    check_term("{a,[1,-2,70000],[],\"\"}.", "{a,[1,-2,70000],[],[]}");
}

/* Every beginning of a term is refused, and nothing is read behind its end. */
static void
half_a_term_is_refused(void **state)
{
    static const uint8_t bytes[] = {131, 104, 2,   100, 0, 1, 'a', 108, 0,   0,
                                    0,   1,   109, 0,   0, 0, 2,   'x', 'y', 106};
    struct buffer out = {0};
    assert_int_equal(external_print(&out, slice_of(bytes, sizeof bytes)), ERR_OK);
    for (size_t len = 0; len < sizeof bytes; len++)
        assert_int_not_equal(external_print(&out, slice_of(bytes, len)), ERR_OK);
    static const uint8_t more[] = {131, 106, 106}, unknown[] = {131, 77};
    assert_int_equal(external_print(&out, slice_of(more, sizeof more)), ERR_SYNTAX);
    assert_int_equal(external_print(&out, slice_of(unknown, sizeof unknown)), ERR_UNSUPPORTED);
    buffer_fini(&out);
}

static void
terms_a_thousand_deep_are_refused(void **state)
{
    struct buffer bytes = {0}, out = {0};
    buffer_add_u8(&bytes, 131);
    for (int i = 0; i < 1000; i++) {
        buffer_add_u8(&bytes, 104);
        buffer_add_u8(&bytes, 1);
    }
    assert_int_equal(external_print(&out, buffer_slice(&bytes)), ERR_LIMIT);
    buffer_fini(&bytes);
    buffer_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_rabbitmq_are_read),
        cmocka_unit_test(wrong_passphrase_or_text_is_no_value),
        cmocka_unit_test(every_cipher_and_hash_there_is_works),
        cmocka_unit_test(terms_come_back_as_they_were),
        cmocka_unit_test(half_a_term_is_refused),
        cmocka_unit_test(terms_a_thousand_deep_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
