/*
 * Padding is PKCS7, done here and not by OpenSSL: RabbitMQ pads for stream ciphers too (one byte), and older
 * versions padded to 32 bytes whatever the block. The last byte says how many there are.
 */
#include "ctl/sealed.h"

#include "base/check.h"
#include "io/random.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { SALT_SIZE = 16, TEXT_MAX = 1 << 20 };

static const struct {
    const char *erlang, *openssl;
} cipher_names[] =
    {
        {"aes_128_cbc", "AES-128-CBC"},    {"aes_192_cbc", "AES-192-CBC"},
        {"aes_256_cbc", "AES-256-CBC"},    {"aes_128_cfb8", "AES-128-CFB8"},
        {"aes_192_cfb8", "AES-192-CFB8"},  {"aes_256_cfb8", "AES-256-CFB8"},
        {"aes_128_cfb128", "AES-128-CFB"}, {"aes_192_cfb128", "AES-192-CFB"},
        {"aes_256_cfb128", "AES-256-CFB"}, {"aes_128_ctr", "AES-128-CTR"},
        {"aes_192_ctr", "AES-192-CTR"},    {"aes_256_ctr", "AES-256-CTR"},
        {"aes_128_ofb", "AES-128-OFB"},    {"aes_192_ofb", "AES-192-OFB"},
        {"aes_256_ofb", "AES-256-OFB"},    {"chacha20", "ChaCha20"},
        {"des_ede3_cbc", "DES-EDE3-CBC"},  {"des_ede3_cfb", "DES-EDE3-CFB"},
        {"aes_cbc128", "AES-128-CBC"},     {"aes_cbc256", "AES-256-CBC"},
},
  hash_names[] = {
      {"sha", "SHA1"},
      {"sha224", "SHA224"},
      {"sha256", "SHA256"},
      {"sha384", "SHA384"},
      {"sha512", "SHA512"},
      {"sha3_224", "SHA3-224"},
      {"sha3_256", "SHA3-256"},
      {"sha3_384", "SHA3-384"},
      {"sha3_512", "SHA3-512"},
      {"blake2b", "BLAKE2B-512"},
      {"blake2s", "BLAKE2S-256"},
      {"md5", "MD5"},
      {"ripemd160", "RIPEMD160"},
};

const char *const sealed_ciphers[] = {
    "chacha20",
    "aes_256_ofb",
    "aes_192_ofb",
    "aes_128_ofb",
    "aes_192_cbc",
    "aes_256_cbc",
    "aes_128_cfb128",
    "aes_192_cfb128",
    "aes_256_cfb128",
    "aes_128_cfb8",
    "aes_192_cfb8",
    "aes_256_cfb8",
    "aes_256_ctr",
    "aes_192_ctr",
    "aes_128_ctr",
    "des_ede3_cfb",
    "aes_128_cbc",
    "des_ede3_cbc",
    NULL,
};
const char *const sealed_hashes[] = {
    "blake2s", "blake2b", "sha3_512", "sha3_384", "sha3_256",  "sha3_224", "sha512",
    "sha384",  "sha256",  "sha224",   "sha",      "ripemd160", "md5",      NULL,
};

static const EVP_CIPHER *
find_cipher(const char *name)
{
    for (size_t i = 0; i < sizeof cipher_names / sizeof *cipher_names; i++)
        if (strcmp(cipher_names[i].erlang, name) == 0)
            return EVP_get_cipherbyname(cipher_names[i].openssl);
    return NULL;
}

static const EVP_MD *
find_hash(const char *name)
{
    for (size_t i = 0; i < sizeof hash_names / sizeof *hash_names; i++)
        if (strcmp(hash_names[i].erlang, name) == 0)
            return EVP_get_digestbyname(hash_names[i].openssl);
    return NULL;
}

bool
sealed_has_cipher(const char *name)
{
    return find_cipher(name) != NULL;
}

bool
sealed_has_hash(const char *name)
{
    return find_hash(name) != NULL;
}

/* Runs the cipher over `in`, whose length is a multiple of its block; `out` has room for as much. */
static bool
run_cipher(const struct sealed_how *how, const char *passphrase, const uint8_t *salt, const uint8_t *iv,
           struct slice in, uint8_t *out, bool is_encrypting)
{
    const EVP_CIPHER *cipher = find_cipher(how->cipher);
    uint8_t key[EVP_MAX_KEY_LENGTH];
    int len = 0, rest = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    CHECK(ctx);
    bool is_good = PKCS5_PBKDF2_HMAC(passphrase, (int)strlen(passphrase), salt, SALT_SIZE, how->iterations,
                                     find_hash(how->hash), EVP_CIPHER_get_key_length(cipher), key) == 1 &&
                   EVP_CipherInit_ex(ctx, cipher, NULL, key, iv, is_encrypting) == 1 &&
                   EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
                   EVP_CipherUpdate(ctx, out, &len, in.data, (int)in.len) == 1 &&
                   EVP_CipherFinal_ex(ctx, out + len, &rest) == 1 && (size_t)(len + rest) == in.len;
    EVP_CIPHER_CTX_free(ctx);
    explicit_bzero(key, sizeof key);
    return is_good;
}

enum err
sealed_close(struct buffer *out, const struct sealed_how *how, const char *passphrase, struct slice text)
{
    const EVP_CIPHER *cipher = find_cipher(how->cipher);
    CHECK(cipher && find_hash(how->hash) && how->iterations > 0);
    size_t block = (size_t)EVP_CIPHER_get_block_size(cipher),
           iv_len = (size_t)EVP_CIPHER_get_iv_length(cipher);
    size_t pad = block - text.len % block, padded = text.len + pad;
    if (text.len > TEXT_MAX)
        return ERR_LIMIT;
    size_t whole = SALT_SIZE + iv_len + padded;
    uint8_t *bytes = malloc(whole), *clear = malloc(padded);
    CHECK(bytes && clear);
    memcpy(clear, text.data, text.len);
    memset(clear + text.len, (int)pad, pad);
    random_bytes(NULL, bytes, SALT_SIZE + iv_len);
    bool is_good = run_cipher(how, passphrase, bytes, bytes + SALT_SIZE, slice_of(clear, padded),
                              bytes + SALT_SIZE + iv_len, true);
    if (is_good) {
        uint8_t *to = buffer_reserve(out, (whole + 2) / 3 * 4 + 1);
        out->len += (size_t)EVP_EncodeBlock(to, bytes, (int)whole);
    }
    explicit_bzero(clear, padded);
    free(clear);
    free(bytes);
    return is_good ? ERR_OK : ERR_UNSUPPORTED;
}

/* Without the padding. ERR_CORRUPT: it is none. */
static enum err
unpad(struct buffer *out, const uint8_t *clear, size_t len)
{
    size_t pad = len ? clear[len - 1] : 0;
    if (pad == 0 || pad > len)
        return ERR_CORRUPT;
    for (size_t i = len - pad; i < len; i++)
        if (clear[i] != pad)
            return ERR_CORRUPT;
    buffer_add(out, clear, len - pad);
    return ERR_OK;
}

enum err
sealed_open(struct buffer *out, const struct sealed_how *how, const char *passphrase, struct slice base64)
{
    const EVP_CIPHER *cipher = find_cipher(how->cipher);
    CHECK(cipher && find_hash(how->hash) && how->iterations > 0);
    size_t head = SALT_SIZE + (size_t)EVP_CIPHER_get_iv_length(cipher);
    if (base64.len == 0 || base64.len % 4 || base64.len > 2 * TEXT_MAX)
        return ERR_CORRUPT;
    uint8_t *bytes = malloc(base64.len), *clear = malloc(base64.len);
    CHECK(bytes && clear);
    int got = EVP_DecodeBlock(bytes, base64.data, (int)base64.len);
    size_t len = got < 0 ? 0 : (size_t)got;
    for (size_t i = base64.len; len > 0 && i > base64.len - 2 && base64.data[i - 1] == '='; i--)
        len--; /* EVP_DecodeBlock counts what '=' stands for */
    enum err e = ERR_CORRUPT;
    if (len > head && run_cipher(how, passphrase, bytes, bytes + SALT_SIZE,
                                 slice_of(bytes + head, len - head), clear, false))
        e = unpad(out, clear, len - head);
    explicit_bzero(clear, base64.len);
    free(clear);
    free(bytes);
    return e;
}
