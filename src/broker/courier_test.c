/*
 * Between shards, on threads and in the simulation: nothing is lost or doubled, order is kept, limits are
 * exact, nothing locks up, everything comes home.
 */
#include "broker/alarm.h"
#include "broker/broker_fixture.h"
#include "broker/confirm.h"
#include "io/test_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { SHARDS_MOST = 3, KINDS = 3, UNSETTLED_MOST = 256, GLOBAL_LIMIT = 3 };

struct place;

/* A consumer of one queue, with what it has not settled. */
struct taker {
    struct subscription s;
    struct place *at;
    bool is_there, no_ack, is_global, was_canceled;
    uint64_t last_number[SHARDS_MOST]; /* of each publisher, not counting redeliveries */
    uint64_t unsettled[UNSETTLED_MOST];
    uint8_t was_redelivered[UNSETTLED_MOST];
    unsigned unsettled_count;
    unsigned to_take; /* delivered, not yet "written to the socket" */
};

/* One shard. */
struct place {
    struct world *w;
    struct broker *b;
    unsigned index;
    struct taker takers[KINDS * SHARDS_MOST];
    unsigned global_unacked;
    /* publisher */
    struct confirm confirm;
    uint64_t published, acked, nacked, parked;
    bool is_parked, is_finished;
    bool has_news; /* an effect came: look again in another turn */
    /* script */
    unsigned step;
    bool has_asked;
    uint32_t ops, replies;
    struct op_reply last;
    uint64_t got_number;
    unsigned alarms;
    const char *alarm;
};

struct world {
    struct fixture f;
    struct io_world *io;
    struct shards *shards;
    unsigned count;
    uint64_t publishes; /* of each shard */
    struct place places[SHARDS_MOST];
    const struct queue_def *queues[KINDS][SHARDS_MOST];
    bool (*on_turn)(struct place *p);
    atomic_ullong copies_published, copies_settled;
    atomic_uint publishers_finished, idle;
};

enum { MAIL_POKE = MAIL_SERVER };
enum { KIND_ACKED, KIND_NO_ACK, KIND_GLOBAL };

static void
poke_all(struct place *p)
{
    for (unsigned i = 0; i < p->w->count; i++)
        shard_post(p->b->shard, i, SHARD_LANE_RESERVED, &(struct mail){.type = MAIL_POKE});
}

static struct channel_ref
channel_of(const struct place *p)
{
    return (struct channel_ref){
        .connection = 100 + p->index, .shard = (uint16_t)p->index, .channel = 1, .serial = 5};
}

/* ---- effects ---- */

static bool
on_has_room(struct subscription *s)
{
    struct taker *t = (struct taker *)s;
    if (t->is_global)
        return t->at->global_unacked < GLOBAL_LIMIT;
    return t->unsettled_count + t->to_take < UNSETTLED_MOST / 2;
}

static void
on_deliver(struct subscription *s, struct message *m, uint64_t position, bool redelivered)
{
    struct taker *t = (struct taker *)s;
    CHECK(t->is_there);
    t->at->has_news = true;
    uint64_t number = fixture_number(m);
    uint64_t *last = &t->last_number[number >> 32];
    if (!redelivered) {
        CHECK(number > *last); /* each publisher's messages in their order */
        *last = number;
    }
    if (t->is_global)
        CHECK(t->at->global_unacked++ < GLOBAL_LIMIT);
    t->to_take++;
    if (t->no_ack) {
        atomic_fetch_add(&t->at->w->copies_settled, 1);
        return;
    }
    CHECK(t->unsettled_count < UNSETTLED_MOST);
    t->was_redelivered[t->unsettled_count] = redelivered;
    t->unsettled[t->unsettled_count++] = position;
}

static void
on_canceled(struct subscription *s)
{
    struct taker *t = (struct taker *)s;
    t->is_there = false;
    t->was_canceled = true;
    t->at->has_news = true;
}

static void
on_confirmed(void *server, struct channel_ref to, uint64_t first, uint64_t last, bool nack)
{
    struct place *p = server;
    CHECK(to.connection == 100 + p->index && to.serial == 5 && to.channel == 1);
    p->has_news = true;
    confirm_answered(&p->confirm, first, last, nack);
}

static void
on_replied(void *server, struct op_reply *r)
{
    struct place *p = server;
    p->replies++;
    p->has_news = true;
    CHECK(r->op >= 1 && r->op <= p->ops);
    p->last = *r;
    if (!r->message)
        return;
    p->got_number = fixture_number(r->message);
    message_drop(p->b, &r->message);
}

static void
on_direct_reply(void *server, struct channel_ref to, uint64_t key, struct message *m)
{
    struct place *p = server;
    CHECK(to.shard == p->index && key == 99);
    p->got_number = fixture_number(m);
}

static void
on_publish_room(void *server, unsigned to)
{
    ((struct place *)server)->is_parked = false;
}

static void
on_alarm(void *server, const char *reason)
{
    struct place *p = server;
    p->alarms++;
    p->alarm = reason;
}

static const struct effects effects = {.has_room = on_has_room,
                                       .deliver = on_deliver,
                                       .canceled = on_canceled,
                                       .confirmed = on_confirmed,
                                       .replied = on_replied,
                                       .direct_reply = on_direct_reply,
                                       .publish_room = on_publish_room,
                                       .alarm = on_alarm};

/* ---- shard hooks ---- */

static void
hook_start(struct shard *s, void *owner)
{
    struct world *w = owner;
    struct place *p = &w->places[shard_index(s)];
    p->w = w;
    p->index = shard_index(s);
    p->b = broker_new(&w->f.node, s, &effects, p);
}

static void
hook_mail(struct shard *s, void *owner, const struct mail *m)
{
    struct place *p = &((struct world *)owner)->places[shard_index(s)];
    if (m->type >= MAIL_COURIER && m->type < MAIL_COURIER + MAIL_RANGE_SIZE)
        courier_on_mail(p->b, m);
    else if (m->type >= MAIL_META && m->type < MAIL_META + MAIL_RANGE_SIZE)
        meta_on_mail(p->b, m);
}

static void
hook_room(struct shard *s, void *owner, unsigned to)
{
    courier_on_room(((struct world *)owner)->places[shard_index(s)].b, to);
}

static bool
hook_turn(struct shard *s, void *owner)
{
    struct world *w = owner;
    struct place *p = &w->places[shard_index(s)];
    p->has_news = false;
    bool more = w->on_turn(p);
    more |= broker_turn(p->b);
    broker_flush(p->b);
    return more || p->has_news;
}

static void
hook_discard(void *owner, const struct mail *m)
{
    if (m->type >= MAIL_COURIER && m->type < MAIL_COURIER + MAIL_RANGE_SIZE)
        courier_discard(m);
}

static void
on_queue_deleted(void *arg, const struct queue_def *q)
{
    struct world *w = arg;
    courier_queue_gone(w->f.node.brokers[0], q->shard, q->id);
}

static struct world *
world_new(unsigned count, unsigned seed, bool (*on_turn)(struct place *p))
{
    static const struct shard_hooks hooks = {.on_start = hook_start,
                                             .on_mail = hook_mail,
                                             .on_room = hook_room,
                                             .on_turn = hook_turn,
                                             .on_discard = hook_discard};
    struct world *w = calloc(1, sizeof *w);
    CHECK(w);
    w->count = count;
    w->on_turn = on_turn;
    w->io = test_world_new(seed);
    w->shards = shards_new(w->io, count, &hooks, w);
    w->f.node.shards = w->shards;
    w->f.node.epoch = shards_epoch(w->shards);
    fixture_meta_init(&w->f);
    meta_set_hooks(w->f.node.meta, &(struct meta_hooks){.queue_deleted = on_queue_deleted}, w);
    return w;
}

static void
world_run(struct world *w)
{
    assert_int_equal(shards_start(w->shards), ERR_OK);
    shards_join(w->shards);
}

static void
world_free(struct world *w)
{
    for (unsigned i = 0; i < w->count; i++)
        broker_free(w->places[i].b);
    meta_free(w->f.node.meta);
    shards_free(w->shards);
    test_world_free(w->io);
    free(w);
}

/* ---- the flood: every shard publishes to all queues of all shards, and consumes from all ---- */

static void
taker_start(struct place *p, unsigned kind, unsigned on)
{
    struct taker *t = &p->takers[kind * SHARDS_MOST + on];
    t->at = p;
    t->is_there = true;
    t->no_ack = kind == KIND_NO_ACK;
    t->is_global = kind == KIND_GLOBAL;
    struct consumer_options options = {
        .no_ack = t->no_ack, .global_prefetch = t->is_global, .prefetch_count = kind == KIND_ACKED ? 50 : 0};
    courier_consume(p->b, p->w->queues[kind][on], &t->s, &options, channel_of(p), ++p->ops);
    if (t->is_global) /* for one of them the limit comes later than the consumer */
        courier_set_global_prefetch(p->b, &t->s, true);
}

/* Acks, or requeues what it sees for the first time; makes room. */
static void
taker_work(struct place *p, struct taker *t)
{
    if (!t->is_there)
        return;
    for (; t->to_take; t->to_take--)
        courier_taken(p->b, &t->s, 64);
    for (unsigned i = 0; i < t->unsettled_count; i++) {
        bool requeue = !t->was_redelivered[i] && t->unsettled[i] % 16 == 3;
        if (t->is_global)
            p->global_unacked--;
        if (!requeue)
            atomic_fetch_add(&p->w->copies_settled, 1);
        courier_settle(p->b, t->s.queue_shard, t->s.queue_id, t->unsettled[i],
                       requeue ? SETTLE_REQUEUE : SETTLE_ACK);
    }
    t->unsettled_count = 0;
}

/* To one queue, to the two of one shard, or to all. */
static struct route *
flood_route(struct world *w, uint64_t n)
{
    const struct queue_def *queues[KINDS * SHARDS_MOST];
    uint32_t count = 0;
    unsigned shard = (unsigned)(n / 5 % w->count);
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (unsigned i = 0; i < w->count; i++)
            if (n % 5 == 0 || (i == shard && (n % 5 == 1 || kind == n % 3)))
                queues[count++] = w->queues[kind][i];
    return fixture_route(queues, count);
}

static void
on_told(void *arg, uint64_t seq, bool multiple, bool nack)
{
    struct place *p = arg;
    if (multiple)
        p->acked = seq;
    p->nacked += nack;
}

static bool
flood_publish(struct place *p)
{
    struct world *w = p->w;
    for (unsigned burst = 0; burst < 100 && p->published < w->publishes && !p->is_parked; burst++) {
        struct route *route = flood_route(w, p->published * 7 + p->index);
        unsigned to, pending;
        if (!courier_can_publish(p->b, route, &to)) {
            p->is_parked = true;
            p->parked++;
        } else {
            uint64_t number = (uint64_t)p->index << 32 | ++p->published;
            struct message *m = fixture_message(p->b, number, 16 + (uint32_t)(number % 100));
            uint64_t seq = confirm_next(&p->confirm);
            atomic_fetch_add(&w->copies_published, route->count);
            enum publish_result result =
                courier_publish(p->b, route, &m, channel_of(p), seq, false, &pending);
            if (result == PUBLISH_PENDING)
                confirm_pending(&p->confirm, seq, pending);
            else
                confirm_resolve(&p->confirm, seq, result == PUBLISH_REJECTED);
        }
        free(route);
    }
    return p->published < w->publishes && !p->is_parked;
}

static void
flood_finish(struct place *p)
{
    struct world *w = p->w;
    if (!p->is_finished && p->published == w->publishes && confirm_outstanding(&p->confirm) == 0) {
        p->is_finished = true;
        atomic_fetch_add(&w->publishers_finished, 1);
        poke_all(p);
    }
    if (atomic_load(&w->publishers_finished) < w->count ||
        atomic_load(&w->copies_settled) < atomic_load(&w->copies_published))
        return;
    if (p->step == 1) {
        p->step = 2;
        poke_all(p);
        for (unsigned i = 0; i < KINDS * SHARDS_MOST; i++) {
            struct taker *t = &p->takers[i];
            if (t->is_there && i % 2)
                courier_forget(p->b, &t->s);
            else if (t->is_there)
                courier_cancel(p->b, &t->s, channel_of(p), ++p->ops);
        }
        broker_flush(p->b);
    } else if (p->step == 2 && p->replies == p->ops && broker_is_idle(p->b)) {
        p->step = 3;
        if (atomic_fetch_add(&w->idle, 1) + 1 == w->count)
            shards_stop(w->shards);
    }
}

static bool
flood_turn(struct place *p)
{
    if (p->step == 0) {
        p->step = 1;
        for (unsigned i = 0; i < p->w->count; i++) {
            taker_start(p, KIND_ACKED, i);
            taker_start(p, KIND_NO_ACK, i);
            if (p->index == 0)
                taker_start(p, KIND_GLOBAL, i);
        }
    }
    bool more = flood_publish(p);
    for (unsigned i = 0; i < KINDS * SHARDS_MOST; i++)
        taker_work(p, &p->takers[i]);
    for (unsigned i = 0; i < KINDS * SHARDS_MOST; i++)
        if (p->takers[i].is_there && p->takers[i].s.stalled)
            courier_resume(p->b, &p->takers[i].s);
    confirm_flush(&p->confirm, on_told, p);
    flood_finish(p);
    return more;
}

static void
flood(unsigned count, unsigned seed, uint64_t publishes)
{
    struct world *w = world_new(count, seed, flood_turn);
    w->publishes = publishes;
    static const char *const names[KINDS] = {"acked", "no-ack", "global"};
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (unsigned i = 0; i < count; i++) {
            char name[32];
            snprintf(name, sizeof name, "%s-%u", names[kind], i);
            w->queues[kind][i] = fixture_queue(&w->f, name, i, false);
        }
    world_run(w);
    assert_true(atomic_load(&w->copies_settled) == atomic_load(&w->copies_published));
    uint64_t parked = 0;
    for (unsigned i = 0; i < count; i++) {
        broker_check(w->places[i].b);
        assert_int_equal(w->places[i].nacked, 0);
        parked += w->places[i].parked;
        confirm_fini(&w->places[i].confirm);
    }
    assert_true(count == 1 || parked > 0); /* else the windows were not tried */
    world_free(w);
}

static void
test_a_flood_in_all_directions_loses_nothing_and_ends(void **state)
{
    (void)state;
    flood(1, 1, 1000);
    for (unsigned seed = 1; seed <= test_world_seeds(5); seed++) {
        flood(2, seed, 3000);
        flood(3, seed, 3000);
    }
}

/* ---- a script: one channel on shard 0, its queue on the last shard ---- */

static const struct queue_def *
script_queue(struct place *p, const char *name)
{
    return queue_def_find(p->w->f.vhost, slice_str(name));
}

static void
script_publish(struct place *p, const char *name, unsigned n)
{
    const struct queue_def *q = script_queue(p, name);
    struct route *route = fixture_route(&q, 1);
    while (n--) {
        struct message *m = fixture_message(p->b, ++p->published, 16);
        unsigned pending;
        courier_publish(p->b, route, &m, channel_of(p), 0, false, &pending);
    }
    free(route);
}

/* True once the question that was asked in the first call of this step is answered. */
static bool
script_asks(struct place *p)
{
    if (!p->has_asked) {
        p->has_asked = true;
        p->ops++;
        return true;
    }
    return false;
}

static bool
step_purge_sees_what_was_published_before(struct place *p)
{
    if (script_asks(p)) {
        script_publish(p, "q", 5);
        courier_purge(p->b, script_queue(p, "q"), channel_of(p), p->ops);
    }
    if (p->replies < p->ops)
        return false;
    CHECK(p->last.code == 0 && p->last.message_count == 5);
    return true;
}

static bool
step_get_takes_the_first(struct place *p)
{
    if (script_asks(p)) {
        script_publish(p, "q", 3);
        courier_get(p->b, script_queue(p, "q"), channel_of(p), p->ops, false);
    }
    if (p->replies < p->ops)
        return false;
    CHECK(p->got_number == 6 && !p->last.redelivered && p->last.message_count == 2);
    return true;
}

static bool
step_get_again_after_a_requeue(struct place *p)
{
    if (script_asks(p)) {
        courier_settle(p->b, p->last.queue_shard, p->last.queue_id, p->last.position, SETTLE_REQUEUE);
        courier_get(p->b, script_queue(p, "q"), channel_of(p), p->ops, true);
    }
    if (p->replies < p->ops)
        return false;
    CHECK(p->got_number == 6 && p->last.redelivered && p->last.message_count == 2);
    return true;
}

static bool
step_consume_exclusively(struct place *p)
{
    struct taker *t = &p->takers[0];
    if (script_asks(p)) {
        *t = (struct taker){.at = p, .is_there = true};
        courier_consume(p->b, script_queue(p, "q"), &t->s,
                        &(struct consumer_options){.exclusive = true, .prefetch_count = 1}, channel_of(p),
                        p->ops);
    }
    return p->replies == p->ops && t->unsettled_count == 1;
}

static bool
step_a_second_consumer_is_refused(struct place *p)
{
    if (script_asks(p))
        courier_consume(p->b, script_queue(p, "q"), &p->takers[1].s, &(struct consumer_options){0},
                        channel_of(p), p->ops);
    if (p->replies < p->ops)
        return false;
    CHECK(p->last.code == 403 && strcmp(p->last.text, "queue 'q' in vhost '/' in exclusive use") == 0);
    return true;
}

static bool
step_delete_if_unused_is_refused(struct place *p)
{
    if (script_asks(p))
        courier_delete(p->b, script_queue(p, "q"), channel_of(p), p->ops, true, false, slice_of(NULL, 0));
    if (p->replies < p->ops)
        return false;
    CHECK(p->last.code == 406 && strcmp(p->last.text, "queue 'q' in vhost '/' in use") == 0);
    return true;
}

static bool
step_cancel_leaves_it_unacked(struct place *p)
{
    struct taker *t = &p->takers[0];
    if (script_asks(p))
        courier_cancel(p->b, &t->s, channel_of(p), p->ops);
    if (p->replies < p->ops)
        return false;
    t->is_there = false;
    return true;
}

static bool
step_counts(struct place *p)
{
    if (script_asks(p))
        courier_counts(p->b, script_queue(p, "q"), channel_of(p), p->ops);
    if (p->replies < p->ops)
        return false;
    CHECK(p->last.message_count == 1 && p->last.consumer_count == 0);
    return true;
}

static bool
step_delete_if_empty_is_refused(struct place *p)
{
    struct taker *t = &p->takers[0];
    if (script_asks(p)) {
        courier_settle(p->b, t->s.queue_shard, t->s.queue_id, t->unsettled[0], SETTLE_REQUEUE);
        courier_delete(p->b, script_queue(p, "q"), channel_of(p), p->ops, false, true, slice_of(NULL, 0));
    }
    if (p->replies < p->ops)
        return false;
    CHECK(p->last.code == 406 && strcmp(p->last.text, "queue 'q' in vhost '/' not empty") == 0);
    return true;
}

static bool
step_forget_before_the_answer(struct place *p)
{
    struct taker *t = &p->takers[2];
    if (script_asks(p)) {
        *t = (struct taker){.at = p};
        courier_consume(p->b, script_queue(p, "q"), &t->s, &(struct consumer_options){0}, channel_of(p),
                        p->ops);
        courier_forget(p->b, &t->s);
    }
    return p->replies == p->ops;
}

static bool
step_consume_before_the_end(struct place *p)
{
    struct taker *t = &p->takers[3];
    if (script_asks(p)) {
        *t = (struct taker){.at = p, .is_there = true};
        courier_consume(p->b, script_queue(p, "q"), &t->s, &(struct consumer_options){.prefetch_count = 1},
                        channel_of(p), p->ops);
    }
    return p->replies == p->ops && t->unsettled_count == 1;
}

static bool
step_delete_counts_and_cancels(struct place *p)
{
    if (script_asks(p))
        courier_delete(p->b, script_queue(p, "q"), channel_of(p), p->ops, false, false, slice_of(NULL, 0));
    if (p->replies < p->ops || !p->takers[3].was_canceled)
        return false;
    CHECK(p->last.code == 0 && p->last.message_count == 1 && !script_queue(p, "q"));
    return true;
}

static bool
step_delete_what_is_gone(struct place *p)
{
    if (script_asks(p))
        courier_delete_id(p->b, p->last.queue_id, p->last.queue_shard, channel_of(p), p->ops);
    if (p->replies < p->ops)
        return false;
    CHECK(p->last.code == 0 && p->last.message_count == 0);
    return true;
}

static bool
step_auto_delete_goes_with_its_last_consumer(struct place *p)
{
    struct taker *t = &p->takers[4];
    if (script_asks(p)) {
        *t = (struct taker){.at = p, .is_there = true};
        courier_consume(p->b, script_queue(p, "auto"), &t->s, &(struct consumer_options){0}, channel_of(p),
                        p->ops);
        courier_cancel(p->b, &t->s, channel_of(p), ++p->ops);
    }
    return p->replies == p->ops && !script_queue(p, "auto");
}

static bool
step_direct_reply(struct place *p)
{
    if (script_asks(p)) {
        struct message *m = fixture_message(p->b, 4711, 16);
        struct place *to = &p->w->places[p->w->count - 1];
        p->ops--; /* is not answered */
        CHECK(courier_has_room(p->b, to->index));
        courier_direct_reply(p->b, channel_of(to), 99, &m);
        courier_counts(p->b, script_queue(p, "other"), channel_of(p), ++p->ops);
    }
    if (p->replies < p->ops)
        return false;
    CHECK(p->w->places[p->w->count - 1].got_number == 4711); /* the fence let it pass first */
    return true;
}

/* More than a lane holds at once: nobody asked for room, and still nothing is lost, refused or out of order.
 */
static bool
step_publish_without_asking(struct place *p)
{
    enum { MANY = 3 * SHARD_DATA_CELLS_MAX };
    struct taker *t = &p->takers[5];
    if (script_asks(p)) {
        *t = (struct taker){.at = p, .is_there = true, .no_ack = true};
        courier_consume(p->b, script_queue(p, "other"), &t->s, &(struct consumer_options){.no_ack = true},
                        channel_of(p), p->ops);
        p->published = 0;
        script_publish(p, "other", MANY / 2);
    } else if (p->published < MANY)
        script_publish(p, "other", 100);
    for (; t->to_take; t->to_take--)
        courier_taken(p->b, &t->s, 64);
    p->has_news = p->has_news || p->published < MANY;
    if (t->last_number[0] < p->published || p->published < MANY)
        return false;
    CHECK(atomic_load(&p->w->copies_settled) == p->published);
    courier_forget(p->b, &t->s);
    return true;
}

typedef bool step_fn(struct place *p);
static step_fn *const steps[] = {
    step_purge_sees_what_was_published_before,
    step_get_takes_the_first,
    step_get_again_after_a_requeue,
    step_consume_exclusively,
    step_a_second_consumer_is_refused,
    step_delete_if_unused_is_refused,
    step_cancel_leaves_it_unacked,
    step_counts,
    step_delete_if_empty_is_refused,
    step_forget_before_the_answer,
    step_consume_before_the_end,
    step_delete_counts_and_cancels,
    step_delete_what_is_gone,
    step_auto_delete_goes_with_its_last_consumer,
    step_direct_reply,
    step_publish_without_asking,
};
enum { STEPS = sizeof steps / sizeof steps[0] };

/* When the script is through: everything is at home again on all shards; after a while the queues' memory,
 * too (for which only the simulation waits). */
static void
script_finish(struct place *p)
{
    if (p->is_finished || atomic_load(&p->w->publishers_finished) == 0 || !broker_is_idle(p->b))
        return;
    if (test_world_seeds(2) > 1 && !list_is_empty(&p->b->resting))
        return;
    p->is_finished = true;
    if (atomic_fetch_add(&p->w->idle, 1) + 1 == p->w->count)
        shards_stop(p->w->shards);
}

static bool
script_turn(struct place *p)
{
    while (p->index == 0 && p->step < STEPS && steps[p->step](p)) {
        p->has_asked = false;
        if (++p->step == STEPS) {
            atomic_store(&p->w->publishers_finished, 1);
            poke_all(p);
        }
    }
    script_finish(p);
    return false;
}

static void
script(unsigned count, unsigned seed)
{
    struct world *w = world_new(count, seed, script_turn);
    fixture_queue(&w->f, "q", count - 1, false);
    fixture_queue(&w->f, "auto", count - 1, true);
    fixture_queue(&w->f, "other", count - 1, false);
    world_run(w);
    for (unsigned i = 0; i < count; i++)
        broker_check(w->places[i].b);
    world_free(w);
}

static void
test_operations_are_the_same_near_and_far(void **state)
{
    (void)state;
    script(1, 1);
    for (unsigned seed = 1; seed <= test_world_seeds(20); seed++)
        script(2, seed);
}

/* ---- alarms ---- */

static bool
alarm_turn(struct place *p)
{
    if (p->index == 0 && p->step == 0) {
        p->step = 1;
        alarm_sample(p->b, ALARM_MEMORY, 10, 10);
        alarm_sample(p->b, ALARM_MEMORY, 11, 10);
        alarm_sample(p->b, ALARM_MEMORY, 12, 10); /* no news */
        alarm_sample(p->b, ALARM_DISK, 10, 10);
        alarm_sample(p->b, ALARM_DISK, 9, 10);
        alarm_sample(p->b, ALARM_DISK, 11, 10);
        alarm_sample(p->b, ALARM_MEMORY, 9, 10);
    }
    if (p->index == 1 && p->alarms == 4 && p->step == 0) {
        p->step = 1;
        CHECK(p->alarm == NULL && alarm_state(p->b) == 0);
        alarm_raise(p->b, ALARM_STORE, true);
        alarm_raise(p->b, ALARM_STORE, true); /* the second one holds it up, too: no news */
        alarm_raise(p->b, ALARM_STORE, false);
    }
    if (p->index == 1 && p->alarms == 5 && p->step == 1) {
        p->step = 2;
        CHECK(strcmp(p->alarm, "low on disk") == 0);
        alarm_raise(p->b, ALARM_STORE, false);
    }
    if (p->alarms == 6 && !p->is_finished) {
        p->is_finished = true;
        CHECK(p->alarm == NULL && alarm_state(p->b) == 0);
        CHECK(p->alarm == NULL && alarm_state(p->b) == 0);
        if (atomic_fetch_add(&p->w->idle, 1) + 1 == p->w->count)
            shards_stop(p->w->shards);
    }
    return false;
}

static void
test_an_alarm_reaches_all_shards(void **state)
{
    (void)state;
    struct world *w = world_new(3, 1, alarm_turn);
    world_run(w);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(w->places[i].alarms, 6);
    world_free(w);
}

static void
test_alarms_are_put_in_rabbitmqs_words(void **state)
{
    (void)state;
    unsigned raised = alarm_feed(0, ALARM_MEMORY, 10, 10);
    assert_null(alarm_reason(raised));
    assert_string_equal(alarm_reason(raised = alarm_feed(raised, ALARM_MEMORY, 11, 10)), "low on memory");
    assert_string_equal(alarm_reason(raised = alarm_feed(raised, ALARM_DISK, 9, 10)), "low on memory & disk");
    assert_string_equal(alarm_reason(raised = alarm_feed(raised, ALARM_MEMORY, 10, 10)), "low on disk");
    assert_string_equal(alarm_reason(raised | 1u << ALARM_STORE), "low on disk");
    assert_string_equal(alarm_reason(raised | 1u << ALARM_FAILED), "the disk has failed");
    assert_string_equal(alarm_reason(1u << ALARM_STORE | 1u << ALARM_MEMORY), "low on memory & disk");
    assert_null(alarm_reason(alarm_feed(raised, ALARM_DISK, 10, 10)));
    assert_null(alarm_reason(alarm_feed(0, ALARM_MEMORY, 10, 0)));
}

static void
test_the_disk_is_asked_more_often_near_the_limit(void **state)
{
    (void)state;
    assert_int_equal(alarm_disk_pause_ms(50000000, 50000000), 100);
    assert_int_equal(alarm_disk_pause_ms(50000000 + 1000000 * 99, 50000000), 100);
    assert_int_equal(alarm_disk_pause_ms(50000000ull + 1000000ull * 3000, 50000000), 3000);
    assert_int_equal(alarm_disk_pause_ms(UINT64_MAX, 0), 10000);
    assert_int_equal(alarm_disk_pause_ms(49999999, 50000000), 10000); /* an alarm does not flutter */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flood_in_all_directions_loses_nothing_and_ends),
        cmocka_unit_test(test_operations_are_the_same_near_and_far),
        cmocka_unit_test(test_an_alarm_reaches_all_shards),
        cmocka_unit_test(test_alarms_are_put_in_rabbitmqs_words),
        cmocka_unit_test(test_the_disk_is_asked_more_often_near_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
