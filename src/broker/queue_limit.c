/*
 * max-length and max-length-bytes: of ready messages, bodies alone. What is unacked does not count, so a
 * requeue may bring a queue over its limit; then it drops at the head like for a new message. At-least-once
 * dead letters count until they have been taken, as in RabbitMQ: nobody else holds up whoever publishes while
 * there is no target.
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

/* Dead letters that are still to be taken. */
static uint64_t
kept(const struct queue *q)
{
    return q->rules->settings.is_dead_letter_at_least_once ? q->leaving : 0;
}

static uint64_t
kept_bytes(const struct queue *q)
{
    return q->rules->settings.is_dead_letter_at_least_once ? q->tally.leaving_bytes : 0;
}

/* Limits are on the whole. */
static bool
exceeds(const struct queue_settings *s, uint64_t messages, uint64_t bytes)
{
    return messages > (uint64_t)s->length_max || bytes > (uint64_t)s->length_bytes_max;
}

bool
queue_limit_would_overflow(const struct queue *q, const struct message *m)
{
    return exceeds(&q->rules->settings, queue_ready_all(q) + kept(q) + 1,
                   ready_bytes(q) + kept_bytes(q) + m->body_size);
}

bool
queue_limit_is_over(const struct queue *q)
{
    const struct queue_settings *s = &q->rules->settings;
    if (s->length_max == QUEUE_SETTING_NONE && s->length_bytes_max == QUEUE_SETTING_NONE)
        return false;
    return exceeds(s, queue_ready_all(q), ready_bytes(q));
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
