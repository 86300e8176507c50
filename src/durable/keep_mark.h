/* Inside keep: which log file has something of which queue. */
#ifndef LEVERET_DURABLE_KEEP_MARK_H
#define LEVERET_DURABLE_KEEP_MARK_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct keep;
struct queue_kept;

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

void keep_mark_publish(struct keep *k, struct queue_kept *kept, uint64_t position);
void keep_mark_delivered(struct keep *k, struct queue_kept *kept);
/* The open batch was frozen. */
void keep_mark_frozen(struct keep *k, uint64_t batch, uint32_t file);
/* The journal has this position's publish and holds its message: its batch is not durable yet. */
bool keep_mark_is_under_way(const struct keep *k, const struct queue_kept *kept, uint64_t position);
void keep_mark_forget(struct queue_kept *kept);
struct keep_file *keep_mark_file(struct keep *k, uint32_t number);
/* Straight into a file: recovery. */
void keep_mark_recovered(struct keep *k, struct keep_file *f, uint64_t queue_id, uint64_t first,
                         uint64_t last, bool has_delivered);
void keep_mark_drop_files(struct keep *k, uint32_t up_to);
void keep_mark_free(struct keep *k);

#endif
