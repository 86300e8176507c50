/* See feature_client.h. */
#include "feature_client.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLIENT_WAIT_MS = 10000, REFUSED_CHANNEL = 2 };

/* ---- what comes ---- */

static void
see(struct feature_client *c, struct feature_sight *s, uint64_t tag, bool redelivered, struct slice exchange,
    struct slice key, const struct sim_session_event *e)
{
    TRIAL_EXPECT(c->t, c->held_count < FEATURE_HELD_MAX, "more deliveries than there are messages");
    const char *wrong = feature_read(&s->letter, exchange, key, e->properties, e->body);
    TRIAL_EXPECT(c->t, !wrong, "m%u of %s has %s", s->letter.number, feature_keys[s->queue], wrong);
    s->letter.redelivered = redelivered;
    s->tag = feature_tag(c->number, tag);
    trial_say(c->t, "m%u of %s comes as %x%s, %u deaths", s->letter.number, feature_keys[s->queue], s->tag,
              redelivered ? ", again" : "", s->letter.death_count);
}

static void
hold(struct feature_client *c, const struct feature_sight *s)
{
    c->held[c->held_count++] = (struct feature_held){.tag = s->tag, .queue = s->queue};
}

static void
on_get_ok(struct feature_client *c, const struct sim_session_event *e)
{
    const struct amqp_basic_get_ok *m = &((const union amqp_any *)e->fields)->basic_get_ok;
    c->got.queue = c->getting;
    see(c, &c->got, m->delivery_tag, m->redelivered, m->exchange, m->routing_key, e);
    if (!c->is_getting_no_ack)
        hold(c, &c->got);
}

static void
on_deliver(struct feature_client *c, const struct sim_session_event *e)
{
    const struct amqp_basic_deliver *m = &((const union amqp_any *)e->fields)->basic_deliver;
    TRIAL_EXPECT(c->t, c->sight_count < FEATURE_SIGHTS_MAX, "more deliveries than there are messages");
    struct feature_sight *s = &c->sights[c->sight_count++];
    s->queue = (uint8_t)(m->consumer_tag.data[2] - '0'); /* feature_client_consumer() */
    s->slot = (uint8_t)(m->consumer_tag.data[4] - '0');
    see(c, s, m->delivery_tag, m->redelivered, m->exchange, m->routing_key, e);
    hold(c, s);
}

static void
on_confirm(struct feature_client *c, uint64_t tag, bool multiple, uint32_t *mask)
{
    TRIAL_EXPECT(c->t, tag > c->burst_from && tag <= c->published, "a confirm of %llu, which was not out",
                 (unsigned long long)tag);
    for (uint64_t i = multiple ? c->burst_from + 1 : tag; i <= tag; i++) {
        uint32_t bit = 1u << (i - c->burst_from - 1);
        TRIAL_EXPECT(c->t, multiple || !((c->acks | c->nacks) & bit), "%llu is answered twice",
                     (unsigned long long)i);
        if (!((c->acks | c->nacks) & bit))
            *mask |= bit;
    }
}

static void
on_answer(struct feature_client *c, const struct sim_session_event *e)
{
    const union amqp_any *f = e->fields;
    c->answers++;
    c->answer = e->id;
    switch (e->id) {
    case AMQP_QUEUE_DECLARE_OK: c->count = f->queue_declare_ok.message_count; break;
    case AMQP_QUEUE_DELETE_OK: c->count = f->queue_delete_ok.message_count; break;
    case AMQP_QUEUE_PURGE_OK: c->count = f->queue_purge_ok.message_count; break;
    case AMQP_BASIC_GET_OK: on_get_ok(c, e); break;
    case AMQP_CONFIRM_SELECT_OK: c->is_ready = true; break;
    default: break;
    }
}

static void
on_method(struct feature_client *c, const struct sim_session_event *e)
{
    const union amqp_any *f = e->fields;
    switch (e->id) {
    case AMQP_CONNECTION_CLOSE:
        trial_fail(c->t, "connection.close: %u %.*s", f->connection_close.reply_code,
                   SLICE_FMT(f->connection_close.reply_text));
    case AMQP_CHANNEL_CLOSE:
        if (e->channel == REFUSED_CHANNEL) {
            c->refusal = f->channel_close.reply_code;
            return;
        }
        trial_fail(c->t, "channel.close: %u %.*s", f->channel_close.reply_code,
                   SLICE_FMT(f->channel_close.reply_text));
    case AMQP_BASIC_DELIVER: on_deliver(c, e); break;
    case AMQP_BASIC_ACK: on_confirm(c, f->basic_ack.delivery_tag, f->basic_ack.multiple, &c->acks); break;
    case AMQP_BASIC_NACK: on_confirm(c, f->basic_nack.delivery_tag, f->basic_nack.multiple, &c->nacks); break;
    default:
        if (e->channel == 1)
            on_answer(c, e);
    }
}

static void
open_channel(struct sim_session *s)
{
    struct amqp_channel_open open = {0};
    struct amqp_confirm_select select = {0};
    sim_session_send(s, 1, AMQP_CHANNEL_OPEN, &open);
    sim_session_send(s, 1, AMQP_CONFIRM_SELECT, &select);
}

static void
on_event(void *arg, struct sim_session *s, const struct sim_session_event *e)
{
    struct feature_client *c = arg;
    switch (e->kind) {
    case SIM_SESSION_OPENED: open_channel(s); break;
    case SIM_SESSION_METHOD: on_method(c, e); break;
    case SIM_SESSION_CLOSED: c->is_ready = false; break;
    case SIM_SESSION_LOST: trial_fail(c->t, "the connection was lost");
    case SIM_SESSION_BROKEN: trial_fail(c->t, "the broker sent %s", e->text);
    }
}

/* ---- up and down ---- */

static bool
is_ready(void *arg)
{
    const struct feature_client *c = arg;
    return c->is_ready;
}

static bool
is_closed(void *arg)
{
    const struct feature_client *c = arg;
    return !c->is_ready;
}

void
feature_client_open(struct feature_client *c, struct trial *t, uint8_t number)
{
    *c = (struct feature_client){.t = t, .number = number};
    c->session = trial_session(t, NULL, on_event, c);
    trial_until(t, is_ready, c, CLIENT_WAIT_MS, "the channel");
}

void
feature_client_close(struct feature_client *c)
{
    sim_session_close(c->session);
    trial_until(c->t, is_closed, c, CLIENT_WAIT_MS, "connection.close-ok");
    trial_session_free(c->t, c->session);
    c->session = NULL;
}

/* What was sent before has arrived: operations wait for that. */
void
feature_client_lose(struct feature_client *c, enum feature_loss how)
{
    struct amqp_channel_close close = {.reply_code = 200};
    switch (how) {
    case FEATURE_LOSES_CHANNEL:
        feature_client_call(c, AMQP_CHANNEL_CLOSE, &close);
        c->is_ready = false;
        c->held_count = 0;
        c->published = c->burst_from = 0;
        open_channel(c->session);
        trial_until(c->t, is_ready, c, CLIENT_WAIT_MS, "the channel");
        return;
    case FEATURE_CLOSES: feature_client_close(c); break;
    default: trial_session_free(c->t, c->session);
    }
    feature_client_open(c, c->t, c->number);
}

void
feature_client_forget(struct feature_client *c)
{
    c->sight_count = 0;
    c->burst_from = c->published;
    c->acks = c->nacks = 0;
}

/* ---- what it does ---- */

struct waiting {
    const struct feature_client *c;
    unsigned answers;
};

static bool
is_answered(void *arg)
{
    const struct waiting *w = arg;
    return w->c->answers > w->answers;
}

void
feature_client_call(struct feature_client *c, uint32_t method, const void *fields)
{
    struct waiting w = {.c = c, .answers = c->answers};
    sim_session_send(c->session, 1, method, fields);
    trial_until(c->t, is_answered, &w, CLIENT_WAIT_MS, amqp_method_by_id(method)->name);
}

static bool
is_refused(void *arg)
{
    const struct feature_client *c = arg;
    return c->refusal != 0;
}

void
feature_client_is_refused(struct feature_client *c, uint32_t method, const void *fields, uint16_t code)
{
    struct amqp_channel_open open = {0};
    c->refusal = 0;
    sim_session_send(c->session, REFUSED_CHANNEL, AMQP_CHANNEL_OPEN, &open);
    sim_session_send(c->session, REFUSED_CHANNEL, method, fields);
    trial_until(c->t, is_refused, c, CLIENT_WAIT_MS, "a refusal");
    TRIAL_EXPECT(c->t, c->refusal == code, "channel.close %u instead of %u", c->refusal, code);
}

void
feature_client_consumer(char tag[8], uint8_t queue, uint8_t slot)
{
    snprintf(tag, 8, "fq%u/%u", queue % 10, slot % 10);
}

bool
feature_client_get(struct feature_client *c, uint8_t queue, bool no_ack)
{
    struct amqp_basic_get m = {.queue = slice_str(feature_keys[queue]), .no_ack = no_ack};
    c->getting = queue;
    c->is_getting_no_ack = no_ack;
    feature_client_call(c, AMQP_BASIC_GET, &m);
    return c->answer == AMQP_BASIC_GET_OK;
}

uint32_t
feature_client_count(struct feature_client *c, uint8_t queue)
{
    struct amqp_queue_declare m = {.queue = slice_str(feature_keys[queue]), .passive = true};
    feature_client_call(c, AMQP_QUEUE_DECLARE, &m);
    return c->count;
}

void
feature_client_publish(struct feature_client *c, const struct feature_letter *l, bool is_persistent)
{
    struct buffer properties = {0}, body = {0};
    struct amqp_basic_publish m = {.exchange = slice_str(feature_exchanges[l->exchange]),
                                   .routing_key = slice_str(feature_keys[l->key])};
    feature_write(l, is_persistent, &properties, &body);
    sim_session_publish(c->session, 1, &m, buffer_slice(&properties), buffer_slice(&body), 0);
    buffer_fini(&properties);
    buffer_fini(&body);
    c->published++;
}

static bool
is_confirmed(void *arg)
{
    const struct feature_client *c = arg;
    uint64_t out = c->published - c->burst_from;
    return (c->acks | c->nacks) == (out ? UINT32_MAX >> (32 - out) : 0);
}

void
feature_client_await_confirms(struct feature_client *c)
{
    trial_until(c->t, is_confirmed, c, CLIENT_WAIT_MS, "confirms");
}

void
feature_client_settle(struct feature_client *c, unsigned index, bool multiple, bool is_ack, bool requeue)
{
    unsigned from = multiple ? 0 : index;
    uint32_t tag = c->held[index].tag & ((1u << FEATURE_TAG_BITS) - 1);
    trial_say(c->t, "client %u %s %u%s", c->number,
              is_ack    ? "acks"
              : requeue ? "requeues"
                        : "rejects",
              tag, multiple ? " and before" : "");
    if (is_ack) {
        struct amqp_basic_ack m = {.delivery_tag = tag, .multiple = multiple};
        sim_session_send(c->session, 1, AMQP_BASIC_ACK, &m);
    } else {
        struct amqp_basic_nack m = {.delivery_tag = tag, .multiple = multiple, .requeue = requeue};
        sim_session_send(c->session, 1, AMQP_BASIC_NACK, &m);
    }
    memmove(c->held + from, c->held + index + 1, (c->held_count - index - 1) * sizeof *c->held);
    c->held_count -= index - from + 1;
}
