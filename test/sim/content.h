/*
 * What a test's messages look like: the number in the message-id, properties and body made from it, so that
 * whatever comes back can be told apart and compared with what was sent.
 */
#ifndef LEVERET_TEST_SIM_CONTENT_H
#define LEVERET_TEST_SIM_CONTENT_H

#include "trial.h"

#include "base/buffer.h"

enum { CONTENT_BODY_MOST = 300000, CONTENT_TTL_MOST_MS = 3000 };

struct content {
    uint8_t exchange_size, key_size;
    char exchange[32], key[64];
    uint32_t body_size;
    int64_t ttl_ms;   /* its expiration; -1: none */
    uint8_t priority; /* 0: perhaps none */
    uint64_t properties_hash;
};

/* Small mostly, sometimes a few thousand bytes, rarely up to CONTENT_BODY_MOST. */
uint32_t content_body_size(struct trial *t);
/* delivery_mode 0: perhaps one, at random. Some have an expiration. Appends to `properties` and
 * `body`. */
void content_make(struct content *c, struct trial *t, uint64_t number, const char *exchange, const char *key,
                  uint8_t delivery_mode, uint32_t body_size, struct buffer *properties, struct buffer *body);
/* The number in the message-id; false: it has none. */
bool content_number(struct slice properties, uint64_t *number);
/* NULL, or what is different from what content_make() made. */
const char *content_difference(const struct content *c, uint64_t number, struct slice exchange,
                               struct slice key, struct slice properties, struct slice body);

#endif
