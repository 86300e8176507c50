/*
 * One shard's part of what keeps messages: the broker's queue log (broker/queue_log.h) over a journal and
 * segments. keep_impl.h has the parts.
 */
#ifndef LEVERET_DURABLE_KEEP_H
#define LEVERET_DURABLE_KEEP_H

#include "base/err.h"
#include "broker/queue_log.h"
#include "durable/durable.h"

struct keep;

/* On the shard's thread, before anybody is served: opens the journal, and fills the queues that live here
 * from segments and old chains. Blocks. NULL: the store has failed, `why` says how. */
struct keep *keep_open(struct durable *d, struct broker *b, char *why, size_t why_size);
/* The end of a turn. */
void keep_turn(struct keep *k);
/* The last thing on the shard: what is exact only at a clean stop. */
void keep_stop(struct keep *k);
/* After shards_join(): the workers end, what is left is written and synced, everything is freed. */
void keep_close(struct keep *k);
/* Old chains are superfluous for this shard; on its thread. */
bool keep_has_settled(const struct keep *k);

struct keep_counts {
    uint64_t segments, checkpoints, compactions, chores;
    uint64_t messages_stored;
    uint64_t bytes_stored; /* of sealed segments */
};
struct keep_counts keep_counts(const struct keep *k);
struct journal *keep_journal(struct keep *k);

#endif
