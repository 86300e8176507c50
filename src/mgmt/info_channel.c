/* Channels: those of a connection in the order of their numbers, where a walk can go on whatever was opened
 * or closed. */
/* exports: info_channel_next */
#include "mgmt/info_channel.h"

#include "mgmt/info.h"
#include "mgmt/info_pid.h"
#include "mgmt/info_value.h"
#include "server/channel.h"

#include <inttypes.h>

void
info_channel_put_pid(struct buffer *out, const struct info_subject *s)
{
    info_pid_put(out, s->home->server,
                 &(struct info_pid){.kind = INFO_PID_CHANNEL,
                                    .id = s->channel->connection->id,
                                    .channel = s->channel->number});
}

static void
put_pid(struct buffer *out, const struct info_subject *s)
{
    info_channel_put_pid(out, s);
}

static void
put_connection(struct buffer *out, const struct info_subject *s)
{
    info_pid_put(out, s->home->server,
                 &(struct info_pid){.kind = INFO_PID_CONNECTION, .id = s->channel->connection->id});
}

static void
put_name(struct buffer *out, const struct info_subject *s)
{
    char name[2 * NET_ADDR_TEXT_SIZE + 8];
    buffer_add_fmt(out, "\"%s (%u)\"", connection_name(s->channel->connection, name), s->channel->number);
}

static void
put_user(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, intern_slice(s->channel->connection->user));
}

static void
put_vhost(struct buffer *out, const struct info_subject *s)
{
    const struct vhost *v = s->channel->connection->vhost;
    info_value_string(out, slice_of(v->name, v->name_size));
}

static void
put_transactional(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, s->channel->tx != NULL);
}

static void
put_confirm(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, s->channel->confirm != NULL);
}

#define PUT_NUMBER(column, value)                                                                            \
    static void put_##column(struct buffer *out, const struct info_subject *s)                               \
    {                                                                                                        \
        const struct channel *ch = s->channel;                                                               \
        info_value_number(out, (value));                                                                     \
    }

PUT_NUMBER(number, ch->number)
PUT_NUMBER(consumer_count, ch->consumers ? idmap_count(ch->consumers) : 0)
PUT_NUMBER(messages_unacknowledged, unacked_count(ch->unacked))
PUT_NUMBER(messages_uncommitted, ch->tx ? ch->tx->publish_count : 0)
PUT_NUMBER(acks_uncommitted, ch->tx ? ch->tx->settle_count : 0)
PUT_NUMBER(messages_unconfirmed, ch->confirm ? confirm_outstanding(&ch->confirm->confirm) : 0)
PUT_NUMBER(prefetch_count, ch->prefetch)
PUT_NUMBER(global_prefetch_count, ch->global_prefetch)

const struct channel *
info_channel_next(const struct connection *c, uint64_t number)
{
    if (!c->channels)
        return c->channel && c->channel->number >= number ? c->channel : NULL;
    if (idmap_count(c->channels) == 0)
        return NULL;
    for (; number <= UINT16_MAX; number++) {
        const struct channel *ch = idmap_get(c->channels, number);
        if (ch)
            return ch;
    }
    return NULL;
}

static bool
info_channel_step(struct info_query *q)
{
    const struct connection *c = info_connection_at(q);
    if (!c)
        return false;
    const struct channel *ch = q->is_current_due ? info_channel_next(c, q->inner) : NULL;
    if (!ch) {
        info_connection_pass(q);
        return true;
    }
    q->inner = ch->number + 1u;
    if (ch->state != CHANNEL_CLOSING)
        info_emit(q, &(struct info_subject){.channel = ch});
    return true;
}

static const struct info_column info_channel_columns[] = {INFO_CHANNEL_COLUMNS(INFO_COLUMN_ROW){0}};

const struct info_kind info_channel_kind = {
    .columns = info_channel_columns, .is_sharded = true, .passes = 2, .step = info_channel_step};
