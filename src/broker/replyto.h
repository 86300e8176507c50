/*
 * Direct reply-to. A client that consumes from `amq.rabbitmq.reply-to` has a pseudo-queue on its channel; a
 * publish with that as reply-to gets the address of the channel instead, which whoever answers uses as a
 * routing key on the default exchange. The reply goes straight to the channel and is stored nowhere.
 *
 *   amq.rabbitmq.reply-to.<32 characters, base64url: connection 8, shard 2, channel 2, serial 4, key 8
 * octets>
 *
 * The address can be guessed, the key cannot: it is drawn at random for each such consumer, and the session
 * compares it.
 */
#ifndef LEVERET_BROKER_REPLYTO_H
#define LEVERET_BROKER_REPLYTO_H

#include "base/slice.h"
#include "broker/effects.h"

#define REPLYTO_NAME         "amq.rabbitmq.reply-to"
#define REPLYTO_PREFIX       "amq.rabbitmq.reply-to."
#define REPLYTO_ADDRESS_SIZE (sizeof REPLYTO_PREFIX - 1 + 32)

/* Writes REPLYTO_ADDRESS_SIZE characters. */
void replyto_encode(char *out, struct channel_ref to, uint64_t key);
/* False: not an address that replyto_encode() writes, or of a shard that there is not. */
bool replyto_decode(struct slice address, unsigned shard_count, struct channel_ref *to, uint64_t *key);

/* Is it the pseudo-queue's own name? */
static inline bool
replyto_is_name(struct slice name)
{
    return slice_eq_str(name, REPLYTO_NAME);
}
static inline bool
replyto_is_address(struct slice routing_key)
{
    return slice_starts_with(routing_key, REPLYTO_PREFIX);
}

#endif
