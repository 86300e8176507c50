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
 */
#include "broker/queue_rules.h"

#include "base/check.h"
#include "broker/courier_impl.h"
#include "broker/deadletter.h"
#include "broker/queue_impl.h"
#include "io/timer.h"
#include "wire/table.h"

#include <stdlib.h>

/* ---- settings ---- */

static int64_t
number_of(struct slice arguments, const char *name)
{
    struct table_value v;
    if (!table_find_str(arguments, name, &v) || !table_value_is_int(&v) || v.integer < 0)
        return QUEUE_SETTING_NONE;
    return v.integer;
}

void
queue_settings_of(const struct queue_def *def, struct queue_settings *s)
{
    struct slice arguments = def->arguments;
    struct table_value overflow;
    *s = (struct queue_settings){
        .message_ttl_ms = number_of(arguments, "x-message-ttl"),
        .expires_ms = number_of(arguments, "x-expires"),
        .length_max = number_of(arguments, "x-max-length"),
        .length_bytes_max = number_of(arguments, "x-max-length-bytes"),
    };
    if (table_find_str(arguments, "x-overflow", &overflow) && overflow.type == TABLE_LONGSTR) {
        s->is_rejecting_to_dead_letters = slice_eq_str(overflow.bytes, "reject-publish-dlx");
        s->is_rejecting = s->is_rejecting_to_dead_letters || slice_eq_str(overflow.bytes, "reject-publish");
    }
}

static bool
settings_are_plain(const struct queue_settings *s)
{
    return s->message_ttl_ms == QUEUE_SETTING_NONE && s->expires_ms == QUEUE_SETTING_NONE &&
           s->length_max == QUEUE_SETTING_NONE && s->length_bytes_max == QUEUE_SETTING_NONE;
}

struct queue_rules *
queue_rules_get(struct queue *q)
{
    if (q->rules)
        return q->rules;
    struct queue_rules *r = calloc(1, sizeof *r);
    CHECK(r);
    r->settings = (struct queue_settings){.message_ttl_ms = QUEUE_SETTING_NONE,
                                          .expires_ms = QUEUE_SETTING_NONE,
                                          .length_max = QUEUE_SETTING_NONE,
                                          .length_bytes_max = QUEUE_SETTING_NONE};
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

void
queue_rules_changed(struct queue *q, const struct queue_def *def)
{
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
waits_for_log(const struct queue *q)
{
    return q->round_count && (q->is_reserving || (q->messages && q->messages->is_paging_in));
}

static void
drop_for_room(struct queue *q)
{
    if (q->round_count && !q->deletion)
        queue_deliver_ready(q);
    if (waits_for_log(q))
        q->broker->has_backlog = true;
    else if (queue_limit_run(q))
        queue_mark_dirty(q);
}

enum queue_pushed
queue_rules_push(struct queue *q, struct message *m, uint64_t tx)
{
    uint64_t deadline = queue_expiry_deadline(q, m);
    struct queue_rules *r = queue_rules_get(q);
    if (r->settings.is_rejecting && queue_limit_would_overflow(q, m))
        return refuse(q, m);
    if (!q->messages)
        queue_messages_open(q);
    if (deadline)
        queue_expiry_widen(q);
    enum queue_pushed how = queue_messages_push(q, m, deadline, tx);
    if (how == QUEUE_REFUSED)
        return how;
    if (deadline && queue_ready(q) == 1)
        queue_mark_dirty(q);
    if (!r->settings.is_rejecting && queue_limit_is_over(q))
        drop_for_room(q);
    return how;
}

/* ---- out ---- */

bool
queue_rules_enforce(struct queue *q, bool can_deliver)
{
    bool more = queue_expiry_run(q) || can_deliver;
    if (!can_deliver && !q->rules->settings.is_rejecting && !waits_for_log(q) && queue_limit_is_over(q))
        more |= queue_limit_run(q);
    queue_messages_rest(q);
    if (q->waiting)
        courier_waiting_retry(q);
    return more;
}

void
queue_rules_look(struct queue *q)
{
    if (queue_expiry_run(q))
        queue_mark_dirty(q);
    if (!q->rules->settings.is_rejecting && queue_limit_is_over(q))
        drop_for_room(q);
}
