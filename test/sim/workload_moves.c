/*
 * A connection moves to the shard of the queue that it first publishes to or consumes from. Here everything
 * is pipelined, so that the move happens with frames before and behind it in the same read, with a frame half
 * arrived, with several channels, with bodies in pieces, and with clients that vanish on the way. Everything
 * that was sent must be handled once, in order.
 */
#include "peer.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOVERS = 8, MOVE_QUEUES = 5, MOVE_MESSAGES = 30, MOVE_MS = 60000 };

struct mover {
    struct moves *m;
    struct peer peer;
    unsigned index, round, queue;
    uint16_t channels;
    bool vanishes, is_guest; /* is_guest: its queue stands already, on the shard of homes[queue] */
    uint32_t sent, next;     /* of its own messages; the next it expects back */
};

struct moves {
    struct trial *t;
    struct peer homes[MOVE_QUEUES]; /* each has declared a queue, so that they live on different shards */
    struct mover movers[MOVERS];
};

static void
on_content(struct peer *p, const struct sim_session_event *e)
{
    struct mover *x = p->arg;
    TRIAL_EXPECT(p->t, e->body.len >= 8, "a body of %zu bytes", e->body.len);
    uint32_t from = be32_get(e->body.data), number = be32_get(e->body.data + 4);
    TRIAL_EXPECT(p->t, from == x->index && number == x->next, "mover %u gets message %u of %u instead of %u",
                 x->index, number, from, x->next);
    for (size_t i = 8; i < e->body.len; i++)
        TRIAL_EXPECT(p->t, e->body.data[i] == (uint8_t)(number * 3 + i), "a changed body");
    x->next++;
}

static void
mover_publish(struct mover *x, uint16_t channel)
{
    static uint8_t body[20000];
    char key[32];
    struct trial *t = x->m->t;
    size_t len = 8 + trial_random(t, trial_chance(t, 5) ? sizeof body - 8 : 100);
    be32_put(body, x->index);
    be32_put(body + 4, x->sent);
    for (size_t i = 8; i < len; i++)
        body[i] = (uint8_t)(x->sent * 3 + i);
    snprintf(key, sizeof key, "mover%u-%u", x->round, x->index);
    struct amqp_basic_publish m = {.exchange = slice_str("amq.direct"), .routing_key = slice_str(key)};
    sim_session_publish(x->peer.session, channel, &m, slice_of(NULL, 0), slice_of(body, len),
                        trial_chance(t, 2) ? 0 : 1 + (uint32_t)trial_random(t, 3000));
    x->sent++;
    t->operations++;
}

/* All in one go, before anything is answered but the handshake. */
static void
mover_send(struct mover *x)
{
    struct trial *t = x->m->t;
    struct sim_session *s = x->peer.session;
    struct amqp_channel_open open = {0};
    struct amqp_confirm_select select = {0};
    char queue[32], key[32];
    snprintf(queue, sizeof queue, "own%u-%u", x->round, x->index);
    snprintf(key, sizeof key, "mover%u-%u", x->round, x->index);
    struct amqp_queue_declare declare = {
        .queue = slice_str(queue), .auto_delete = true, .exclusive = !x->is_guest};
    struct amqp_queue_bind bind = {
        .queue = slice_str(queue), .exchange = slice_str("amq.direct"), .routing_key = slice_str(key)};
    struct amqp_basic_consume consume = {.queue = slice_str(queue), .no_ack = trial_chance(t, 2)};
    struct amqp_basic_publish away = {0};
    char home[16];
    snprintf(home, sizeof home, "home%u", x->queue);
    away.routing_key = slice_str(home);
    for (uint16_t i = 1; i <= x->channels; i++)
        sim_session_send(s, i, AMQP_CHANNEL_OPEN, &open);
    sim_session_send(s, 1, AMQP_CONFIRM_SELECT, &select);
    if (trial_chance(t, 2)) /* the first thing that it uses is a queue of somebody else's */
        sim_session_publish(s, x->channels, &away, slice_of(NULL, 0), slice_str("away"), 0);
    sim_session_send(s, 1, AMQP_QUEUE_DECLARE, &declare);
    sim_session_send(s, 1, AMQP_QUEUE_BIND, &bind);
    sim_session_send(s, 1, AMQP_BASIC_CONSUME, &consume);
    x->peer.acks_deliveries = !consume.no_ack;
    for (unsigned n = 0; n < MOVE_MESSAGES; n++)
        mover_publish(x, 1);
    for (uint16_t i = 2; i <= x->channels && !trial_chance(t, 3); i++)
        sim_session_publish(s, i, &away, slice_of(NULL, 0), slice_str("away"), 0);
}

static void
mover_flush(struct mover *x)
{
    struct trial *t = x->m->t;
    size_t left = sim_session_corked_bytes(x->peer.session);
    sim_session_flush(x->peer.session, 1 + trial_random(t, trial_chance(t, 3) ? 20 : left + 1));
}

static bool
is_through(void *arg)
{
    struct mover *x = arg;
    mover_flush(x);
    TRIAL_EXPECT(x->m->t, !x->peer.is_over && !x->peer.channel_code, "mover %u was closed: %u %u %s",
                 x->index, x->peer.code, x->peer.channel_code, x->peer.text);
    return x->next == MOVE_MESSAGES && x->peer.acked >= MOVE_MESSAGES;
}

static bool
all_open(void *arg)
{
    struct moves *m = arg;
    for (unsigned i = 0; i < MOVERS; i++)
        if (!m->movers[i].peer.is_open)
            return false;
    return true;
}

static void
mover_start(struct moves *m, unsigned i, unsigned round)
{
    struct trial *t = m->t;
    struct mover *x = &m->movers[i];
    *x = (struct mover){.m = m, .index = i, .round = round, .vanishes = trial_chance(t, 4)};
    x->is_guest = !x->vanishes && trial_chance(t, 2);
    x->queue = (unsigned)trial_random(t, MOVE_QUEUES);
    x->channels = 1 + (uint16_t)trial_random(t, 3);
    x->peer.arg = x;
    x->peer.on_content = on_content;
    if (x->is_guest) {
        char queue[32];
        snprintf(queue, sizeof queue, "own%u-%u", round, i);
        struct amqp_queue_declare declare = {.queue = slice_str(queue), .auto_delete = true};
        peer_call(&m->homes[x->queue], 1, AMQP_QUEUE_DECLARE, &declare);
    }
    peer_init(&x->peer, t, NULL, false);
}

static void
move_all(struct moves *m, unsigned round)
{
    struct trial *t = m->t;
    for (unsigned i = 0; i < MOVERS; i++)
        mover_start(m, i, round);
    trial_until(t, all_open, m, MOVE_MS, "the connections");
    for (unsigned i = 0; i < MOVERS; i++) {
        sim_session_set_corked(m->movers[i].peer.session, true);
        mover_send(&m->movers[i]);
    }
    for (unsigned n = 0; n < 300; n++) {
        struct mover *x = &m->movers[trial_random(t, MOVERS)];
        (void)trial_step(t);
        if (!x->peer.session)
            continue;
        if (x->vanishes && trial_chance(t, 10))
            peer_drop(&x->peer);
        else
            mover_flush(x);
    }
    for (unsigned i = 0; i < MOVERS; i++) {
        struct mover *x = &m->movers[i];
        if (!x->peer.session)
            continue;
        trial_until(t, is_through, x, MOVE_MS, "a connection that moved to go on");
        sim_session_set_corked(x->peer.session, false);
        peer_close(&x->peer);
    }
}

void
workload_moves(struct trial *t)
{
    struct sim_broker_options options;
    struct moves *m = calloc(1, sizeof *m);
    CHECK(m);
    m->t = t;
    trial_begin_world(t);
    sim_broker_options_init(&options);
    options.shards = 2 + (unsigned)trial_random(t, 4);
    if (trial_chance(t, 2)) {
        options.limits.publish_window_bytes = 1 + (uint32_t)trial_random(t, 3000);
        options.server.limits.read_turn_bytes = 4096;
        options.server.limits.draft_first_bytes = 16;
    }
    trial_begin(t, &options);
    for (unsigned i = 0; i < MOVE_QUEUES; i++) {
        char name[16];
        snprintf(name, sizeof name, "home%u", i);
        peer_init(&m->homes[i], t, NULL, true);
        peer_open_channel(&m->homes[i], 1);
        peer_declare(&m->homes[i], 1, name);
        peer_consume(&m->homes[i], 1, name, true);
    }
    for (unsigned n = 0; n < 3; n++)
        move_all(m, n);
    for (unsigned i = 0; i < MOVE_QUEUES; i++) {
        char name[16];
        snprintf(name, sizeof name, "home%u", i);
        peer_call(&m->homes[i], 1, AMQP_QUEUE_DELETE, &(struct amqp_queue_delete){.queue = slice_str(name)});
        peer_close(&m->homes[i]);
    }
    trial_end(t);
    free(m);
}
