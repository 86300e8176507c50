/* See password.h. */
#include "broker/password.h"

#include "base/check.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

static const struct {
    const char *name;
    size_t size;
} algorithms[] = {
#define X(name, text, size) [PASSWORD_##name] = {text, size},
    PASSWORD_ALGORITHM_TABLE(X)
#undef X
};

enum { ALGORITHMS = sizeof algorithms / sizeof *algorithms };

static const EVP_MD *
digest_of(enum password_algorithm algorithm)
{
    switch (algorithm) {
    case PASSWORD_SHA512: return EVP_sha512();
    case PASSWORD_MD5: return EVP_md5();
    default: return EVP_sha256();
    }
}

/* False: the library does not have the digest (MD5, where only approved ones are allowed). */
static bool
digest(enum password_algorithm algorithm, struct slice password, const uint8_t *salt, uint8_t *out)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    CHECK(md);
    bool ok = EVP_DigestInit_ex(md, digest_of(algorithm), NULL) == 1;
    if (ok) {
        CHECK(EVP_DigestUpdate(md, salt, PASSWORD_SALT_SIZE) == 1);
        CHECK(EVP_DigestUpdate(md, password.len > 0 ? password.data : salt, password.len) == 1);
        memcpy(out, salt, PASSWORD_SALT_SIZE);
        CHECK(EVP_DigestFinal_ex(md, out + PASSWORD_SALT_SIZE, NULL) == 1);
    }
    EVP_MD_CTX_free(md);
    return ok;
}

size_t
password_hash(enum password_algorithm algorithm, struct slice password,
              const uint8_t salt[PASSWORD_SALT_SIZE], uint8_t out[PASSWORD_HASH_SIZE_MAX])
{
    CHECK(digest(algorithm, password, salt, out));
    return algorithms[algorithm].size;
}

bool
password_matches(struct slice hash, struct slice password)
{
    enum password_algorithm algorithm;
    uint8_t made[PASSWORD_HASH_SIZE_MAX];
    return password_algorithm_of(hash, &algorithm) && digest(algorithm, password, hash.data, made) &&
           CRYPTO_memcmp(made, hash.data, hash.len) == 0;
}

bool
password_algorithm_of(struct slice hash, enum password_algorithm *algorithm)
{
    for (unsigned i = 0; i < ALGORITHMS; i++) {
        if (algorithms[i].size == hash.len) {
            *algorithm = (enum password_algorithm)i;
            return true;
        }
    }
    return false;
}

const char *
password_algorithm_name(enum password_algorithm algorithm)
{
    return algorithms[algorithm].name;
}

bool
password_algorithm_parse(struct slice name, enum password_algorithm *algorithm)
{
    for (unsigned i = 0; i < ALGORITHMS; i++) {
        if (slice_eq_str(name, algorithms[i].name)) {
            *algorithm = (enum password_algorithm)i;
            return true;
        }
    }
    return false;
}

const char *
password_hash_text(struct slice hash, char text[PASSWORD_TEXT_SIZE])
{
    CHECK(hash.len <= PASSWORD_HASH_SIZE_MAX);
    EVP_EncodeBlock((unsigned char *)text, hash.data, (int)hash.len);
    return text;
}

size_t
password_hash_parse(struct slice text, uint8_t hash[PASSWORD_HASH_SIZE_MAX])
{
    uint8_t whole[PASSWORD_TEXT_SIZE]; /* with what stands for the padding */
    enum password_algorithm algorithm;
    if (text.len < 4 || text.len >= PASSWORD_TEXT_SIZE)
        return 0;
    int size = EVP_DecodeBlock(whole, text.data, (int)text.len);
    if (size < 0)
        return 0;
    size -= (text.data[text.len - 1] == '=') + (text.data[text.len - 2] == '=');
    if (size > PASSWORD_HASH_SIZE_MAX || !password_algorithm_of(slice_of(whole, (size_t)size), &algorithm))
        return 0;
    memcpy(hash, whole, (size_t)size);
    return (size_t)size;
}
