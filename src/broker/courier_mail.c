/*
 * Mail to function, one table: what arrives in the courier's range. courier_impl.h says what each kind
 * carries.
 */
#include "base/check.h"
#include "broker/alarm.h"
#include "broker/courier_impl.h"
#include "broker/durability.h"
#include "broker/message.h"
#include "broker/meta.h"
#include "broker/queue_log.h"
#include "broker/recent_history.h"

#include <stdlib.h>

static struct courier_op
mail_op(const struct mail *m)
{
    return (struct courier_op){
        .from = mail_channel(m, m->from), .number = m->u32, .flags = (uint16_t)m->c, .queue_id = m->a};
}

/* ---- data lane ---- */

static enum queue_pushed
push_from_afar(struct broker *b, uint64_t queue_id, struct message **m, uint64_t tx)
{
    struct queue *q = courier_queue(b, queue_id);
    if (q || (q = queue_get(b, queue_id)))
        return queue_push(q, m, tx);
    message_drop(b, m); /* deleted meanwhile: done, as in RabbitMQ */
    return QUEUE_TAKEN;
}

static uint64_t
mail_tx(const struct mail *m)
{
    return m->c & COURIER_IN_TX ? courier_tx_id(mail_channel(m, m->from), m->d) : 0;
}

/* The answers for so many queues, now or when the log is through. */
static void
answer_publish(struct broker *b, const struct mail *m, const uint32_t of[QUEUE_LOGGED + 1])
{
    if (!m->d)
        return;
    courier_confirm(b, mail_channel(m, m->from), m->d, false, of[QUEUE_TAKEN]);
    courier_confirm(b, mail_channel(m, m->from), m->d, true, of[QUEUE_REFUSED]);
    if (of[QUEUE_LOGGED])
        b->log->ops->confirm(b->log, mail_channel(m, m->from), m->d, of[QUEUE_LOGGED]);
}

static void
on_publish(struct broker *b, const struct mail *m)
{
    struct message *message = m->p;
    uint32_t of[QUEUE_LOGGED + 1] = {0};
    of[push_from_afar(b, m->a, &message, mail_tx(m))] = 1;
    answer_publish(b, m, of);
}

static void
on_publish_many(struct broker *b, const struct mail *m)
{
    struct message *message = m->p;
    uint32_t count, of[QUEUE_LOGGED + 1] = {0};
    const uint64_t *queues = message_numbers(message, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct message *held = message;
        message_hold(held);
        of[push_from_afar(b, queues[i], &held, mail_tx(m))]++;
    }
    message_drop(b, &message);
    answer_publish(b, m, of);
}

static void
on_direct_reply(struct broker *b, const struct mail *m)
{
    struct message *message = m->p;
    b->effects->direct_reply(b->server, mail_channel(m, (uint16_t)b->index), m->a, message);
    message_drop(b, &message);
}

/* ---- reserved lane ---- */

static void
on_history(struct broker *b, const struct mail *m)
{
    struct message *message = m->p;
    recent_history_store(meta_histories(b->node->meta), b, m->a, &message);
    courier_window_used(b, m->from, m->u32);
}

static void
on_return(struct broker *b, struct message_batch *batch)
{
    for (uint64_t i = 0; i < batch->count; i++) {
        if (i + 4 < batch->count)
            __builtin_prefetch(batch->messages[i + 4], 1);
        message_returned(b, batch->messages[i]);
    }
    free(batch);
}

static void
on_confirm(struct broker *b, const struct mail *m)
{
    for (uint32_t i = 0; i < m->u32; i++)
        courier_tell(b, mail_channel(m, (uint16_t)b->index), m->a, m->d, (m->c & 0xffff) != 0);
}

static void
on_consume(struct broker *b, const struct mail *m)
{
    struct courier_op op = mail_op(m);
    courier_op_consume(b, queue_get(b, m->a), &op, m->p);
    free(m->p);
}

static void
on_cancel(struct broker *b, const struct mail *m)
{
    struct courier_op op = mail_op(m);
    struct courier_end *end = m->p;
    courier_op_cancel(b, &op, *end);
    free(end);
}

static void
on_delete(struct broker *b, const struct mail *m)
{
    struct courier_op op = mail_op(m);
    struct courier_actor *actor = m->p;
    if (actor)
        op.actor = slice_of(actor->name, actor->size);
    courier_op_delete(b, queue_get(b, m->a), &op);
    free(actor);
}

static void
on_forget(struct broker *b, const struct mail *m)
{
    courier_end_consumer(b, m->a, m->from, (struct courier_end){.subscription = m->c, .consumer = m->b});
}

static void
on_credit(struct broker *b, const struct mail *m)
{
    struct consumer *c = consumer_find(b, m->a);
    if (c)
        consumer_credit(c, m->u32, m->b);
}

static void
on_queue_gone(struct broker *b, uint64_t queue_id)
{
    struct queue *q = queue_find(b, queue_id);
    if (q)
        queue_close(q);
}

/* What works on queues for a channel, in the channel's order. */
void
courier_handle(struct broker *b, const struct mail *m)
{
    struct courier_op op = mail_op(m);
    switch ((enum courier_mail)m->type) {
    case MAIL_COUNTS: courier_op_counts(b, queue_get(b, m->a), &op); break;
    case MAIL_PURGE: courier_op_purge(b, queue_get(b, m->a), &op); break;
    case MAIL_GET: courier_op_get(b, queue_get(b, m->a), &op); break;
    case MAIL_DELETE: on_delete(b, m); break;
    case MAIL_CONSUME: on_consume(b, m); break;
    case MAIL_CANCEL: on_cancel(b, m); break;
    case MAIL_FORGET: on_forget(b, m); break;
    case MAIL_LIMIT: courier_on_limit(b, m); break;
    case MAIL_SETTLE: courier_on_settle(b, m->a, m->b, m->c, m->u32, m->d); break;
    case MAIL_TX_END: courier_on_tx_end(b, mail_channel(m, m->from), m->a); break;
    case MAIL_FENCE: courier_post(b, m->from, &(struct mail){.type = MAIL_FENCED, .p = m->p}); break;
    default: CHECK_UNREACHABLE("mail that is never held");
    }
}

static void
on_data(struct broker *b, const struct mail *m)
{
    if (m->type == MAIL_PUBLISH)
        on_publish(b, m);
    else if (m->type == MAIL_PUBLISH_MANY)
        on_publish_many(b, m);
    else
        on_direct_reply(b, m);
    courier_data_handled(b, m->from, m->u32);
}

void
courier_on_mail(struct broker *b, const struct mail *m)
{
    switch ((enum courier_mail)m->type) {
    case MAIL_PUBLISH:
    case MAIL_PUBLISH_MANY:
    case MAIL_DIRECT_REPLY: on_data(b, m); break;
    case MAIL_COUNTS:
    case MAIL_PURGE:
    case MAIL_GET:
    case MAIL_DELETE:
    case MAIL_CONSUME:
    case MAIL_CANCEL:
    case MAIL_TX_END:
    case MAIL_FENCE:
    case MAIL_FORGET:
    case MAIL_LIMIT:
        if (!courier_hold(b, m, m->d))
            courier_handle(b, m);
        break;
    case MAIL_SETTLE:
        if (!courier_hold(b, m, 0))
            courier_handle(b, m);
        break;
    case MAIL_DELIVER: courier_on_deliver(b, m); break;
    case MAIL_CONFIRM: on_confirm(b, m); break;
    case MAIL_RETURN: on_return(b, m->p); break;
    case MAIL_WINDOW: courier_on_window(b, m->from, m->u32); break;
    case MAIL_CREDIT: on_credit(b, m); break;
    case MAIL_ASK: courier_on_ask(b, m->a); break;
    case MAIL_REPLY: courier_on_reply(b, m->p); break;
    case MAIL_CANCELED: courier_on_canceled(b, m->a); break;
    case MAIL_ACTIVATED: courier_on_activated(b, m->a); break;
    case MAIL_QUEUE_GONE: on_queue_gone(b, m->a); break;
    case MAIL_QUEUE_MADE: (void)queue_get(b, m->a); break;
    case MAIL_ALARM: alarm_on_mail(b, m->u32); break;
    case MAIL_CLAIM: alarm_on_claim(b, (enum alarm_source)m->a, m->u32 != 0); break;
    case MAIL_HISTORY: on_history(b, m); break;
    case MAIL_FENCED: meta_fenced(b, m->p); break;
    case MAIL_DURABLE: b->node->durability->mail(b->node->durability_arg, b, m); break;
    case MAIL_COURIER_END: CHECK_UNREACHABLE("no such mail");
    }
}

void
courier_post_durable(struct broker *b, unsigned to, struct mail *m)
{
    m->type = MAIL_DURABLE;
    courier_post(b, to, m);
}

/* Messages belong to the pools, which outlive the mail. */
void
courier_discard(const struct mail *m)
{
    switch ((enum courier_mail)m->type) {
    case MAIL_RETURN:
    case MAIL_CONSUME:
    case MAIL_CANCEL:
    case MAIL_DELETE:
    case MAIL_REPLY: free(m->p); break;
    default: break;
    }
}
