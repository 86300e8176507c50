/*
 * One shard's part of the broker: made, turned, freed.
 *
 * A turn delivers from the queues that were marked dirty before it, each within its budget; what is not
 * finished goes to the end of the list for the next turn, so that no queue starves another. Then everything
 * gathered for other shards is posted.
 *
 * The pools are what is freed last: messages of one shard lie in queues and mail of others. So a node's
 * brokers are freed when all shards have stopped, and messages are not dropped one by one but go with the
 * pools.
 */
#include "broker/broker.h"

#include "base/check.h"
#include "broker/courier_impl.h"
#include "broker/deadletter.h"
#include "broker/durability.h"
#include "broker/inside.h"
#include "broker/queue_impl.h"
#include "broker/queue_rank.h"
#include "broker/queue_rules.h"
#include "broker/route.h"
#include "io/timer.h"

#include <stdlib.h>

enum {
    BROKER_REST_MS = 1000, /* a working part that stays empty and unused from one tick to the next is freed */
    BROKER_TRIM_MS = 1000, /* from one look at the pool's empty memory to the next */
    BROKER_TRIM_ON_MS = 10, /* the same when one look could not give back all */
    BROKER_COLLECT_MS = 10, /* until a shard without work frees more of what was deleted */
};

struct broker *
broker_new(struct node *node, struct shard *shard, const struct effects *effects, void *server)
{
    struct broker *b = calloc(1, sizeof *b);
    CHECK(b);
    b->node = node;
    b->shard = shard;
    b->index = shard ? shard_index(shard) : 0;
    b->effects = effects;
    b->server = server;
    b->pool = pool_new();
    list_init(&b->dirty);
    list_init(&b->deep);
    list_init(&b->resting);
    b->routes = route_cache_new(node->limits.route_cache_entries);
    b->courier = courier_new(b);
    b->deadletters = deadletters_new(b);
    b->inside = inside_new();
    node->brokers[b->index] = b;
    if (node->durability)
        node->durability->attach(node->durability_arg, b);
    queue_lease_start_all(b);
    return b;
}

static void
broker_free_consumers(struct broker *b)
{
    size_t cursor = 0;
    for (struct consumer *c; (c = slots_next(&b->consumers, &cursor, NULL));)
        free(c);
}

void
broker_free(struct broker *b)
{
    size_t cursor = 0;
    for (struct queue *q; (q = idmap_next(&b->queues, &cursor, NULL));)
        queue_free(q);
    broker_free_consumers(b);
    idmap_fini(&b->queues);
    slots_fini(&b->consumers);
    slots_fini(&b->subscriptions);
    deadletters_free(b);
    inside_free(b);
    courier_free(b->courier);
    route_cache_free(b->routes);
    pool_free_all(b->pool);
    b->node->brokers[b->index] = NULL;
    free(b);
}

/* Moves everything on `from` to the end of `to`, which is empty. */
static void
list_move_all(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    list_init(from);
}

/* ---- what goes back without being asked for ---- */

/* The next turn starts the timer anew, unless nothing is mapped any more: an idle node sleeps. */
static void
broker_trim_tick(void *arg)
{
    struct broker *b = arg;
    if (pool_trim(b->pool))
        timer_start(b->shard, &b->trim_timer, BROKER_TRIM_ON_MS, broker_trim_tick, b);
}

/* The turn that follows does the work. */
static void
broker_collect_tick(void *arg)
{
}

/* The memory alarm looks at what is resident: what a drained backlog leaves behind must not keep it up. And
 * what was deleted is freed though no command may follow, a bounded part in each turn. */
static void
broker_tidy(struct broker *b)
{
    if (b->shard && pool_bytes_mapped(b->pool) > 0 && !timer_is_active(&b->trim_timer))
        timer_start(b->shard, &b->trim_timer, BROKER_TRIM_MS, broker_trim_tick, b);
    if (b->index == 0 && b->node->epoch && epoch_collect(b->node->epoch) > 0 && b->shard &&
        !timer_is_active(&b->collect_timer))
        timer_start(b->shard, &b->collect_timer, BROKER_COLLECT_MS, broker_collect_tick, b);
}

/* ---- a turn ---- */

bool
broker_turn(struct broker *b)
{
    struct list now;
    list_init(&now);
    list_move_all(&now, &b->dirty);
    while (!list_is_empty(&now)) {
        struct queue *q = LIST_ENTRY(now.next, struct queue, dirty);
        list_remove(&q->dirty);
        if (queue_deliver(q))
            queue_mark_dirty(q);
    }
    bool more = deadletters_turn(b);
    more |= inside_turn(b);
    if (b->log && !list_is_empty(&b->deep))
        queue_paging_turn(b);
    broker_flush(b);
    if (b->node->durability)
        b->node->durability->turn(b->node->durability_arg, b);
    route_cache_turn(b->routes);
    bool is_behind = b->index == 0 && b->node->meta && meta_turn(b->node->meta);
    broker_tidy(b);
    return is_behind || more || !list_is_empty(&b->dirty);
}

void
broker_flush(struct broker *b)
{
    courier_flush(b);
}

void
broker_stop(struct broker *b)
{
    if (b->node->durability)
        b->node->durability->stop(b->node->durability_arg, b);
}

/* ---- resting ---- */

static void
broker_rest_tick(void *arg)
{
    struct broker *b = arg;
    LIST_FOREACH_SAFE (at, next, &b->resting)
        queue_rested(at);
    if (!list_is_empty(&b->resting))
        timer_start(b->shard, &b->rest_timer, BROKER_REST_MS, broker_rest_tick, b);
}

void
broker_rest(struct broker *b, struct list *resting)
{
    list_push_back(&b->resting, resting);
    if (b->shard && !timer_is_active(&b->rest_timer))
        timer_start(b->shard, &b->rest_timer, BROKER_REST_MS, broker_rest_tick, b);
}

/* ---- checks ---- */

struct broker_sums {
    uint64_t ready, unacked, consumers, held, fronts;
};

static void
check_level(const struct queue *q, const struct list *members, bool in_round, uint32_t *count)
{
    LIST_FOREACH (at, members) {
        const struct consumer *c = LIST_ENTRY(at, struct consumer, node);
        CHECK(c->queue == q && c->is_in_round == in_round && !c->is_canceled);
        CHECK(slots_get(&q->broker->consumers, c->handle) == c);
        CHECK(c->unacked <= c->prefetch);
        CHECK(!c->subscription || c->subscription->local == c);
        (*count)++;
    }
}

static void
check_entries(const struct queue *q, struct broker_sums *sums)
{
    const struct queue_messages *ms = q->messages;
    uint32_t unacked = 0, ready = 0, leaving = 0;
    uint64_t position, bytes = 0, unacked_bytes = 0, leaving_bytes = 0, logged = 0;
    for (struct queue_entry *e = seqdeque_first(&ms->entries, &position); e;
         e = seqdeque_next(&ms->entries, &position)) {
        CHECK(e->message && e->message->refs > 0);
        bytes += queue_weight(e->message);
        CHECK(!e->is_unacked || position < q->cursor);
        CHECK(!e->is_leaving || (!e->is_unacked && position < q->cursor));
        if (e->is_unacked)
            unacked++;
        else if (e->is_leaving)
            leaving++;
        else
            ready++;
        leaving_bytes += e->is_leaving ? e->message->body_size : 0;
        unacked_bytes += e->is_unacked ? e->message->body_size : 0;
        logged += e->is_logged;
        sums->held += e->is_unacked && e->consumer != QUEUE_NO_CONSUMER;
    }
    CHECK(unacked == q->unacked && leaving == q->leaving && ready + q->paged == queue_ready(q));
    for (uint32_t i = 0; i < ms->returned_count; i++) {
        struct queue_entry *e = seqdeque_get(&ms->entries, ms->returned[i]);
        CHECK(e && !e->is_unacked && !e->is_leaving && ms->returned[i] < q->cursor);
        CHECK(i == 0 || ms->returned[(i - 1) / 2] < ms->returned[i]);
    }
    CHECK(bytes == ms->bytes);
    CHECK(unacked_bytes == q->tally.unacked_bytes && leaving_bytes == q->tally.leaving_bytes);
    CHECK(q->tally.persistent >= logged && q->tally.persistent <= logged + q->paged);
    sums->ready += ready + (uint32_t)q->paged;
    sums->unacked += unacked;
}

static void
check_queue(const struct queue *q, struct broker_sums *sums)
{
    uint32_t round = 0, resting = 0;
    const struct consumer_level *above = NULL;
    LIST_FOREACH (at, &q->levels) {
        const struct consumer_level *level = LIST_ENTRY(at, struct consumer_level, node);
        CHECK(!above || above->priority > level->priority);
        CHECK(!list_is_empty(&level->round) || !list_is_empty(&level->resting));
        check_level(q, &level->round, true, &round);
        check_level(q, &level->resting, false, &resting);
        above = level;
    }
    CHECK(round == q->round_count && round + resting == q->consumer_count);
    CHECK(q->consumer_count == 1 || !q->has_exclusive_consumer);
    const struct queue *first = queue_rank_first(q->front);
    bool waits_for_log = first->is_reserving || (first->messages && first->messages->is_paging_in);
    CHECK(!round || !queue_ready_all(q) || q->deletion || waits_for_log || list_is_linked(&q->dirty));
    CHECK(!q->waiting || waits_for_log || list_is_linked(&q->dirty));
    CHECK(q->has_rules == (q->rules != NULL));
    CHECK(!q->has_rules || !q->rules->settings.is_single_active ||
          (round <= 1 && (q->rules->active != NULL) == (q->consumer_count > 0)));
    uint64_t ready = 0;
    unsigned at = 0;
    for (const struct queue *rank; (rank = queue_rank_each(q, &at));)
        ready += queue_ready(rank);
    CHECK(ready == queue_ready_all(q));
    sums->consumers += q->consumer_count;
    sums->fronts++;
}

void
broker_check(const struct broker *b)
{
    struct broker_sums sums = {0};
    size_t cursor = 0;
    uint64_t id, lent = 0, live = 0;
    for (const struct queue *q; (q = idmap_next(&b->queues, &cursor, &id));) {
        CHECK(q->id == id && q->broker == b);
        CHECK(q->messages || !q->unacked);
        if (q->messages)
            check_entries(q, &sums);
        if (q->front == q)
            check_queue(q, &sums);
    }
    cursor = 0;
    for (const struct consumer *c; (c = slots_next(&b->consumers, &cursor, NULL));) {
        CHECK(!c->is_canceled || c->unacked);
        live += !c->is_canceled;
        lent += c->unacked;
    }
    CHECK(sums.fronts == b->queues_opened);
    CHECK(sums.ready == b->messages_ready && sums.unacked == b->messages_unacked);
    CHECK(sums.consumers == live && sums.held == lent);
}

bool
broker_is_idle(const struct broker *b)
{
    if (b->messages_ready || b->messages_unacked || slots_count(&b->consumers) ||
        slots_count(&b->subscriptions))
        return false;
    if (!list_is_empty(&b->dirty) || !list_is_empty(&b->courier->deletions))
        return false;
    for (unsigned i = 0; i < b->courier->count; i++) {
        const struct courier_lane *lane = &b->courier->lanes[i];
        if (lane->overflow_count || lane->returns || lane->settles.queue_id || lane->confirms.times ||
            !list_is_empty(&lane->held))
            return false;
    }
    return deadletters_are_idle(b) && inside_is_idle(b) && pool_bytes_used(b->pool) == 0;
}
