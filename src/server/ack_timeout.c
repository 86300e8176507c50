/*
 * Deliveries carry no time: their tags rise with it. At every look (ACK_LOOKS of them in a timeout, and one a
 * minute at least) a channel notes which tag comes next:
 *
 *   marks    (tag, time)   (tag, time)   ...     all deliveries below `tag` were made at `time` or before
 *                ^ the first one above the oldest outstanding tag tells that one's age, short by one look at
 * most
 *
 * Marks at or below the oldest outstanding tag are dropped; when there is no room for another, every second
 * one is. So a channel costs a look, whatever it has outstanding, and no delivery costs anything.
 */
#include "server/ack_timeout.h"

#include "base/check.h"
#include "broker/meta.h"
#include "broker/queue_policy.h"
#include "io/timer.h"
#include "server/class.h"

#include <stdlib.h>
#include <string.h>

enum { ACK_LOOKS = 32, ACK_MARKS = 2 * ACK_LOOKS, ACK_LOOK_MAX_MS = 60000 };

struct ack_marks {
    unsigned count;
    struct {
        uint64_t tag, at_ms;
    } mark[ACK_MARKS];
};

static void on_look(void *arg);

/* A queue's own timeout may be shorter than the node's, which may be none: so it is looked at in any case. */
static uint64_t
look_ms(const struct server_shard *home)
{
    uint32_t timeout = home->server->config.limits.consumer_timeout_ms;
    uint32_t ms = timeout / ACK_LOOKS + 1;
    return timeout == 0 || ms > ACK_LOOK_MAX_MS ? ACK_LOOK_MAX_MS : ms;
}

void
ack_timeout_begin(struct channel *ch)
{
    struct server_shard *home = ch->connection->home;
    struct ack_timeout *t = &ch->unacked->timeout;
    t->channel = ch;
    list_push_back(&home->acknowledging, &t->node);
    if (!timer_is_active(&home->ack_timer))
        timer_start(home->shard, &home->ack_timer, look_ms(home), on_look, home);
}

void
ack_timeout_end(struct ack_timeout *t)
{
    list_remove(&t->node);
    free(t->marks);
    t->marks = NULL;
}

/* ---- a look ---- */

static void
marks_drop_below(struct ack_marks *m, uint64_t oldest)
{
    unsigned n = 0;
    while (n < m->count && m->mark[n].tag <= oldest)
        n++;
    m->count -= n;
    memmove(m->mark, m->mark + n, m->count * sizeof m->mark[0]);
}

static void
marks_thin(struct ack_marks *m)
{
    for (unsigned i = 1; 2 * i < m->count; i++)
        m->mark[i] = m->mark[2 * i];
    m->count = (m->count + 1) / 2;
}

static void
marks_add(struct ack_marks *m, uint64_t tag, uint64_t now)
{
    if (m->count == ACK_MARKS)
        marks_thin(m);
    m->mark[m->count].tag = tag;
    m->mark[m->count++].at_ms = now;
}

/* Of the queue that the delivery came from, or else of the node; 0: none. */
static uint64_t
timeout_of(const struct server_shard *home, uint64_t queue_id)
{
    const struct queue_def *def = queue_def_find_id(home->server->node->meta, queue_id);
    struct queue_policy policy = {.consumer_timeout_ms = QUEUE_POLICY_NONE};
    if (def)
        queue_policy_of(def, &policy);
    return policy.consumer_timeout_ms == QUEUE_POLICY_NONE ? home->server->config.limits.consumer_timeout_ms
                                                           : (uint64_t)policy.consumer_timeout_ms;
}

static void
look(struct server_shard *home, struct ack_timeout *t)
{
    struct channel *ch = t->channel;
    uint64_t oldest, now = shard_now_ms(home->shard);
    const struct unacked_delivery *d = seqdeque_first(&ch->unacked->deliveries, &oldest);
    if (!d) {
        free(t->marks);
        t->marks = NULL;
        return;
    }
    if (!t->marks) {
        t->marks = calloc(1, sizeof *t->marks);
        CHECK(t->marks);
    }
    marks_drop_below(t->marks, oldest);
    marks_add(t->marks, seqdeque_next_sequence(&ch->unacked->deliveries), now);
    uint64_t timeout = timeout_of(home, d->queue_id);
    if (timeout == 0 || now - t->marks->mark[0].at_ms < timeout || !channel_is_open(ch))
        return;
    channel_fail(
        ch, AMQP_REPLY_PRECONDITION_FAILED, 0,
        "delivery acknowledgement on channel %u timed out. Timeout value used: %llu ms. This timeout "
        "value can be configured, see consumers doc guide to learn more",
        ch->number, (unsigned long long)timeout);
}

static void
on_look(void *arg)
{
    struct server_shard *home = arg;
    LIST_FOREACH_SAFE (at, next, &home->acknowledging)
        look(home, LIST_ENTRY(at, struct ack_timeout, node));
    if (!list_is_empty(&home->acknowledging))
        timer_start(home->shard, &home->ack_timer, look_ms(home), on_look, home);
}
