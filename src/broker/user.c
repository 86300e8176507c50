/* Finding users, and their passwords: RabbitMQ's salted SHA-256, four bytes of salt and then SHA-256(salt,
 * password). */
#include "broker/user.h"

#include "base/check.h"
#include "base/hash.h"
#include "broker/meta_impl.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { USER_SALT_SIZE = 4, USER_HASH_SIZE = 36 };

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

void
user_password_hash(struct slice password, const uint8_t salt[4], uint8_t out[36])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    CHECK(md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);
    CHECK(EVP_DigestUpdate(md, salt, USER_SALT_SIZE) == 1);
    CHECK(EVP_DigestUpdate(md, password.len > 0 ? password.data : salt, password.len) == 1);
    memcpy(out, salt, USER_SALT_SIZE);
    CHECK(EVP_DigestFinal_ex(md, out + USER_SALT_SIZE, NULL) == 1);
    EVP_MD_CTX_free(md);
}

bool
user_password_matches(const struct user *u, struct slice password)
{
    if (u->password_hash.len != USER_HASH_SIZE)
        return false;
    uint8_t hash[USER_HASH_SIZE];
    user_password_hash(password, u->password_hash.data, hash);
    return CRYPTO_memcmp(hash, u->password_hash.data, USER_HASH_SIZE) == 0;
}
