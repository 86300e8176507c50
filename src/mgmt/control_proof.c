/*
 * What is signed is a list of words with a zero byte behind each, so that no two lists are the same bytes:
 * ROLE 0 NODE 0 SERVER-NONCE 0 CLIENT-NONCE 0.
 */
#include "mgmt/control_proof.h"

#include "base/buffer.h"
#include "base/check.h"
#include "io/random.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { DIGEST_BYTES = 32 };

static void
to_hex(const uint8_t *bytes, size_t count, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * count] = 0;
}

void
control_proof_nonce(struct io_world *world, char nonce[CONTROL_NONCE_SIZE])
{
    uint8_t bytes[CONTROL_NONCE_BYTES];
    random_bytes(world, bytes, sizeof bytes);
    to_hex(bytes, sizeof bytes, nonce);
}

bool
control_proof_is_nonce(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!((text.data[i] >= '0' && text.data[i] <= '9') || (text.data[i] >= 'a' && text.data[i] <= 'f')))
            return false;
    return text.len == CONTROL_NONCE_SIZE - 1;
}

void
control_proof_make(struct slice cookie, const char *role, const char *node, const char *server_nonce,
                   const char *client_nonce, char proof[CONTROL_PROOF_SIZE])
{
    const char *const words[] = {role, node, server_nonce, client_nonce};
    struct buffer text = {0};
    uint8_t digest[DIGEST_BYTES];
    unsigned len = sizeof digest;
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        buffer_add(&text, words[i], strlen(words[i]) + 1);
    CHECK(HMAC(EVP_sha256(), cookie.data, (int)cookie.len, text.data, text.len, digest, &len));
    CHECK(len == sizeof digest);
    to_hex(digest, sizeof digest, proof);
    buffer_fini(&text);
}

bool
control_proof_is_equal(struct slice given, const char proof[CONTROL_PROOF_SIZE])
{
    return given.len == CONTROL_PROOF_SIZE - 1 && CRYPTO_memcmp(given.data, proof, given.len) == 0;
}
