/* Inside io: what tls.c and stream.c share. */
#ifndef LEVERET_IO_TLS_INSIDE_H
#define LEVERET_IO_TLS_INSIDE_H

#include "io/net.h"
#include "io/tls.h"

#include <openssl/ssl.h>

struct tls {
    SSL *ssl;
    struct tls_context *context;
    struct net_conn *net;  /* where the BIO reads and writes; set by stream.c in each call */
    const char *error;     /* static text of the failure, NULL while all is well */
    bool is_ended;         /* the socket's stream has ended */
    bool read_wants_write; /* the last read waits for the socket to be writable, */
    bool write_wants_read; /* the last write for it to be readable: handshakes do that */
    bool read_blocked;     /* the last read took all that can be decrypted */
    bool write_blocked;    /* a record is half sent */
    bool is_broken;        /* a fatal error: not even close_notify is sent */
};

/* tls_certificate.c: "2026-11-29T10:00:00Z"; false, and "", when the certificate holds nonsense. `text` has
 * TLS_CERTIFICATE_TIME_SIZE bytes. */
bool tls_certificate_time(const ASN1_TIME *from, char *text);

#endif
