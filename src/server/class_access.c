/* access.request: a relic. Every ticket is 1 and nobody looks at it. */
#include "server/class.h"

void
class_access_method(struct channel *ch, uint32_t method, struct slice payload)
{
    struct amqp_access_request m;
    if (method != AMQP_ACCESS_REQUEST) {
        channel_fail(ch, AMQP_REPLY_COMMAND_INVALID, method, "unimplemented method");
        return;
    }
    if (channel_decode_failed(ch, method, amqp_decode_access_request(payload, &m)))
        return;
    struct amqp_access_request_ok ok = {.ticket = 1};
    CONNECTION_SEND(ch->connection, AMQP_ACCESS_REQUEST_OK_SIZE_MAX,
                    amqp_encode_access_request_ok(out, ch->number, &ok));
}
