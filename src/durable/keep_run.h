/* Inside keep: segments, and the parts of their runs that a queue has. */
#ifndef LEVERET_DURABLE_KEEP_RUN_H
#define LEVERET_DURABLE_KEEP_RUN_H

#include "base/list.h"
#include "store/segment.h"

#include <stdbool.h>
#include <stdint.h>

struct keep;
struct message;
struct queue_kept;

enum keep_segment_state {
    KEEP_OPEN,     /* being written */
    KEEP_SEALED,   /* complete, on its way to the disk */
    KEEP_VOLATILE, /* has nothing that outlives a restart: the manifest never names it */
    KEEP_NAMED,    /* in the manifest */
    KEEP_GOING,    /* the chore under way deletes it */
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

struct keep_run *keep_run_find(struct queue_kept *kept, uint64_t position);
void keep_run_remove(struct queue_kept *kept, struct keep_run *run);
/* Appends the message to the open segment. `expires_at`: as in struct record_message. */
void keep_run_store(struct keep *k, struct queue_kept *kept, uint64_t position, struct message *m,
                    uint64_t expires_at, bool is_transient);
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
/* Bytes that those take in the segment, if all of its entries were alike. */
uint64_t keep_run_live_bytes(const struct keep_run *run);
/* No queue has a part of it any more: nothing lives in it. */
void keep_run_forget_segment(struct keep *k, const struct keep_segment *s);
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

#endif
