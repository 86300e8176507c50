/*
 * Single active consumer (x-single-active-consumer): of a queue's consumers one gets everything, whatever
 * room it has; the others wait in their levels' resting lists, in the order in which they came. When the
 * active one leaves, the first of the highest priority follows. A higher priority that comes later takes
 * nothing away from it.
 */
#include "broker/queue_impl.h"
#include "broker/queue_rules.h"

bool
queue_single_may_take(const struct consumer *c)
{
    const struct queue_rules *r = c->queue->rules;
    return !r->settings.is_single_active || r->active == c;
}

enum consumer_activity
queue_single_activity(const struct consumer *c)
{
    if (!c->queue->has_rules || !c->queue->rules->settings.is_single_active)
        return CONSUMER_UP;
    return queue_single_may_take(c) ? CONSUMER_SINGLE_ACTIVE : CONSUMER_WAITING;
}

void
queue_single_joined(struct consumer *c)
{
    struct queue_rules *r = c->queue->rules;
    if (r->settings.is_single_active && !r->active)
        r->active = c;
}

void
queue_single_left(struct queue *q, const struct consumer *c)
{
    struct queue_rules *r = q->rules;
    if (r->active != c)
        return;
    r->active = NULL;
    if (list_is_empty(&q->levels))
        return;
    struct consumer_level *highest = LIST_ENTRY(q->levels.next, struct consumer_level, node);
    r->active = LIST_ENTRY(highest->resting.next, struct consumer, node);
    courier_activated(q->broker, r->active);
    consumer_wake(r->active);
}
