/*
 * A queue that nobody uses expires (x-expires): no consumer, no basic.get, no declaration (which a quorum
 * queue takes for no use, as in RabbitMQ) for so long. Its users only note the time; the timer looks at that
 * when it fires, and is set anew for what is left.
 */
#include "broker/courier_impl.h"
#include "broker/meta.h"
#include "broker/queue_impl.h"
#include "broker/queue_rules.h"
#include "io/timer.h"

static void
on_lease(void *arg)
{
    struct queue *q = arg;
    struct queue_rules *r = q->rules;
    uint64_t end = r->used_at_ms + (uint64_t)r->settings.expires_ms, now = broker_now_ms(q->broker);
    if (q->consumer_count || q->deletion)
        return; /* when the last consumer leaves it starts anew */
    if (end > now)
        timer_start(q->broker->shard, &r->lease, end - now, on_lease, q);
    else
        courier_auto_delete(q);
}

bool
queue_lease_has(const struct queue_def *def)
{
    struct queue_settings s;
    queue_settings_of(def, &s);
    return s.expires_ms != QUEUE_SETTING_NONE;
}

static void
open_leased(void *arg, void *item)
{
    struct broker *b = arg;
    const struct queue_def *def = item;
    if (def->shard == b->index && queue_lease_has(def))
        queue_open(b, def);
}

void
queue_lease_start_all(struct broker *b)
{
    meta_each_queue(b->node->meta, open_leased, b);
}

void
queue_lease_renew(struct queue *q)
{
    struct queue_rules *r = q->rules;
    if (r->settings.expires_ms == QUEUE_SETTING_NONE)
        return;
    r->used_at_ms = broker_now_ms(q->broker);
    if (q->consumer_count == 0 && !q->deletion && !timer_is_active(&r->lease) && q->broker->shard)
        timer_start(q->broker->shard, &r->lease, (uint64_t)r->settings.expires_ms, on_lease, q);
}

void
queue_lease_start(struct queue *q)
{
    timer_stop(&q->rules->lease);
    queue_lease_renew(q);
}
