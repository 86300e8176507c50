/*
 * A full disk, as the pager and the keeper meet it: what they could not write waits, and is tried again four
 * times a second; meanwhile the node's disk alarm is up. (The journal says so itself:
 * journal_events.on_space.)
 *
 * The pager has no way to call: so while it has bytes of segments, a timer sees to it that a turn looks.
 */
#include "broker/alarm.h"
#include "durable/keep_impl.h"

/* Segments that the manifest does not name yet are the newest: few. */
static struct keep_segment *
next_unnamed(struct keep *k, struct list *at)
{
    struct list *before = at->prev;
    if (before == &k->segments)
        return NULL;
    struct keep_segment *s = LIST_ENTRY(before, struct keep_segment, node);
    return s->state == KEEP_NAMED ? NULL : s;
}

static void
on_space_timer(void *arg)
{
    struct keep *k = arg;
    for (struct keep_segment *s = next_unnamed(k, &k->segments); s; s = next_unnamed(k, &s->node))
        if (segment_is_short(s->segment))
            segment_flush(s->segment);
}

void
keep_space_turn(struct keep *k)
{
    bool waits = false, is_short = k->chore && timer_is_active(&k->retry);
    for (struct keep_segment *s = next_unnamed(k, &k->segments); s; s = next_unnamed(k, &s->node)) {
        waits |= segment_bytes_waiting(s->segment) > 0;
        is_short |= segment_is_short(s->segment);
    }
    is_short &= !k->log.is_failed;
    if (is_short != k->is_short) {
        k->is_short = is_short;
        alarm_raise(k->broker, ALARM_STORE, is_short);
    }
    if (waits && !k->log.is_failed && !timer_is_active(&k->space))
        timer_start(k->broker->shard, &k->space, KEEP_RETRY_MS, on_space_timer, k);
}
