/*
 * The declared things on disk: every command of meta_apply() in a log of its own (chain `meta`), with term
 * and index, and snapshots of the whole. Shard 0's.
 *
 * Commands are logged in the order of their submission and applied in that order. One that changes something
 * durable is applied and answered when its batch is synced; one that does not (non-durable or exclusive
 * queues, non-durable exchanges, bindings of such) as soon as all before it are applied. So what anybody can
 * see is on the disk, and replaying the log gives the same state, whatever it was cut off behind.
 */
#ifndef LEVERET_DURABLE_META_LOG_H
#define LEVERET_DURABLE_META_LOG_H

#include "broker/meta.h"
#include "store/store.h"

struct meta_log;
struct shard;
struct worker;

struct meta_log *meta_log_new(struct node *node, struct store *store, uint64_t snapshot_bytes);
void meta_log_free(struct meta_log *l);

/* Loads the snapshot and the meta chains into node->meta, then applies META_NODE_STARTED. Blocks. */
ERR_USE enum err meta_log_recover(struct meta_log *l, char *why, size_t why_size);
/* Before the shards start: opens this boot's chain and writes a snapshot of what there is; the manifest is
 * changed, not committed. `writer` is for this log alone. */
ERR_USE enum err meta_log_begin(struct meta_log *l, struct shard *shard0, struct worker *writer,
                                struct worker *keeper, char *why, size_t why_size);
/* After that manifest was committed: the old chain's files and the old snapshot may go. */
void meta_log_begun(struct meta_log *l);
/* struct durability's. */
void meta_log_submit(struct meta_log *l, struct broker *b, struct meta_request *r);
void meta_log_turn(struct meta_log *l);
/* A cut, as journal_hold() makes one: on_held(arg, file, offset) is called once, later, unless the store
 * fails or it is taken back before. No snapshot is made until meta_log_resume(). */
void meta_log_hold(struct meta_log *l, void (*on_held)(void *arg, uint32_t file, uint64_t offset), void *arg);
void meta_log_resume(struct meta_log *l);
/* After shards_join() and the end of its workers. */
void meta_log_close(struct meta_log *l);

/* Where the log stands: for views and tests. */
struct meta_log_counts {
    uint64_t index;     /* of the last command that was logged, or recovered */
    uint64_t applied;   /* of the last one that was applied */
    uint64_t waiting;   /* commands that are not answered yet */
    uint64_t snapshots; /* since the start */
    uint64_t snapshot_index;
    bool is_short; /* no room on the disk: what waits goes on waiting */
};
struct meta_log_counts meta_log_counts(const struct meta_log *l);

#endif
