/*
 * Dead letters. A message that leaves becomes a *departure* in the shard's line, which is worked off once in
 * a turn, oldest first, so that a queue's dead letters keep its order, and so that no queue is changed from
 * within another's functions, however long the chain of dead-letter exchanges, circles included.
 *
 *   the line, by number   | sent, sent, (gone), sent | next ... waiting |
 *
 * A departure's copy is published under its number, as a channel in confirm mode would; when every target has
 * answered, the source is settled (design: invariant 4). At-most-once: a target that refuses, or is not
 * there, counts as done, so that a source never grows for it. At-least-once (quorum queues): the departure
 * goes to the end of the line again after DEADLETTER_RETRY_MS, until there is a target and it has taken the
 * message. Of several targets each is asked under a number of its own, so that those that have taken it are
 * left alone then (deadletter_taken.h).
 *
 * What is in the line is bounded for messages that leave by themselves: above DEADLETTER_LINE_MAX their
 * queues wait; one that has so many at-least-once letters of its own to be tried again does, too, alone.
 * Those that a full queue refuses cannot: there whoever publishes is slowed, and in the end the memory's
 * alarm stops it.
 */
#include "broker/deadletter.h"

#include "base/check.h"
#include "broker/courier.h"
#include "broker/deadletter_message.h"
#include "broker/deadletter_taken.h"
#include "broker/message.h"
#include "broker/meta.h"
#include "broker/queue_impl.h"
#include "broker/queue_policy.h"
#include "broker/queue_rank.h"
#include "broker/queue_rules.h"
#include "broker/recent_history.h"
#include "io/timer.h"
#include "wire/properties.h"

#include <stdlib.h>

enum {
    DEADLETTER_LINE_MAX = 16384,
    DEADLETTER_TURN_MAX = 1024, /* sent in one turn */
    DEADLETTER_TURN_BYTES = 4 << 20,
    DEADLETTER_TURN_WORK = 32768, /* bindings looked at and queues given, as for a publisher */
    DEADLETTER_RETRY_MS = 1000,
};

struct departure {
    uint64_t queue_id, position;
    struct message *refused;        /* it never was in the queue: our hold; else NULL */
    struct deadletter_taken *taken; /* at least once, by several targets: their answers; else NULL */
    uint32_t pending;               /* sent: answers that are still to come */
    uint8_t reason;
    bool is_refused;      /* sent: a target has said no */
    bool is_in_histories; /* it was sent, and they have kept it: not once more when it is tried again */
};

/* One of a departure's targets: its answer is for this one alone. */
struct ask {
    uint64_t departure; /* its number */
    uint64_t queue_id;
};

/* Where the last departure came from, found out once for all that follow it in a turn. */
struct source {
    uint64_t queue_id;               /* 0: nothing is known */
    const struct queue_def *def;     /* NULL: deleted, or without a dead-letter exchange */
    const struct exchange *exchange; /* NULL: it is not there */
    struct queue_policy policy;
};

struct deadletters {
    struct seqdeque line; /* struct departure */
    struct seqdeque asks; /* struct ask; numbers of their own */
    uint64_t next;        /* the first that is not sent */
    struct list waiting;  /* queue.leaving_node: deadletter_must_wait() */
    struct departure *again;
    size_t again_count, again_cap;
    struct wheel_timer retry;
    struct source source;
    struct deadletter_letter letter; /* the last one */
    struct route *route;             /* scratch: route_left() */
    uint32_t route_cap;
    struct route *one; /* scratch: a single target */
};

const char *
deadletter_reason_name(enum deadletter_reason reason)
{
    static const char *const names[] = {[DEADLETTER_REJECTED] = "rejected",
                                        [DEADLETTER_EXPIRED] = "expired",
                                        [DEADLETTER_MAXLEN] = "maxlen",
                                        [DEADLETTER_DELIVERY_LIMIT] = "delivery_limit"};
    return names[reason];
}

/* ---- leaving ---- */

/* False: the queue is deleted, or has no dead-letter exchange. */
static bool
find_policy(const struct broker *b, uint64_t queue_id, const struct queue_def **def, struct queue_policy *p)
{
    *def = queue_def_find_id(b->node->meta, queue_rank_front_id(queue_id));
    if (!*def)
        return false;
    queue_policy_of(*def, p);
    return p->has_dead_letter_exchange;
}

static bool
has_exchange(const struct queue *q)
{
    if (q->has_rules) /* ranks of a priority queue have their front's */
        return q->rules->settings.has_dead_letters;
    const struct queue_def *def = queue_def_find_id(q->broker->node->meta, q->id);
    return def && queue_policy_has_dead_letter_exchange(def);
}

static void
depart(struct broker *b, const struct departure *d)
{
    void *entry;
    seqdeque_push_back(&b->deadletters->line, &entry);
    *(struct departure *)entry = *d;
}

void
deadletter_leave(struct queue *q, uint64_t position, struct queue_entry *e, enum deadletter_reason reason,
                 uint64_t tx)
{
    if (!has_exchange(q)) {
        queue_messages_gone(q, position, e, tx);
        return;
    }
    e->is_leaving = true;
    q->leaving++;
    q->tally.leaving_bytes += e->message->body_size;
    depart(q->broker,
           &(struct departure){.queue_id = q->id, .position = position, .reason = (uint8_t)reason});
}

void
deadletter_refused(struct queue *q, struct message **m)
{
    if (!has_exchange(q)) {
        message_drop(q->broker, m);
        return;
    }
    depart(q->broker, &(struct departure){.queue_id = q->id, .refused = *m, .reason = DEADLETTER_MAXLEN});
    *m = NULL;
    if (seqdeque_count(&q->broker->deadletters->line) >= DEADLETTER_LINE_MAX)
        q->broker->has_backlog = true; /* who publishes into a full queue is slowed, not the others */
}

bool
deadletter_must_wait(struct queue *q)
{
    struct deadletters *ds = q->broker->deadletters;
    bool is_full = seqdeque_count(&ds->line) >= DEADLETTER_LINE_MAX || q->leaving >= DEADLETTER_LINE_MAX;
    if (!is_full || !has_exchange(q))
        return false;
    if (!list_is_linked(&q->leaving_node))
        list_push_back(&ds->waiting, &q->leaving_node);
    return true;
}

void
deadletter_forget(struct queue *q)
{
    list_remove(&q->leaving_node);
}

/* ---- the end of a departure ---- */

/* Of its entry, NULL: the queue was deleted meanwhile, and the message with it. */
static struct queue_entry *
entry_of(struct broker *b, const struct departure *d, struct queue **q)
{
    *q = queue_find(b, d->queue_id);
    if (!*q || !(*q)->messages)
        return NULL;
    struct queue_entry *e = seqdeque_get(&(*q)->messages->entries, d->position);
    CHECK(e && e->is_leaving);
    return e;
}

static void
settle(struct broker *b, struct departure *d)
{
    struct queue *q;
    deadletter_taken_free(d->taken);
    d->taken = NULL;
    if (d->refused) {
        message_drop(b, &d->refused);
        return;
    }
    struct queue_entry *e = entry_of(b, d, &q);
    if (!e)
        return;
    q->leaving--;
    q->tally.leaving_bytes -= e->message->body_size;
    queue_messages_gone(q, d->position, e, 0);
    queue_messages_rest(q);
}

static void
on_retry(void *arg)
{
    struct broker *b = arg;
    struct deadletters *ds = b->deadletters;
    for (size_t i = 0; i < ds->again_count; i++)
        depart(b, &ds->again[i]);
    ds->again_count = 0;
}

static void
try_again_later(struct broker *b, const struct departure *d)
{
    struct deadletters *ds = b->deadletters;
    if (ds->again_count == ds->again_cap) {
        ds->again_cap = ds->again_cap ? ds->again_cap * 2 : 64;
        ds->again = realloc(ds->again, ds->again_cap * sizeof *ds->again);
        CHECK(ds->again);
    }
    ds->again[ds->again_count++] = *d;
    if (b->shard && !timer_is_active(&ds->retry))
        timer_start(b->shard, &ds->retry, DEADLETTER_RETRY_MS, on_retry, b);
}

/* It was not taken, by anybody or by somebody. */
static void
fail(struct broker *b, struct departure *d)
{
    const struct queue_def *def;
    struct queue_policy p;
    if (find_policy(b, d->queue_id, &def, &p) && p.is_dead_letter_at_least_once && !d->refused) {
        d->is_refused = false;
        deadletter_taken_forgive(d->taken);
        try_again_later(b, d);
    } else {
        settle(b, d);
    }
}

static void
finish(struct broker *b, uint64_t number, struct departure *d)
{
    struct deadletters *ds = b->deadletters;
    if (d->is_refused || (d->taken && !deadletter_taken_is_done(d->taken)))
        fail(b, d);
    else
        settle(b, d);
    seqdeque_remove_known(&ds->line, number);
    if (seqdeque_count(&ds->line) >= DEADLETTER_LINE_MAX / 2)
        return;
    LIST_FOREACH_SAFE (node, next, &ds->waiting) {
        list_remove(node);
        queue_mark_dirty(LIST_ENTRY(node, struct queue, leaving_node));
    }
}

void
deadletters_confirmed(struct broker *b, uint64_t first, uint64_t last, bool nack)
{
    for (uint64_t number = first; number <= last; number++) {
        struct departure *d = seqdeque_get(&b->deadletters->line, number);
        CHECK(d && d->pending > 0);
        d->is_refused |= nack;
        if (--d->pending == 0)
            finish(b, number, d);
    }
}

void
deadletters_answered(struct broker *b, uint64_t first, uint64_t last, bool nack)
{
    struct deadletters *ds = b->deadletters;
    for (uint64_t number = first; number <= last; number++) {
        struct ask *a = seqdeque_get(&ds->asks, number);
        CHECK(a);
        uint64_t departure = a->departure;
        struct departure *d = seqdeque_get(&ds->line, departure);
        CHECK(d && d->pending > 0);
        deadletter_taken_add(&d->taken, a->queue_id, !nack);
        seqdeque_remove_known(&ds->asks, number);
        if (--d->pending == 0)
            finish(b, departure, d);
    }
}

/* ---- sending ---- */

static struct route *
reserve_route(struct deadletters *ds, const struct route *route)
{
    uint32_t need = route->count + route->history_count; /* a history needs less than a target */
    if (!ds->route || ds->route_cap < need) {
        ds->route_cap = need;
        ds->route = realloc(ds->route, sizeof *ds->route + ds->route_cap * sizeof ds->route->targets[0]);
        CHECK(ds->route);
    }
    return ds->route;
}

static void
find_only_shard(struct route *r)
{
    r->only_shard = r->count && r->history_count == 0 ? r->targets[0].shard : ROUTE_MANY_SHARDS;
    for (uint32_t i = 1; i < r->count; i++)
        if (r->targets[i].shard != r->only_shard)
            r->only_shard = ROUTE_MANY_SHARDS;
}

/* The route without queues that would send the message round for ever, and without who has it already. */
static const struct route *
route_left(struct deadletters *ds, const struct departure *d, const struct route *route)
{
    if (d->reason == DEADLETTER_REJECTED && !d->taken && !d->is_in_histories)
        return route;
    struct route *left = reserve_route(ds, route);
    left->count = 0;
    for (uint32_t i = 0; i < route->count; i++) {
        const struct route_target *t = &route->targets[i];
        if ((d->reason == DEADLETTER_REJECTED ||
             !deadletter_is_cycle(&ds->letter.cycle, queue_def_name(t->queue))) &&
            !deadletter_taken_has(d->taken, t->queue_id))
            left->targets[left->count++] = *t;
    }
    left->history_count = d->is_in_histories ? 0 : route->history_count;
    if (left->history_count > 0)
        memcpy(left->targets + left->count, route_histories(route), route->history_count * sizeof(uint64_t));
    find_only_shard(left);
    return left;
}

enum sent { SENT, NOBODY, NO_ROOM };

/* One of several targets. -> answers that will come, 1 or 0: then it is known already. */
static unsigned
ask(struct broker *b, uint64_t number, const struct route_target *target, struct message *copy)
{
    const struct channel_ref self = {
        .connection = DEADLETTER_CONNECTION, .channel = DEADLETTER_ASKS, .shard = (uint16_t)b->index};
    struct deadletters *ds = b->deadletters;
    unsigned pending;
    ds->one->count = 1;
    ds->one->only_shard = target->shard;
    ds->one->targets[0] = *target;
    message_hold(copy);
    enum publish_result how =
        courier_publish(b, ds->one, &copy, self, seqdeque_next_sequence(&ds->asks), false, &pending);
    if (pending) {
        void *entry;
        seqdeque_push_back(&ds->asks, &entry);
        *(struct ask *)entry = (struct ask){.departure = number, .queue_id = target->queue_id};
    } else {
        struct departure *d = seqdeque_get(&ds->line, number);
        deadletter_taken_add(&d->taken, target->queue_id, how != PUBLISH_REJECTED);
    }
    return pending;
}

/* In the order of the line, like all others. */
static enum sent
ask_each(struct broker *b, const struct route *route, struct message *copy, unsigned *pending)
{
    uint64_t number = b->deadletters->next;
    if (route->history_count > 0)
        recent_history_keep(b, route, copy);
    for (uint32_t i = 0; i < route->count; i++)
        *pending += ask(b, number, &route->targets[i], copy);
    const struct departure *d = seqdeque_get(&b->deadletters->line, number);
    return *pending || deadletter_taken_is_done(d->taken) ? SENT : NOBODY;
}

static bool
is_asked_for(const struct broker *b, const struct departure *d, const struct route *route)
{
    return d->taken ||
           (route->count > 1 && b->deadletters->source.policy.is_dead_letter_at_least_once && !d->refused);
}

/* `*pending`: the answers that will come, to the departure's number or to what it asks. */
static enum sent
publish(struct broker *b, struct departure *d, const struct message *m, const struct exchange *x,
        const struct deadletter_letter *l, unsigned *pending)
{
    struct slice properties = buffer_slice(&l->properties);
    const struct route *route = route_find_many(b, x, l->keys, l->key_count, message_visible_of(properties));
    route = route_left(b->deadletters, d, route);
    unsigned to;
    if (!courier_can_publish(b, route, &to))
        return NO_ROOM;
    if (route->count == 0 && route->history_count == 0)
        return deadletter_taken_is_done(d->taken) ? SENT : NOBODY;
    d->is_in_histories |= route->history_count > 0;
    const struct channel_ref self = {.connection = DEADLETTER_CONNECTION, .shard = (uint16_t)b->index};
    struct message *copy =
        message_copy_with(b, m, slice_of(x->name, x->name_size), l->keys[0], properties, l->facts);
    if (is_asked_for(b, d, route)) {
        enum sent sent = ask_each(b, route, copy, pending);
        message_drop(b, &copy);
        return sent;
    }
    bool has_queue = route->count > 0; /* a history alone is no target */
    enum publish_result how = courier_publish(b, route, &copy, self, b->deadletters->next, false, pending);
    return how == PUBLISH_REJECTED || !has_queue ? NOBODY : SENT;
}

static const struct source *
find_source(struct broker *b, uint64_t queue_id)
{
    struct source *s = &b->deadletters->source;
    if (s->queue_id == queue_id)
        return s;
    s->queue_id = queue_id;
    s->exchange = NULL;
    if (!find_policy(b, queue_id, &s->def, &s->policy))
        s->def = NULL;
    if (s->def)
        s->exchange = exchange_find(s->def->vhost, s->policy.dead_letter_exchange);
    return s;
}

/* Finds out what is to go where. NOBODY: there is no exchange, or no queue for it. */
static enum sent
send(struct broker *b, struct departure *d, const struct message *m, unsigned *pending)
{
    const struct source *s = find_source(b, d->queue_id);
    if (!s->exchange)
        return NOBODY;
    const struct deadletter_death death = {
        .queue = queue_def_name(s->def),
        .reason = d->reason,
        .time_s = b->shard ? shard_wall_ms(b->shard) / 1000 : 0,
        .routing_key = s->policy.has_dead_letter_routing_key ? &s->policy.dead_letter_routing_key : NULL};
    struct deadletters *ds = b->deadletters;
    deadletter_letter_write(&ds->letter, m, &death);
    return publish(b, d, m, s->exchange, &ds->letter, pending);
}

/* One departure; false: there is no room for it now. */
static bool
send_next(struct broker *b, struct departure *d, size_t *bytes)
{
    struct deadletters *ds = b->deadletters;
    struct queue *q;
    const struct queue_entry *e = d->refused ? NULL : entry_of(b, d, &q);
    const struct message *m = d->refused ? d->refused : e ? e->message : NULL;
    unsigned pending = 0;
    if (m)
        *bytes += message_size(m);
    enum sent how = m ? send(b, d, m, &pending) : SENT;
    if (how == NO_ROOM)
        return false;
    uint64_t number = ds->next++;
    d = seqdeque_get(&ds->line, number); /* a full target may have added to the line, which moves it */
    d->pending = pending;
    d->is_refused = how == NOBODY;
    if (d->pending == 0)
        finish(b, number, d);
    return true;
}

bool
deadletters_turn(struct broker *b)
{
    struct deadletters *ds = b->deadletters;
    size_t bytes = 0;
    uint64_t work_end = b->route_work + DEADLETTER_TURN_WORK;
    ds->source.queue_id = 0; /* declared things may be others in each turn */
    for (unsigned i = 0; ds->next < seqdeque_next_sequence(&ds->line); i++) {
        if (i == DEADLETTER_TURN_MAX || bytes >= DEADLETTER_TURN_BYTES || b->route_work >= work_end)
            return true;
        struct departure *d = seqdeque_get(&ds->line, ds->next);
        CHECK(d);
        if (!send_next(b, d, &bytes))
            return false; /* the lane says when it has room, which begins a turn */
    }
    return false;
}

/* ---- up and down ---- */

struct deadletters *
deadletters_new(struct broker *b)
{
    struct deadletters *ds = calloc(1, sizeof *ds);
    CHECK(ds);
    seqdeque_init(&ds->line, sizeof(struct departure), 1); /* 0 is nobody's number: courier_publish() */
    ds->next = 1;
    seqdeque_init(&ds->asks, sizeof(struct ask), 1);
    ds->one = calloc(1, sizeof *ds->one + sizeof ds->one->targets[0]);
    CHECK(ds->one);
    list_init(&ds->waiting);
    return ds;
}

void
deadletters_free(struct broker *b)
{
    struct deadletters *ds = b->deadletters;
    uint64_t number;
    for (struct departure *d = seqdeque_first(&ds->line, &number); d; d = seqdeque_next(&ds->line, &number))
        deadletter_taken_free(d->taken);
    for (size_t i = 0; i < ds->again_count; i++)
        deadletter_taken_free(ds->again[i].taken);
    seqdeque_fini(&ds->asks);
    free(ds->one);
    seqdeque_fini(&ds->line); /* the messages go with the pool */
    deadletter_letter_fini(&ds->letter);
    free(ds->again);
    free(ds->route);
    free(ds);
    b->deadletters = NULL;
}

bool
deadletters_are_sent(const struct broker *b)
{
    return seqdeque_count(&b->deadletters->line) == 0;
}

bool
deadletters_are_idle(const struct broker *b)
{
    return deadletters_are_sent(b) && b->deadletters->again_count == 0;
}
