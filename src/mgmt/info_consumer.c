/* Consumers, as their channels know them. */
#include "broker/meta.h"
#include "mgmt/info.h"
#include "mgmt/info_channel.h"
#include "mgmt/info_value.h"
#include "server/channel.h"

static void
put_queue_name(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, queue_def_name(s->queue));
}

static void
put_channel_pid(struct buffer *out, const struct info_subject *s)
{
    info_channel_put_pid(out, s);
}

static void
put_consumer_tag(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, slice_of(s->consumer->tag, s->consumer->tag_size));
}

static void
put_ack_required(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, !s->consumer->subscription.no_ack);
}

static void
put_prefetch_count(struct buffer *out, const struct info_subject *s)
{
    info_value_number(out, s->consumer->prefetch_count);
}

static void
put_active(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, s->consumer->subscription.activity != CONSUMER_WAITING);
}

static void
put_activity_status(struct buffer *out, const struct info_subject *s)
{
    static const char *const names[] = {
        [CONSUMER_UP] = "up", [CONSUMER_SINGLE_ACTIVE] = "single_active", [CONSUMER_WAITING] = "waiting"};
    info_value_text(out, names[s->consumer->subscription.activity]);
}

static void
put_arguments(struct buffer *out, const struct info_subject *s)
{
    info_value_table(out, channel_consumer_arguments(s->consumer));
}

/* All that share a hash of their tag; one whose queue has just gone is on its way out. */
static void
info_consumer_show(void *arg, void *value)
{
    struct info_query *q = arg;
    for (const struct channel_consumer *c = value; c; c = c->next) {
        const struct queue_def *def = queue_def_find_id(q->meta, c->subscription.queue_id);
        if (def)
            info_emit(q, &(struct info_subject){.consumer = c, .channel = c->channel, .queue = def});
    }
}

static bool
info_consumer_step(struct info_query *q)
{
    const struct connection *c = info_connection_at(q);
    if (!c)
        return false;
    uint64_t before = q->inner;
    const struct channel *ch = q->is_current_due ? info_channel_next(q, c) : NULL;
    if (!ch) {
        info_connection_pass(q);
        return true;
    }
    if (q->inner != before) /* another channel than in the last step */
        q->innermost = 0;
    if (ch->consumers && idmap_walk(ch->consumers, &q->innermost, info_consumer_show, q))
        return true;
    q->inner++;
    q->innermost = 0;
    return true;
}

static const struct info_column info_consumer_columns[] = {INFO_CONSUMER_COLUMNS(INFO_COLUMN_ROW){0}};

const struct info_kind info_consumer_kind = {.columns = info_consumer_columns,
                                             .is_per_vhost = true,
                                             .is_sharded = true,
                                             .passes = 2,
                                             .step = info_consumer_step};
