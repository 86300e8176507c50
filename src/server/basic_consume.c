/*
 * basic.consume and basic.cancel. A consumer is known by its tag, which the client chooses or the server
 * makes up; the queue knows its subscription. The ok is sent when the queue has answered, so it stands before
 * the first delivery, and after a cancel-ok no delivery follows.
 */
/* exports: basic_cancel basic_cancel_ basic_consumer_ basic_make_tag */
#include "base/base64url.h"
#include "base/check.h"
#include "base/hash.h"
#include "broker/equivalence.h"
#include "broker/queue_args.h"
#include "broker/reply.h"
#include "broker/vhost.h"
#include "io/random.h"
#include "server/class.h"
#include "server/session_event.h"
#include "wire/table.h"

#include <stdlib.h>

enum { CONSUMER_TAG_RANDOM = 16 };

/* ---- the table of tags ---- */

static uint64_t
basic_tag_hash(struct slice tag)
{
    uint64_t hash = hash_bytes(tag);
    return hash ? hash : 1;
}

struct channel_consumer *
basic_consumer_find(struct channel *ch, struct slice tag)
{
    struct channel_consumer *consumer = ch->consumers ? idmap_get(ch->consumers, basic_tag_hash(tag)) : NULL;
    while (consumer && !slice_eq(slice_of(consumer->tag, consumer->tag_size), tag))
        consumer = consumer->next;
    return consumer;
}

static struct channel_consumer *
basic_consumer_new(struct channel *ch, struct slice tag, struct slice arguments)
{
    if (arguments.len > CHANNEL_ARGUMENTS_MAX)
        arguments.len = 0;
    struct channel_consumer *consumer = calloc(1, sizeof *consumer + tag.len + arguments.len);
    CHECK(consumer);
    consumer->channel = ch;
    consumer->prefetch_count = ch->prefetch;
    consumer->tag_size = (uint8_t)tag.len;
    memcpy(consumer->tag, tag.data, tag.len);
    consumer->arguments_size = (uint16_t)arguments.len;
    if (arguments.len)
        memcpy(consumer->tag + tag.len, arguments.data, arguments.len);
    if (!ch->consumers) {
        ch->consumers = calloc(1, sizeof *ch->consumers);
        CHECK(ch->consumers);
    }
    consumer->next = idmap_put(ch->consumers, basic_tag_hash(tag), consumer);
    return consumer;
}

/* Once, and while an auto-delete queue is still there. */
static void
basic_consumer_tell_end(struct channel_consumer *consumer)
{
    if (consumer->is_consuming)
        session_event_consumer_deleted(consumer);
    consumer->is_consuming = false;
}

void
basic_consumer_free(struct channel_consumer *consumer)
{
    struct channel *ch = consumer->channel;
    uint64_t hash = basic_tag_hash(slice_of(consumer->tag, consumer->tag_size));
    struct channel_consumer *first = idmap_get(ch->consumers, hash);
    if (first != consumer) {
        while (first->next != consumer)
            first = first->next;
        first->next = consumer->next;
    } else if (consumer->next) {
        idmap_put(ch->consumers, hash, consumer->next);
    } else {
        idmap_remove(ch->consumers, hash);
    }
    basic_consumer_tell_end(consumer);
    courier_forget(ch->connection->home->broker, &consumer->subscription);
    free(consumer);
}

static struct channel_consumer *
basic_consumer_any(struct channel *ch)
{
    size_t cursor = 0;
    return ch->consumers ? idmap_next(ch->consumers, &cursor, NULL) : NULL;
}

void
basic_consumer_free_all(struct channel *ch)
{
    for (struct channel_consumer *consumer; (consumer = basic_consumer_any(ch));)
        basic_consumer_free(consumer);
    if (ch->consumers)
        idmap_fini(ch->consumers);
    free(ch->consumers);
    ch->consumers = NULL;
}

void
basic_consumer_share_prefetch(struct channel *ch, bool is_shared)
{
    size_t cursor = 0;
    for (struct channel_consumer *consumer;
         ch->consumers && (consumer = idmap_next(ch->consumers, &cursor, NULL));)
        for (; consumer; consumer = consumer->next)
            if (!consumer->is_quorum)
                courier_set_global_prefetch(ch->connection->home->broker, &consumer->subscription, is_shared);
}

void
basic_consumer_resume_all(struct channel *ch)
{
    size_t cursor = 0;
    struct broker *b = ch->connection->home->broker;
    if (!ch->has_stalled)
        return;
    ch->has_stalled = false; /* who still has no room sets it anew */
    for (struct channel_consumer *consumer;
         ch->consumers && (consumer = idmap_next(ch->consumers, &cursor, NULL));) {
        for (; consumer; consumer = consumer->next) {
            delivery_pay(consumer);
            if (consumer->subscription.stalled || consumer->subscription.grant_owed)
                courier_resume(b, &consumer->subscription);
        }
    }
}

/* ---- consume ---- */

struct slice
basic_make_tag(struct connection *c, char out[64])
{
    static const char prefix[] = "amq.ctag-";
    uint8_t random[CONSUMER_TAG_RANDOM];
    random_bytes(shards_world(shard_all(c->home->shard)), random, sizeof random);
    memcpy(out, prefix, sizeof prefix - 1);
    return slice_of(out, sizeof prefix - 1 +
                             base64url_encode(out + sizeof prefix - 1, slice_of(random, sizeof random)));
}

/* False: failed. */
static bool
basic_consume_arguments_ok(struct channel *ch, const struct queue_def *q, struct slice arguments)
{
    char what[EQUIVALENCE_NAME_MAX], text[REPLY_TEXT_SIZE];
    if (arguments.len == 0)
        return true;
    equivalence_name(what, "queue", queue_def_name(q), slice_of(q->vhost->name, q->vhost->name_size));
    uint16_t code = queue_args_check_consume(arguments, queue_def_target(q), what, text);
    if (code)
        channel_fail_text(ch, code, AMQP_BASIC_CONSUME, text);
    return code == 0;
}

static int64_t
basic_consume_priority(struct slice arguments)
{
    struct table_value v;
    return table_find_str(arguments, "x-priority", &v) ? v.integer : 0;
}

static bool
basic_consume_allowed(struct channel *ch, struct amqp_basic_consume *m)
{
    if (basic_consumer_find(ch, m->consumer_tag) ||
        (ch->reply_consumer && m->consumer_tag.len &&
         slice_eq(m->consumer_tag, slice_of(ch->reply_consumer->tag, ch->reply_consumer->tag_size)))) {
        channel_fail(ch, AMQP_REPLY_NOT_ALLOWED, AMQP_BASIC_CONSUME, "attempt to reuse consumer tag '%.*s'",
                     SLICE_FMT(m->consumer_tag));
        return false;
    }
    uint32_t max = ch->connection->home->broker->node->limits.consumers_per_channel_max;
    if (max && ch->consumers && idmap_count(ch->consumers) >= max) {
        channel_fail(ch, AMQP_REPLY_NOT_ALLOWED, AMQP_BASIC_CONSUME,
                     "reached maximum (%u) of consumers per channel", max);
        return false;
    }
    return true;
}

enum verdict
basic_consume(struct channel *ch, struct slice payload)
{
    struct amqp_basic_consume m;
    struct connection *c = ch->connection;
    if (channel_decode_failed(ch, AMQP_BASIC_CONSUME, amqp_decode_basic_consume(payload, &m)))
        return VERDICT_DONE;
    if (replyto_is_name(m.queue)) {
        if (basic_consume_allowed(ch, &m))
            direct_reply_consume(ch, &m);
        return VERDICT_DONE;
    }
    if (!channel_queue_name(ch, AMQP_BASIC_CONSUME, &m.queue) || !basic_consume_allowed(ch, &m) ||
        !channel_may(ch, AMQP_BASIC_CONSUME, PERMISSION_READ, "queue", m.queue))
        return VERDICT_DONE;
    const struct queue_def *q = channel_queue(ch, AMQP_BASIC_CONSUME, m.queue);
    if (!q || !quorum_may_consume(ch, q) || !basic_consume_arguments_ok(ch, q, m.arguments))
        return VERDICT_DONE;
    if (connection_move(c, q->shard))
        return VERDICT_NOT_YET;
    char made[64];
    struct slice tag = m.consumer_tag.len ? m.consumer_tag : basic_make_tag(c, made);
    struct channel_consumer *consumer = basic_consumer_new(ch, tag, m.arguments);
    consumer->is_exclusive = m.exclusive;
    consumer->is_quorum = quorum_is(q);
    struct consumer_options options = {
        .tag = tag,
        .arguments = m.arguments,
        .prefetch_count = ch->prefetch,
        .no_ack = m.no_ack,
        .exclusive = m.exclusive,
        .global_prefetch = ch->global_prefetch != 0,
        .priority = basic_consume_priority(m.arguments),
        .connection_id = c->id,
    };
    struct parked_op *op = channel_op(ch, AMQP_BASIC_CONSUME, tag, m.nowait);
    courier_consume(c->home->broker, q, &consumer->subscription, &options, channel_ref_of(ch), op->number);
    return VERDICT_DONE;
}

void
basic_consume_replied(struct channel *ch, struct parked_op *op, struct op_reply *r)
{
    struct slice tag = slice_of(op->name, op->name_size);
    struct channel_consumer *consumer = basic_consumer_find(ch, tag);
    if (r->code && consumer) {
        basic_consumer_free(consumer);
    } else if (consumer) {
        consumer->is_consuming = true;
        session_event_consumer_created(ch, consumer);
    }
    if (r->code || op->nowait)
        return;
    struct amqp_basic_consume_ok ok = {.consumer_tag = tag};
    CONNECTION_SEND(ch->connection, AMQP_BASIC_CONSUME_OK_SIZE_MAX,
                    amqp_encode_basic_consume_ok(out, ch->number, &ok));
}

/* ---- cancel ---- */

static void
basic_cancel_ok(struct channel *ch, struct slice tag, bool nowait)
{
    struct amqp_basic_cancel_ok ok = {.consumer_tag = tag};
    if (!nowait)
        CONNECTION_SEND(ch->connection, AMQP_BASIC_CANCEL_OK_SIZE_MAX,
                        amqp_encode_basic_cancel_ok(out, ch->number, &ok));
}

void
basic_cancel(struct channel *ch, struct slice payload)
{
    struct amqp_basic_cancel m;
    if (channel_decode_failed(ch, AMQP_BASIC_CANCEL, amqp_decode_basic_cancel(payload, &m)) ||
        direct_reply_cancel(ch, m.consumer_tag, m.nowait))
        return;
    struct channel_consumer *consumer = basic_consumer_find(ch, m.consumer_tag);
    if (!consumer) { /* the specification wants an unknown tag to be answered like any other */
        basic_cancel_ok(ch, m.consumer_tag, m.nowait);
        return;
    }
    basic_consumer_tell_end(consumer);
    struct parked_op *op = channel_op(ch, AMQP_BASIC_CANCEL, m.consumer_tag, m.nowait);
    courier_cancel(ch->connection->home->broker, &consumer->subscription, channel_ref_of(ch), op->number);
}

void
basic_cancel_replied(struct channel *ch, struct parked_op *op)
{
    struct slice tag = slice_of(op->name, op->name_size);
    struct channel_consumer *consumer = basic_consumer_find(ch, tag);
    if (consumer)
        basic_consumer_free(consumer);
    basic_cancel_ok(ch, tag, op->nowait);
}
