/* Inside keep: entries of a segment on their way from the pager to the shard. */
#ifndef LEVERET_DURABLE_KEEP_ENTRY_H
#define LEVERET_DURABLE_KEEP_ENTRY_H

#include "base/buffer.h"
#include "store/record.h"

struct keep;
struct message;

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

#endif
