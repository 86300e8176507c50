/* Values of parameters against what RabbitMQ 3.10.8's validators say of them; each row was asked there, but
 * for those that are marked: there a validator crashes, or a later version knows the key. */
#include "broker/parameter_check.h"

#include "broker/jsontext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct row {
    const char *component, *value, *text;
};

static void
check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char why[128];
        struct buffer wrong = {0};
        json_t *value = jsontext_parse(slice_str(rows[i].value), 100000, why);
        assert_non_null(value);
        parameter_check(&wrong, slice_str(rows[i].component), slice_str("nm"), value);
        buffer_add_u8(&wrong, 0);
        assert_string_equal((char *)wrong.data, rows[i].text);
        buffer_fini(&wrong);
        json_decref(value);
    }
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof *(rows))

#define URIS  "\"src-uri\":\"amqp://h\",\"dest-uri\":\"amqp://h\""
#define QUEUE URIS ",\"src-queue\":\"a\""

static void
a_shovel_is_judged_in_rabbitmqs_words(void **state)
{
    static const struct row rows[] = {
        {"shovel", "{" QUEUE "}", ""},
        {"shovel", "{" QUEUE ",\"src-delete-after\":0,\"reconnect-delay\":-5,\"prefetch-count\":1.5}", ""},
        {"shovel", "{}",
         "Must specify 'src-exchange' or 'src-queue'\nKey \"dest-uri\" not found in nm\n"
         "Key \"src-uri\" not found in nm\n"},
        {"shovel", "{" URIS ",\"src-exchange\":\"\",\"src-queue\":\"\"}",
         "Cannot specify 'src-exchange' and 'src-queue'\n"},
        {"shovel", "{" QUEUE ",\"dest-exchange\":\"\",\"dest-queue\":\"\"}",
         "Cannot specify 'dest-exchange' and 'dest-queue'\n"},
        {"shovel", "{" QUEUE ",\"delete-after\":5,\"ack-mode\":\"no-ack\"}",
         "Cannot specify 'no-ack' and numerical 'delete-after'\n"},
        {"shovel", "{" QUEUE ",\"ack-mode\":\"odd\"}",
         "ack-mode should be one of [<<\"no-ack\">>,<<\"on-publish\">>,<<\"on-confirm\">>], actually was "
         "<<\"odd\">>\n"},
        {"shovel", "{" QUEUE ",\"ack-mode\":5}", "ack-mode should be binary, actually was 5\n"},
        {"shovel", "{" QUEUE ",\"src-delete-after\":-1}",
         "src-delete-after should be a number greater than or equal to 0, \"never\" or \"queue-length\", "
         "actually was -1\n"},
        {"shovel", "{\"src-uri\":[\"amqp://h\",5],\"src-queue\":7,\"dest-uri\":{},\"dest-queue\":[]}",
         "dest-queue should be binary, actually was []\ndest-uri should be list, actually was #{}\n"
         "src-queue should be binary, actually was 7\nsrc-uri should be list, actually was 5\n"},
        {"shovel",
         "{" QUEUE ",\"publish-properties\":5,\"dest-publish-properties\":"
         "{\"content_type\":5,\"delivery_mode\":\"x\",\"headers\":{},\"bogus\":1}}",
         "Unrecognised terms [{<<\"bogus\">>,1},{<<\"headers\">>,#{}}] in dest-publish-properties\n"
         "delivery_mode should be a number, actually was <<\"x\">>\n"
         "content_type should be binary, actually was 5\npublish-properties not a list 5\n"},
        {"shovel", "{" URIS ",\"src-protocol\":\"amqp10\",\"src-queue\":\"a\"}",
         "Unrecognised terms [{<<\"src-queue\">>,<<\"a\">>}] in nm\nKey \"src-address\" not found in nm\n"},
        {"shovel",
         "{" QUEUE ",\"dest-protocol\":\"amqp10\",\"dest-address\":\"q\",\"dest-properties\":"
         "{\"a\":5,\"b\":\"c\"}}",
         "a should be binary, actually was 5\n"},
        /* Crashes there. */
        {"shovel", "5", "Must specify 'src-exchange' or 'src-queue'\nnm not a list 5\n"},
        {"shovel", "{" QUEUE ",\"src-protocol\":\"odd\"}",
         "src-protocol should be one of [<<\"amqp10\">>,<<\"amqp091\">>], actually was <<\"odd\">>\n"},
        {"shovel", "{" QUEUE ",\"src-queue-args\":5}", "src-queue-args not a list 5\n"},
        /* Of later versions. */
        {"shovel", "{" QUEUE ",\"src-predeclared\":true,\"src-queue-args\":{\"x-queue-type\":\"quorum\"}}",
         ""},
    };
    CHECK_ROWS(rows);
}

static void
a_shovels_addresses_are_addresses(void **state)
{
    static const struct row rows[] = {
        {"shovel", "{\"src-uri\":\"nonsense\",\"src-queue\":\"a\",\"dest-uri\":\"amqp://\"}",
         "\"nonsense\" not a valid URI: {{unable_to_parse_uri,no_scheme},\"nonsense\"}\n"},
        {"shovel", "{\"src-uri\":[\"amqp://a\",\"http://x\",\"y\"],\"src-queue\":\"a\",\"dest-uri\":[]}",
         "\"http://x\" not a valid URI: {{unexpected_uri_scheme,\"http\"},\"http://x\"}\n"},
        {"shovel", "{\"src-uri\":\"\",\"src-queue\":\"a\",\"dest-uri\":\"amqp://[::1]:5672\"}",
         "\"\" not a valid URI: {{unable_to_parse_uri,no_scheme},[]}\n"},
    };
    CHECK_ROWS(rows);
}

static void
an_upstream_is_judged_in_rabbitmqs_words(void **state)
{
    static const struct row rows[] = {
        {"federation-upstream",
         "{\"uri\":\"amqp://fed:fed@h\",\"expires\":3600000,\"ack-mode\":\"on-confirm\",\"max-hops\":1}", ""},
        {"federation-upstream", "{}", "Key \"uri\" not found in nm\n"},
        {"federation-upstream", "[]", "Key \"uri\" not found in nm\n"},
        {"federation-upstream", "[1]", "Unrecognised terms [1] in nm\nKey \"uri\" not found in nm\n"},
        {"federation-upstream",
         "{\"uri\":\"amqp://x\",\"more\":\"x\",\"bogus\":1,\"a\":null,\"max-hops\":\"x\"}",
         "Unrecognised terms [{<<\"a\">>,null},{<<\"bogus\">>,1},{<<\"more\">>,<<\"x\">>}] in nm\n"
         "max-hops should be a number, actually was <<\"x\">>\n"},
        {"federation-upstream", "{\"uri\":5,\"trust-user-id\":\"x\",\"resource-cleanup-mode\":\"x\"}",
         "resource-cleanup-mode should be one of [<<\"default\">>,<<\"never\">>], actually was <<\"x\">>\n"
         "trust-user-id should be boolean, actually was <<\"x\">>\nuri should be list, actually was 5\n"},
        {"federation-upstream-set", "[{\"upstream\":\"up1\",\"max-hops\":2}]", ""},
        {"federation-upstream-set", "[]", ""},
        {"federation-upstream-set", "[[]]", "Key \"upstream\" not found in nm\n"},
        {"federation-upstream-set", "[{\"upstream\":5},{\"uri\":\"amqp://x\"}]",
         "upstream should be binary, actually was 5\nUnrecognised terms [{<<\"uri\">>,<<\"amqp://x\">>}] in "
         "nm\n"
         "Key \"upstream\" not found in nm\n"},
        /* Crashes there. */
        {"federation-upstream-set", "{}", "nm should be list, actually was #{}\n"},
        {"federation-upstream-set", "[1]", "nm not a list 1\n"},
        /* Of a later version. */
        {"federation-upstream", "{\"uri\":\"amqp://x\",\"queue-type\":\"quorum\"}", ""},
    };
    CHECK_ROWS(rows);
}

static void
what_is_wrong_with_much_is_not_told_in_full(void **state)
{
    json_t *set = json_array(), *object = json_object();
    for (int i = 0; i < 100000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        json_array_append_new(set, json_integer(i));
        json_object_set_new(object, key, json_integer(i));
    }
    const struct {
        const char *component;
        const json_t *value;
    } rows[] = {{"federation-upstream-set", set}, {"federation-upstream", set}, {"shovel", object}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer wrong = {0};
        parameter_check(&wrong, slice_str(rows[i].component), slice_str("nm"), rows[i].value);
        assert_in_range(wrong.len, 1, 4096);
        buffer_fini(&wrong);
    }
    json_decref(set);
    json_decref(object);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shovel_is_judged_in_rabbitmqs_words),
        cmocka_unit_test(a_shovels_addresses_are_addresses),
        cmocka_unit_test(an_upstream_is_judged_in_rabbitmqs_words),
        cmocka_unit_test(what_is_wrong_with_much_is_not_told_in_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
