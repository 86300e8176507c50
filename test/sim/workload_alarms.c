/*
 * The node runs low on memory, again and again. While the alarm is on, connections that publish are told so
 * (if they can take it) and not read; consumers go on and empty the queues; nothing is lost, and when the
 * alarm is over everything that publishers had sent arrives, confirmed, in order.
 */
#include "peer.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { ALARM_PUBLISHERS = 3, ALARM_ROUNDS = 4, ALARM_BATCH = 40, ALARM_MS = 60000, ALARM_LIMIT = 1 << 30 };

struct alarms {
    struct trial *t;
    struct peer consumer, publishers[ALARM_PUBLISHERS];
    uint64_t sent[ALARM_PUBLISHERS];
    uint32_t next_from[ALARM_PUBLISHERS];
};

static void
on_content(struct peer *p, const struct sim_session_event *e)
{
    struct alarms *a = p->arg;
    TRIAL_EXPECT(p->t, e->body.len >= 8, "a body of %zu bytes", e->body.len);
    uint32_t from = be32_get(e->body.data), number = be32_get(e->body.data + 4);
    TRIAL_EXPECT(p->t, from < ALARM_PUBLISHERS && number == a->next_from[from],
                 "message %u of %u is out of order", number, from);
    a->next_from[from]++;
}

static void
publish_batch(struct alarms *a, unsigned i)
{
    uint8_t body[2000] = {0};
    for (unsigned n = 0; n < ALARM_BATCH; n++) {
        be32_put(body, i);
        be32_put(body + 4, (uint32_t)a->sent[i]++);
        peer_publish(&a->publishers[i], 1, "alarms", body, 8 + trial_random(a->t, sizeof body - 8));
        a->t->operations++;
    }
}

static bool
all_blocked(void *arg)
{
    const struct alarms *a = arg;
    for (unsigned i = 0; i + 1 < ALARM_PUBLISHERS; i++)
        if (!a->publishers[i].is_blocked)
            return false;
    return true;
}

static bool
all_arrived(void *arg)
{
    const struct alarms *a = arg;
    for (unsigned i = 0; i < ALARM_PUBLISHERS; i++)
        if (a->publishers[i].is_blocked || a->next_from[i] != a->sent[i] ||
            a->publishers[i].acked != a->sent[i])
            return false;
    return true;
}

static void
one_round(struct alarms *a)
{
    struct trial *t = a->t;
    for (unsigned i = 0; i < ALARM_PUBLISHERS; i++)
        publish_batch(a, i);
    trial_for(t, trial_random(t, 20));
    trial_say(t, "low on memory");
    sim_node_set_memory(t->broker->world, 2u << 30, (uint64_t)8 << 30);
    trial_for(t, 300); /* the alarm is sampled meanwhile */
    for (unsigned i = 0; i < ALARM_PUBLISHERS; i++)
        publish_batch(a, i);
    trial_until(t, all_blocked, a, ALARM_MS, "connection.blocked");
    TRIAL_EXPECT(t, !a->publishers[ALARM_PUBLISHERS - 1].is_blocked, "a client that cannot know was told");
    TRIAL_EXPECT(t, !a->consumer.is_blocked, "a consumer was blocked");
    trial_for(t, 1000);
    for (unsigned i = 0; i < ALARM_PUBLISHERS; i++) {
        uint64_t before = a->next_from[i];
        publish_batch(a, i);
        trial_for(t, 100);
        TRIAL_EXPECT(t, a->next_from[i] == before, "a blocked connection was read");
    }
    peer_call(&a->consumer, 1, AMQP_BASIC_QOS, &(struct amqp_basic_qos){0}); /* it still is served */
    sim_node_set_memory(t->broker->world, 64u << 20, (uint64_t)8 << 30);
    trial_say(t, "enough memory again");
    trial_until(t, all_arrived, a, ALARM_MS, "everything to arrive after the alarm");
}

void
workload_alarms(struct trial *t)
{
    struct sim_broker_options options;
    struct alarms *a = calloc(1, sizeof *a);
    CHECK(a);
    a->t = t;
    trial_begin_world(t);
    sim_broker_options_init(&options);
    options.shards = trial_shards(t);
    options.memory_watermark = ALARM_LIMIT;
    trial_begin(t, &options);
    a->consumer.arg = a;
    a->consumer.on_content = on_content;
    a->consumer.acks_deliveries = true;
    peer_init(&a->consumer, t, NULL, true);
    peer_open_channel(&a->consumer, 1);
    peer_declare(&a->consumer, 1, "alarms");
    peer_consume(&a->consumer, 1, "alarms", false);
    for (unsigned i = 0; i < ALARM_PUBLISHERS; i++) {
        struct amqp_confirm_select select = {0};
        struct sim_session_options o;
        sim_session_options_init(&o);
        o.is_plain = i + 1 == ALARM_PUBLISHERS;
        peer_init(&a->publishers[i], t, &o, true);
        peer_open_channel(&a->publishers[i], 1);
        peer_call(&a->publishers[i], 1, AMQP_CONFIRM_SELECT, &select);
    }
    for (unsigned n = 0; n < ALARM_ROUNDS; n++)
        one_round(a);
    if (trial_chance(t, 2)) { /* clients leave while they are blocked */
        sim_node_set_memory(t->broker->world, 2u << 30, (uint64_t)8 << 30);
        trial_for(t, 300);
        publish_batch(a, 0);
        publish_batch(a, 1);
        trial_until(t, all_blocked, a, ALARM_MS, "connection.blocked");
        peer_drop(&a->publishers[0]);
        trial_for(t, 1000);
        TRIAL_EXPECT(t, sim_broker_connections(t->broker) == ALARM_PUBLISHERS,
                     "a blocked connection outlives its client");
        sim_node_set_memory(t->broker->world, 64u << 20, (uint64_t)8 << 30);
        trial_for(t, 2000);
    }
    peer_call(&a->consumer, 1, AMQP_QUEUE_DELETE, &(struct amqp_queue_delete){.queue = slice_str("alarms")});
    for (unsigned i = 0; i < ALARM_PUBLISHERS; i++)
        if (a->publishers[i].session)
            peer_close(&a->publishers[i]);
    peer_close(&a->consumer);
    trial_end(t);
    free(a);
}
