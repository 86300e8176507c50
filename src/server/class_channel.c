/*
 * channel.open, close, flow. A channel's number is free again as soon as close-ok has been sent or has come;
 * answers that were meant for the old channel carry its serial and find nothing.
 */
#include "server/class.h"
#include "server/session_event.h"

void
class_channel_open(struct connection *c, uint16_t number, struct slice payload)
{
    struct amqp_channel_open m;
    struct channel *ch = channel_new(c, number);
    if (channel_decode_failed(ch, AMQP_CHANNEL_OPEN, amqp_decode_channel_open(payload, &m)))
        return;
    session_event_channel_created(ch);
    struct amqp_channel_open_ok ok = {0};
    CONNECTION_SEND(c, amqp_size_channel_open_ok(&ok), amqp_encode_channel_open_ok(out, number, &ok));
}

static void
class_channel_flow(struct channel *ch, struct slice payload)
{
    struct amqp_channel_flow m;
    if (channel_decode_failed(ch, AMQP_CHANNEL_FLOW, amqp_decode_channel_flow(payload, &m)))
        return;
    if (!m.active) {
        channel_fail(ch, AMQP_REPLY_NOT_IMPLEMENTED, AMQP_CHANNEL_FLOW, "active=false");
        return;
    }
    struct amqp_channel_flow_ok ok = {.active = true};
    CONNECTION_SEND(ch->connection, AMQP_CHANNEL_FLOW_OK_SIZE_MAX,
                    amqp_encode_channel_flow_ok(out, ch->number, &ok));
}

static void
class_channel_close(struct channel *ch, struct slice payload)
{
    struct amqp_channel_close m;
    if (channel_decode_failed(ch, AMQP_CHANNEL_CLOSE, amqp_decode_channel_close(payload, &m)))
        return;
    struct connection *c = ch->connection;
    uint16_t number = ch->number;
    channel_free(ch);
    CONNECTION_SEND(c, AMQP_CHANNEL_CLOSE_OK_SIZE_MAX, amqp_encode_channel_close_ok(out, number));
}

void
class_channel_method(struct channel *ch, uint32_t method, struct slice payload)
{
    switch (method) {
    case AMQP_CHANNEL_OPEN:
        channel_fail(ch, AMQP_REPLY_CHANNEL_ERROR, method, "second 'channel.open' seen");
        break;
    case AMQP_CHANNEL_FLOW: class_channel_flow(ch, payload); break;
    case AMQP_CHANNEL_CLOSE: class_channel_close(ch, payload); break;
    default: channel_fail(ch, AMQP_REPLY_COMMAND_INVALID, method, "unimplemented method"); break;
    }
}
