#include "broker/replyto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct channel_ref to = {
    .connection = 0xfedcba9876543210u, .shard = 2, .channel = 65535, .serial = 77};

static void
test_an_address_survives_the_journey(void **state)
{
    (void)state;
    char text[REPLYTO_ADDRESS_SIZE];
    replyto_encode(text, to, 0x0123456789abcdefu);
    struct slice address = slice_of(text, sizeof text);
    assert_true(replyto_is_address(address));
    assert_false(replyto_is_name(address));
    assert_true(replyto_is_name(slice_str("amq.rabbitmq.reply-to")));
    struct channel_ref out;
    uint64_t key;
    assert_true(replyto_decode(address, 3, &out, &key));
    assert_memory_equal(&out, &to, sizeof to);
    assert_true(key == 0x0123456789abcdefu);
}

static void
test_other_texts_are_no_addresses(void **state)
{
    (void)state;
    char text[REPLYTO_ADDRESS_SIZE + 1] = {0};
    replyto_encode(text, to, 1);
    struct channel_ref out;
    uint64_t key;
    assert_false(replyto_decode(slice_of(text, sizeof text - 1), 2, &out, &key)); /* no such shard */
    assert_false(replyto_decode(slice_of(text, sizeof text - 2), 3, &out, &key));
    assert_false(replyto_decode(slice_of(text, sizeof text), 3, &out, &key));
    assert_false(replyto_decode(slice_str(REPLYTO_PREFIX), 3, &out, &key));
    assert_false(replyto_decode(slice_of("", 0), 3, &out, &key));
    for (int c = 0; c < 256; c++) {
        bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        c == '-' || c == '_';
        text[sizeof text - 2] = (char)c;
        assert_int_equal(replyto_decode(slice_of(text, sizeof text - 1), 3, &out, &key), is_digit);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_survives_the_journey),
        cmocka_unit_test(test_other_texts_are_no_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
