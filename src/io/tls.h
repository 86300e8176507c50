/*
 * TLS 1.2 and 1.3 (OpenSSL). A context is a configuration with loaded certificates, shared by connections and
 * threads and counted; a tls is one connection's state, over whatever net.h moves bytes with. Bytes go
 * through stream.h.
 */
#ifndef LEVERET_IO_TLS_H
#define LEVERET_IO_TLS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls;
struct tls_context;

enum {
    TLS_NAME_SIZE = 512, /* of a name taken from a certificate, with the terminator */
    TLS_ERROR_SIZE = 256,
    TLS_DEPTH_DEFAULT = 1, /* as RabbitMQ's ssl_options.depth */
};

enum tls_version {
    TLS_VERSION_1_2 = 1,
    TLS_VERSION_1_3 = 2,
};

/* Paths may be NULL where they are not needed (a client without a certificate, no verification). */
struct tls_options {
    bool is_server;
    const char *certfile, *keyfile, *password, *cacertfile;
    bool verify_peer;
    bool fail_if_no_peer_cert;
    int depth;                /* of the peer's chain; 0 stands for TLS_DEPTH_DEFAULT */
    unsigned versions;        /* of enum tls_version; 0: both */
    const char *ciphers;      /* TLS 1.2 list in OpenSSL's syntax; NULL: the library's */
    const char *ciphersuites; /* TLS 1.3; NULL: the library's */
    bool honor_cipher_order;
};

/*
 * Loads everything now. On failure `why` names the file or option and the reason, and nothing is created:
 * ERR_NOT_FOUND, ERR_PERMISSION, ERR_SYNTAX (not a certificate, wrong password, key and certificate differ).
 */
ERR_USE enum err tls_context_new(const struct tls_options *options, struct tls_context **context, char *why,
                                 size_t why_size);
struct tls_context *tls_context_hold(struct tls_context *context);
void tls_context_drop(struct tls_context *context);

/* A place that always holds the current context: reloading certificates swaps it under running connections.
 */
struct tls_slot;
/* Takes the caller's hold of `context` (NULL: none yet). */
struct tls_slot *tls_slot_new(struct tls_context *context);
void tls_slot_free(struct tls_slot *slot);
/* From any thread. Takes the caller's hold; connections that have the old one keep it. */
void tls_slot_set(struct tls_slot *slot, struct tls_context *context);
/* From any thread: the current context, held for the caller; NULL when there is none. */
struct tls_context *tls_slot_get(struct tls_slot *slot);

/*
 * One connection's state, server or client as the context says. Holds the context. `host` is what a verifying
 * client expects in the certificate and sends as SNI (NULL: neither).
 */
struct tls *tls_new(struct tls_context *context, const char *host);
void tls_free(struct tls *t);

bool tls_is_established(const struct tls *t);
/* A record is half read or half written: not the moment to move the connection. */
bool tls_is_mid_record(const struct tls *t);

/* Whether the peer showed a certificate (which was verified if the context verifies). */
bool tls_has_peer_cert(const struct tls *t);
/*
 * Names in the peer's certificate, for EXTERNAL logins; false when there is none, when it does not fit
 * `name`, or when it holds a zero byte. DN as RFC 4514 text ("CN=guest,O=client").
 */
bool tls_peer_subject(const struct tls *t, char *name, size_t size);
bool tls_peer_issuer(const struct tls *t, char *name, size_t size);
/* From when to when it is valid: "2026-01-01T00:00:00Z - 2027-01-01T00:00:00Z". */
bool tls_peer_validity(const struct tls *t, char *text, size_t size);
bool tls_peer_common_name(const struct tls *t, char *name, size_t size);
enum tls_san {
    TLS_SAN_DNS,
    TLS_SAN_IP,
    TLS_SAN_EMAIL,
    TLS_SAN_URI,
    TLS_SAN_OTHER_NAME, /* a UTF-8 or IA5 string in an otherName, as RabbitMQ's other_name */
};
/* The i-th (from 0) subject alternative name of that kind. */
bool tls_peer_alt_name(const struct tls *t, enum tls_san kind, unsigned i, char *name, size_t size);
/* "TLSv1.3", "TLS_AES_256_GCM_SHA384": static texts. */
const char *tls_version_text(const struct tls *t);
const char *tls_cipher_text(const struct tls *t);

#endif
