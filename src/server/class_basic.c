/* Class basic: who handles which method, and basic.qos. */
#include "server/class.h"

/*
 * RabbitMQ's reading of basic.qos: without `global` a limit for each consumer that starts later; with it a
 * limit that all consumers of the channel share. Any qos without `global` ends a shared limit. It does not
 * reach consumers of quorum queues, which refuse to begin under one (quorum_may_consume()).
 */
static void
basic_qos(struct channel *ch, struct slice payload)
{
    struct amqp_basic_qos m;
    if (channel_decode_failed(ch, AMQP_BASIC_QOS, amqp_decode_basic_qos(payload, &m)))
        return;
    if (m.prefetch_size != 0) {
        channel_fail(ch, AMQP_REPLY_NOT_IMPLEMENTED, AMQP_BASIC_QOS, "prefetch_size!=0 (%u)",
                     m.prefetch_size);
        return;
    }
    if (!m.global)
        ch->prefetch = m.prefetch_count;
    ch->global_prefetch = m.global ? m.prefetch_count : 0;
    basic_consumer_share_prefetch(ch, ch->global_prefetch != 0);
    CONNECTION_SEND(ch->connection, AMQP_BASIC_QOS_OK_SIZE_MAX, amqp_encode_basic_qos_ok(out, ch->number));
    basic_consumer_resume_all(ch);
}

enum verdict
class_basic_method(struct channel *ch, uint32_t method, struct slice payload)
{
    switch (method) {
    case AMQP_BASIC_PUBLISH: return basic_publish_method(ch, payload);
    case AMQP_BASIC_ACK: basic_ack(ch, payload); break;
    case AMQP_BASIC_NACK: basic_nack(ch, payload); break;
    case AMQP_BASIC_REJECT: basic_reject(ch, payload); break;
    case AMQP_BASIC_GET: basic_get(ch, payload); break;
    case AMQP_BASIC_CONSUME: return basic_consume(ch, payload);
    case AMQP_BASIC_CANCEL: basic_cancel(ch, payload); break;
    case AMQP_BASIC_QOS: basic_qos(ch, payload); break;
    case AMQP_BASIC_RECOVER:
    case AMQP_BASIC_RECOVER_ASYNC: basic_recover(ch, method, payload); break;
    default: channel_fail(ch, AMQP_REPLY_COMMAND_INVALID, method, "unimplemented method"); break;
    }
    return VERDICT_DONE;
}
