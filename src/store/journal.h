/*
 * One chain of the write-ahead log, while it is written. It belongs to one shard; its writes and syncs happen
 * on a worker of its own.
 *
 * The shard appends ops to the open batch. At the end of a turn journal_turn() freezes it, unless the one
 * before is still under way: then more gathers. The worker encodes, writes and syncs; back on the shard the
 * batch is durable: `on_durable` tells its number, and every op's hold is given back. Always true: at most
 * one batch is under way, and batch k+1 is written after batch k's sync has returned.
 *
 * An op points to the message that it writes; nothing is copied until the worker encodes. Consecutive publish
 * ops of one message become one record with several targets.
 *
 * Files: the current one is filled; the next is prepared beforehand by the keeper (written through with
 * zeros, or a recycled one), header and directory synced. A batch that does not fit goes to the next file;
 * one that fits no file gets a file of its size. While no next file can be had (ERR_NO_SPACE) the batch waits
 * and `on_space` says so.
 */
#ifndef LEVERET_STORE_JOURNAL_H
#define LEVERET_STORE_JOURNAL_H

#include "base/err.h"
#include "store/record.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct journal;
struct shard;
struct worker;

enum journal_op_type {
    JOURNAL_NOTHING, /* elided */
    JOURNAL_PUBLISH,
    JOURNAL_SETTLE,
    JOURNAL_DELIVERED,
    JOURNAL_TX_END,
    JOURNAL_META,
};

struct journal_op {
    uint8_t type;          /* enum journal_op_type */
    uint8_t message_flags; /* publish */
    uint8_t exchange_size, routing_key_size;
    uint32_t epoch;
    uint64_t queue_id;   /* meta: the term */
    uint64_t sequence;   /* publish; settle: the first; delivered: below; meta: the index */
    uint64_t tx;         /* 0: none */
    uint64_t expires_at; /* publish: as in struct record_message */
    uint32_t count;      /* settle: of sequences */
    uint32_t properties_size;
    uint32_t body_size;   /* publish; meta: of the command */
    uint64_t body_file;   /* publish: 0, or the file that the worker writes first, from `bytes` */
    const uint8_t *bytes; /* publish: exchange, routing key, properties, body, one behind the other; meta:
                             the command */
    void *owner;          /* keeps `bytes` alive; given back by on_released; NULL: nothing */
};

struct journal_events {
    /* All on the shard; arg is the config's. */
    /* Every op up to and including this batch is durable (by the sync mode's meaning). In a mail phase; for a
     * batch of which everything was elided, in the next turn's timer phase. */
    void (*on_durable)(void *arg, uint64_t batch);
    /* The batch was frozen and will stand in that file of the chain, or a later one. Before its on_durable.
     */
    void (*on_frozen)(void *arg, uint64_t batch, uint32_t file);
    /* The owner of an op that was written, or elided when the batch was frozen. */
    void (*on_released)(void *arg, void *owner);
    /* More full files wait than store_config.log_files_max: the oldest should be made superfluous and given
     * to journal_release(). Once per file that becomes full. */
    void (*on_full)(void *arg, uint32_t oldest_file);
    /* No room for a next file (true), and room again (false). */
    void (*on_space)(void *arg, bool is_short);
    /* After journal_hold(): the chain ends there until journal_resume(). Not when the store has failed. */
    void (*on_held)(void *arg, uint32_t file, uint64_t offset);
    /* The store failed: no batch becomes durable any more. Owners are given back. Once. */
    void (*on_failed)(void *arg, enum err e);
};

struct journal_config {
    struct store *store;
    struct shard *shard;
    struct worker *writer; /* of this journal alone */
    struct worker *keeper; /* prepares files */
    uint16_t chain;
    const struct journal_events *events;
    void *arg;
};

/*
 * Makes the chain's first file and its manifest row (not committed: the caller commits once for all). Blocks:
 * start-up. `replayed`: payload of the last batches of older chains, one behind the other (may be empty): the
 * new chain's first batch, synced before this returns.
 */
ERR_USE enum err journal_open(const struct journal_config *config, struct slice replayed,
                              uint32_t replayed_records, struct journal **journal);
/*
 * After shards_join() and worker_free() of its writer and keeper: what was still open or under way is written
 * and synced here and now, unless the store has failed; then everything is released (on_released alone is
 * called).
 */
void journal_free(struct journal *j);

/* A slot at the end of the open batch, zeroed; its index. Valid until the next append. */
uint32_t journal_append(struct journal *j, struct journal_op **op);
/* The op at that index of the open batch, or NULL: frozen since. The caller checks that it is still the one
 * it means. */
struct journal_op *journal_open_op(struct journal *j, uint32_t index);
/* The last op of the open batch, or NULL. */
struct journal_op *journal_last_op(struct journal *j);
/* The number of the open batch; what is appended now is durable with on_durable(>= this). */
uint64_t journal_batch(const struct journal *j);
uint64_t journal_durable_batch(const struct journal *j);
/* Bytes gathered and under way, roughly: what a publisher has to be slowed by. */
uint64_t journal_bytes_waiting(const struct journal *j);
/* The end of a turn. */
void journal_turn(struct journal *j);

/*
 * A cut for a backup. What was appended so far is written; then on_held tells the end (never inside this
 * call) and nothing more is written until journal_resume(). Appending goes on meanwhile.
 */
void journal_hold(struct journal *j);
/* Held or not yet. */
void journal_resume(struct journal *j);
/* The last batch before the cut is frozen: what is appended now is behind it. Nothing may be written from the
 * state of then (bitmaps, snapshots). */
bool journal_is_held(const struct journal *j);

uint32_t journal_oldest_file(const struct journal *j);
uint32_t journal_current_file(const struct journal *j);
/* Files up to this number are superfluous and out of the committed manifest: they are used again or deleted.
 * On the shard. */
void journal_release(struct journal *j, uint32_t file);

/* Figures for views and tests: since the start. */
struct journal_counts {
    uint64_t batches, records, payload_bytes, written_bytes, elided_ops, files;
};
struct journal_counts journal_counts(const struct journal *j);
/* Memory that it has of its own at the moment. */
struct journal_footprint {
    size_t ops_bytes, encoder_bytes;
};
struct journal_footprint journal_footprint(const struct journal *j);

#endif
