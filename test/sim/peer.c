/* See peer.h. */
#include "peer.h"

#include "base/check.h"

#include <stdio.h>

static void
on_answer(struct peer *p, const struct sim_session_event *e)
{
    const union amqp_any *f = e->fields;
    p->answers++;
    p->answer = e->id;
    switch (e->id) {
    case AMQP_CHANNEL_OPEN_OK: p->opened_channels++; break;
    case AMQP_QUEUE_DECLARE_OK:
        p->count = f->queue_declare_ok.message_count;
        snprintf(p->name, sizeof p->name, "%.*s", SLICE_FMT(f->queue_declare_ok.queue));
        break;
    case AMQP_QUEUE_DELETE_OK: p->count = f->queue_delete_ok.message_count; break;
    case AMQP_QUEUE_PURGE_OK: p->count = f->queue_purge_ok.message_count; break;
    case AMQP_BASIC_GET_OK:
        p->count = f->basic_get_ok.message_count;
        if (p->on_content)
            p->on_content(p, e);
        break;
    default: break;
    }
}

static void
on_deliver(struct peer *p, const struct sim_session_event *e)
{
    p->deliveries++;
    p->delivered_bytes += e->body.len;
    if (p->on_content)
        p->on_content(p, e);
    struct amqp_basic_ack ack = {.delivery_tag = e->fields->basic_deliver.delivery_tag};
    if (p->acks_deliveries)
        sim_session_send(p->session, e->channel, AMQP_BASIC_ACK, &ack);
}

static void
on_method(struct peer *p, const struct sim_session_event *e)
{
    const union amqp_any *f = e->fields;
    switch (e->id) {
    case AMQP_CONNECTION_START:
    case AMQP_CONNECTION_TUNE:
    case AMQP_CONNECTION_OPEN_OK:
    case AMQP_CONNECTION_CLOSE_OK: break;
    case AMQP_CONNECTION_CLOSE:
        p->code = f->connection_close.reply_code;
        snprintf(p->text, sizeof p->text, "%.*s", SLICE_FMT(f->connection_close.reply_text));
        break;
    case AMQP_CHANNEL_CLOSE:
        p->channel_code = f->channel_close.reply_code;
        snprintf(p->text, sizeof p->text, "%.*s", SLICE_FMT(f->channel_close.reply_text));
        break;
    case AMQP_CONNECTION_BLOCKED:
        TRIAL_EXPECT(p->t, !p->is_blocked, "blocked twice");
        p->is_blocked = true;
        p->blocks++;
        break;
    case AMQP_CONNECTION_UNBLOCKED:
        TRIAL_EXPECT(p->t, p->is_blocked, "unblocked, and was not blocked");
        p->is_blocked = false;
        break;
    case AMQP_BASIC_ACK:
        p->acked = f->basic_ack.delivery_tag > p->acked ? f->basic_ack.delivery_tag : p->acked;
        break;
    case AMQP_BASIC_NACK: p->nacks++; break;
    case AMQP_BASIC_RETURN: p->returns++; break;
    case AMQP_BASIC_CANCEL: p->cancels++; break;
    case AMQP_BASIC_DELIVER: on_deliver(p, e); break;
    default: on_answer(p, e);
    }
}

static void
on_event(void *arg, struct sim_session *s, const struct sim_session_event *e)
{
    struct peer *p = arg;
    switch (e->kind) {
    case SIM_SESSION_OPENED: p->is_open = true; break;
    case SIM_SESSION_METHOD: on_method(p, e); break;
    case SIM_SESSION_BROKEN: trial_fail(p->t, "the broker sent %s", e->text);
    case SIM_SESSION_CLOSED:
        p->was_closed = p->is_over = true;
        p->is_open = false;
        break;
    case SIM_SESSION_LOST:
        p->is_over = true;
        p->is_open = false;
        break;
    }
}

static bool
is_open_or_over(void *arg)
{
    const struct peer *p = arg;
    return p->is_open || p->is_over;
}

static bool
is_over(void *arg)
{
    const struct peer *p = arg;
    return p->is_over;
}

void
peer_init(struct peer *p, struct trial *t, const struct sim_session_options *options, bool wait)
{
    p->t = t;
    p->is_open = p->is_over = p->was_closed = p->is_blocked = false;
    p->code = p->channel_code = 0;
    p->answers = p->opened_channels = 0;
    p->session = trial_session(t, options, on_event, p);
    if (!wait)
        return;
    trial_until(t, is_open_or_over, p, PEER_ANSWER_MS, "connection.open-ok");
    TRIAL_EXPECT(t, p->is_open, "the connection was refused: %u %s", p->code, p->text);
}

struct waiting {
    const struct peer *peer;
    unsigned answers;
};

static bool
is_answered(void *arg)
{
    const struct waiting *w = arg;
    return w->peer->answers > w->answers || w->peer->is_over || w->peer->channel_code;
}

static void
call(struct peer *p, uint16_t channel, uint32_t method, const void *fields)
{
    struct waiting w = {.peer = p, .answers = p->answers};
    p->channel_code = 0;
    sim_session_send(p->session, channel, method, fields);
    trial_until(p->t, is_answered, &w, PEER_ANSWER_MS, amqp_method_by_id(method)->name);
}

void
peer_call(struct peer *p, uint16_t channel, uint32_t method, const void *fields)
{
    call(p, channel, method, fields);
    TRIAL_EXPECT(p->t, !p->is_over && !p->channel_code, "%s is answered by a close: %u %s",
                 amqp_method_by_id(method)->name, p->is_over ? p->code : p->channel_code, p->text);
}

void
peer_call_fails(struct peer *p, uint16_t channel, uint32_t method, const void *fields, uint16_t code)
{
    call(p, channel, method, fields);
    TRIAL_EXPECT(p->t, !p->is_over && p->channel_code == code, "%s: channel.close %u instead of %u, %s",
                 amqp_method_by_id(method)->name, p->channel_code, code, p->text);
}

void
peer_open_channel(struct peer *p, uint16_t channel)
{
    struct amqp_channel_open m = {0};
    peer_call(p, channel, AMQP_CHANNEL_OPEN, &m);
}

void
peer_declare(struct peer *p, uint16_t channel, const char *queue)
{
    struct amqp_queue_declare m = {.queue = slice_str(queue)};
    peer_call(p, channel, AMQP_QUEUE_DECLARE, &m);
}

void
peer_consume(struct peer *p, uint16_t channel, const char *queue, bool no_ack)
{
    struct amqp_basic_consume m = {.queue = slice_str(queue), .no_ack = no_ack};
    peer_call(p, channel, AMQP_BASIC_CONSUME, &m);
}

void
peer_publish(struct peer *p, uint16_t channel, const char *queue, const void *body, size_t len)
{
    struct amqp_basic_publish m = {.routing_key = slice_str(queue)};
    sim_session_publish(p->session, channel, &m, slice_of(NULL, 0), slice_of(body, len), 0);
}

void
peer_expect_close(struct peer *p, uint16_t code)
{
    trial_until(p->t, is_over, p, PEER_ANSWER_MS, "connection.close");
    TRIAL_EXPECT(p->t, p->was_closed && p->code == code, "connection.close %u instead of %u: %s", p->code,
                 code, p->text);
}

void
peer_expect_end(struct peer *p, uint64_t ms)
{
    trial_until(p->t, is_over, p, ms, "the end of a connection");
}

void
peer_close(struct peer *p)
{
    TRIAL_EXPECT(p->t, p->is_open, "the connection is over: %u %s", p->code, p->text);
    sim_session_close(p->session);
    trial_until(p->t, is_over, p, PEER_ANSWER_MS, "connection.close-ok");
    TRIAL_EXPECT(p->t, p->was_closed && p->code == 0, "instead of close-ok: %u %s", p->code, p->text);
    peer_drop(p);
}

void
peer_drop(struct peer *p)
{
    if (p->session)
        trial_session_free(p->t, p->session);
    p->session = NULL;
    p->is_open = false;
}
