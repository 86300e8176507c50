/*
 * Inside keep: what its files share. All of it belongs to the shard, but for a job under way.
 *
 *   keep.c             its life, and the broker's queue_log_ops
 *   keep_wait.c        who waits for a batch: confirms and delivery limits
 *   keep_mark.c        which log file has something of which queue
 *   keep_run.c         the queues' runs in segments; writing into the open segment; what is settled
 *   keep_same.c        a message of several queues is written once
 *   keep_entry.c       what was read of a segment, between pager and shard
 *   keep_read.c        read-ahead
 *   keep_checkpoint.c  making log files superfluous: survivors, acks, manifest; dead segments go
 *   keep_compact.c     segments that are mostly dead
 *   keep_body.c        bodies in files of their own
 *   keep_space.c       a full disk
 *   keep_recover.c     the start
 */
/* exports: queue_kept_ */
#ifndef LEVERET_DURABLE_KEEP_IMPL_H
#define LEVERET_DURABLE_KEEP_IMPL_H

#include "base/buffer.h"
#include "base/idmap.h"
#include "base/list.h"
#include "broker/message.h"
#include "broker/queue_impl.h"
#include "durable/keep.h"
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
};

/* ---- waits ---- */

struct keep_wait {
    uint64_t batch;
    struct channel_ref to; /* confirm */
    uint64_t first, last;  /* confirm: of its publishes; limit: queue, and positions below */
    uint32_t times;        /* 0: a delivery limit */
};
/* A ring, oldest first. */
struct keep_waits {
    struct keep_wait *items;
    uint32_t head, count, capacity;
};

/* ---- marks ---- */

/* What one log file, or the open batch, has of one queue. */
struct keep_mark {
    struct keep_mark *next;
    struct queue_kept *kept; /* in the open batch only; NULL: forgotten */
    uint64_t queue_id, first, last;
    bool has_delivered;
};
struct keep_file {
    struct list node;
    uint32_t number; /* 0: the chains of earlier boots */
    struct keep_mark *marks;
};

/* ---- segments ---- */

enum keep_segment_state {
    KEEP_OPEN,     /* being written */
    KEEP_SEALED,   /* complete, on its way to the disk */
    KEEP_VOLATILE, /* has nothing that outlives a restart: the manifest never names it */
    KEEP_NAMED,    /* in the manifest */
    KEEP_DOOMED,   /* nothing lives in it: being deleted */
};
struct keep_segment {
    struct list node; /* in keep.segments, oldest first */
    struct segment *segment;
    uint32_t acks_generation;
    uint8_t state;
    bool is_unreadable; /* a part of it cannot be read: kept for a person to look at */
    uint32_t pins;      /* jobs that read it */
};

/* A part of a segment's run: a queue's are disjoint and sorted. */
struct keep_run {
    struct keep_segment *segment;
    uint64_t first, last;
    uint32_t index; /* of the run in its segment */
};

/* What is kept of one queue. */
struct queue_kept {
    uint64_t id;
    struct queue *queue;
    struct keep_run *runs;
    uint32_t run_count, run_capacity, run_hint;
    struct keep_mark *open_mark, *file_mark;
    uint32_t file_mark_file;
    uint32_t delivered_file;      /* the last file with a delivery mark of it */
    uint64_t reserved;            /* the last delivery mark's limit */
    struct segment_cursor cursor; /* where read-ahead stopped: in this run */
    struct keep_segment *cursor_segment;
    uint32_t cursor_index;
};

/* ---- bodies ---- */

struct keep_body {
    uint64_t id;
    const struct message *message; /* in memory, or NULL */
    uint32_t refs;                 /* (queue, position) pairs that need it */
    uint32_t in_memory;            /* of them, entries */
    uint64_t batch;                /* durable once this batch is; when refs is 0: may be deleted then */
    struct keep_body *next;        /* in keep.dead_bodies */
};

/* ---- chores: what the keeper's thread does at once ---- */

struct keep_chore {
    struct worker_job barrier; /* through the pager first: everything is written */
    struct worker_job job;
    struct keep *keep;
    struct keep_segment **sealed; /* to be synced and named */
    uint32_t sealed_count;
    struct segment_acks **acks;
    struct manifest_segment *rows; /* named afterwards: sealed ones, and those with new acks */
    uint32_t acks_count, row_count;
    uint32_t *old_generations; /* of rows; 0: none */
    struct keep_segment **doomed;
    uint32_t doomed_count;
    uint64_t *bodies; /* to be deleted */
    uint32_t body_count;
    uint32_t low;       /* of the chain, or 0 */
    bool ends_recovery; /* old chains are superfluous for this shard */
    bool is_written;    /* the manifest may name it */
    bool is_relieved;   /* the disk was full, and the doomed ones are gone */
    enum err result;
};

/* ---- checkpoints ---- */

enum keep_checkpoint_state {
    KEEP_IDLE,
    KEEP_COPYING, /* survivors into the open segment */
    KEEP_WAITING, /* for the batch with its delivery marks */
    KEEP_CHORE,   /* for the keeper */
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
    struct idmap transactions; /* id -> the file of its first record; as a pointer */

    struct keep_mark *open_marks, *spare_marks;
    struct list files; /* struct keep_file, oldest first */

    struct list segments;
    struct keep_segment *open;
    struct keep_same *same; /* what was written into it lately; NULL: nothing */
    uint64_t pager_bytes;   /* appended and not written, as of the last turn */

    struct idmap bodies;           /* struct keep_body by id */
    struct idmap bodies_in_memory; /* by message */
    struct keep_body *dead_bodies;
    uint32_t dead_body_count;

    uint8_t checkpoint;   /* enum keep_checkpoint_state */
    uint32_t full;        /* files up to this number should become superfluous */
    uint32_t target;      /* files up to this number become so by the checkpoint under way */
    struct keep_mark *at; /* COPYING: where it is */
    struct keep_file *at_file;
    uint64_t at_position, delivered_batch;
    size_t copied; /* in this turn */
    struct keep_chore *chore;
    struct worker_job mark_job;
    bool is_marking;
    bool has_free_limits; /* some queue waits for what nothing stands against */
    bool is_unmarked;     /* deliveries do not wait for the log: store_mark() */
    bool is_closing;
    bool has_settled; /* the recovery's checkpoint is through */

    struct list reads; /* struct keep_read */
    struct keep_compaction *compaction;
    uint64_t compact_looked; /* chores so far when it was last looked for something to compact */
    struct wheel_timer again, retry, space;
    bool is_short; /* of space, as it was told */
    struct keep_counts counts;
};

static inline struct keep *
keep_of(struct queue_log *l)
{
    return (struct keep *)l;
}

/* keep.c */
struct queue_kept *queue_kept_get(struct keep *k, struct queue *q);
/* One more turn before the shard sleeps. */
void keep_again(struct keep *k);

/* keep_wait.c */
void keep_wait_confirm(struct keep *k, struct channel_ref to, uint64_t seq, uint32_t times);
void keep_wait_limit(struct keep *k, uint64_t queue_id, uint64_t below, uint64_t batch);
void keep_wait_durable(struct keep *k, uint64_t batch);
/* Deliveries are free. */
void keep_wait_limits_end(struct keep *k);
/* Nothing becomes durable any more: nacks, and deliveries are free. */
void keep_wait_failed(struct keep *k);
void keep_wait_free(struct keep *k);

/* keep_mark.c */
void keep_mark_publish(struct keep *k, struct queue_kept *kept, uint64_t position);
void keep_mark_delivered(struct keep *k, struct queue_kept *kept);
/* The open batch was frozen. */
void keep_mark_frozen(struct keep *k, uint32_t file);
void keep_mark_forget(struct queue_kept *kept);
struct keep_file *keep_mark_file(struct keep *k, uint32_t number);
/* Straight into a file: recovery. */
void keep_mark_recovered(struct keep *k, struct keep_file *f, uint64_t queue_id, uint64_t first,
                         uint64_t last, bool has_delivered);
void keep_mark_drop_files(struct keep *k, uint32_t up_to);
void keep_mark_free(struct keep *k);

/* keep_run.c */
struct keep_run *keep_run_find(struct queue_kept *kept, uint64_t position);
void keep_run_remove(struct queue_kept *kept, struct keep_run *run);
/* Appends the message to the open segment. */
void keep_run_store(struct keep *k, struct queue_kept *kept, uint64_t position, struct message *m,
                    bool is_transient);
/* `same_as`: as segment_append(). Returns the entry's offset. */
uint64_t keep_run_store_record(struct keep *k, struct queue_kept *kept, uint64_t position,
                               const struct record_message *m, bool is_transient, uint64_t same_as);
/* Adds an existing run of a segment. */
void keep_run_add(struct queue_kept *kept, struct keep_segment *s, uint32_t index, uint64_t first,
                  uint64_t last);
void keep_run_settle(struct keep *k, struct queue_kept *kept, uint64_t position);
uint64_t keep_run_settle_range(struct keep *k, struct queue_kept *kept, struct keep_run *run, uint64_t first,
                               uint64_t last);
/* In every run. */
void keep_run_settle_all(struct keep *k, struct queue_kept *kept, uint64_t first, uint64_t last);
/* The first part from..to of position..last that no run covers; false: there is none. */
bool keep_run_gap(const struct queue_kept *kept, uint64_t position, uint64_t last, uint64_t *from,
                  uint64_t *to);
uint64_t keep_run_live(const struct keep_run *run);
/* Drops the runs of a queue in which nothing lives. */
void keep_run_sweep(struct queue_kept *kept);
bool keep_run_next_live(const struct queue_kept *kept, uint64_t from, uint32_t *index, uint64_t *position);
static inline const struct segment_run *
keep_run_in_segment(const struct keep_run *run)
{
    uint32_t count;
    return &segment_runs(run->segment->segment, &count)[run->index];
}
struct keep_segment *keep_segment_add(struct keep *k, struct segment *g, enum keep_segment_state state);
/* Nothing lives in it any more, perhaps: then it is doomed. */
void keep_segment_check(struct keep *k, struct keep_segment *s);
/* It is full, or must be durable. */
void keep_segment_seal(struct keep *k);
void keep_segment_free(struct keep_segment *s);

/* keep_same.c */
/* The offset in the open segment at which the message was written, or 0. */
uint64_t keep_same_find(const struct keep *k, const struct message *m);
void keep_same_note(struct keep *k, struct message *m, uint64_t offset);
void keep_same_forget(struct keep *k);

/* keep_entry.c */
struct keep_entry {
    uint64_t sequence;
    struct record_message m; /* slices of the buffer */
    bool is_transient;
};
void keep_entry_add(struct buffer *b, uint64_t sequence, const struct record_message *m, bool is_transient);
/* Takes the next one off; false: there is none. */
bool keep_entry_next(struct slice *in, struct keep_entry *e);
/* Its body is empty when it lies in a file: the caller writes it. */
struct message *keep_entry_message(struct keep *k, const struct record_message *m);

/* keep_read.c */
void keep_read_start(struct keep *k, struct queue *q, uint64_t from, size_t bytes);
void keep_read_free(struct keep *k);

/* keep_body.c */
/* The body file of a message that is being published (made), or 0 for one that needs none. */
uint64_t keep_body_publish(struct keep *k, const struct message *m);
uint64_t keep_body_of(struct keep *k, const struct message *m);
bool keep_body_is_durable(struct keep *k, uint64_t id);
/* One more pair needs it: found at the start. */
void keep_body_hold(struct keep *k, uint64_t id);
/* An entry in memory has it; has it no more (it is on disk only, or leaves). */
void keep_body_enter(struct keep *k, uint64_t id, const struct message *m);
void keep_body_exit(struct keep *k, const struct message *m);
/* A pair needs it no more. */
void keep_body_drop(struct keep *k, uint64_t id);
/* Those that can be deleted now: ids, to be free()d. */
uint64_t *keep_body_take_dead(struct keep *k, uint32_t *count);
void keep_body_free(struct keep *k);

/* keep_checkpoint.c */
void keep_checkpoint_turn(struct keep *k);
void keep_checkpoint_free(struct keep *k);

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
