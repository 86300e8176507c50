/* What the peer's certificate says, for logins and for the log. A name with a zero byte in it is no name. */
#include "io/tls_certificate.h"
#include "io/tls_inside.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static bool
copy_name(const void *from, size_t len, char *name, size_t size)
{
    if (len >= size || memchr(from, 0, len))
        return false;
    memcpy(name, from, len);
    name[len] = 0;
    return true;
}

bool
tls_has_peer_cert(const struct tls *t)
{
    return SSL_get0_peer_certificate(t->ssl);
}

static bool
print_name(const X509_NAME *from, char *name, size_t size)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    /* RFC 4514: most specific first, escaped; UTF-8 stays as it is. */
    bool ok = out && X509_NAME_print_ex(out, from, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0;
    long len = ok ? BIO_get_mem_data(out, &text) : 0;
    ok = len > 0 && copy_name(text, (size_t)len, name, size);
    BIO_free(out);
    return ok;
}

bool
tls_peer_subject(const struct tls *t, char *name, size_t size)
{
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    return cert && print_name(X509_get_subject_name(cert), name, size);
}

bool
tls_peer_issuer(const struct tls *t, char *name, size_t size)
{
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    return cert && print_name(X509_get_issuer_name(cert), name, size);
}

bool
tls_peer_common_name(const struct tls *t, char *name, size_t size)
{
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    if (!cert)
        return false;
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID((X509_NAME *)subject, NID_commonName, -1);
    if (at < 0)
        return false;
    unsigned char *utf8;
    int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (len < 0)
        return false;
    bool ok = copy_name(utf8, (size_t)len, name, size);
    OPENSSL_free(utf8);
    return ok;
}

static bool
copy_string(const ASN1_STRING *s, char *name, size_t size)
{
    return copy_name(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s), name, size);
}

static bool
copy_address(const ASN1_OCTET_STRING *ip, char *name, size_t size)
{
    int len = ASN1_STRING_length(ip);
    if (len != 4 && len != 16)
        return false;
    return inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), name, (socklen_t)size);
}

static bool
copy_other(const OTHERNAME *other, char *name, size_t size)
{
    int type = other->value->type;
    bool is_text = type == V_ASN1_UTF8STRING || type == V_ASN1_IA5STRING || type == V_ASN1_PRINTABLESTRING;
    return is_text && copy_string(other->value->value.asn1_string, name, size);
}

static bool
copy_alt_name(const GENERAL_NAME *g, enum tls_san kind, char *name, size_t size)
{
    switch (kind) {
    case TLS_SAN_DNS: return copy_string(g->d.dNSName, name, size);
    case TLS_SAN_IP: return copy_address(g->d.iPAddress, name, size);
    case TLS_SAN_EMAIL: return copy_string(g->d.rfc822Name, name, size);
    case TLS_SAN_URI: return copy_string(g->d.uniformResourceIdentifier, name, size);
    case TLS_SAN_OTHER_NAME: return copy_other(g->d.otherName, name, size);
    }
    return false;
}

bool
tls_peer_alt_name(const struct tls *t, enum tls_san kind, unsigned i, char *name, size_t size)
{
    static const int types[] = {
        [TLS_SAN_DNS] = GEN_DNS,
        [TLS_SAN_IP] = GEN_IPADD,
        [TLS_SAN_EMAIL] = GEN_EMAIL,
        [TLS_SAN_URI] = GEN_URI,
        [TLS_SAN_OTHER_NAME] = GEN_OTHERNAME,
    };
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    GENERAL_NAMES *names = cert ? X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL) : NULL;
    bool found = false;
    for (int k = 0; names && k < sk_GENERAL_NAME_num(names); k++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, k);
        if (g->type != types[kind] || i-- > 0)
            continue;
        found = copy_alt_name(g, kind, name, size);
        break;
    }
    GENERAL_NAMES_free(names);
    return found;
}

bool
tls_peer_validity(const struct tls *t, char *text, size_t size)
{
    char from[TLS_CERTIFICATE_TIME_SIZE], to[TLS_CERTIFICATE_TIME_SIZE];
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    if (!cert || !tls_certificate_time(X509_get0_notBefore(cert), from) ||
        !tls_certificate_time(X509_get0_notAfter(cert), to))
        return false;
    int n = snprintf(text, size, "%s - %s", from, to);
    return n > 0 && (size_t)n < size;
}
