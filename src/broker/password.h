/*
 * Passwords as RabbitMQ keeps them: four bytes of salt, then the digest of salt and password. How it was made
 * is told by its size, so a hash needs no word beside it: 20 bytes MD5 (before RabbitMQ 3.6), 36 SHA-256 (its
 * default, and ours), 68 SHA-512.
 */
#ifndef LEVERET_BROKER_PASSWORD_H
#define LEVERET_BROKER_PASSWORD_H

#include "base/slice.h"

#include <stdint.h>

enum {
    PASSWORD_SALT_SIZE = 4,
    PASSWORD_HASH_SIZE_MAX = 68,
    PASSWORD_TEXT_SIZE = 93, /* a hash in base64, and the terminator */
};

/* The names are those of definitions files ("hashing_algorithm") and of the key password_hashing_module. */
#define PASSWORD_ALGORITHM_TABLE(X)                                                                          \
    X(SHA256, "rabbit_password_hashing_sha256", 36)                                                          \
    X(SHA512, "rabbit_password_hashing_sha512", 68)                                                          \
    X(MD5, "rabbit_password_hashing_md5", 20)

enum password_algorithm {
#define X(name, text, size) PASSWORD_##name,
    PASSWORD_ALGORITHM_TABLE(X)
#undef X
};

/* Returns the size, salt included. */
size_t password_hash(enum password_algorithm algorithm, struct slice password,
                     const uint8_t salt[PASSWORD_SALT_SIZE], uint8_t out[PASSWORD_HASH_SIZE_MAX]);
/* In constant time once the digest is made. False for what is no hash, the empty one too. */
bool password_matches(struct slice hash, struct slice password);

/* False: no hash has that size. */
bool password_algorithm_of(struct slice hash, enum password_algorithm *algorithm);
const char *password_algorithm_name(enum password_algorithm algorithm);
bool password_algorithm_parse(struct slice name, enum password_algorithm *algorithm);

/* A hash in base64, as definitions files and hash_password have it. Returns `text`. */
const char *password_hash_text(struct slice hash, char text[PASSWORD_TEXT_SIZE]);
/* 0: that is no hash. */
size_t password_hash_parse(struct slice text, uint8_t hash[PASSWORD_HASH_SIZE_MAX]);

#endif
