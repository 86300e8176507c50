/* Methods on channel 0: the handshake's before RUNNING, then close, close-ok and update-secret. */
#include "server/connection.h"
#include "server/handshake.h"

static void
class_connection_update_secret(struct connection *c, struct slice payload)
{
    struct amqp_connection_update_secret m;
    enum err err = amqp_decode_connection_update_secret(payload, &m);
    if (err) {
        connection_fail(c, AMQP_REPLY_FRAME_ERROR, AMQP_CONNECTION_UPDATE_SECRET, "%s", err_text(err));
        return;
    }
    /* RabbitMQ's internal backend has no secrets that expire, and takes any */
    CONNECTION_SEND(c, AMQP_CONNECTION_UPDATE_SECRET_OK_SIZE_MAX,
                    amqp_encode_connection_update_secret_ok(out, 0));
}

void
class_connection_method(struct connection *c, struct slice payload)
{
    uint32_t method = amqp_method_id(payload);
    struct amqp_connection_close close;
    if (c->state >= CONNECTION_CLOSING) {
        if (method == AMQP_CONNECTION_CLOSE)
            connection_close_requested(c);
        else if (method == AMQP_CONNECTION_CLOSE_OK)
            connection_close_confirmed(c);
    } else if (c->state != CONNECTION_RUNNING) {
        handshake_method(c, method, payload);
    } else if (method == AMQP_CONNECTION_CLOSE) {
        if (amqp_decode_connection_close(payload, &close))
            connection_fail(c, AMQP_REPLY_FRAME_ERROR, method, "malformed method");
        else
            connection_close_requested(c);
    } else if (method == AMQP_CONNECTION_UPDATE_SECRET) {
        class_connection_update_secret(c, payload);
    } else {
        connection_fail(c, AMQP_REPLY_CHANNEL_ERROR, method, "unexpected method in connection state %s",
                        connection_state_name(c));
    }
}
