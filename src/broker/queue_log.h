/*
 * What a queue asks of its log, so that durable messages outlive the node and long backlogs do not live in
 * memory. The broker declares it, src/durable implements it. One per shard (b->log), called on that shard
 * only; NULL: everything stays in memory.
 *
 * The queue has the entries that are in memory. The log knows which sequences of a queue it has on disk and
 * can give back: those are *paged out*, have no entry, and count as ready. A queue's position is the log's
 * sequence.
 */
#ifndef LEVERET_BROKER_QUEUE_LOG_H
#define LEVERET_BROKER_QUEUE_LOG_H

#include "broker/broker.h"
#include "broker/effects.h"

struct message;
struct queue;
struct queue_entry;

struct queue_log {
    const struct queue_log_ops *ops;
    bool is_failed;        /* it can keep nothing any more: what would have to be kept is refused */
    bool is_behind;        /* publishers should slow down: the disk is slower than they are */
    bool is_paging_late;   /* the last turn's paging out left too much in memory */
    uint64_t resident_max; /* bytes of messages on this shard above which durable backlogs are paged out */
    uint64_t pressure_max; /* the same for all others; 0: never */
};

enum queue_paged {
    QUEUE_PAGED,        /* yes */
    QUEUE_STAYS,        /* this one not */
    QUEUE_PAGING_STOPS, /* none for now */
};

struct queue_log_ops {
    /* A persistent message was put into a durable queue. Returns what settle() is told as `op`. `deadline`:
     * when it expires, on the shard's clock (queue_rules.h); 0: never. `tx` 0: no transaction. */
    uint32_t (*publish)(struct queue_log *l, struct queue *q, uint64_t position, struct message *m,
                        uint64_t deadline, uint64_t tx);
    /* effects.confirmed(to, seq), `times` times, as soon as everything that was published or settled so far
     * on this shard is kept; as a nack when that cannot be any more. */
    void (*confirm)(struct queue_log *l, struct channel_ref to, uint64_t seq, uint32_t times);
    /* A kept message leaves for good: its entry is still there. */
    void (*settle)(struct queue_log *l, struct queue *q, uint64_t position, const struct queue_entry *e,
                   uint64_t tx);
    /* All that is paged out at or behind `from` leaves for good; returns how many those were. */
    uint64_t (*settle_paged)(struct queue_log *l, struct queue *q, uint64_t from);
    /* The transaction is complete on this shard. True: confirm() is called for it (to, seq, once) when that
     * is kept. False: it has nothing here that would have to be. */
    bool (*tx_end)(struct queue_log *l, uint64_t tx, struct channel_ref to, uint64_t seq);
    /* Deliveries come near q->deliver_limit: keep a higher one and tell it by queue_set_deliver_limit(). */
    void (*reserve)(struct queue_log *l, struct queue *q);
    /* May the message leave memory? It can be read again then; the caller removes the entry. */
    enum queue_paged (*page_out)(struct queue_log *l, struct queue *q, uint64_t position,
                                 const struct queue_entry *e);
    /* The first sequence at or behind `from` that is on disk and has no entry. */
    bool (*paged_next)(struct queue_log *l, struct queue *q, uint64_t from, uint64_t *position);
    /* Reads ahead from there: queue_paged_in() for some, in order, later; then queue_paging_done(). */
    void (*page_in)(struct queue_log *l, struct queue *q, uint64_t from, size_t bytes);
    /* The queue is deleted: nothing of it counts any more. */
    void (*forget)(struct queue_log *l, struct queue *q);
};

/* ---- what the log calls, on the queue's shard ---- */

/* Positions below `limit` may be given out now. */
void queue_set_deliver_limit(struct queue *q, uint64_t limit);
/* The answers to page_in(): begin, each message (takes the hold; false when it is not wanted any more), done.
 * is_logged: its leaving must be told to the log. deadline: as for publish(). */
void queue_paging_begin(struct queue *q);
bool queue_paged_in(struct queue *q, uint64_t position, struct message **m, bool is_logged,
                    uint64_t deadline);
void queue_paging_done(struct queue *q);
/* So many that are paged out cannot be read any more. */
void queue_paged_lost(struct queue *q, uint64_t count);

/* Does an entry stand there? */
bool queue_has_entry(const struct queue *q, uint64_t position);
/* Calls fn for every message at first..last that is in memory and in the log, but in no segment; when fn
 * returns true it is now. Returns where to go on: behind `last`, or where fn said false. */
typedef bool queue_store_fn(void *arg, struct queue *q, uint64_t position, const struct queue_entry *e);
uint64_t queue_each_unstored(struct queue *q, uint64_t first, uint64_t last, queue_store_fn *fn, void *arg);

/* Calls fn for every entry, whatever it returns. */
void queue_each_entry(struct queue *q, queue_store_fn *fn, void *arg);
/* The next delivery must reserve anew: nothing may be given out, nobody waits. */
void queue_lower_deliver_limit(struct queue *q);

/* After a restart, for a queue that was just opened: `next` is the first position that was never used. Then
 * what is only in the log, in any order (takes the hold; false: it is there already), then how many are paged
 * out, about how many bytes their bodies have, and whether one of them may have a deadline. */
void queue_recover_begin(struct queue *q, uint64_t next, uint64_t redelivered_below);
bool queue_recover_put(struct queue *q, uint64_t position, struct message **m, uint64_t deadline);
void queue_recover_end(struct queue *q, uint64_t paged, uint64_t paged_bytes, bool may_expire);

#endif
