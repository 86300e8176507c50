/* PROXY headers: both versions, whole, byte by byte, and broken. */
#include "wire/proxy.h"

#include "wire/wire_test.h"

#define BYTES(literal) ((struct slice){(const uint8_t *)(literal), sizeof literal - 1})
#define V2_SIGNATURE   "\r\n\r\n\0\r\nQUIT\n"

/* Behind every header here comes this much of the protocol that follows. */
static const char v1[] = "PROXY TCP4 192.0.2.1 192.0.2.2 5000 5672\r\nAMQP";
static const char v2[] = V2_SIGNATURE "\x21\x11\0\x0f\xc0\0\2\1\xc0\0\2\2\x13\x88\x16\x28\4\0\0AMQP";

static void
check_inet(struct slice in)
{
    static const uint8_t source[4] = {192, 0, 2, 1}, destination[4] = {192, 0, 2, 2};
    struct proxy_header h;
    size_t used;
    for (size_t len = 0; len < in.len - 4; len++) {
        struct slice cut = test_copy(slice_of(in.data, len));
        assert_int_equal(proxy_parse(cut, &h, &used), ERR_TRUNCATED);
        size_t missing = proxy_missing(cut);
        assert_true(missing > 0 && len + missing <= in.len - 4); /* what follows stays in the socket */
        test_copy_free(cut);
    }
    assert_int_equal(proxy_parse(in, &h, &used), ERR_OK);
    assert_int_equal(used, in.len - 4);
    assert_int_equal(h.family, PROXY_INET);
    assert_memory_equal(h.source, source, 4);
    assert_memory_equal(h.destination, destination, 4);
    assert_int_equal(h.source_port, 5000);
    assert_int_equal(h.destination_port, 5672);
}

static void
version_1_and_2_arrive_byte_by_byte(void **state)
{
    (void)state;
    check_inet(BYTES(v1));
    check_inet(BYTES(v2));
}

static void
inet6_addresses(void **state)
{
    struct proxy_header h;
    size_t used;
    uint8_t bytes[16 + 36] = V2_SIGNATURE "\x21\x21\0\x24";
    (void)state;
    assert_int_equal(proxy_parse(BYTES("PROXY TCP6 ::1 2001:db8::2 1 65535\r\n"), &h, &used), ERR_OK);
    assert_int_equal(h.family, PROXY_INET6);
    assert_int_equal(h.source[15], 1);
    assert_int_equal(h.destination[0], 0x20);
    assert_int_equal(h.destination_port, 65535);
    bytes[16 + 15] = 9;
    bytes[16 + 33] = 80;
    assert_int_equal(proxy_parse(slice_of(bytes, sizeof bytes), &h, &used), ERR_OK);
    assert_int_equal(h.family, PROXY_INET6);
    assert_int_equal(h.source[15], 9);
    assert_int_equal(h.source_port, 80);
}

static void
health_checks_and_unknown_keep_the_sockets_addresses(void **state)
{
    struct proxy_header h;
    size_t used;
    (void)state;
    assert_int_equal(proxy_parse(BYTES("PROXY UNKNOWN\r\n"), &h, &used), ERR_OK);
    assert_int_equal(h.family, PROXY_UNKNOWN);
    assert_int_equal(proxy_parse(BYTES("PROXY UNKNOWN ffff::1 x y z\r\n"), &h, &used), ERR_OK);
    assert_int_equal(h.family, PROXY_UNKNOWN);
    assert_int_equal(proxy_parse(BYTES(V2_SIGNATURE "\x20\0\0\0"), &h, &used), ERR_OK);
    assert_int_equal(h.family, PROXY_LOCAL);
    assert_int_equal(used, 16);
}

static void
malformed_headers_are_refused(void **state)
{
    static const struct slice bad[] = {
        BYTES("AMQP\0\0\11\1"),
        BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 5000 5672\n"),
        BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 5000 65536\r\n"),
        BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 5000 05672\r\n"),
        BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 5000 5672 \r\n"),
        BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 5000\r\n"),
        BYTES("PROXY TCP4 192.0.2.1  192.0.2.2 5000 5672\r\n"),
        BYTES("PROXY TCP4 ::1 ::1 5000 5672\r\n"),
        BYTES("PROXY UDP4 192.0.2.1 192.0.2.2 5000 5672\r\n"),
        BYTES("PROXY \r\n"),
        BYTES(V2_SIGNATURE "\x11\x11\0\0"),
        BYTES(V2_SIGNATURE "\x22\x11\0\0"),
        BYTES(V2_SIGNATURE "\x21\x41\0\0"),
        BYTES(V2_SIGNATURE "\x21\x13\0\0"),
        BYTES(V2_SIGNATURE "\x21\x11\0\x0b\xc0\0\2\1\xc0\0\2\2\x13\x88\x16"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct proxy_header h;
        size_t used;
        assert_int_equal(proxy_parse(bad[i], &h, &used), ERR_SYNTAX);
    }
}

static void
headers_are_bounded(void **state)
{
    char line[PROXY_V1_SIZE_MAX] = "PROXY UNKNOWN ";
    struct proxy_header h;
    size_t used;
    (void)state;
    memset(line + 14, 'x', sizeof line - 14);
    assert_int_equal(proxy_parse(slice_of(line, sizeof line - 1), &h, &used), ERR_TRUNCATED);
    assert_int_equal(proxy_parse(slice_of(line, sizeof line), &h, &used), ERR_LIMIT);
    assert_int_equal(proxy_parse(BYTES(V2_SIGNATURE "\x21\x11\xff\xff"), &h, &used), ERR_LIMIT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1_and_2_arrive_byte_by_byte),
        cmocka_unit_test(inet6_addresses),
        cmocka_unit_test(health_checks_and_unknown_keep_the_sockets_addresses),
        cmocka_unit_test(malformed_headers_are_refused),
        cmocka_unit_test(headers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
