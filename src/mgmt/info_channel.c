/*
 * Channels: those of a connection in the order of their numbers, where a walk can go on whatever was opened
 * or closed. Numbers may be anything up to 65535: which there are is noted when the walk comes to the
 * connection, as bits, so that two channels with a great gap between them do not cost a look at all in it.
 */
/* exports: info_channel_next */
#include "mgmt/info_channel.h"

#include "base/check.h"
#include "mgmt/info.h"
#include "mgmt/info_pid.h"
#include "mgmt/info_value.h"
#include "server/channel.h"

#include <stdlib.h>
#include <string.h>

enum { CHANNEL_NUMBERS = UINT16_MAX + 1, CHANNEL_WORDS = CHANNEL_NUMBERS / 64 };

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

/* ---- the walk ---- */

static void
note_channel(void *arg, uint64_t number, void *channel)
{
    uint64_t *bits = arg;
    bits[number / 64] |= UINT64_C(1) << number % 64;
}

static void
note_channels(struct info_query *q, const struct connection *c)
{
    if (!q->channel_bits)
        CHECK(q->channel_bits = malloc(CHANNEL_WORDS * sizeof *q->channel_bits));
    memset(q->channel_bits, 0, CHANNEL_WORDS * sizeof *q->channel_bits);
    if (c->channels)
        idmap_foreach(c->channels, note_channel, q->channel_bits);
    else if (c->channel)
        note_channel(q->channel_bits, c->channel->number, c->channel);
}

/* The lowest number noted from `from` on, or CHANNEL_NUMBERS. */
static uint64_t
noted_from(const uint64_t *bits, uint64_t from)
{
    for (uint64_t word = from / 64; word < CHANNEL_WORDS; word++) {
        uint64_t here = bits[word] & (word == from / 64 ? UINT64_MAX << from % 64 : UINT64_MAX);
        if (here)
            return word * 64 + (uint64_t)__builtin_ctzll(here);
    }
    return CHANNEL_NUMBERS;
}

/* As channel_find(), which would change what the connection remembers. */
static const struct channel *
channel_numbered(const struct connection *c, uint64_t number)
{
    if (c->channels)
        return idmap_get(c->channels, number);
    return c->channel && c->channel->number == number ? c->channel : NULL;
}

const struct channel *
info_channel_next(struct info_query *q, const struct connection *c)
{
    if (q->inner == 0)
        note_channels(q, c);
    for (q->inner += q->inner == 0; q->inner < CHANNEL_NUMBERS; q->inner++) {
        q->inner = noted_from(q->channel_bits, q->inner);
        const struct channel *ch = channel_numbered(c, q->inner);
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
    const struct channel *ch = q->is_current_due ? info_channel_next(q, c) : NULL;
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
