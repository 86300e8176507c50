/*
 * Encrypted configuration values, {encrypted, <<"...">>}, as RabbitMQ makes and reads them: base64 of salt
 * (16 bytes), initial vector, and the padded text, encrypted with a key that PBKDF2 makes of the passphrase.
 */
#ifndef LEVERET_CTL_SEALED_H
#define LEVERET_CTL_SEALED_H

#include "base/buffer.h"
#include "base/err.h"

#include <stdbool.h>

#define SEALED_CIPHER "aes_256_cbc"
#define SEALED_HASH   "sha512"
enum { SEALED_ITERATIONS = 1000, SEALED_ITERATIONS_MAX = 100000000 };

/* Erlang's names of what there is; NULL-ended. */
extern const char *const sealed_ciphers[], *const sealed_hashes[];
bool sealed_has_cipher(const char *name);
bool sealed_has_hash(const char *name);

struct sealed_how {
    const char *cipher, *hash; /* there */
    int iterations;            /* from 1 */
};

/* Adds base64. ERR_UNSUPPORTED: OpenSSL refuses. */
ERR_USE enum err sealed_close(struct buffer *out, const struct sealed_how *how, const char *passphrase,
                              struct slice text);
/* Adds the text. ERR_CORRUPT: no base64, too short, or another passphrase, cipher, hash: what came out is not
 * padded. */
ERR_USE enum err sealed_open(struct buffer *out, const struct sealed_how *how, const char *passphrase,
                             struct slice base64);

#endif
