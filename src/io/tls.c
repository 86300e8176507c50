/*
 * Contexts and connection state over OpenSSL. A context is never changed after tls_context_new(): new
 * certificates make a new context, which replaces the old one in a slot while connections keep what they
 * hold. Bytes pass through a BIO of our own, so that TLS runs over whatever implements net.h.
 */
#include "io/tls.h"

#include "base/check.h"
#include "io/oserr.h"
#include "io/tls_inside.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    bool is_server;
    atomic_uint holds;
};

struct tls_slot {
    pthread_mutex_t lock;
    struct tls_context *context;
};

/* ---- the BIO ---- */

static int
bio_result(BIO *b, ssize_t n, void (*set_retry)(BIO *b))
{
    BIO_clear_retry_flags(b);
    if (n == NET_AGAIN)
        set_retry(b);
    return n >= 0 ? (int)n : -1;
}

static void
retry_read(BIO *b)
{
    BIO_set_retry_read(b);
}

static void
retry_write(BIO *b)
{
    BIO_set_retry_write(b);
}

static int
bio_read(BIO *b, char *data, int len)
{
    struct tls *t = BIO_get_data(b);
    struct iovec iov = {.iov_base = data, .iov_len = (size_t)len};
    ssize_t n = net_readv(t->net, &iov, 1);
    t->is_ended |= n == 0 && len > 0;
    return bio_result(b, n, retry_read);
}

static int
bio_write(BIO *b, const char *data, int len)
{
    struct tls *t = BIO_get_data(b);
    struct iovec iov = {.iov_base = (char *)data, .iov_len = (size_t)len};
    return bio_result(b, net_writev(t->net, &iov, 1), retry_write);
}

static long
bio_ctrl(BIO *b, int command, long number, void *pointer)
{
    if (command == BIO_CTRL_EOF)
        return ((const struct tls *)BIO_get_data(b))->is_ended;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static BIO_METHOD *
bio_method_new(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "net");
    CHECK(m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
          BIO_meth_set_ctrl(m, bio_ctrl));
    return m;
}

/* ---- contexts ---- */

/* OpenSSL's queue begins with the cause: a system error, or a reason of its own. */
static enum err
explain(const char *option, const char *value, char *why, size_t why_size)
{
    unsigned long e, first = 0;
    int number = 0;
    while ((e = ERR_get_error()) != 0) {
        if (ERR_SYSTEM_ERROR(e) && !number)
            number = ERR_GET_REASON(e);
        first = first ? first : e;
    }
    const char *reason = number ? strerror(number) : first ? ERR_reason_error_string(first) : NULL;
    snprintf(why, why_size, "%s '%s': %s", option, value, reason ? reason : "not usable");
    return number ? oserr_of(number) : ERR_SYNTAX;
}

static int
give_password(char *buffer, int size, int for_writing, void *password)
{
    size_t len = password ? strlen(password) : 0;
    if (len > (size_t)size)
        return -1;
    if (len > 0)
        memcpy(buffer, password, len);
    return (int)len;
}

static enum err
load_own(SSL_CTX *c, const struct tls_options *o, char *why, size_t why_size)
{
    if (o->is_server && (!o->certfile || !o->keyfile)) {
        snprintf(why, why_size, "a TLS server needs certfile and keyfile");
        return ERR_NOT_FOUND;
    }
    SSL_CTX_set_default_passwd_cb(c, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(c, (void *)o->password);
    if (o->certfile && SSL_CTX_use_certificate_chain_file(c, o->certfile) != 1)
        return explain("certfile", o->certfile, why, why_size);
    if (o->keyfile && SSL_CTX_use_PrivateKey_file(c, o->keyfile, SSL_FILETYPE_PEM) != 1)
        return explain("keyfile", o->keyfile, why, why_size);
    SSL_CTX_set_default_passwd_cb_userdata(c, NULL);
    if (o->keyfile && SSL_CTX_check_private_key(c) != 1)
        return explain("keyfile", o->keyfile, why, why_size);
    return ERR_OK;
}

static enum err
load_verification(SSL_CTX *c, const struct tls_options *o, char *why, size_t why_size)
{
    if (o->cacertfile) {
        if (SSL_CTX_load_verify_locations(c, o->cacertfile, NULL) != 1)
            return explain("cacertfile", o->cacertfile, why, why_size);
        if (o->is_server)
            SSL_CTX_set_client_CA_list(c, SSL_load_client_CA_file(o->cacertfile));
    } else if (o->verify_peer) {
        snprintf(why, why_size, "verify_peer needs cacertfile");
        return ERR_NOT_FOUND;
    }
    int mode = SSL_VERIFY_NONE;
    if (o->verify_peer)
        mode = SSL_VERIFY_PEER | (o->fail_if_no_peer_cert ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_CTX_set_verify(c, mode, NULL);
    SSL_CTX_set_verify_depth(c, o->depth ? o->depth : TLS_DEPTH_DEFAULT);
    return ERR_OK;
}

static enum err
set_protocol(SSL_CTX *c, const struct tls_options *o, char *why, size_t why_size)
{
    unsigned versions = o->versions ? o->versions : TLS_VERSION_1_2 | TLS_VERSION_1_3;
    SSL_CTX_set_min_proto_version(c, versions & TLS_VERSION_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(c, versions & TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    if (o->ciphers && SSL_CTX_set_cipher_list(c, o->ciphers) != 1)
        return explain("ciphers", o->ciphers, why, why_size);
    if (o->ciphersuites && SSL_CTX_set_ciphersuites(c, o->ciphersuites) != 1)
        return explain("ciphersuites", o->ciphersuites, why, why_size);
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                               (o->honor_cipher_order ? SSL_OP_CIPHER_SERVER_PREFERENCE : 0));
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(c, 1); /* a record's header and body in one system call */
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(c, (const unsigned char *)"leveret", 7);
    SSL_CTX_set_dh_auto(c, 1);
    return ERR_OK;
}

enum err
tls_context_new(const struct tls_options *o, struct tls_context **context, char *why, size_t why_size)
{
    ERR_clear_error();
    SSL_CTX *ssl = SSL_CTX_new(o->is_server ? TLS_server_method() : TLS_client_method());
    CHECK(ssl);
    enum err e = set_protocol(ssl, o, why, why_size);
    if (e == ERR_OK)
        e = load_own(ssl, o, why, why_size);
    if (e == ERR_OK)
        e = load_verification(ssl, o, why, why_size);
    if (e != ERR_OK) {
        SSL_CTX_free(ssl);
        return e;
    }
    struct tls_context *c = malloc(sizeof *c);
    CHECK(c);
    *c = (struct tls_context){.ssl = ssl, .bio = bio_method_new(), .is_server = o->is_server};
    atomic_init(&c->holds, 1);
    *context = c;
    return ERR_OK;
}

struct tls_context *
tls_context_hold(struct tls_context *c)
{
    atomic_fetch_add_explicit(&c->holds, 1, memory_order_relaxed);
    return c;
}

void
tls_context_drop(struct tls_context *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->holds, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(c->ssl);
    BIO_meth_free(c->bio);
    free(c);
}

struct tls_slot *
tls_slot_new(struct tls_context *context)
{
    struct tls_slot *slot = malloc(sizeof *slot);
    CHECK(slot);
    pthread_mutex_init(&slot->lock, NULL);
    slot->context = context;
    return slot;
}

void
tls_slot_free(struct tls_slot *slot)
{
    if (!slot)
        return;
    tls_context_drop(slot->context);
    pthread_mutex_destroy(&slot->lock);
    free(slot);
}

void
tls_slot_set(struct tls_slot *slot, struct tls_context *context)
{
    pthread_mutex_lock(&slot->lock);
    struct tls_context *old = slot->context;
    slot->context = context;
    pthread_mutex_unlock(&slot->lock);
    tls_context_drop(old);
}

struct tls_context *
tls_slot_get(struct tls_slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    struct tls_context *c = slot->context ? tls_context_hold(slot->context) : NULL;
    pthread_mutex_unlock(&slot->lock);
    return c;
}

/* ---- a connection ---- */

static void
expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
        return; /* an address: no SNI for those */
    CHECK(SSL_set1_host(ssl, host) == 1);
    SSL_set_tlsext_host_name(ssl, host);
}

struct tls *
tls_new(struct tls_context *context, const char *host)
{
    struct tls *t = calloc(1, sizeof *t);
    CHECK(t);
    t->context = tls_context_hold(context);
    t->ssl = SSL_new(context->ssl);
    BIO *bio = BIO_new(context->bio);
    CHECK(t->ssl && bio);
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    if (context->is_server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    if (host && !context->is_server)
        expect_host(t->ssl, host);
    return t;
}

void
tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    tls_context_drop(t->context);
    free(t);
}

bool
tls_is_established(const struct tls *t)
{
    return SSL_is_init_finished(t->ssl);
}

bool
tls_is_mid_record(const struct tls *t)
{
    return t->write_blocked || SSL_has_pending(t->ssl) || strcmp(SSL_rstate_string(t->ssl), "RH") != 0;
}

const char *
tls_version_text(const struct tls *t)
{
    return SSL_get_version(t->ssl);
}

const char *
tls_cipher_text(const struct tls *t)
{
    return SSL_get_cipher_name(t->ssl);
}
