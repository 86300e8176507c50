/*
 * Connections, channels, queues of every kind, exchanges, bindings and consumers come and go, politely and
 * not, with messages in them and on their way. When all clients have gone, and the names that outlive them
 * are deleted, the node declares what it declared at the beginning, and holds nothing.
 */
#include "peer.h"

#include "base/buffer.h"
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHURNERS = 12, CHURN_ROUNDS = 250, CHURN_CHANNELS = 4, CHURN_NAMES = 5, CHURN_MS = 60000 };

struct churn {
    struct trial *t;
    struct peer peers[CHURNERS];
};

static void
open_channels(struct churn *c, struct peer *p)
{
    struct amqp_channel_open m = {0};
    for (uint16_t i = 1; i <= CHURN_CHANNELS; i++)
        sim_session_send(p->session, i, AMQP_CHANNEL_OPEN, &m);
}

static void
do_queue(struct churn *c, struct peer *p, uint16_t channel)
{
    struct trial *t = c->t;
    char name[32] = "";
    struct amqp_queue_declare m = {.auto_delete = trial_chance(t, 2), .exclusive = true};
    if (trial_chance(t, 2)) { /* names that are declared in the same way always */
        unsigned n = (unsigned)trial_random(t, CHURN_NAMES);
        snprintf(name, sizeof name, "churn%u", n);
        m.auto_delete = n % 2;
        m.exclusive = false;
    }
    m.queue = slice_str(name);
    m.nowait = *name && trial_chance(t, 4);
    sim_session_send(p->session, channel, AMQP_QUEUE_DECLARE, &m);
}

/* On the channel's last queue, or on a name that may not be there; then the channel is closed, which is as
 * good. */
static struct slice
some_queue(struct churn *c, char name[32])
{
    *name = 0;
    if (trial_chance(c->t, 3))
        snprintf(name, 32, "churn%u", (unsigned)trial_random(c->t, CHURN_NAMES));
    return slice_str(name);
}

static void
do_binding(struct churn *c, struct peer *p, uint16_t channel)
{
    static const char *const sources[] = {"amq.direct", "amq.fanout", "amq.topic", "cx0", "cx1"};
    char name[32], key[32];
    struct slice queue = some_queue(c, name);
    struct slice source = slice_str(sources[trial_random(c->t, 5)]);
    snprintf(key, sizeof key, "k.%u", (unsigned)trial_random(c->t, 4));
    struct amqp_queue_bind bind = {.queue = queue, .exchange = source, .routing_key = slice_str(key)};
    struct amqp_queue_unbind unbind = {.queue = queue, .exchange = source, .routing_key = slice_str(key)};
    struct amqp_exchange_bind chain = {
        .destination = slice_str("cx1"), .source = slice_str("cx0"), .routing_key = slice_str(key)};
    if (trial_chance(c->t, 4))
        sim_session_send(p->session, channel, AMQP_EXCHANGE_BIND, &chain);
    else if (trial_chance(c->t, 3))
        sim_session_send(p->session, channel, AMQP_QUEUE_UNBIND, &unbind);
    else
        sim_session_send(p->session, channel, AMQP_QUEUE_BIND, &bind);
}

static void
do_exchange(struct churn *c, struct peer *p, uint16_t channel)
{
    bool second = trial_chance(c->t, 2);
    struct slice name = slice_str(second ? "cx1" : "cx0");
    struct amqp_exchange_declare declare = {
        .exchange = name, .type = slice_str(second ? "topic" : "fanout"), .auto_delete = second};
    struct amqp_exchange_delete delete = {.exchange = name, .if_unused = trial_chance(c->t, 2)};
    if (trial_chance(c->t, 4))
        sim_session_send(p->session, channel, AMQP_EXCHANGE_DELETE, &delete);
    else
        sim_session_send(p->session, channel, AMQP_EXCHANGE_DECLARE, &declare);
}

static void
do_publish(struct churn *c, struct peer *p, uint16_t channel)
{
    static const uint8_t body[5000];
    static const char *const to[] = {"amq.direct", "amq.fanout", "amq.topic", ""};
    char key[32];
    snprintf(key, sizeof key, trial_chance(c->t, 2) ? "k.%u" : "churn%u", (unsigned)trial_random(c->t, 4));
    struct amqp_basic_publish m = {.exchange = slice_str(to[trial_random(c->t, 4)]),
                                   .routing_key = slice_str(key),
                                   .mandatory = trial_chance(c->t, 3)};
    for (uint64_t n = trial_random(c->t, 5); n > 0; n--)
        sim_session_publish(p->session, channel, &m, slice_of(NULL, 0),
                            slice_of(body, trial_random(c->t, sizeof body)), 0);
}

static void
do_read(struct churn *c, struct peer *p, uint16_t channel)
{
    char name[32], tag[8];
    struct slice queue = some_queue(c, name);
    snprintf(tag, sizeof tag, "t%u", (unsigned)trial_random(c->t, 3));
    struct amqp_basic_consume consume = {.queue = queue, .no_ack = trial_chance(c->t, 2)};
    struct amqp_basic_get get = {.queue = queue, .no_ack = trial_chance(c->t, 2)};
    struct amqp_basic_cancel cancel = {.consumer_tag = slice_str(tag)};
    if (trial_chance(c->t, 3))
        sim_session_send(p->session, channel, AMQP_BASIC_GET, &get);
    else if (trial_chance(c->t, 3))
        sim_session_send(p->session, channel, AMQP_BASIC_CANCEL, &cancel);
    else
        sim_session_send(p->session, channel, AMQP_BASIC_CONSUME, &consume);
}

static void
do_end(struct churn *c, struct peer *p, uint16_t channel)
{
    char name[32];
    struct amqp_queue_delete delete = {
        .queue = some_queue(c, name), .if_unused = trial_chance(c->t, 3), .if_empty = trial_chance(c->t, 3)};
    struct amqp_basic_recover recover = {.requeue = true};
    if (trial_chance(c->t, 2))
        sim_session_send(p->session, channel, AMQP_QUEUE_DELETE, &delete);
    else if (trial_chance(c->t, 2))
        sim_session_send(p->session, channel, AMQP_TX_SELECT, NULL);
    else if (trial_chance(c->t, 2))
        sim_session_send(p->session, channel, AMQP_BASIC_RECOVER, &recover);
    else
        sim_session_send(p->session, channel, AMQP_CONFIRM_SELECT, &(struct amqp_confirm_select){0});
}

static void
churn_one(struct churn *c, struct peer *p)
{
    struct trial *t = c->t;
    if (!p->session) {
        peer_init(p, t, NULL, false);
        return;
    }
    if (p->is_over || trial_chance(t, 12)) {
        peer_drop(p);
        return;
    }
    if (!p->is_open)
        return;
    if (p->opened_channels == 0)
        open_channels(c, p);
    /* A mistake closes the channel, and going on with that one closes the connection: churn, too. */
    for (unsigned n = 0; n < 6; n++) {
        uint16_t channel = (uint16_t)(1 + trial_random(t, CHURN_CHANNELS));
        t->operations++;
        switch (trial_random(t, 7)) {
        case 0:
        case 1: do_queue(c, p, channel); break;
        case 2: do_binding(c, p, channel); break;
        case 3: do_exchange(c, p, channel); break;
        case 4: do_publish(c, p, channel); break;
        case 5: do_read(c, p, channel); break;
        default: do_end(c, p, channel); break;
        }
    }
    if (trial_chance(t, 15))
        sim_session_close(p->session);
}

static bool
is_deserted(void *arg)
{
    return sim_broker_connections(arg) == 0;
}

/* What outlives its clients. */
static void
delete_names(struct churn *c)
{
    struct peer *p = &c->peers[0];
    peer_init(p, c->t, NULL, true);
    peer_open_channel(p, 1);
    for (unsigned i = 0; i < CHURN_NAMES; i++) {
        char name[32];
        snprintf(name, sizeof name, "churn%u", i);
        peer_call(p, 1, AMQP_QUEUE_DELETE, &(struct amqp_queue_delete){.queue = slice_str(name)});
    }
    peer_call(p, 1, AMQP_EXCHANGE_DELETE, &(struct amqp_exchange_delete){.exchange = slice_str("cx0")});
    peer_call(p, 1, AMQP_EXCHANGE_DELETE, &(struct amqp_exchange_delete){.exchange = slice_str("cx1")});
    peer_close(p);
    trial_until(c->t, is_deserted, c->t->broker, CHURN_MS, "the last connection to end");
}

void
workload_churn(struct trial *t)
{
    struct sim_broker_options options;
    struct buffer before = {0}, after = {0};
    struct churn *c = calloc(1, sizeof *c);
    CHECK(c);
    c->t = t;
    trial_begin_world(t);
    sim_broker_options_init(&options);
    options.shards = trial_shards(t);
    if (trial_chance(t, 2))
        options.limits.publish_window_bytes = 1 + (uint32_t)trial_random(t, 3000);
    trial_begin(t, &options);
    sim_broker_dump(t->broker, &before);
    for (unsigned n = 0; n < CHURN_ROUNDS; n++) {
        for (uint64_t k = trial_random(t, 100); k > 0 && trial_step(t); k--)
            ;
        churn_one(c, &c->peers[trial_random(t, CHURNERS)]);
    }
    sim_broker_check(t->broker);
    for (unsigned i = 0; i < CHURNERS; i++)
        peer_drop(&c->peers[i]);
    trial_until(t, is_deserted, t->broker, CHURN_MS, "all connections to end");
    delete_names(c);
    trial_for(t, 100);
    sim_broker_dump(t->broker, &after);
    TRIAL_EXPECT(t, slice_eq(buffer_slice(&before), buffer_slice(&after)), "declared things are left:\n%.*s",
                 SLICE_FMT(buffer_slice(&after)));
    buffer_fini(&before);
    buffer_fini(&after);
    trial_end(t);
    free(c);
}
