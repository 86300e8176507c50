/*
 * max-length and max-length-bytes: of ready messages, bodies alone, and of dead letters that wait until
 * somebody has taken them (at-least-once). What is unacked does not count, so a requeue may bring a queue
 * over its limit; then it drops at the head like for a new message.
 */
#include "broker/deadletter.h"
#include "broker/queue_impl.h"
#include "broker/queue_rank.h"
#include "broker/queue_rules.h"

/* Bytes of the bodies of ready messages, in one rank. */
static uint64_t
rank_bytes(const struct queue *q)
{
    const struct queue_messages *ms = q->messages;
    if (!ms)
        return 0;
    return ms->bytes - seqdeque_count(&ms->entries) * QUEUE_MESSAGE_COST - q->tally.unacked_bytes -
           q->tally.leaving_bytes + q->tally.paged_bytes;
}

static uint64_t
ready_bytes(const struct queue *q)
{
    if (!q->ranks)
        return rank_bytes(q);
    uint64_t bytes = 0;
    unsigned at = 0;
    for (const struct queue *rank; (rank = queue_rank_each(q, &at));)
        bytes += rank_bytes(rank);
    return bytes;
}

/* Limits are on the whole, with so much more. */
static bool
exceeds(const struct queue *q, uint64_t messages, uint64_t bytes)
{
    const struct queue_settings *s = &q->rules->settings;
    messages += queue_ready_all(q);
    bytes += ready_bytes(q);
    if (s->keeps_dead_letters) {
        messages += q->leaving;
        bytes += q->tally.leaving_bytes;
    }
    return messages > (uint64_t)s->length_max || bytes > (uint64_t)s->length_bytes_max;
}

bool
queue_limit_would_overflow(const struct queue *q, const struct message *m)
{
    return exceeds(q, 1, m->body_size);
}

bool
queue_limit_is_over(const struct queue *q)
{
    const struct queue_settings *s = &q->rules->settings;
    return queue_settings_have_limit(s) && exceeds(q, 0, 0);
}

bool
queue_limit_run(struct queue *q)
{
    if (deadletter_must_wait(q))
        return false;
    for (unsigned left = QUEUE_SLICE; queue_ready_all(q) && queue_limit_is_over(q); left--) {
        uint64_t position;
        struct queue *rank = queue_rank_first(q);
        struct queue_entry *e = queue_paging_head(rank, &position);
        if (!e) { /* it is being read, and that marks the queue dirty */
            q->broker->has_backlog = true;
            return false;
        }
        if (left == 0)
            return true;
        queue_messages_advance(rank, position);
        deadletter_leave(rank, position, e, DEADLETTER_MAXLEN, 0);
        queue_messages_rest(rank);
    }
    return false;
}
