/*
 * Connections on different shards flood each other's queues, and none of them may stand still: every
 * publisher also consumes, all lanes, windows and output marks are tiny, and connections stay where they are
 * so that everything crosses. Each message is confirmed, arrives once, in its publisher's order; what is in
 * memory is bounded by what is published and not yet acked.
 */
#include "peer.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FLOODERS_MOST = 4,
    FLOOD_MESSAGES = 600,
    FLOOD_BODY_MOST = 3000,
    FLOOD_MS = 600000,
    FLOOD_PAUSE_BYTES = 50000
};

struct flooder {
    struct flood *f;
    struct peer peer;
    unsigned index;
    char queue[16];
    uint64_t sent;
    uint32_t next_from[FLOODERS_MOST]; /* the next message of each publisher */
};

struct flood {
    struct trial *t;
    unsigned count;
    size_t bytes; /* of all bodies */
    struct flooder flooders[FLOODERS_MOST];
};

/* Body: publisher, number, then anything. */
static void
on_content(struct peer *p, const struct sim_session_event *e)
{
    struct flooder *x = p->arg;
    TRIAL_EXPECT(p->t, e->body.len >= 8, "a body of %zu bytes", e->body.len);
    uint32_t from = be32_get(e->body.data), number = be32_get(e->body.data + 4);
    TRIAL_EXPECT(p->t, from < x->f->count, "a ghost from %u", from);
    TRIAL_EXPECT(p->t, number == x->next_from[from], "queue %s: message %u of %u instead of %u", x->queue,
                 number, from, x->next_from[from]);
    x->next_from[from]++;
    for (size_t i = 8; i < e->body.len; i++)
        TRIAL_EXPECT(p->t, e->body.data[i] == (uint8_t)(number + i), "a changed body");
}

static void
flood_one(struct flooder *x)
{
    struct flood *f = x->f;
    uint8_t body[FLOOD_BODY_MOST];
    unsigned to = (x->index + 1 + (unsigned)(x->sent % (f->count - 1))) % f->count;
    uint32_t number = (uint32_t)(x->sent / (f->count - 1));
    size_t len = 8 + trial_random(f->t, FLOOD_BODY_MOST - 8);
    if (trial_chance(f->t, 2))
        len = 8 + len % 30;
    be32_put(body, x->index);
    be32_put(body + 4, number);
    for (size_t i = 8; i < len; i++)
        body[i] = (uint8_t)(number + i);
    peer_publish(&x->peer, 1, f->flooders[to].queue, body, len);
    f->bytes += len;
    x->sent++;
    f->t->operations++;
}

static bool
is_done(void *arg)
{
    struct flood *f = arg;
    bool done = true;
    for (unsigned i = 0; i < f->count; i++) {
        struct flooder *x = &f->flooders[i];
        TRIAL_EXPECT(f->t, !x->peer.is_over, "a connection ended: %u %s", x->peer.code, x->peer.text);
        while (x->sent < FLOOD_MESSAGES &&
               sim_client_unsent(sim_session_client(x->peer.session)) < FLOOD_PAUSE_BYTES)
            flood_one(x);
        done = done && x->peer.acked == FLOOD_MESSAGES && x->peer.deliveries == FLOOD_MESSAGES;
    }
    return done;
}

static void
options_tiny(struct trial *t, struct sim_broker_options *o)
{
    sim_broker_options_init(o);
    o->shards = 2 + (unsigned)trial_random(t, 3);
    o->server.move_connections = trial_chance(t, 4);
    o->limits.remote_credit_messages = 1 + (uint32_t)trial_random(t, 8);
    o->limits.remote_credit_bytes = 1 + (uint32_t)trial_random(t, 4000);
    o->limits.publish_window_bytes = 1 + (uint32_t)trial_random(t, 4000);
    o->limits.backlog_messages = 1 + (uint32_t)trial_random(t, 500);
    o->limits.queue_turn_messages = 1 + (uint32_t)trial_random(t, 8);
    o->server.limits.output_high_bytes = 1000 + (uint32_t)trial_random(t, 4000);
    o->server.limits.output_low_bytes = 200;
    o->server.limits.output_max_bytes = 10000;
    o->server.limits.read_turn_bytes = 4096;
    o->server.limits.write_turn_bytes = 4096;
    o->server.limits.parked_bytes_max = 4096;
}

static void
flooder_start(struct flooder *x)
{
    struct amqp_confirm_select select = {0};
    struct amqp_basic_qos qos = {.prefetch_count = 1 + (uint16_t)trial_random(x->f->t, 10)};
    snprintf(x->queue, sizeof x->queue, "flood%u", x->index);
    x->peer.arg = x;
    x->peer.on_content = on_content;
    x->peer.acks_deliveries = true;
    peer_init(&x->peer, x->f->t, NULL, true);
    peer_open_channel(&x->peer, 1);
    peer_declare(&x->peer, 1, x->queue);
    peer_call(&x->peer, 1, AMQP_CONFIRM_SELECT, &select);
    if (trial_chance(x->f->t, 2))
        peer_call(&x->peer, 1, AMQP_BASIC_QOS, &qos);
}

void
workload_flood(struct trial *t)
{
    struct sim_broker_options options;
    struct flood *f = calloc(1, sizeof *f);
    CHECK(f);
    f->t = t;
    trial_begin_world(t);
    options_tiny(t, &options);
    trial_begin(t, &options);
    f->count = 2 + (unsigned)trial_random(t, FLOODERS_MOST - 1);
    for (unsigned i = 0; i < f->count; i++) {
        f->flooders[i].f = f;
        f->flooders[i].index = i;
        flooder_start(&f->flooders[i]);
    }
    for (unsigned i = 0; i < f->count; i++)
        peer_consume(&f->flooders[i].peer, 1, f->flooders[i].queue, false);
    trial_until(t, is_done, f, FLOOD_MS, "all messages to be confirmed and delivered");
    TRIAL_EXPECT(t, t->pool_bytes_peak <= 2 * f->bytes + 200 * FLOOD_MESSAGES * f->count,
                 "%zu bytes of messages in memory, %zu were published", t->pool_bytes_peak, f->bytes);
    for (unsigned i = 0; i < f->count; i++) {
        TRIAL_EXPECT(t, f->flooders[i].peer.nacks == 0, "a publish was refused");
        struct amqp_queue_delete m = {.queue = slice_str(f->flooders[i].queue)};
        peer_call(&f->flooders[i].peer, 1, AMQP_QUEUE_DELETE, &m);
        TRIAL_EXPECT(t, f->flooders[i].peer.count == 0, "%u messages are left", f->flooders[i].peer.count);
    }
    for (unsigned i = 0; i < f->count; i++)
        peer_close(&f->flooders[i].peer);
    trial_end(t);
    free(f);
}
