/* Finding users, and their passwords: RabbitMQ's salted hashes, four bytes of salt and then digest(salt,
 * password). New ones are SHA-256; the others come with definitions. MD5 is as weak as it is known to be:
 * RabbitMQ's files from before 3.6 have it. */
#include "broker/user.h"

#include "base/check.h"
#include "base/hash.h"
#include "broker/meta_impl.h"
#include "broker/quota.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

static bool
user_eq(const void *item, const void *key)
{
    const struct user *u = item;
    return slice_eq(slice_of(u->name, u->name_size), *(const struct slice *)key);
}

const struct user *
user_find(const struct meta *m, struct slice name)
{
    return cmap_find(&m->users, hash_bytes(name), user_eq, &name);
}

static const struct {
    const char *name;
    const EVP_MD *(*digest)(void);
    size_t size; /* with the salt */
} hashings[USER_HASHINGS] = {
    [USER_HASHING_SHA256] = {"rabbit_password_hashing_sha256", EVP_sha256, USER_SALT_SIZE + 32},
    [USER_HASHING_SHA512] = {"rabbit_password_hashing_sha512", EVP_sha512, USER_SALT_SIZE + 64},
    [USER_HASHING_MD5] = {"rabbit_password_hashing_md5", EVP_md5, USER_SALT_SIZE + 16},
};

bool
user_hashing_parse(struct slice name, enum user_hashing *out)
{
    for (unsigned i = 0; i < USER_HASHINGS; i++) {
        if (slice_eq_str(name, hashings[i].name)) {
            *out = i;
            return true;
        }
    }
    return false;
}

const char *
user_hashing_name(enum user_hashing hashing)
{
    return hashings[hashing].name;
}

size_t
user_hashing_size(enum user_hashing hashing)
{
    return hashings[hashing].size;
}

size_t
user_password_digest(enum user_hashing hashing, struct slice password, const uint8_t salt[USER_SALT_SIZE],
                     uint8_t out[USER_HASH_SIZE_MAX])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    CHECK(md && EVP_DigestInit_ex(md, hashings[hashing].digest(), NULL) == 1);
    CHECK(EVP_DigestUpdate(md, salt, USER_SALT_SIZE) == 1);
    CHECK(EVP_DigestUpdate(md, password.len > 0 ? password.data : salt, password.len) == 1);
    memcpy(out, salt, USER_SALT_SIZE);
    CHECK(EVP_DigestFinal_ex(md, out + USER_SALT_SIZE, NULL) == 1);
    EVP_MD_CTX_free(md);
    return hashings[hashing].size;
}

void
user_password_hash(struct slice password, const uint8_t salt[4], uint8_t out[36])
{
    uint8_t hash[USER_HASH_SIZE_MAX];
    memcpy(out, hash, user_password_digest(USER_HASHING_SHA256, password, salt, hash));
}

bool
user_password_matches(const struct user *u, struct slice password)
{
    if (u->password_hash.len != user_hashing_size(u->hashing))
        return false;
    uint8_t hash[USER_HASH_SIZE_MAX];
    size_t size = user_password_digest(u->hashing, password, u->password_hash.data, hash);
    return CRYPTO_memcmp(hash, u->password_hash.data, size) == 0;
}

void
user_limits_add(struct buffer *out, const struct user *u)
{
    int64_t channels = u->channels_max, connections = u->connections_max;
    quota_add(out, (const struct quota[]){
                       {"max-channels", &channels}, {"max-connections", &connections}, {NULL, NULL}});
}
