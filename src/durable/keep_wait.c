/*
 * Who waits for a batch: publishers for their confirms, queues for a higher delivery limit. In the order of
 * the batches, so that what is durable is always a prefix. Consecutive confirms of one channel are one wait.
 */
#include "base/check.h"
#include "durable/keep_impl.h"

#include <stdlib.h>

static struct keep_wait *
wait_at(struct keep_waits *w, uint32_t i)
{
    return &w->items[(w->head + i) & (w->capacity - 1)];
}

static struct keep_wait *
wait_add(struct keep_waits *w)
{
    if (w->count == w->capacity) {
        uint32_t capacity = w->capacity ? w->capacity * 2 : 16;
        struct keep_wait *grown = malloc(capacity * sizeof *grown);
        CHECK(grown);
        for (uint32_t i = 0; i < w->count; i++)
            grown[i] = *wait_at(w, i);
        free(w->items);
        *w = (struct keep_waits){.items = grown, .count = w->count, .capacity = capacity};
    }
    return wait_at(w, w->count++);
}

static bool
is_same_channel(struct channel_ref a, struct channel_ref b)
{
    return a.connection == b.connection && a.shard == b.shard && a.channel == b.channel &&
           a.serial == b.serial;
}

void
keep_wait_confirm(struct keep *k, struct channel_ref to, uint64_t seq, uint32_t times)
{
    struct keep_waits *w = &k->waits;
    uint64_t batch = journal_batch(k->journal);
    struct keep_wait *last = w->count ? wait_at(w, w->count - 1) : NULL;
    if (last && last->batch == batch && last->times == times && seq == last->last + 1 &&
        is_same_channel(last->to, to)) {
        last->last = seq;
        return;
    }
    *wait_add(w) = (struct keep_wait){.batch = batch, .to = to, .first = seq, .last = seq, .times = times};
}

void
keep_wait_limit(struct keep *k, uint64_t queue_id, uint64_t below, uint64_t batch)
{
    *wait_add(&k->waits) = (struct keep_wait){.batch = batch, .first = queue_id, .last = below};
}

static void
wait_end(struct keep *k, const struct keep_wait *w, bool has_failed)
{
    if (w->times) {
        courier_confirm_range(k->broker, w->to, w->first, w->last, has_failed, w->times);
        return;
    }
    struct queue *q = queue_find(k->broker, w->first);
    if (q)
        queue_set_deliver_limit(q, has_failed ? UINT64_MAX : w->last);
}

/* What waits for a limit may wait for another one at once: those come behind. */
static void
wait_end_some(struct keep *k, uint64_t batch, bool has_failed)
{
    struct keep_waits *w = &k->waits;
    for (uint32_t n = w->count; n > 0 && wait_at(w, 0)->batch <= batch; n--) {
        struct keep_wait head = *wait_at(w, 0);
        w->head = (w->head + 1) & (w->capacity - 1);
        w->count--;
        wait_end(k, &head, has_failed);
    }
    if (w->count == 0 && w->capacity > 1024)
        keep_wait_free(k);
}

void
keep_wait_durable(struct keep *k, uint64_t batch)
{
    wait_end_some(k, batch, false);
}

void
keep_wait_limits_end(struct keep *k)
{
    for (uint32_t i = 0; i < k->waits.count; i++) {
        struct keep_wait *w = wait_at(&k->waits, i);
        struct queue *q = w->times ? NULL : queue_find(k->broker, w->first);
        if (q)
            queue_set_deliver_limit(q, UINT64_MAX);
    }
}

void
keep_wait_failed(struct keep *k)
{
    wait_end_some(k, UINT64_MAX, true);
}

void
keep_wait_free(struct keep *k)
{
    free(k->waits.items);
    k->waits = (struct keep_waits){0};
}
