/* What is demanded of new passwords, and how RabbitMQ's hashes of them are read. */
#include "broker/credential.h"
#include "broker/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct credential_rules *
rules(enum credential_validator validator, unsigned min_length, const char *pattern)
{
    struct credential_rules *r;
    char why[CREDENTIAL_TEXT_SIZE];
    assert_int_equal(credential_rules_new(validator, min_length, slice_str(pattern), &r, why), ERR_OK);
    return r;
}

static void
without_rules_everything_is_accepted_but_a_novel(void **state)
{
    char why[CREDENTIAL_TEXT_SIZE];
    struct credential_rules *r = rules(CREDENTIAL_ACCEPT_EVERYTHING, 0, "");
    assert_true(credential_is_accepted(NULL, slice_str(""), why));
    assert_true(credential_is_accepted(r, slice_str("x"), why));
    uint8_t *novel = calloc(1, CREDENTIAL_PASSWORD_SIZE_MAX + 1);
    assert_non_null(novel);
    assert_true(credential_is_accepted(r, slice_of(novel, CREDENTIAL_PASSWORD_SIZE_MAX), why));
    assert_false(credential_is_accepted(r, slice_of(novel, CREDENTIAL_PASSWORD_SIZE_MAX + 1), why));
    assert_false(credential_is_accepted(NULL, slice_of(novel, CREDENTIAL_PASSWORD_SIZE_MAX + 1), why));
    free(novel);
    credential_rules_free(r);
}

static void
min_length_counts_bytes(void **state)
{
    char why[CREDENTIAL_TEXT_SIZE];
    struct credential_rules *r = rules(CREDENTIAL_MIN_LENGTH, 5, "");
    assert_true(credential_is_accepted(r, slice_str("guest"), why));
    assert_true(credential_is_accepted(r, slice_str("h\xc3\xa4se"), why)); /* four letters in five bytes */
    assert_false(credential_is_accepted(r, slice_str("hase"), why));
    assert_string_equal(why, "minimum required password length is 5");
    assert_false(credential_is_accepted(r, slice_of(NULL, 0), why));
    credential_rules_free(r);
}

static void
regexp_is_searched_for(void **state)
{
    char why[CREDENTIAL_TEXT_SIZE];
    struct credential_rules *r = rules(CREDENTIAL_REGEXP, 0, "[0-9].*[0-9]");
    assert_true(credential_is_accepted(r, slice_str("a1b2c"), why));
    assert_false(credential_is_accepted(r, slice_str("a1b"), why));
    assert_string_equal(why, "provided password does not match the validator regular expression");
    assert_false(credential_is_accepted(r, slice_of(NULL, 0), why));
    credential_rules_free(r);
    assert_int_equal(credential_rules_new(CREDENTIAL_REGEXP, 0, slice_str("["), &r, why), ERR_SYNTAX);
    assert_string_equal(why, "missing terminating ] for character class at offset 1");
    assert_null(r);
}

static void
regexp_that_explodes_ends_as_a_refusal(void **state)
{
    char why[CREDENTIAL_TEXT_SIZE];
    struct credential_rules *r = rules(CREDENTIAL_REGEXP, 0, "^(a+)+$");
    assert_false(credential_is_accepted(
        r, slice_str("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), why));
    credential_rules_free(r);
}

/* As sha256sum, sha512sum and md5sum have them for the salt "abcd" and "secret". */
static void
hashes_of_each_algorithm_are_known_by_their_size(void **state)
{
    static const struct {
        enum password_algorithm algorithm;
        size_t size;
        uint8_t begin[4];
        const char *name;
    } cases[] = {
        {PASSWORD_SHA256, 36, {0x76, 0x66, 0xc7, 0x3a}, "rabbit_password_hashing_sha256"},
        {PASSWORD_SHA512, 68, {0xb3, 0x52, 0x18, 0x33}, "rabbit_password_hashing_sha512"},
        {PASSWORD_MD5, 20, {0x6a, 0xd8, 0x11, 0x26}, "rabbit_password_hashing_md5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t hash[PASSWORD_HASH_SIZE_MAX];
        enum password_algorithm algorithm;
        assert_int_equal(
            password_hash(cases[i].algorithm, slice_str("secret"), (const uint8_t *)"abcd", hash),
            cases[i].size);
        assert_memory_equal(hash, "abcd", 4);
        assert_memory_equal(hash + 4, cases[i].begin, 4);
        struct slice whole = slice_of(hash, cases[i].size);
        assert_true(password_algorithm_of(whole, &algorithm));
        assert_int_equal(algorithm, cases[i].algorithm);
        assert_string_equal(password_algorithm_name(algorithm), cases[i].name);
        assert_true(password_algorithm_parse(slice_str(cases[i].name), &algorithm));
        assert_int_equal(algorithm, cases[i].algorithm);
        assert_true(password_matches(whole, slice_str("secret")));
        assert_false(password_matches(whole, slice_str("Secret")));
        assert_false(password_matches(slice_of(hash, cases[i].size - 1), slice_str("secret")));
        char text[PASSWORD_TEXT_SIZE];
        uint8_t back[PASSWORD_HASH_SIZE_MAX];
        assert_int_equal(password_hash_parse(slice_str(password_hash_text(whole, text)), back),
                         cases[i].size);
        assert_memory_equal(back, hash, cases[i].size);
        assert_int_equal(password_hash_parse(slice_of(text, strlen(text) - 4), back), 0);
    }
    enum password_algorithm algorithm;
    assert_false(password_matches(slice_of(NULL, 0), slice_str("")));
    assert_false(password_algorithm_parse(slice_str("rabbit_password_hashing_sha1"), &algorithm));
}

/* Exported by RabbitMQ 3.10.8, whose guest has the password guest. */
static void
hash_of_another_node_is_understood(void **state)
{
    static const char exported[] = "xsUZfjk26HKzS011R7oc+jIIPVrLz35r5qkklEVNqKnkUJEY";
    uint8_t hash[PASSWORD_HASH_SIZE_MAX];
    size_t size = password_hash_parse(slice_str(exported), hash);
    assert_int_equal(size, 36);
    assert_true(password_matches(slice_of(hash, size), slice_str("guest")));
    assert_int_equal(password_hash_parse(slice_str(""), hash), 0);
    assert_int_equal(password_hash_parse(slice_str("===="), hash), 0);
    assert_int_equal(password_hash_parse(slice_str("xsUZfjk26HKzS011R7oc+jIIPVrLz35r5qkklEVNqKnkUJE!"), hash),
                     0);
    char novel[500];
    memset(novel, 'A', sizeof novel);
    assert_int_equal(password_hash_parse(slice_of(novel, sizeof novel), hash), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_everything_is_accepted_but_a_novel),
        cmocka_unit_test(min_length_counts_bytes),
        cmocka_unit_test(regexp_is_searched_for),
        cmocka_unit_test(regexp_that_explodes_ends_as_a_refusal),
        cmocka_unit_test(hash_of_another_node_is_understood),
        cmocka_unit_test(hashes_of_each_algorithm_are_known_by_their_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
