/*
 * Rules of a queue: what its settings are, and when their parts act.
 *
 *   push      deadline ─► refused? ─► in ─► too long? deliver, then drop at the head
 *   turn      timer, requeue, new settings: marked dirty ─► deliver ─► queue_rules_enforce()
 *   look      basic.get, counts, purge, delete: first drop what has expired
 *
 * A message that a consumer can take now is given to it before any limit is applied and before a TTL of 0
 * ends: RabbitMQ hands it over at the moment at which it is published, we do so at the end of the turn, and
 * nobody may see the difference. While what could be taken waits for the log or the disk, nothing is dropped
 * for it.
 *
 * A requeue is the other way round: a classic queue that it takes over its limits drops at the head first,
 * and gives out what then is the first; in a quorum queue what came back is given out like anything else.
 */
#include "broker/queue_rules.h"

#include "base/check.h"
#include "broker/courier_impl.h"
#include "broker/deadletter.h"
#include "broker/meta.h"
#include "broker/policy_effect.h"
#include "broker/policy_key.h"
#include "broker/queue_impl.h"
#include "broker/queue_policy.h"
#include "broker/queue_rank.h"
#include "io/timer.h"
#include "wire/table.h"

#include <stdlib.h>

/* ---- settings ---- */

static const struct queue_settings plain = {.message_ttl_ms = QUEUE_SETTING_NONE,
                                            .expires_ms = QUEUE_SETTING_NONE,
                                            .length_max = QUEUE_SETTING_NONE,
                                            .length_bytes_max = QUEUE_SETTING_NONE,
                                            .delivery_limit = QUEUE_SETTING_NONE};

static int64_t
number_or_none(int64_t n)
{
    return n == QUEUE_POLICY_NONE ? QUEUE_SETTING_NONE : n;
}

void
queue_settings_of(const struct queue_def *def, struct queue_settings *s)
{
    struct queue_policy p;
    struct table_value single, priority;
    *s = plain;
    if (def->arguments.len == 0 && !policy_effect_of_queue(def))
        return;
    queue_policy_of(def, &p);
    *s = (struct queue_settings){
        .message_ttl_ms = number_or_none(p.message_ttl_ms),
        .expires_ms = number_or_none(p.expires_ms),
        .length_max = number_or_none(p.max_length),
        .length_bytes_max = number_or_none(p.max_length_bytes),
        .delivery_limit = number_or_none(p.delivery_limit),
        .is_quorum = queue_def_target(def) == POLICY_QUORUM,
        .is_rejecting = p.overflow != QUEUE_OVERFLOW_DROP_HEAD,
        .is_rejecting_to_dead_letters = p.overflow == QUEUE_OVERFLOW_REJECT_DLX,
        .has_dead_letters = p.has_dead_letter_exchange,
        .is_dead_letter_at_least_once = p.is_dead_letter_at_least_once && p.has_dead_letter_exchange,
        .is_single_active = table_find_str(def->arguments, "x-single-active-consumer", &single) &&
                            single.type == TABLE_BOOL && single.integer,
        .priority_max = table_find_str(def->arguments, "x-max-priority", &priority) &&
                                table_value_is_int(&priority) && priority.integer > 0 &&
                                priority.integer <= QUEUE_RANK_MAX
                            ? (uint8_t)priority.integer
                            : 0,
    };
}

static bool
settings_are_plain(const struct queue_settings *s)
{
    return s->message_ttl_ms == QUEUE_SETTING_NONE && s->expires_ms == QUEUE_SETTING_NONE &&
           s->length_max == QUEUE_SETTING_NONE && s->length_bytes_max == QUEUE_SETTING_NONE &&
           !s->is_single_active && !s->priority_max && !s->is_quorum;
}

struct queue_rules *
queue_rules_get(struct queue *q)
{
    if (q->rules)
        return q->rules;
    struct queue_rules *r = calloc(1, sizeof *r);
    CHECK(r);
    const struct queue_def *def = queue_def_find_id(q->broker->node->meta, q->id);
    r->settings = plain;
    r->settings.has_dead_letters = def && queue_policy_has_dead_letter_exchange(def);
    q->rules = r;
    q->has_rules = true;
    return r;
}

void
queue_rules_open(struct queue *q, const struct queue_def *def)
{
    struct queue_settings s;
    queue_settings_of(def, &s);
    if (settings_are_plain(&s))
        return;
    queue_rules_get(q)->settings = s;
    queue_lease_start(q);
}

/* Nobody used it yet, and it is to expire now: its time begins. */
static void
open_if_leased(struct broker *b, const struct queue_def *def)
{
    if (queue_lease_has(def))
        queue_open(b, def);
}

void
queue_rules_changed(struct broker *b, uint64_t queue_id)
{
    const struct queue_def *def = queue_def_find_id(b->node->meta, queue_id);
    struct queue *q = queue_find(b, queue_id);
    if (!def)
        return;
    if (!q) {
        open_if_leased(b, def);
        return;
    }
    struct queue_settings s;
    queue_settings_of(def, &s);
    if (!q->rules && settings_are_plain(&s))
        return;
    struct queue_rules *r = queue_rules_get(q);
    bool is_other_lease = r->settings.expires_ms != s.expires_ms;
    r->settings = s;
    if (is_other_lease)
        queue_lease_start(q);
    queue_mark_dirty(q);
}

void
queue_rules_close(struct queue *q, bool is_stopping)
{
    struct queue_rules *r = q->rules;
    if (!r)
        return;
    if (!is_stopping) {
        timer_stop(&r->expiry);
        timer_stop(&r->lease);
    }
    free(r);
    q->rules = NULL;
    q->has_rules = false;
}

/* ---- in ---- */

static enum queue_pushed
refuse(struct queue *q, struct message *m)
{
    if (q->rules->settings.is_rejecting_to_dead_letters)
        deadletter_refused(q, &m);
    else
        message_drop(q->broker, &m);
    return QUEUE_REFUSED;
}

/* Somebody could take the first message, but it may not be given out yet. */
static bool
waits_for_log(struct queue *q)
{
    const struct queue *rank = queue_rank_first(q);
    return (rank->is_reserving || (rank->messages && rank->messages->is_paging_in)) &&
           queue_round_can_take(q);
}

/* What consumers can take now does not count. */
static void
deliver_before_limits(struct queue *q)
{
    if (q->round_count && !q->deletion)
        queue_deliver_ready(q);
}

void
queue_rules_note_return(struct queue *q)
{
    struct queue_rules *r = q->front->rules;
    if (r && !q->is_quorum)
        r->has_returned = true;
}

bool
queue_rules_returned(struct queue *q)
{
    struct queue_rules *r = q->rules;
    if (!r->has_returned)
        return false;
    bool is_dropping = !r->settings.is_rejecting;
    bool more = is_dropping && queue_limit_is_over(q) && queue_limit_run(q);
    /* Over still: what is to go is being read, or the line of dead letters is full. */
    r->has_returned = is_dropping && queue_limit_is_over(q);
    return more;
}

/* Who acts on the queue before its turn finds it as a requeue leaves it. */
static void
catch_up_with_returns(struct queue *q)
{
    if (q->rules->has_returned && !queue_rules_returned(q))
        deliver_before_limits(q);
}

static bool
must_refuse(struct queue *q, const struct message *m)
{
    if (!queue_limit_would_overflow(q, m))
        return false;
    deliver_before_limits(q);
    return queue_limit_would_overflow(q, m);
}

static void
drop_for_room(struct queue *q)
{
    deliver_before_limits(q);
    if (waits_for_log(q))
        q->broker->has_backlog = true;
    else
        queue_limit_run(q);
    queue_mark_dirty(q); /* there may be more, and what is the first now may have expired */
}

enum queue_pushed
queue_rules_push(struct queue *q, struct message *m, uint64_t tx)
{
    if (q->rules)
        catch_up_with_returns(q);
    uint64_t deadline = queue_expiry_deadline(q, m);
    struct queue_rules *r = q->rules ? q->rules : queue_rules_get(q);
    if (r->settings.is_rejecting && must_refuse(q, m))
        return refuse(q, m);
    struct queue *rank = queue_rank_of(q, m);
    if (!rank->messages)
        queue_messages_open(rank);
    if (deadline)
        queue_expiry_widen(rank);
    enum queue_pushed how = queue_messages_push(rank, m, deadline, tx);
    if (how == QUEUE_REFUSED)
        return how;
    queue_rank_filled(rank);
    if (deadline && queue_ready(rank) == 1)
        queue_mark_dirty(q);
    if (queue_settings_have_limit(&r->settings) && !r->settings.is_rejecting && queue_limit_is_over(q))
        drop_for_room(q);
    return how;
}

/* ---- out ---- */

/* Limits first, as RabbitMQ does: what expires by that being the first then goes, too. */
bool
queue_rules_enforce(struct queue *q, bool can_deliver)
{
    bool more = can_deliver;
    if (!can_deliver && !q->rules->settings.is_rejecting && !waits_for_log(q) && queue_limit_is_over(q))
        more = queue_limit_run(q);
    more |= queue_expiry_run(q);
    if (q->waiting)
        courier_waiting_retry(q);
    return more;
}

void
queue_rules_look(struct queue *q)
{
    catch_up_with_returns(q);
    if (!q->rules->settings.is_rejecting && queue_limit_is_over(q))
        drop_for_room(q);
    if (queue_expiry_run(q))
        queue_mark_dirty(q);
}
