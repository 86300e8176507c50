/*
 * confirm.select, and what it leads to: broker/confirm.h counts and collects; at the end of the turn each
 * channel with news sends its acks and nacks, one `multiple` where the order allows.
 */
#include "base/check.h"
#include "server/class.h"

#include <stdlib.h>

void
class_confirm_method(struct channel *ch, uint32_t method, struct slice payload)
{
    struct amqp_confirm_select m;
    if (method != AMQP_CONFIRM_SELECT) {
        channel_fail(ch, AMQP_REPLY_COMMAND_INVALID, method, "unimplemented method");
        return;
    }
    if (channel_decode_failed(ch, method, amqp_decode_confirm_select(payload, &m)))
        return;
    if (ch->tx) {
        channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, method, "cannot switch from tx to confirm mode");
        return;
    }
    if (!ch->confirm) {
        ch->confirm = calloc(1, sizeof *ch->confirm);
        CHECK(ch->confirm);
        ch->confirm->channel = ch;
    }
    if (!m.nowait)
        CONNECTION_SEND(ch->connection, AMQP_CONFIRM_SELECT_OK_SIZE_MAX,
                        amqp_encode_confirm_select_ok(out, ch->number));
}

static void
class_confirm_emit(void *arg, uint64_t seq, bool multiple, bool nack)
{
    struct channel *ch = arg;
    struct connection *c = ch->connection;
    if (nack) {
        struct amqp_basic_nack m = {.delivery_tag = seq, .multiple = multiple};
        CONNECTION_SEND(c, AMQP_BASIC_NACK_SIZE_MAX, amqp_encode_basic_nack(out, ch->number, &m));
    } else {
        struct amqp_basic_ack m = {.delivery_tag = seq, .multiple = multiple};
        CONNECTION_SEND(c, AMQP_BASIC_ACK_SIZE_MAX, amqp_encode_basic_ack(out, ch->number, &m));
    }
}

void
class_confirm_flush(struct channel *ch)
{
    if (!ch->confirm)
        return;
    list_remove(&ch->confirm->node);
    if (confirm_has_news(&ch->confirm->confirm) && ch->state != CHANNEL_CLOSING)
        confirm_flush(&ch->confirm->confirm, class_confirm_emit, ch);
}

void
class_confirm_flush_all(struct server_shard *home)
{
    while (!list_is_empty(&home->confirming))
        class_confirm_flush(LIST_ENTRY(home->confirming.next, struct channel_confirm, node)->channel);
}

void
class_confirm_release(struct channel *ch)
{
    if (!ch->confirm)
        return;
    list_remove(&ch->confirm->node);
    confirm_fini(&ch->confirm->confirm);
    free(ch->confirm);
    ch->confirm = NULL;
}

void
class_confirm_answered(void *server, struct channel_ref to, uint64_t first, uint64_t last, bool nack)
{
    struct server_shard *home = server;
    struct channel *ch = channel_by_ref(home, to);
    if (!ch)
        return;
    if (ch->tx) {
        class_tx_answered(ch, first, last,
                          nack); /* what was parked behind the commit may close the channel */
        return;
    }
    if (!ch->confirm)
        return;
    confirm_answered(&ch->confirm->confirm, first, last, nack);
    if (confirm_has_news(&ch->confirm->confirm) && !list_is_linked(&ch->confirm->node))
        list_push_back(&home->confirming, &ch->confirm->node);
}
