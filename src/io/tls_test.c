/*
 * TLS on both sides, with certificates made here: bytes, both versions, names for logins, refusals, and the
 * texts of what is wrong with a file.
 */
#include "io/tls.h"

#include "io/echo_fixture.h"
#include "io/test_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static char dir[] = "/tmp/leveret-tls-XXXXXX";

static const char *
path(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

/* ---- certificates ---- */

static EVP_PKEY *
write_key(const char *name, const char *password)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *f = fopen(path(name), "w");
    assert_true(key && f);
    assert_int_equal(
        PEM_write_PrivateKey(f, key, password ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL, (void *)password),
        1);
    fclose(f);
    return key;
}

static void
add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(ext);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

static X509 *
write_cert(const char *name, EVP_PKEY *key, const char *organisation, const char *common_name,
           const char *alt_names, X509 *issuer, EVP_PKEY *issuer_key)
{
    static long serial;
    X509 *cert = X509_new();
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const unsigned char *)organisation, -1, -1, 0);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
    X509_set_pubkey(cert, key);
    if (!issuer)
        add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
    if (alt_names)
        add_extension(cert, NID_subject_alt_name, alt_names);
    assert_true(X509_sign(cert, issuer ? issuer_key : key, EVP_sha256()) > 0);
    FILE *f = fopen(path(name), "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, cert), 1);
    fclose(f);
    return cert;
}

static int
make_certificates(void **state)
{
    if (!mkdtemp(dir))
        return 1;
    EVP_PKEY *ca_key = write_key("ca.key", NULL), *server_key = write_key("server.key", "secret"),
             *client_key = write_key("client.key", NULL);
    X509 *ca = write_cert("ca.pem", ca_key, "test", "Test CA", NULL, NULL, NULL);
    X509 *server =
        write_cert("server.pem", server_key, "test", "server", "DNS:localhost,IP:127.0.0.1", ca, ca_key);
    X509 *client = write_cert("client.pem", client_key, "K, \xc3\xb6hler", "guest",
                              "DNS:one,DNS:two,email:guest@example.org,URI:urn:x,IP:10.0.0.1,"
                              "otherName:1.2.3.4;UTF8:other-guest",
                              ca, ca_key);
    X509_free(ca);
    X509_free(server);
    X509_free(client);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(server_key);
    EVP_PKEY_free(client_key);
    return 0;
}

static int
remove_certificates(void **state)
{
    static const char *const names[] = {"ca.key",     "server.key", "client.key", "ca.pem",
                                        "server.pem", "client.pem", "garbage"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path(names[i]));
    return rmdir(dir);
}

static struct tls_options
server_options(void)
{
    return (struct tls_options){.is_server = true,
                                .certfile = path("server.pem"),
                                .keyfile = path("server.key"),
                                .password = "secret",
                                .cacertfile = path("ca.pem")};
}

static struct tls_options
client_options(void)
{
    return (struct tls_options){.cacertfile = path("ca.pem"), .verify_peer = true};
}

static struct tls_context *
context(struct tls_options o)
{
    char why[TLS_ERROR_SIZE] = "";
    struct tls_context *c = NULL;
    if (tls_context_new(&o, &c, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    return c;
}

static void
run(struct echo *e, unsigned seed)
{
    e->world = test_world_new(seed);
    echo_run(e);
    test_world_free(e->world);
    tls_context_drop(e->server);
    tls_context_drop(e->client);
}

/* ---- bytes ---- */

static void
check_version(struct echo *e, const struct tls *t)
{
    assert_string_equal(tls_version_text(t), e->arg);
    assert_false(tls_has_peer_cert(t));
}

static void
echo_version(unsigned version, const char *text, unsigned shards)
{
    for (unsigned seed = 0; seed < test_world_seeds(5); seed++) {
        struct tls_options server = server_options(), client = client_options();
        server.versions = version;
        server.honor_cipher_order = true;
        struct echo e = {.shards = shards,
                         .bytes = 700000,
                         .server = context(server),
                         .client = context(client),
                         .host = "localhost",
                         .on_server_established = check_version,
                         .arg = (void *)text};
        run(&e, seed);
        assert_string_equal(e.client_error, "");
        assert_string_equal(e.server_error, "");
        assert_true(e.client_ended);
        assert_false(e.is_wrong);
        assert_int_equal(e.received, e.bytes);
    }
}

static void
tls_1_3_echoes_and_moves_between_shards(void **state)
{
    echo_version(TLS_VERSION_1_3, "TLSv1.3", 3);
    echo_version(0, "TLSv1.3", 1);
}

static void
tls_1_2_echoes_and_moves_between_shards(void **state)
{
    echo_version(TLS_VERSION_1_2, "TLSv1.2", 3);
}

/* ---- names ---- */

static void
check_names(struct echo *e, const struct tls *t)
{
    char name[TLS_NAME_SIZE];
    assert_true(tls_has_peer_cert(t));
    assert_true(tls_peer_subject(t, name, sizeof name));
    assert_string_equal(name, "CN=guest,O=K\\, \xc3\xb6hler");
    assert_true(tls_peer_issuer(t, name, sizeof name));
    assert_string_equal(name, "CN=Test CA,O=test");
    assert_true(tls_peer_validity(t, name, sizeof name));
    assert_int_equal(strlen(name), strlen("2026-01-01T00:00:00Z - 2027-01-01T00:00:00Z"));
    assert_false(tls_peer_validity(t, name, 40));
    assert_true(tls_peer_common_name(t, name, sizeof name));
    assert_string_equal(name, "guest");
    assert_false(tls_peer_common_name(t, name, 5));
    assert_true(tls_peer_alt_name(t, TLS_SAN_DNS, 1, name, sizeof name));
    assert_string_equal(name, "two");
    assert_false(tls_peer_alt_name(t, TLS_SAN_DNS, 2, name, sizeof name));
    assert_true(tls_peer_alt_name(t, TLS_SAN_EMAIL, 0, name, sizeof name));
    assert_string_equal(name, "guest@example.org");
    assert_true(tls_peer_alt_name(t, TLS_SAN_IP, 0, name, sizeof name));
    assert_string_equal(name, "10.0.0.1");
    assert_true(tls_peer_alt_name(t, TLS_SAN_URI, 0, name, sizeof name));
    assert_string_equal(name, "urn:x");
    assert_true(tls_peer_alt_name(t, TLS_SAN_OTHER_NAME, 0, name, sizeof name));
    assert_string_equal(name, "other-guest");
    *(bool *)e->arg = true;
}

static void
a_client_certificate_gives_names_for_logins(void **state)
{
    bool is_checked = false;
    struct tls_options server = server_options(), client = client_options();
    server.verify_peer = server.fail_if_no_peer_cert = true;
    client.certfile = path("client.pem");
    client.keyfile = path("client.key");
    struct echo e = {.shards = 1,
                     .bytes = 1000,
                     .server = context(server),
                     .client = context(client),
                     .on_server_established = check_names,
                     .arg = &is_checked};
    run(&e, 1);
    assert_true(e.client_ended);
    assert_true(is_checked);
}

static void
a_client_without_a_certificate_is_refused_where_one_is_needed(void **state)
{
    struct tls_options server = server_options();
    server.verify_peer = server.fail_if_no_peer_cert = true;
    struct echo e = {
        .shards = 1, .bytes = 1000, .server = context(server), .client = context(client_options())};
    run(&e, 1);
    assert_true(e.server_failed);
    assert_string_equal(e.server_error, "peer did not return a certificate");
    assert_true(e.client_failed);
}

static void
a_server_with_another_name_is_refused(void **state)
{
    struct echo e = {.shards = 1,
                     .bytes = 1000,
                     .server = context(server_options()),
                     .client = context(client_options()),
                     .host = "elsewhere.example"};
    run(&e, 1);
    assert_true(e.client_failed);
    assert_string_equal(e.client_error, "certificate verify failed");
    assert_int_equal(e.received, 0);
}

/* ---- configuration ---- */

static void
refused(struct tls_options o, enum err expected, const char *named, const char *reason)
{
    char why[TLS_ERROR_SIZE] = "";
    struct tls_context *c = NULL;
    assert_int_equal(tls_context_new(&o, &c, why, sizeof why), expected);
    assert_null(c);
    if (!strstr(why, named) || !strstr(why, reason))
        fail_msg("expected '%s' and '%s' in: %s", named, reason, why);
}

static void
what_is_wrong_with_a_file_is_said(void **state)
{
    FILE *f = fopen(path("garbage"), "w");
    fputs("not a certificate\n", f);
    fclose(f);
    struct tls_options o = server_options();
    o.certfile = path("absent");
    refused(o, ERR_NOT_FOUND, "absent", "No such file");
    o.certfile = path("garbage");
    refused(o, ERR_SYNTAX, "certfile", "no start line");
    o = server_options();
    o.password = "wrong";
    refused(o, ERR_SYNTAX, "server.key", "");
    o.password = NULL;
    refused(o, ERR_SYNTAX, "server.key", "");
    o = server_options();
    o.keyfile = path("client.key");
    refused(o, ERR_SYNTAX, "client.key", "key values mismatch");
    o = server_options();
    o.keyfile = NULL;
    refused(o, ERR_NOT_FOUND, "keyfile", "needs");
    o = server_options();
    o.cacertfile = NULL;
    o.verify_peer = true;
    refused(o, ERR_NOT_FOUND, "verify_peer", "cacertfile");
    o = server_options();
    o.ciphers = "NO-SUCH-CIPHER";
    refused(o, ERR_SYNTAX, "NO-SUCH-CIPHER", "no cipher match");
}

static void
a_slot_gives_new_connections_the_new_context(void **state)
{
    struct tls_context *a = context(server_options()), *b = context(server_options());
    struct tls_slot *slot = tls_slot_new(a);
    struct tls_context *held = tls_slot_get(slot);
    assert_ptr_equal(held, a);
    struct tls *t = tls_new(held, NULL);
    tls_slot_set(slot, b);
    tls_context_drop(held);
    held = tls_slot_get(slot);
    assert_ptr_equal(held, b);
    tls_context_drop(held);
    assert_false(tls_is_established(t)); /* the old context is still alive under it */
    tls_free(t);
    tls_slot_free(slot);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_1_3_echoes_and_moves_between_shards),
        cmocka_unit_test(tls_1_2_echoes_and_moves_between_shards),
        cmocka_unit_test(a_client_certificate_gives_names_for_logins),
        cmocka_unit_test(a_client_without_a_certificate_is_refused_where_one_is_needed),
        cmocka_unit_test(a_server_with_another_name_is_refused),
        cmocka_unit_test(what_is_wrong_with_a_file_is_said),
        cmocka_unit_test(a_slot_gives_new_connections_the_new_context),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
