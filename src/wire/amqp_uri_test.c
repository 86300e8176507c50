/* Addresses: their parts, and for what is none the reason that RabbitMQ 3.10.8 gives. */
#include "wire/amqp_uri.h"

#include "base/buffer.h"
#include "wire/wire_test.h"

static void
an_address_is_taken_apart(void **state)
{
    struct amqp_uri u;
    assert_true(
        amqp_uri_parse(slice_str("amqps://u:p:q@host:5671/%2f?verify=verify_none&depth=2#x"), &u, NULL));
    assert_true(u.is_tls);
    assert_true(slice_eq_str(u.user, "u"));
    assert_true(slice_eq_str(u.password, "p:q"));
    assert_true(slice_eq_str(u.host, "host"));
    assert_true(slice_eq_str(u.vhost, "%2f"));
    assert_true(slice_eq_str(u.query, "verify=verify_none&depth=2"));
    assert_int_equal(u.port, 5671);
    assert_true(amqp_uri_parse(slice_str("amqp://[::1]:5672/"), &u, NULL));
    assert_true(slice_eq_str(u.host, "::1"));
    assert_int_equal(u.port, 5672);
    assert_true(u.vhost.data && u.vhost.len == 0);
    assert_true(amqp_uri_parse(slice_str("amqp://"), &u, NULL));
    assert_true(!u.is_tls && u.host.len == 0 && !u.vhost.data && !u.user.data && u.port == 0);
}

static void
what_is_good_there_is_good_here(void **state)
{
    static const char *const rows[] = {
        "amqp:///nosuch", "AMQP://h",    "amqp://u@h",          "amqp://@h",
        "amqp://[::1",    "amqp://h h",  "amqp://h?bogus=x",    "amqp://h?a",
        "amqp://u:@h",    "amqp://:p@h", "amqp://?heartbeat=x", "amqp://h?heartbeat=-5&channel_max=7",
    };
    struct amqp_uri u;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(amqp_uri_parse(slice_str(rows[i]), &u, NULL));
}

static void
a_reason_is_rabbitmqs_term(void **state)
{
    static const char *const rows[][2] = {
        {"nonsense", "{{unable_to_parse_uri,no_scheme},\"nonsense\"}"},
        {"", "{{unable_to_parse_uri,no_scheme},[]}"},
        {"amqp:h", "{{case_clause,\"h\"},\"amqp:h\"}"},
        {"http://x", "{{unexpected_uri_scheme,\"http\"},\"http://x\"}"},
        {"://h", "{{unexpected_uri_scheme,[]},\"://h\"}"},
        {"amqp://h:0", "{{port_out_of_range,0},\"amqp://h:0\"}"},
        {"amqp://h:99999999", "{{port_out_of_range,99999999},\"amqp://h:99999999\"}"},
        {"amqp://h/a/b", "{{invalid_vhost,\"a/b\"},\"amqp://h/a/b\"}"},
        {"amqp://h/%zz", "{{invalid_entitiy,['%',122,122]},\"amqp://h/%zz\"}"},
        {"amqp://u%zz:p@h", "{{invalid_entitiy,['%',122,122]},\"amqp://u%zz:p@h\"}"},
        {"amqp://h/%z", "{{unterminated_entity,['%',122]},\"amqp://h/%z\"}"},
        {"amqp://h/%", "{{unterminated_entity,['%']},\"amqp://h/%\"}"},
        {"amqp://h?heartbeat=x&a=b", "{{invalid_amqp_params_parameter,heartbeat,\"x\",[{\"heartbeat\",\"x\"},"
                                     "{\"a\",\"b\"}],{not_an_integer,\"x\"}},\"amqp://h?heartbeat=x&a=b\"}"},
        {"amqp://h?channel_max=", "{{invalid_amqp_params_parameter,channel_max,[],[{\"channel_max\",[]}],"
                                  "{not_an_integer,[]}},\"amqp://h?channel_max=\"}"},
        {"amqps://h?depth=x",
         "{{invalid_ssl_parameter,depth,\"x\",[{\"depth\",\"x\"}],{not_an_integer,\"x\"}},"
         "\"amqps://h?depth=x\"}"},
        {"amqps://h?fail_if_no_peer_cert=x",
         "{{invalid_ssl_parameter,fail_if_no_peer_cert,\"x\",[{\"fail_if_no_peer_cert\",\"x\"}],"
         "{require_boolean,x}},\"amqps://h?fail_if_no_peer_cert=x\"}"},
        /* Shorter than there: without the places in the program. */
        {"amqp://h:x", "{{unable_to_parse_uri,{malformed_uri,\"amqp://h:x\"}},\"amqp://h:x\"}"},
        {"amqps://", "{{badrecord,amqp_params_direct},\"amqps://\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct amqp_uri u;
        struct buffer why = {0};
        assert_false(amqp_uri_parse(slice_str(rows[i][0]), &u, &why));
        buffer_add_u8(&why, 0);
        assert_string_equal((char *)why.data, rows[i][1]);
        buffer_fini(&why);
        assert_false(amqp_uri_parse(slice_str(rows[i][0]), &u, NULL));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_taken_apart),
        cmocka_unit_test(what_is_good_there_is_good_here),
        cmocka_unit_test(a_reason_is_rabbitmqs_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
