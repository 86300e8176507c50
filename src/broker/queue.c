/*
 * A queue's runtime: opened at first use, closed when the definition is gone.
 *
 * It keeps no pointer to its definition, which shard 0 may free before we hear of its end: what it needs of
 * it is copied. The definition points to the runtime; that pointer, and the entry in broker.queues, are set
 * and cleared together here.
 *
 * A runtime without messages and consumers is about 100 bytes: the rest (queue_messages, levels) comes and
 * goes.
 */
#include "broker/queue.h"

#include "base/check.h"
#include "broker/courier_impl.h"
#include "broker/deadletter.h"
#include "broker/meta.h"
#include "broker/queue_impl.h"
#include "broker/queue_rank.h"
#include "broker/queue_rules.h"

#include <stdlib.h>

struct queue *
queue_find(struct broker *b, uint64_t queue_id)
{
    return idmap_get(&b->queues, queue_id);
}

struct queue *
queue_get(struct broker *b, uint64_t queue_id)
{
    struct queue *q = queue_find(b, queue_id);
    if (q)
        return q;
    const struct queue_def *def = queue_def_find_id(b->node->meta, queue_id);
    return def ? queue_open(b, def) : NULL;
}

/* The runtime is the owning shard's field of a definition that is otherwise everybody's to read only. */
static void
queue_set_runtime(const struct queue_def *def, struct queue *q)
{
    ((struct queue_def *)(uintptr_t)def)->runtime = q;
}

void
queue_init(struct queue *q, struct broker *b, uint64_t id, bool durable)
{
    q->id = id;
    q->broker = b;
    q->front = q;
    q->durable = durable;
    q->cursor = 1; /* positions from 1: 0 is none */
    q->deliver_limit = durable && b->log && !b->log->is_failed ? 0 : UINT64_MAX;
    list_init(&q->levels);
}

struct queue *
queue_open(struct broker *b, const struct queue_def *def)
{
    if (def->runtime)
        return def->runtime;
    CHECK(def->shard == b->index);
    /* A route of this turn may still name a queue that was closed a moment ago. */
    if (queue_def_find_id(b->node->meta, def->id) != def)
        return NULL;
    struct queue *q = calloc(1, sizeof *q);
    CHECK(q);
    queue_init(q, b, def->id, def->durable);
    q->auto_delete = def->auto_delete;
    queue_rules_open(q, def);
    q->is_quorum = q->has_rules && q->rules->settings.is_quorum;
    if (q->has_rules && q->rules->settings.priority_max)
        queue_rank_open(q, q->rules->settings.priority_max);
    idmap_put(&b->queues, q->id, q);
    queue_set_runtime(def, q);
    b->queues_opened++;
    return q;
}

/* Those that consume now, wherever they stand in their level. */
static void
queue_cancel_all(struct queue *q)
{
    while (!list_is_empty(&q->levels)) {
        struct consumer_level *level = LIST_ENTRY(q->levels.next, struct consumer_level, node);
        struct list *from = list_is_empty(&level->round) ? &level->resting : &level->round;
        struct consumer *c = LIST_ENTRY(from->next, struct consumer, node);
        struct consumer gone = *c;
        consumer_detach(c);
        courier_canceled(q->broker, &gone);
    }
}

uint32_t
queue_close(struct queue *q)
{
    struct broker *b = q->broker;
    uint32_t ready = queue_ready_all(q);
    if (q->deletion)
        courier_deletion_closed(q->deletion, ready);
    const struct queue_def *def = queue_def_find_id(b->node->meta, q->id);
    if (def)
        queue_set_runtime(def, NULL);
    idmap_remove(&b->queues, q->id);
    b->queues_opened--;
    courier_queue_closed(b, q);
    queue_cancel_all(q);
    queue_rank_close(q);
    if (q->kept)
        b->log->ops->forget(b->log, q);
    queue_messages_close(q);
    courier_waiting_lost(q);
    list_remove(&q->dirty);
    deadletter_forget(q);
    queue_rules_close(q, false);
    free(q);
    return ready;
}

void
queue_free(struct queue *q)
{
    courier_waiting_free(q);
    deadletter_forget(q);
    free(q->ranks);
    if (q->front == q)
        queue_rules_close(q, true);
    if (q->messages) {
        seqdeque_fini(&q->messages->entries);
        free(q->messages->returned);
        free(q->messages);
    }
    while (!list_is_empty(&q->levels)) {
        struct list *level = q->levels.next;
        list_remove(level);
        free(LIST_ENTRY(level, struct consumer_level, node));
    }
    free(q);
}

uint32_t
queue_ready_count(const struct queue *q)
{
    return queue_ready_all(q);
}

uint32_t
queue_unacked_count(const struct queue *q)
{
    uint32_t unacked = 0;
    unsigned at = 0;
    for (const struct queue *rank; (rank = queue_rank_each(q, &at));)
        unacked += rank->unacked;
    return unacked;
}

uint32_t
queue_consumer_count(const struct queue *q)
{
    return q->consumer_count;
}

bool
queue_is_deleting(const struct queue *q)
{
    return q->deletion != NULL;
}

void
queue_mark_dirty(struct queue *q)
{
    struct list *dirty = &q->front->dirty;
    if (!list_is_linked(dirty))
        list_push_back(&q->broker->dirty, dirty);
}
