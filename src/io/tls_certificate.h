/* What stands in a file of certificates: for those who watch over their expiry. */
#ifndef LEVERET_IO_TLS_CERTIFICATE_H
#define LEVERET_IO_TLS_CERTIFICATE_H

#include "base/err.h"
#include "io/tls.h"

enum { TLS_CERTIFICATE_TIME_SIZE = 32, TLS_CERTIFICATES_MAX = 1000 };

struct tls_certificate {
    char subject[TLS_NAME_SIZE], issuer[TLS_NAME_SIZE];
    char not_before[TLS_CERTIFICATE_TIME_SIZE],
        not_after[TLS_CERTIFICATE_TIME_SIZE]; /* 2026-11-29T10:00:00Z */
    int64_t seconds_left;                     /* until it expires; below 0: since */
};

/* fn for each certificate of a PEM file, in its order, TLS_CERTIFICATES_MAX at most. Blocks on the file.
 * ERR_NOT_FOUND: it cannot be opened. */
ERR_USE enum err tls_certificate_each(const char *path,
                                      void (*fn)(void *arg, const struct tls_certificate *c), void *arg);

#endif
