/*
 * What is shown of a queue at work: counts of messages and bytes, and what it costs. Most follows from the
 * entries; what does not is counted in `struct queue_tally`, by plain additions on the queue's own shard.
 */
#ifndef LEVERET_BROKER_QUEUE_TALLY_H
#define LEVERET_BROKER_QUEUE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

struct queue;

/* Of the messages that are in the queue; bytes are those of bodies. After a restart, and where paged messages
 * were lost, paged_bytes and persistent_bytes are estimates. */
struct queue_tally {
    uint64_t unacked_bytes, leaving_bytes;
    uint64_t persistent, persistent_bytes;
    uint64_t paged_bytes;
    uint64_t disk_reads, disk_writes; /* messages, since the queue was first used */
};

struct subscription;

struct queue_figures {
    uint64_t ready, unacked;
    uint64_t ready_in_memory; /* unacked ones always are */
    uint64_t ready_bytes, unacked_bytes, memory_bytes, persistent_bytes;
    uint64_t persistent;
    uint64_t disk_reads, disk_writes;
    uint64_t memory; /* what queue, messages and consumers take, roughly */
    const struct subscription
        *exclusive; /* of the exclusive consumer, if there is one and it is on this shard */
    uint32_t consumers;
    bool has_head_timestamp;
    bool is_taken_at_once;   /* a message that came now would be delivered now */
    uint64_t head_timestamp; /* seconds since 1970, of the first ready message, if it is in memory */
};

/* On the queue's shard. */
void queue_tally_figures(const struct queue *q, struct queue_figures *out);

/* ---- for the other files of the queue ---- */

/* A logged message leaves. */
static inline void
queue_tally_leave(struct queue_tally *t, uint32_t body_size)
{
    t->persistent -= t->persistent > 0;
    t->persistent_bytes -= t->persistent_bytes < body_size ? t->persistent_bytes : body_size;
}
/* It is known by its entries alone: nothing is paged out. */
void queue_tally_count(struct queue *q);
/* No message is left. */
void queue_tally_clear(struct queue_tally *t);
void queue_tally_page_out(struct queue *q, uint32_t body_size);
void queue_tally_page_in(struct queue *q, uint32_t body_size);
/* Before q->paged is lowered: `count` of those cannot be read any more. */
void queue_tally_lose(struct queue *q, uint64_t count);

#endif
