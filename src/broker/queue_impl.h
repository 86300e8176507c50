/*
 * What the files of a queue share: queue.c (its life), queue_messages.c (what stands in it), queue_round.c
 * (who gets the next message), consumer.c (one consumer). Nobody else includes this, but for broker_check().
 */
#ifndef LEVERET_BROKER_QUEUE_IMPL_H
#define LEVERET_BROKER_QUEUE_IMPL_H

#include "base/list.h"
#include "base/seqdeque.h"
#include "broker/consumer_impl.h"
#include "broker/message.h"
#include "broker/queue.h"
#include "broker/queue_log.h"
#include "broker/queue_tally.h"

/* A queue keeps so much at its head in memory; what is behind that may be paged out. */
enum { QUEUE_WINDOW_BYTES = 1 << 20, QUEUE_MESSAGE_COST = 64 };
enum { QUEUE_OP_BITS = 26, QUEUE_PEEK_MAX = 65536 }; /* queue_peek() walks no further */

#define QUEUE_NO_CONSUMER UINT32_MAX /* in an entry: whoever got it by basic.get */

struct queue_entry {
    struct message *message;
    uint32_t consumer; /* unacked: slot in broker.consumers of who has it, or QUEUE_NO_CONSUMER */
    uint32_t is_unacked : 1;
    uint32_t is_redelivered : 1;
    uint32_t is_logged : 1;      /* the log has it, or will: leaving must be told */
    uint32_t is_stored : 1;      /* a segment has it: it need not be copied there any more */
    uint32_t is_timed : 1;       /* a deadline stands behind it: queue_rules.h */
    uint32_t is_leaving : 1;     /* neither ready nor unacked: a dead letter whose copy is under way */
    uint32_t op : QUEUE_OP_BITS; /* is_logged: what queue_log_ops.publish() returned */
};
#define QUEUE_OP_MASK ((1u << QUEUE_OP_BITS) - 1)
_Static_assert(sizeof(struct queue_entry) == 16, "a queued message costs its blob and 16 bytes");

/* The working part, which a queue has while it holds messages and for a moment longer. */
struct queue_messages {
    struct seqdeque entries;
    uint64_t *returned; /* binary heap of positions below the cursor that are ready again */
    uint32_t returned_count, returned_cap;
    struct queue *queue;
    uint64_t bytes;      /* queue_weight() of the messages of all entries */
    uint64_t page_from;  /* where paging out goes on */
    uint64_t paged_from; /* nothing between the cursor and here is paged out */
    struct list deep;    /* in broker.deep */
    uint64_t read_count; /* messages that the last read-ahead brought */
    uint32_t window;     /* bytes at the head that stay in memory */
    bool is_paging_in;   /* one is under way */
    struct list resting; /* in broker.resting since it was found empty */
    uint64_t rested_at;  /* next sequence at that time: unchanged means unused since */
};

struct queue {
    /* What each message needs comes first: one line of the cache. */
    struct broker *broker;
    struct queue_messages *messages; /* NULL: none since long */
    uint64_t cursor; /* every message from this position on is ready and was not delivered since we run */
    uint64_t holes;  /* positions behind the cursor without a message */
    uint64_t deliver_limit;  /* positions from here on may not be given out yet: the log must know first */
    struct queue_kept *kept; /* the log's own; NULL: it has nothing of this queue */
    uint32_t consumer_count;
    uint32_t round_count; /* consumers in rounds: 0 means that nobody can take anything */
    uint32_t unacked;
    bool durable;
    bool has_rules;    /* rules != NULL */
    bool is_quorum;    /* keeps everything, gives out what is kept, counts returns: queue_count.h */
    bool is_reserving; /* a higher deliver_limit is on its way */
    bool auto_delete;
    bool has_exclusive_consumer;
    bool is_retrying; /* within courier_waiting_retry() */

    struct queue *front;             /* itself, but for a rank of another: queue_rank.h */
    struct list dirty;               /* in broker.dirty */
    struct queue_deletion *deletion; /* META_QUEUE_DELETE is under way: courier_delete.c */
    struct list levels;
    uint64_t id;
    uint64_t paged;             /* positions behind the cursor whose message is on disk only */
    uint64_t redelivered_below; /* what was there before this start and stands below may have been delivered
                                   then */
    struct courier_waiting *waiting; /* basic.gets that wait for deliver_limit */
    struct queue_tally tally;
    uint32_t leaving;          /* entries that are is_leaving */
    struct list leaving_node;  /* deadletter_must_wait() */
    struct queue_rules *rules; /* TTL, expiry, limits: queue_rules.h; NULL: it is plain */
    struct queue_ranks *ranks; /* priorities; NULL: none */
};

/* What a message counts for in queue_messages.bytes: its memory, roughly, at the price of one load. */
static inline uint64_t
queue_weight(const struct message *m)
{
    return (uint64_t)m->body_size + QUEUE_MESSAGE_COST;
}
/* Of this one alone; queue_ready_all() is for the front of several. */
static inline uint32_t
queue_ready(const struct queue *q)
{
    if (!q->messages)
        return 0;
    return (uint32_t)(seqdeque_next_sequence(&q->messages->entries) - q->cursor - q->holes) +
           q->messages->returned_count;
}
uint32_t queue_rank_ready(const struct queue_ranks *ranks);
static inline uint32_t
queue_ready_all(const struct queue *q)
{
    return __builtin_expect(q->ranks != NULL, 0) ? queue_rank_ready(q->ranks) : queue_ready(q);
}
/* So many more are ready, which whoever says it has seen to: what is summed up follows. */
void queue_rank_ready_add(struct queue_ranks *ranks, int64_t n);
static inline void
queue_ready_add(struct queue *q, int64_t n)
{
    q->broker->messages_ready += n;
    if (__builtin_expect(q->front->ranks != NULL, 0))
        queue_rank_ready_add(q->front->ranks, n);
}
static inline bool
queue_has_nothing(const struct queue *q)
{
    return queue_ready(q) == 0 && q->unacked == 0 && q->leaving == 0;
}

/* queue.c: a queue, or a rank of one, in which nothing is yet. */
void queue_init(struct queue *q, struct broker *b, uint64_t id, bool durable);

/* Where the next message will stand. */
static inline uint64_t
queue_next_position(const struct queue *q)
{
    return q->messages ? seqdeque_next_sequence(&q->messages->entries) : q->cursor;
}

/* queue_messages.c */

/* Puts a message in at the end: logged first, where it is to be kept. `deadline`: queue_rules.h; the entries
 * were widened for one. Takes the hold. */
enum queue_pushed queue_messages_push(struct queue *q, struct message *m, uint64_t deadline, uint64_t tx);
struct queue_messages *queue_messages_open(struct queue *q);
/* Frees the working part; every message in it is dropped. */
void queue_messages_close(struct queue *q);
/* Nothing is left: the working part rests, and is freed when it still does after a while. */
void queue_messages_rest(struct queue *q);
/* Takes the lowest position off the heap of returned ones. */
void queue_returned_pop(struct queue_messages *ms);
/* Back to its place; `is_redelivered`: the client may have seen it. Ignores what is not unacked. */
void queue_messages_put_back(struct queue *q, uint64_t position, bool is_redelivered);

/* It is neither ready nor unacked any more, and leaves for good: log, entry and hold. */
void queue_messages_gone(struct queue *q, uint64_t position, struct queue_entry *e, uint64_t tx);
/* A message that leaves memory and the queue for good: the log hears of it if it has it. */
void queue_messages_leave(struct queue *q, uint64_t position, struct queue_entry *e, uint64_t tx);

/* queue_round.c: gives out what can be given, within the turn's budget; true: more could be. */
bool queue_deliver_ready(struct queue *q);
/* Somebody can take a message now. Being in a round is not enough: who is full leaves it when asked. */
bool queue_round_can_take(struct queue *q);

/* queue_paging.c */

/* The entry of the first ready message, and where, though it may not be given out yet; NULL: nothing is
 * ready, or it is being read. */
struct queue_entry *queue_paging_head(struct queue *q, uint64_t *position);
/* The slow half of queue_messages_first(): no entry at `*position`, or it may not be given out yet. */
struct queue_entry *queue_paging_first(struct queue *q, uint64_t *position);
/* The n-th ready message of a queue without priorities. LATER: it is being read: courier_waiting_retry(). */
enum queue_peeked { QUEUE_PEEKED_NOTHING, QUEUE_PEEKED, QUEUE_PEEKED_LATER };
enum queue_peeked queue_peek(struct queue *q, uint32_t n, struct queue_entry **found);
/* Read-ahead and reservation, before messages are given out. */
void queue_paging_prepare(struct queue *q);
/* The turn's paging out, over all queues of broker.deep. */
void queue_paging_turn(struct broker *b);

/* A look at one of broker.resting; true: it is off the list. */
bool queue_rested(struct list *resting);

/* broker.c: puts a working part on broker.resting. */
void broker_rest(struct broker *b, struct list *resting);

/* courier_deliver.c: a delivery to the far end (takes the hold), the request for credit, the queue's end. */
void courier_deliver(struct broker *b, struct consumer *c, struct message **m, uint64_t position,
                     bool redelivered);
void courier_ask_credit(struct broker *b, struct consumer *c);
void courier_canceled(struct broker *b, const struct consumer *c);
/* Its end of the single active one is told, for views. */
void courier_activated(struct broker *b, const struct consumer *c);
/* courier_get.c: the basic.gets that wait are tried again; are told that the queue is gone; are freed. */
void courier_waiting_retry(struct queue *q);
void courier_waiting_lost(struct queue *q);
void courier_waiting_free(struct queue *q);
/* courier_delete.c: the last consumer of an auto-delete queue left. */
void courier_auto_delete(struct queue *q);
/* The runtime closes with `ready` messages: the answer of a deletion that is under way. */
void courier_deletion_closed(struct queue_deletion *d, uint32_t ready);

/* ---- the way out of a queue, inline: it is taken once per message ---- */

/* The entry to be delivered next, and where; NULL when nothing is ready. */
static inline struct queue_entry *
queue_messages_first(struct queue *q, uint64_t *position)
{
    struct queue_messages *ms = q->messages;
    if (!ms)
        return NULL;
    *position = __builtin_expect(ms->returned_count != 0, 0) ? ms->returned[0] : q->cursor;
    struct queue_entry *e = seqdeque_get(&ms->entries, *position);
    if (__builtin_expect(!e || *position >= q->deliver_limit, 0))
        return queue_paging_first(q, position);
    return e;
}

/* The first ready entry is no longer ready. */
static inline void
queue_messages_advance(struct queue *q, uint64_t position)
{
    if (__builtin_expect(position == q->cursor, 1))
        q->cursor++;
    else
        queue_returned_pop(q->messages);
    queue_ready_add(q, -1);
}

/* The first entry leaves for good; its hold is the caller's. */
static inline struct message *
queue_messages_shift(struct queue *q, uint64_t position, struct queue_entry *e)
{
    struct queue_messages *ms = q->messages;
    struct message *m = e->message;
    queue_messages_advance(q, position);
    ms->bytes -= queue_weight(m);
    if (e->is_logged || e->is_stored)
        queue_messages_leave(q, position, e, 0);
    seqdeque_remove_known(&ms->entries, position);
    return m;
}

/* The first entry waits unacked for `consumer`; the hold stays the queue's. */
static inline struct message *
queue_messages_lend(struct queue *q, uint64_t position, struct queue_entry *e, uint32_t consumer)
{
    queue_messages_advance(q, position);
    e->consumer = consumer;
    e->is_unacked = true;
    q->unacked++;
    q->tally.unacked_bytes += e->message->body_size;
    q->broker->messages_unacked++;
    return e->message;
}

#endif
