/*
 * Queues. Each shard walks the vhost's table of queues and shows its own: the definition is everybody's to
 * read, the queue at work only the shard's. A queue that was never used since the node started has no such
 * part, and zeros.
 */
#include "broker/policy_effect.h"
#include "broker/policy_key.h"
#include "broker/queue.h"
#include "broker/queue_tally.h"
#include "broker/vhost.h"
#include "mgmt/info.h"
#include "mgmt/info_channel.h"
#include "mgmt/info_pid.h"
#include "mgmt/info_value.h"
#include "server/channel.h"

static void
put_name(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, queue_def_name(s->queue));
}

static void
put_durable(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, s->queue->durable);
}

static void
put_auto_delete(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, s->queue->auto_delete);
}

static void
put_arguments(struct buffer *out, const struct info_subject *s)
{
    info_value_table(out, s->queue->arguments);
}

static void
put_policy(struct buffer *out, const struct info_subject *s)
{
    const struct policy_effect *effect = policy_effect_of_queue(s->queue);
    info_value_string(out, effect ? effect->policy : slice_str(""));
}

static void
put_operator_policy(struct buffer *out, const struct info_subject *s)
{
    const struct policy_effect *effect = policy_effect_of_queue(s->queue);
    info_value_string(out, effect ? effect->operator_policy : slice_str(""));
}

static void
put_effective_policy_definition(struct buffer *out, const struct info_subject *s)
{
    const struct policy_effect *effect = policy_effect_of_queue(s->queue);
    buffer_add_slice(out, effect ? effect->definition : slice_str("{}"));
}

/* ---- who ---- */

static void
put_pid_of(struct buffer *out, const struct info_subject *s, enum info_pid_kind kind, uint64_t id)
{
    info_pid_put(out, s->home->server, &(struct info_pid){.kind = kind, .id = id});
}

static void
put_pid(struct buffer *out, const struct info_subject *s)
{
    put_pid_of(out, s, INFO_PID_QUEUE, s->queue->id);
}

static void
put_owner_pid(struct buffer *out, const struct info_subject *s)
{
    if (s->queue->exclusive_owner)
        put_pid_of(out, s, INFO_PID_CONNECTION, s->queue->exclusive_owner);
    else
        info_value_none(out);
}

static void
put_exclusive(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, s->queue->exclusive_owner != 0);
}

/* The channel's end of a subscription of this shard. */
static const struct channel_consumer *
exclusive_consumer_of(const struct info_subject *s)
{
    const struct subscription *exclusive = s->figures ? s->figures->exclusive : NULL;
    return exclusive ? LIST_ENTRY((struct subscription *)(uintptr_t)exclusive, struct channel_consumer,
                                  subscription)
                     : NULL;
}

static void
put_exclusive_consumer_pid(struct buffer *out, const struct info_subject *s)
{
    const struct channel_consumer *c = exclusive_consumer_of(s);
    if (c)
        info_channel_put_pid(out, &(struct info_subject){.home = s->home, .channel = c->channel});
    else
        info_value_none(out);
}

static void
put_exclusive_consumer_tag(struct buffer *out, const struct info_subject *s)
{
    const struct channel_consumer *c = exclusive_consumer_of(s);
    info_value_string(out, c ? slice_of(c->tag, c->tag_size) : slice_str(""));
}

/* ---- messages ---- */

#define PUT_FIGURE(column, value)                                                                            \
    static void put_##column(struct buffer *out, const struct info_subject *s)                               \
    {                                                                                                        \
        const struct queue_figures *f = s->figures;                                                          \
        info_value_number(out, f ? (value) : 0);                                                             \
    }

PUT_FIGURE(messages_ready, f->ready)
PUT_FIGURE(messages_unacknowledged, f->unacked)
PUT_FIGURE(messages, f->ready + f->unacked)
PUT_FIGURE(messages_ready_ram, f->ready_in_memory)
PUT_FIGURE(messages_unacknowledged_ram, f->unacked)
PUT_FIGURE(messages_ram, f->ready_in_memory + f->unacked)
PUT_FIGURE(messages_persistent, f->persistent)
PUT_FIGURE(message_bytes, f->ready_bytes + f->unacked_bytes)
PUT_FIGURE(message_bytes_ready, f->ready_bytes)
PUT_FIGURE(message_bytes_unacknowledged, f->unacked_bytes)
PUT_FIGURE(message_bytes_ram, f->memory_bytes)
PUT_FIGURE(message_bytes_persistent, f->persistent_bytes)
PUT_FIGURE(disk_reads, f->disk_reads)
PUT_FIGURE(disk_writes, f->disk_writes)
PUT_FIGURE(consumers, f->consumers)
PUT_FIGURE(memory, f->memory)

static void
put_head_message_timestamp(struct buffer *out, const struct info_subject *s)
{
    if (s->figures && s->figures->has_head_timestamp)
        info_value_number(out, s->figures->head_timestamp);
    else
        info_value_none(out);
}

/* RabbitMQ measures for which part of the time a message would have been delivered at once; this is the
 * present moment (doc/compat.md). */
static void
put_consumer_capacity(struct buffer *out, const struct info_subject *s)
{
    if (!s->figures || s->figures->consumers == 0)
        buffer_add_str(out, "0");
    else
        buffer_add_str(out, s->figures->is_taken_at_once ? "1.0" : "0.0");
}

static void
put_consumer_utilisation(struct buffer *out, const struct info_subject *s)
{
    put_consumer_capacity(out, s);
}

/* ---- where ---- */

static void
put_state(struct buffer *out, const struct info_subject *s)
{
    info_value_text(out, "running");
}

static bool
is_quorum(const struct info_subject *s)
{
    return queue_def_target(s->queue) == POLICY_QUORUM;
}

static void
put_type(struct buffer *out, const struct info_subject *s)
{
    info_value_text(out, is_quorum(s) ? "quorum" : "classic");
}

/* A quorum queue has one member, this node. */
static void
put_leader(struct buffer *out, const struct info_subject *s)
{
    if (is_quorum(s))
        info_value_text(out, s->home->server->node->name);
    else
        info_value_none(out);
}

static void
put_members(struct buffer *out, const struct info_subject *s)
{
    if (is_quorum(s))
        info_value_words(out, slice_str(s->home->server->node->name));
    else
        info_value_none(out);
}

static void
put_online(struct buffer *out, const struct info_subject *s)
{
    put_members(out, s);
}

/* A queue without replicas has none of these. */

#define PUT_NO_REPLICAS(column)                                                                              \
    static void put_##column(struct buffer *out, const struct info_subject *s)                               \
    {                                                                                                        \
        info_value_none(out);                                                                                \
    }

PUT_NO_REPLICAS(slave_pids)
PUT_NO_REPLICAS(synchronised_slave_pids)
PUT_NO_REPLICAS(mirror_pids)
PUT_NO_REPLICAS(synchronised_mirror_pids)

/* ---- the walk ---- */

static void
info_queue_show(void *arg, void *item)
{
    struct info_query *q = arg;
    const struct queue_def *def = item;
    struct queue_figures figures;
    if (q->foreign ? !q->foreign[def->shard] : def->shard != q->home->index)
        return;
    struct info_subject s = {.queue = def};
    if (!q->foreign && def->runtime) {
        if (queue_is_deleting(def->runtime))
            return;
        queue_tally_figures(def->runtime, &figures);
        s.figures = &figures;
    }
    info_emit(q, &s);
}

static bool
info_queue_step(struct info_query *q)
{
    return cmap_walk(&q->found_vhost->queues, &q->position, info_queue_show, q);
}

static const struct info_column info_queue_columns[] = {INFO_QUEUE_COLUMNS(INFO_COLUMN_ROW){0}};

const struct info_kind info_queue_kind = {.columns = info_queue_columns,
                                          .is_per_vhost = true,
                                          .is_sharded = true,
                                          .passes = 1,
                                          .step = info_queue_step};
