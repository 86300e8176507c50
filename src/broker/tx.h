/*
 * One channel's transaction: publishes and settles are kept until commit or rollback, within a budget of
 * bytes. Commit replays them through the session in their order, publishes first, as RabbitMQ does; a
 * transaction is atomic for the channel only (RabbitMQ: for one queue).
 */
#ifndef LEVERET_BROKER_TX_H
#define LEVERET_BROKER_TX_H

#include "base/err.h"
#include "base/slice.h"
#include "broker/courier.h"
#include "broker/message.h"

/* The message names its exchange and routing key; further keys (CC, BCC) beside it. */
struct tx_publish {
    struct message *message;
    uint8_t *extra_keys; /* (size octet, bytes) each; NULL: none */
    uint16_t extra_count;
    bool mandatory;
};
/* What the session needs to settle a delivery, or to take it back into its unacked ones. */
struct tx_settle {
    uint64_t queue_id, position;
    uint64_t delivery_tag;
    uint64_t cookie; /* the session's */
    uint16_t queue_shard;
    uint8_t how; /* enum settle */
};

enum tx_state { TX_OPEN, TX_REPLAYING, TX_WAITING };

/* Zeroed is an empty transaction. */
struct tx {
    struct tx_publish *publishes;
    struct tx_settle *settles;
    size_t bytes; /* held for the peer */
    uint32_t publish_count, publish_cap;
    uint32_t settle_count, settle_cap;
    uint32_t replayed; /* publishes of this commit that are done */
    uint32_t settled;  /* settles, likewise; after all publishes */
    uint64_t seq;      /* number of the commit: `seq` of its publishes in courier_publish(); from 1 */
    uint64_t pending;  /* answers still to come */
    uint64_t shards[SHARDS_COUNT_MAX / 64]; /* those that this commit has published to or settled on */
    enum tx_state state;
    bool has_failed; /* a queue refused */
};

/* Drops everything. */
void tx_fini(struct broker *b, struct tx *tx);

/* Takes the hold (*m becomes NULL) unless it returns false: over broker_limits.tx_bytes_max. */
ERR_USE bool tx_add_publish(struct broker *b, struct tx *tx, struct message **m,
                            const struct slice *extra_keys, unsigned extra_count, bool mandatory);
ERR_USE bool tx_add_settle(struct broker *b, struct tx *tx, const struct tx_settle *s);

/* The i-th of a publish's extra keys are walked by this: `at` starts as p->extra_keys. */
struct slice tx_next_key(const uint8_t **at);

struct tx_replay {
    /* Publishes with tx->seq; takes p->message (sets it NULL), and says by tx_published() how it stands.
     * False: not now, because there is no room or the commit has had its part of the turn; nothing was taken,
     * and tx_commit() is to be called again. */
    bool (*publish)(void *arg, struct tx *tx, struct tx_publish *p);
    /* False: not now, likewise. */
    bool (*settle)(void *arg, struct tx *tx, const struct tx_settle *s);
    /* Nothing more comes for that shard: courier_tx_end(). */
    bool (*end)(void *arg, struct tx *tx, unsigned shard);
};
enum tx_outcome {
    TX_AGAIN,     /* not all of it went now: call tx_commit() again */
    TX_PENDING,   /* replayed; tx_answered() will say when it is through */
    TX_COMMITTED, /* send commit-ok */
    TX_FAILED,    /* a queue refused: 406 "partial tx completion" (RabbitMQ) */
};
/* Until it is through, nothing may be added. After COMMITTED or FAILED the transaction is empty and open
 * again. */
enum tx_outcome tx_commit(struct broker *b, struct tx *tx, const struct tx_replay *replay, void *arg);
/* The channel ends in a commit that is not through: what it has published stays, as it was seen already. */
void tx_abandon(struct tx *tx, const struct tx_replay *replay, void *arg);
/* The commit has something on that shard. */
static inline void
tx_involve(struct tx *tx, unsigned shard)
{
    tx->shards[shard / 64] |= (uint64_t)1 << shard % 64;
}
/* How one publish of the replay stands. */
void tx_published(struct tx *tx, enum publish_result result, unsigned pending);
/* effects.confirmed(): TX_PENDING as long as something is outstanding. Answers to other commits are ignored.
 */
enum tx_outcome tx_answered(struct broker *b, struct tx *tx, uint64_t first, uint64_t last, bool nack);

/* Publishes are dropped. Settles are forgotten: the deliveries stay unacked, and `restore` (may be NULL) is
 * given each so that the session knows it again. */
void tx_rollback(struct broker *b, struct tx *tx, void (*restore)(void *arg, const struct tx_settle *s),
                 void *arg);

#endif
