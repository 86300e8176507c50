/*
 * What a channel has delivered and not seen settled, by delivery tag. The entry says where the message
 * stands: (shard, queue id, position).
 */
#ifndef LEVERET_SERVER_UNACKED_H
#define LEVERET_SERVER_UNACKED_H

#include "base/seqdeque.h"
#include "server/ack_timeout.h"

#include <stdbool.h>
#include <stdint.h>

struct unacked_delivery {
    uint64_t queue_id;
    uint64_t position;
    uint16_t shard;
    bool is_unlimited; /* does not count towards the channel's shared limit: basic.get, quorum queues */
};

struct unacked {
    struct seqdeque deliveries; /* sequence = delivery tag */
    struct ack_timeout timeout;
};

/* The next delivery gets the tag `first`. */
struct unacked *unacked_new(uint64_t first);
void unacked_free(struct unacked *u);

static inline uint64_t
unacked_count(const struct unacked *u)
{
    return u ? seqdeque_count(&u->deliveries) : 0;
}

/* Returns the delivery tag. */
uint64_t unacked_add(struct unacked *u, const struct unacked_delivery *d);
/* A tag for a delivery without acknowledgement. */
uint64_t unacked_skip(struct unacked *u);
/* Takes out the one with this tag. False: there is none. */
bool unacked_take(struct unacked *u, uint64_t tag, struct unacked_delivery *out);
bool unacked_has(const struct unacked *u, uint64_t tag);
/* Takes out the oldest one, if its tag is at most `up_to`. */
bool unacked_take_first(struct unacked *u, uint64_t up_to, uint64_t *tag, struct unacked_delivery *out);
/* An entry with its tag. */
struct unacked_tagged {
    uint64_t tag;
    struct unacked_delivery delivery;
};
/* Puts entries back that were taken out (a transaction's rollback); sorts them. Costs a pass over everything
 * from the lowest tag on. */
void unacked_put_back(struct unacked *u, struct unacked_tagged *entries, size_t count);

#endif
