/*
 * Inside keep: what its files share. All of it belongs to the shard, but for a job under way.
 *
 *   keep.c             its life, and the broker's queue_log_ops
 *   keep_wait.c        who waits for a batch: confirms and delivery limits
 *   keep_mark.c        which log file has something of which queue
 *   keep_run.c         the queues' runs in segments; writing into the open segment; what is settled
 *   keep_same.c        a message of several queues is written once
 *   keep_expiry.c      deadlines: the shard's clock and the time of day
 *   keep_entry.c       what was read of a segment, between pager and shard
 *   keep_read.c        read-ahead
 *   keep_checkpoint.c  making log files superfluous: survivors, acks, manifest; dead segments go
 *   keep_compact.c     segments that are mostly dead
 *   keep_body.c        bodies in files of their own
 *   keep_space.c       a full disk
 *   keep_tx.c          transactions: what is lasting only together
 *   keep_recover.c     the start
 */
#ifndef LEVERET_DURABLE_KEEP_IMPL_H
#define LEVERET_DURABLE_KEEP_IMPL_H

#include "base/buffer.h"
#include "base/idmap.h"
#include "base/list.h"
#include "broker/message.h"
#include "broker/queue_impl.h"
#include "durable/keep.h"
#include "durable/keep_body.h"
#include "durable/keep_checkpoint.h"
#include "durable/keep_entry.h"
#include "durable/keep_mark.h"
#include "durable/keep_run.h"
#include "durable/keep_tx.h"
#include "durable/keep_wait.h"
#include "io/timer.h"
#include "io/worker.h"
#include "store/journal.h"
#include "store/manifest.h"
#include "store/segment.h"

enum {
    KEEP_RESERVE = 8192,            /* positions that a delivery mark is ahead */
    KEEP_BEHIND_BYTES = 16 << 20,   /* waiting for the disk, at which publishers are slowed */
    KEEP_CHECKPOINT_TURN = 1 << 20, /* bytes copied in one turn */
    KEEP_RETRY_MS = 250,            /* after the disk was full */
    KEEP_PACE_MS = 20,              /* from one look to the next at a disk that is behind */
};

/* What is kept of one queue. */
struct queue_kept {
    uint64_t id;
    struct queue *queue;
    struct keep_run *runs;
    uint32_t run_count, run_capacity, run_hint;
    struct keep_mark *open_mark, *file_mark;
    uint32_t file_mark_file;
    uint64_t frozen_batch, frozen_first; /* the last batch with publishes of it, and the first of those */
    uint32_t delivered_file;             /* the last file with a delivery mark of it */
    uint64_t reserved;                   /* the last delivery mark's limit */
    struct segment_cursor cursor;        /* where read-ahead stopped: in this run */
    struct keep_segment *cursor_segment;
    uint32_t cursor_index;
};

struct keep {
    struct queue_log log; /* the broker's view; first */
    struct durable *durable;
    struct store *store;
    struct broker *broker;
    struct journal *journal;
    struct worker *writer, *pager, *keeper;
    struct idmap kept; /* struct queue_kept by queue id */
    struct keep_waits waits;
    uint64_t durable_batch;
    struct idmap transactions; /* struct keep_tx: open ones, by the broker's id */
    struct list ended;         /* struct keep_tx: their ends are not durable yet; oldest first */

    struct keep_mark *open_marks, *spare_marks;
    struct list files; /* struct keep_file, oldest first */

    struct list segments;
    struct keep_segment *open;
    struct keep_same *same; /* what was written into it lately; NULL: nothing */
    uint64_t pager_bytes;   /* appended and not written, as of the last turn */

    struct idmap bodies; /* struct keep_body by id */
    struct idmap larges; /* struct keep_large by the message's address */
    struct keep_body *dead_bodies;
    uint32_t dead_body_count;

    uint8_t checkpoint;   /* enum keep_checkpoint_state */
    uint32_t target;      /* files up to this number become so by the checkpoint under way */
    struct keep_mark *at; /* COPYING: where it is */
    struct keep_file *at_file;
    uint64_t at_position;
    uint64_t sealed_batch; /* what sealed segments have is in the log once this is durable */
    size_t copied;         /* in this turn */
    struct keep_chore *chore;
    struct worker_job mark_job;
    bool is_marking, has_mark; /* has_mark: the keeper's until is_marking ends */
    bool has_free_limits;      /* some queue waits for what nothing stands against */
    bool is_unmarked;          /* deliveries do not wait for the log: store_mark() */
    bool is_closing;
    bool has_settled; /* the recovery's checkpoint is through */

    struct list reads; /* struct keep_read */
    uint64_t reads_begun, reads_at_rest;
    struct buffer spare_entries; /* a read's, for the next one */
    struct wheel_timer read_rest;
    struct keep_compaction *compaction;
    uint64_t compact_looked; /* chores so far when it was last looked for something to compact */
    struct wheel_timer again, retry, space, pace;
    bool is_short; /* of space, as it was told */
    struct keep_counts counts;
};

static inline struct keep *
keep_of(struct queue_log *l)
{
    return (struct keep *)l;
}

/* keep.c */
struct queue_kept *keep_queue(struct keep *k, struct queue *q);
/* It has left its queue for good, and that is in the log. */
void keep_settle_stored(struct keep *k, struct queue *q, uint64_t position, const struct message *m,
                        bool is_stored);
/* One more turn before the shard sleeps. */
void keep_again(struct keep *k);
/* Once this batch is durable, everything that was logged so far is. */
static inline uint64_t
keep_last_batch(const struct keep *k)
{
    if (!k->journal) /* recovery: all that there is stands in earlier boots' logs */
        return 0;
    return journal_batch(k->journal) - (journal_last_op(k->journal) == NULL);
}

/* keep_expiry.c */
/* When a message with this deadline (queue_rules.h) expires, in milliseconds since 1970; of none 0. */
uint64_t keep_expiry_at(const struct keep *k, uint64_t deadline);
uint64_t keep_expiry_deadline(const struct keep *k, uint64_t expires_at);

/* keep_same.c */
/* The offset in the open segment at which the message was written, or 0. */
uint64_t keep_same_find(const struct keep *k, const struct message *m);
void keep_same_note(struct keep *k, struct message *m, uint64_t offset);
void keep_same_forget(struct keep *k);

/* keep_read.c */
void keep_read_start(struct keep *k, struct queue *q, uint64_t from, size_t bytes);
void keep_read_free(struct keep *k);

/* keep_compact.c */
void keep_compact_turn(struct keep *k);
/* k->compaction is there: what is settled is settled in the segment that is being compacted, too. */
void keep_compact_settle(struct keep *k, uint64_t queue_id, uint64_t first, uint64_t last);
void keep_compact_free(struct keep *k);

/* keep_space.c */
void keep_space_turn(struct keep *k);

/* keep_recover.c */
ERR_USE enum err keep_recover(struct keep *k, char *why, size_t why_size);

#endif
