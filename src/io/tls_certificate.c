/* Names that are too long are shown as far as they fit. */
#include "io/tls_certificate.h"

#include "io/tls_inside.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

static void
print_name(const X509_NAME *from, char *out, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len = 0;
    if (bio && X509_NAME_print_ex(bio, from, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
        len = BIO_get_mem_data(bio, &text);
    size_t n = len > 0 ? (size_t)len : 0;
    if (n >= size)
        for (n = size - 1; n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80; n--)
            ; /* between two characters of UTF-8 */
    memcpy(out, text ? text : "", n);
    out[n] = 0;
    BIO_free(bio);
}

bool
tls_certificate_time(const ASN1_TIME *from, char *text)
{
    struct tm tm;
    text[0] = 0;
    return ASN1_TIME_to_tm(from, &tm) &&
           strftime(text, TLS_CERTIFICATE_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0;
}

static void
describe(const X509 *x, struct tls_certificate *c)
{
    int days = 0, seconds = 0;
    print_name(X509_get_subject_name(x), c->subject, sizeof c->subject);
    print_name(X509_get_issuer_name(x), c->issuer, sizeof c->issuer);
    (void)tls_certificate_time(X509_get0_notBefore(x), c->not_before);
    (void)tls_certificate_time(X509_get0_notAfter(x), c->not_after);
    if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)))
        days = seconds = 0;
    c->seconds_left = (int64_t)days * 86400 + seconds;
}

enum err
tls_certificate_each(const char *path, void (*fn)(void *arg, const struct tls_certificate *c), void *arg)
{
    BIO *file = BIO_new_file(path, "r");
    if (!file)
        return ERR_NOT_FOUND;
    X509 *x;
    for (unsigned i = 0; i < TLS_CERTIFICATES_MAX && (x = PEM_read_bio_X509(file, NULL, NULL, NULL)); i++) {
        struct tls_certificate c;
        describe(x, &c);
        X509_free(x);
        fn(arg, &c);
    }
    BIO_free(file);
    return ERR_OK;
}
