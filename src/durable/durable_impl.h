/* Inside durable: what a shard's part asks of the node's. */
/* exports: keep_ */
#ifndef LEVERET_DURABLE_DURABLE_IMPL_H
#define LEVERET_DURABLE_DURABLE_IMPL_H

#include "durable/durable.h"
#include "durable/keep.h"
#include "store/journal.h"
#include "store/manifest.h"

/* This shard's share. */
void durable_memory(const struct durable *d, uint64_t *resident_max, uint64_t *pressure_max);
/* What the store had when it was opened. */
const struct manifest_view *durable_found(const struct durable *d);
unsigned durable_shard_count(const struct durable *d);
/* On a keeper: what this shard had in old chains is safe elsewhere. The last shard's call drops the chains.
 */
ERR_USE enum err durable_shard_settled(struct durable *d);
/* Old chains are gone. Until then a log file of this boot may have the settling of what stands in them. */
bool durable_is_settled(const struct durable *d);
/* A damaged file of an old chain goes to quarantine instead of being deleted. Any thread. */
struct chain_file;
void durable_note_damage(struct durable *d, const struct chain_file *f);
/* journal_events.on_held of this shard's journal. */
void durable_on_held(struct durable *d, struct broker *b, uint32_t file, uint64_t offset);
/* Body files that some shard needs; the last shard deletes all others of earlier boots. */
void durable_note_bodies(struct durable *d, const uint64_t *ids, size_t count);

const struct journal_events *keep_journal_events(void);
/* The delivery mark that the queue has, in the open batch once more. */
struct queue_kept;
void keep_delivered_again(struct keep *k, struct queue_kept *kept);

#endif
