/* The cookie's challenge, as both sides compute it: doc/control.md. The cookie itself never crosses the wire.
 */
#ifndef LEVERET_MGMT_CONTROL_PROOF_H
#define LEVERET_MGMT_CONTROL_PROOF_H

#include "base/slice.h"
#include "io/world.h"

#include <stdbool.h>

enum {
    CONTROL_NONCE_BYTES = 32,
    CONTROL_NONCE_SIZE = 2 * CONTROL_NONCE_BYTES + 1, /* as hex, with the terminator */
    CONTROL_PROOF_SIZE = 2 * 32 + 1,                  /* likewise */
    CONTROL_NODE_SIZE = 256,
};

/* 32 random bytes as hex. */
void control_proof_nonce(struct io_world *world, char nonce[CONTROL_NONCE_SIZE]);
bool control_proof_is_nonce(struct slice text);
/* HMAC-SHA256 over role, node and both nonces, as hex. `role` is "client" or "server": neither can send the
 * other's back. */
void control_proof_make(struct slice cookie, const char *role, const char *node, const char *server_nonce,
                        const char *client_nonce, char proof[CONTROL_PROOF_SIZE]);
/* In a time that does not depend on where they differ. */
bool control_proof_is_equal(struct slice given, const char proof[CONTROL_PROOF_SIZE]);

#endif
