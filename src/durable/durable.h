/*
 * A node that keeps what it must not lose: joins the broker (queues, declared things) to the store (files).
 *
 *     node.meta = meta_new(&node);
 *     durable_open(&node, &config, &d, ...)     declared things are back; node.durability is set
 *     if (durable_is_new(d)) the default vhost and user, by meta_apply()
 *     durable_begin(d, ...)                     logs are open; what is applied from now on is logged
 *     shards_start(); ... shards_join();        each shard takes up its queues as it starts
 *     durable_close(d); meta_free(); shards_free(); server_free()
 *
 * durable.c is the node's part, queue_log*.c a shard's part for messages, meta_log*.c shard 0's part for
 * declared things.
 */
#ifndef LEVERET_DURABLE_DURABLE_H
#define LEVERET_DURABLE_DURABLE_H

#include "base/err.h"
#include "broker/broker.h"
#include "store/store.h"

struct backup;
struct durable;

struct durable_config {
    struct store_config store;
    uint64_t resident_bytes; /* of messages in memory, over all shards, above which durable backlogs are
                                paged out */
    uint64_t pressure_bytes; /* the same for what is transient; 0: never */
    uint64_t snapshot_bytes; /* of meta records since the last snapshot before the next one is made */
};
void durable_config_init(struct durable_config *c);

/* Blocks. `why` says what is wrong and what to do. node->shards, node->meta (empty) and node->log are set. */
ERR_USE enum err durable_open(struct node *node, struct io_world *world, const struct durable_config *config,
                              struct durable **d, char *why, size_t why_size);
bool durable_is_new(const struct durable *d);
ERR_USE enum err durable_begin(struct durable *d, char *why, size_t why_size);
/* Once all shards have started: what kept one from taking up its queues. The node must not serve then. */
ERR_USE enum err durable_problem(struct durable *d, char *why, size_t why_size);
/* After shards_join(), before shards_free(): what is left is written and synced. */
void durable_close(struct durable *d);
struct store *durable_store(struct durable *d);
/* backup.h; from durable_begin() on. */
struct backup *durable_backup(struct durable *d);

#endif
