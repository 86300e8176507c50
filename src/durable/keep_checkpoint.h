/* Inside keep: making log files superfluous, and what the keeper does for it. */
#ifndef LEVERET_DURABLE_KEEP_CHECKPOINT_H
#define LEVERET_DURABLE_KEEP_CHECKPOINT_H

#include "base/err.h"
#include "io/worker.h"
#include "store/manifest.h"
#include "store/segment.h"

struct keep;
struct keep_segment;

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
    enum err result;
    bool has_run;
};

enum keep_checkpoint_state {
    KEEP_IDLE,
    KEEP_COPYING, /* survivors into the open segment */
    KEEP_WAITING, /* for the batch with its delivery marks */
    KEEP_CHORE,   /* for the keeper */
};

void keep_checkpoint_turn(struct keep *k);
void keep_checkpoint_free(struct keep *k);

#endif
