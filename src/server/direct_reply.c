/*
 * Direct reply-to: a channel that consumes from "amq.rabbitmq.reply-to" has a pseudo-queue. Its address
 * travels in the reply-to property of its requests; whoever publishes to the default exchange with that
 * address as key reaches the channel, on whatever shard it is. Nothing is stored, nothing is acknowledged; a
 * channel that is gone or whose consumer was canceled takes no notice.
 *
 * queue.declare of an address asks whether anybody is there. The question goes to the channel's shard as mail
 * and comes back.
 */
#include "base/check.h"
#include "broker/message.h"
#include "broker/vhost.h"
#include "io/random.h"
#include "server/class.h"

#include <stdio.h>
#include <stdlib.h>

bool
direct_reply_is_pseudo_queue(struct slice name)
{
    return slice_starts_with(name, REPLYTO_NAME);
}

/* ---- consume and cancel ---- */

void
direct_reply_consume(struct channel *ch, const struct amqp_basic_consume *m)
{
    struct connection *c = ch->connection;
    if (!m->no_ack || ch->reply_consumer) {
        channel_fail(ch, AMQP_REPLY_PRECONDITION_FAILED, AMQP_BASIC_CONSUME, "%s",
                     !m->no_ack ? "reply consumer cannot acknowledge" : "reply consumer already set");
        return;
    }
    char made[64];
    struct slice tag = m->consumer_tag.len ? m->consumer_tag : basic_make_tag(c, made);
    struct channel_reply_consumer *consumer = malloc(sizeof *consumer + tag.len);
    CHECK(consumer);
    random_bytes(shards_world(shard_all(c->home->shard)), &consumer->key, sizeof consumer->key);
    consumer->tag_size = (uint8_t)tag.len;
    memcpy(consumer->tag, tag.data, tag.len);
    ch->reply_consumer = consumer;
    c->flags |= CONNECTION_SETTLED; /* its address is known outside */
    if (m->nowait)
        return;
    struct amqp_basic_consume_ok ok = {.consumer_tag = tag};
    CONNECTION_SEND(c, AMQP_BASIC_CONSUME_OK_SIZE_MAX, amqp_encode_basic_consume_ok(out, ch->number, &ok));
}

bool
direct_reply_cancel(struct channel *ch, struct slice tag, bool nowait)
{
    struct channel_reply_consumer *consumer = ch->reply_consumer;
    if (!consumer || !slice_eq(tag, slice_of(consumer->tag, consumer->tag_size)))
        return false;
    direct_reply_release(ch);
    struct amqp_basic_cancel_ok ok = {.consumer_tag = tag};
    if (!nowait)
        CONNECTION_SEND(ch->connection, AMQP_BASIC_CANCEL_OK_SIZE_MAX,
                        amqp_encode_basic_cancel_ok(out, ch->number, &ok));
    return true;
}

void
direct_reply_release(struct channel *ch)
{
    free(ch->reply_consumer);
    ch->reply_consumer = NULL;
}

/* ---- replies ---- */

bool
direct_reply_address(struct channel *ch, char out[REPLYTO_ADDRESS_SIZE])
{
    if (!ch->reply_consumer)
        return false;
    replyto_encode(out, channel_ref_of(ch), ch->reply_consumer->key);
    return true;
}

static struct channel *
direct_reply_find(struct server_shard *home, struct channel_ref to, uint64_t key)
{
    struct channel *ch = channel_by_ref(home, to);
    return ch && ch->state == CHANNEL_OPEN && ch->reply_consumer && ch->reply_consumer->key == key ? ch
                                                                                                   : NULL;
}

/* A client that does not read its replies loses those beyond the output's bound: nobody could hold them back.
 */
void
direct_reply_deliver(void *server, struct channel_ref to, uint64_t key, struct message *m)
{
    struct server_shard *home = server;
    struct channel *ch = direct_reply_find(home, to, key);
    if (!ch)
        return;
    struct connection *c = ch->connection;
    if (c->out && c->out->bytes > home->server->config.limits.output_max_bytes)
        return;
    struct amqp_basic_deliver deliver = {
        .consumer_tag = slice_of(ch->reply_consumer->tag, ch->reply_consumer->tag_size),
        .delivery_tag = delivery_tag(ch, NULL, true),
        .exchange = message_exchange(m),
        .routing_key = message_routing_key(m),
    };
    struct delivery_content content = delivery_content_of(m);
    uint8_t *out = delivery_begin(c, amqp_size_basic_deliver(&deliver), &content);
    delivery_end(ch, out, amqp_encode_basic_deliver(out, ch->number, &deliver), &content);
}

/* ---- is anybody there? ---- */

struct reply_question {
    struct channel_ref from, to;
    uint64_t key;
    uint32_t op;
    bool is_answered, exists;
};

static void
direct_reply_declared(struct channel *ch, struct parked_op *op, bool exists)
{
    op->consumer_count = 1;
    if (!exists) {
        char text[AMQP_REPLY_TEXT_SIZE];
        snprintf(text, sizeof text, "no queue '%s' in vhost '%s'", op->name, ch->connection->vhost->name);
        channel_op_refuse(op, AMQP_REPLY_NOT_FOUND, text);
    }
    channel_op_done(ch, op);
}

void
direct_reply_declare(struct channel *ch, const struct amqp_queue_declare *m)
{
    struct server_shard *home = ch->connection->home;
    struct parked_op *op = channel_op(ch, AMQP_QUEUE_DECLARE, m->queue, m->nowait);
    struct channel_ref to;
    uint64_t key;
    if (replyto_is_name(m->queue) || !replyto_decode(m->queue, home->server->shard_count, &to, &key)) {
        direct_reply_declared(ch, op, replyto_is_name(m->queue));
        return;
    }
    if (to.shard == home->index) {
        direct_reply_declared(ch, op, direct_reply_find(home, to, key) != NULL);
        return;
    }
    struct reply_question *q = malloc(sizeof *q);
    CHECK(q);
    *q = (struct reply_question){.from = channel_ref_of(ch), .to = to, .key = key, .op = op->number};
    shard_post(home->shard, to.shard, SHARD_LANE_RESERVED,
               &(struct mail){.type = MAIL_SERVER + SERVER_MAIL_REPLY_QUESTION, .p = q});
}

void
direct_reply_on_mail(struct server_shard *home, const struct mail *mail)
{
    struct reply_question *q = mail->p;
    if (!q->is_answered) {
        q->is_answered = true;
        q->exists = direct_reply_find(home, q->to, q->key) != NULL;
        shard_post(home->shard, q->from.shard, SHARD_LANE_RESERVED, mail);
        return;
    }
    struct channel *ch = channel_by_ref(home, q->from);
    struct parked_op *op = ch ? parked_op_find(ch->parked, q->op) : NULL;
    bool exists = q->exists;
    free(q);
    if (op)
        direct_reply_declared(ch, op, exists);
}
