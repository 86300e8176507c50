/*
 * Transactions on this shard. Their records are a group: until the record that ends it is durable, nothing of
 * it may be lasting by another way than the log, where recovery discards a group without an end.
 *
 *   publishes   do not go into a segment before the end is logged (keep_page_out, keep_checkpoint.c), and a
 *               segment is not named before what was logged when it was sealed is durable
 *   acks        take effect on segments when the end is durable; the message is held until then, and a
 *               checkpoint copies it like one that is still in its queue
 *
 * In the log a transaction's name is one of this boot and chain: a channel's own number comes again after a
 * restart, and on every shard that the transaction touches.
 */
#include "base/check.h"
#include "base/hash.h"
#include "broker/queue_rules.h"
#include "durable/keep_impl.h"

#include <stdlib.h>

struct keep_tx {
    struct list node;    /* in keep.ended, once it has */
    uint64_t batch;      /* with its end */
    uint32_t file;       /* of its first record, or an earlier one */
    struct list settles; /* struct keep_tx_settle */
};

/* An acked message. */
struct keep_tx_settle {
    struct list node;
    struct message *message;
    uint64_t queue_id, position, deadline;
    bool is_stored;
};

uint64_t
keep_tx_name(const struct keep *k, uint64_t tx)
{
    return hash_combine(hash_combine(tx, k->store->boot), k->broker->index) | 1;
}

static struct keep_tx *
tx_get(struct keep *k, uint64_t tx)
{
    struct keep_tx *t = idmap_get(&k->transactions, tx);
    if (t)
        return t;
    t = calloc(1, sizeof *t);
    CHECK(t);
    t->file = journal_current_file(k->journal);
    list_init(&t->settles);
    idmap_put(&k->transactions, tx, t);
    return t;
}

void
keep_tx_note(struct keep *k, uint64_t tx)
{
    (void)tx_get(k, tx);
}

static void
settle_store(struct keep *k, struct keep_tx_settle *s)
{
    struct queue *q = queue_find(k->broker, s->queue_id);
    if (!s->is_stored && q)
        keep_run_store(k, keep_queue(k, q), s->position, s->message, keep_expiry_at(k, s->deadline), false);
    s->is_stored = true;
}

void
keep_tx_settle(struct keep *k, struct queue *q, uint64_t position, const struct queue_entry *e, uint64_t tx)
{
    struct keep_tx_settle *s = malloc(sizeof *s);
    CHECK(s);
    *s = (struct keep_tx_settle){.message = e->message,
                                 .queue_id = q->id,
                                 .position = position,
                                 .deadline = queue_expiry_of(e),
                                 .is_stored = e->is_stored};
    message_hold(s->message);
    list_push_back(&tx_get(k, tx)->settles, &s->node);
    if (k->checkpoint == KEEP_COPYING)
        settle_store(k, s);
}

static void
settle_free(struct keep *k, struct keep_tx_settle *s)
{
    list_remove(&s->node);
    if (!k->is_closing) /* then messages go with the pools */
        message_drop(k->broker, &s->message);
    free(s);
}

bool
keep_tx_end(struct keep *k, uint64_t tx)
{
    struct keep_tx *t = idmap_remove(&k->transactions, tx);
    if (!t)
        return false;
    t->batch = journal_batch(k->journal);
    list_push_back(&k->ended, &t->node);
    return true;
}

static void
each_settle(struct keep *k, struct keep_tx *t, uint64_t queue_id,
            void (*fn)(struct keep *k, struct keep_tx_settle *s))
{
    LIST_FOREACH_SAFE (at, next, &t->settles) {
        struct keep_tx_settle *s = LIST_ENTRY(at, struct keep_tx_settle, node);
        if (!queue_id || s->queue_id == queue_id)
            fn(k, s);
    }
}

/* queue_id 0: of all queues. */
static void
each(struct keep *k, uint64_t queue_id, void (*fn)(struct keep *k, struct keep_tx_settle *s))
{
    size_t cursor = 0;
    for (struct keep_tx *t; (t = idmap_next(&k->transactions, &cursor, NULL));)
        each_settle(k, t, queue_id, fn);
    LIST_FOREACH (at, &k->ended)
        each_settle(k, LIST_ENTRY(at, struct keep_tx, node), queue_id, fn);
}

void
keep_tx_store(struct keep *k)
{
    each(k, 0, settle_store);
}

static void
settle_now(struct keep *k, struct keep_tx_settle *s)
{
    struct queue *q = queue_find(k->broker, s->queue_id);
    if (q)
        keep_settle_stored(k, q, s->position, s->message, s->is_stored);
    settle_free(k, s);
}

static void
tx_free(struct keep *k, struct keep_tx *t, void (*fn)(struct keep *k, struct keep_tx_settle *s))
{
    each_settle(k, t, 0, fn);
    list_remove(&t->node);
    free(t);
}

void
keep_tx_durable(struct keep *k)
{
    while (!list_is_empty(&k->ended)) {
        struct keep_tx *t = LIST_ENTRY(k->ended.next, struct keep_tx, node);
        if (t->batch > k->durable_batch)
            return;
        tx_free(k, t, settle_now);
    }
}

void
keep_tx_failed(struct keep *k)
{
    each(k, 0, settle_now);
}

void
keep_tx_forget(struct keep *k, struct queue *q)
{
    each(k, q->id, settle_now);
}

bool
keep_tx_is_open(const struct keep *k, uint32_t file)
{
    size_t cursor = 0;
    for (struct keep_tx *t; (t = idmap_next(&k->transactions, &cursor, NULL));)
        if (t->file <= file)
            return true;
    return false;
}

void
keep_tx_free(struct keep *k)
{
    size_t cursor = 0;
    for (struct keep_tx *t; (t = idmap_next(&k->transactions, &cursor, NULL));)
        tx_free(k, t, settle_free);
    idmap_fini(&k->transactions);
    while (!list_is_empty(&k->ended))
        tx_free(k, LIST_ENTRY(k->ended.next, struct keep_tx, node), settle_free);
}
