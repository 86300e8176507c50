/*
 * Channels: opened, found, addressed, ended, and where each frame of theirs goes.
 *
 *   frame ─► not open?           channel.open, or 504
 *         ─► CLOSING or DOOMED?  thrown away, but close and close-ok
 *         ─► waits for answers?  parked, unless it is a declaration that may join those under way
 *         ─► a content is due?   header and body go to basic_publish.c; anything else is 505
 *         ─► method              its class's file
 */
#include "server/class.h"
#include "server/connection_limit.h"

#include "base/check.h"
#include "broker/topic_permission.h"
#include "broker/vhost.h"
#include "server/session_event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- finding ---- */

struct channel *
channel_find(struct connection *c, uint16_t number)
{
    struct channel *ch = c->channel;
    if (__builtin_expect(ch && ch->number == number, 1))
        return ch;
    if (!c->channels)
        return NULL;
    ch = idmap_get(c->channels, number);
    if (ch)
        c->channel = ch;
    return ch;
}

struct channel *
channel_by_ref(struct server_shard *home, struct channel_ref ref)
{
    struct connection *c = connection_find(home, ref.connection);
    struct channel *ch = c ? channel_find(c, ref.channel) : NULL;
    return ch && ch->serial == ref.serial ? ch : NULL;
}

struct channel_ref
channel_ref_of(const struct channel *ch)
{
    return (struct channel_ref){
        .connection = ch->connection->handle,
        .shard = (uint16_t)ch->connection->home->index,
        .channel = ch->number,
        .serial = ch->serial,
    };
}

/* All channels of the connection, while `fn` may end any of them. */
void
channel_each(struct connection *c, void (*fn)(struct channel *ch))
{
    if (!c->channels) {
        if (c->channel)
            fn(c->channel);
        return;
    }
    uint32_t count = (uint32_t)idmap_count(c->channels), n = 0;
    uint16_t *numbers = malloc((count + 1) * sizeof *numbers);
    CHECK(numbers);
    size_t cursor = 0;
    uint64_t number;
    while (idmap_next(c->channels, &cursor, &number))
        numbers[n++] = (uint16_t)number;
    for (uint32_t i = 0; i < n && c->state != CONNECTION_DEAD; i++) {
        struct channel *ch = channel_find(c, numbers[i]);
        if (ch)
            fn(ch);
    }
    free(numbers);
}

/* ---- coming and going ---- */

static void
channel_count_node(struct server *server, int by)
{
    if (server->config.limits.channels_max)
        atomic_fetch_add_explicit(&server->channels, (uint32_t)by, memory_order_relaxed);
}

struct channel *
channel_new(struct connection *c, uint16_t number)
{
    struct channel *ch = calloc(1, sizeof *ch);
    CHECK(ch);
    ch->connection = c;
    ch->number = number;
    ch->serial = ++c->home->channels_made;
    ch->next_tag = 1;
    ch->prefetch = c->home->server->config.default_prefetch;
    if (c->channel && !c->channels) {
        c->channels = calloc(1, sizeof *c->channels);
        CHECK(c->channels);
        idmap_put(c->channels, c->channel->number, c->channel);
    }
    if (c->channels)
        idmap_put(c->channels, number, ch);
    c->channel = ch;
    channel_count_node(c->home->server, 1);
    return ch;
}

static void
channel_parked_free(struct channel *ch)
{
    struct connection *c = ch->connection;
    if (!ch->parked)
        return;
    c->parked_bytes -= (uint32_t)(ch->parked->frames.len - ch->parked->handled) + parked_ops_cost(ch->parked);
    bool is_replaying = ch->parked->is_replaying;
    if (is_replaying) /* channel_replay() is up the stack and looks at it again */
        parked_clear(ch->parked);
    else {
        parked_free(ch->parked);
        ch->parked = NULL;
    }
    channel_parked_relax(c);
}

void
channel_release(struct channel *ch)
{
    struct broker *b = ch->connection->home->broker;
    class_confirm_flush(ch);
    basic_consumer_free_all(ch);
    class_tx_release(ch);
    basic_requeue_all(ch);
    class_confirm_release(ch);
    basic_publish_draft_free(ch);
    direct_reply_release(ch);
    channel_parked_free(ch);
    if (ch->publisher)
        route_memo_clear(b, &ch->publisher->memo);
    unacked_free(ch->unacked);
    free(ch->publisher);
    free(ch->last_queue);
    ch->unacked = NULL;
    ch->publisher = NULL;
    ch->last_queue = NULL;
    ch->state = CHANNEL_CLOSING;
}

void
channel_free(struct channel *ch)
{
    struct connection *c = ch->connection;
    channel_release(ch);
    session_event_channel_closed(ch);
    if (c->channels)
        idmap_remove(c->channels, ch->number);
    if (c->channel == ch) {
        size_t cursor = 0;
        c->channel = c->channels ? idmap_next(c->channels, &cursor, NULL) : NULL;
    }
    channel_count_node(c->home->server, -1);
    connection_limit_channel_end(c);
    if (ch->parked) { /* its replay is up the stack */
        ch->parked->is_orphan = true;
        ch->parked = NULL;
    }
    free(ch);
}

void
channel_free_all(struct connection *c)
{
    while (c->channel)
        channel_free(c->channel);
}

static void
channel_resume(struct channel *ch)
{
    basic_consumer_resume_all(ch);
}

void
channel_resume_all(struct connection *c)
{
    channel_each(c, channel_resume);
}

/* ---- errors ---- */

static void
channel_log_error(const struct channel *ch, uint16_t code, uint32_t method, const char *text)
{
    struct connection *c = ch->connection;
    struct log *log = c->home->server->node->log;
    if (!log_is_on(log, LOG_CHANNEL, LOG_LEVEL_ERROR))
        return;
    char name[2 * NET_ADDR_TEXT_SIZE + 8];
    const struct amqp_method *m = amqp_method_by_id(method);
    log_error(log, LOG_CHANNEL,
              "Channel error on connection (%s, vhost: '%s', user: '%.*s'), channel %u: operation %s caused "
              "a channel "
              "exception %s: %s",
              connection_name(c, name), c->vhost ? c->vhost->name : "", SLICE_FMT(intern_slice(c->user)),
              ch->number, m ? m->name : "none", amqp_reply_name(code), text);
}

static void
channel_close_now(struct channel *ch, uint16_t code, uint32_t method, const char *text, bool close_received)
{
    struct connection *c = ch->connection;
    if (!amqp_reply_is_soft(code)) {
        connection_fail(c, code, method, "%s", text);
        return;
    }
    channel_log_error(ch, code, method, text);
    channel_release(ch);
    char reply_text[AMQP_REPLY_TEXT_SIZE];
    size_t size = amqp_reply_text(reply_text, code, "%s", text);
    struct amqp_channel_close m = {.reply_code = code,
                                   .reply_text = slice_of(reply_text, size),
                                   .class_id = AMQP_CLASS_ID(method),
                                   .method_id = AMQP_METHOD_ID(method)};
    CONNECTION_SEND(c, AMQP_CHANNEL_CLOSE_SIZE_MAX, amqp_encode_channel_close(out, ch->number, &m));
    if (close_received)
        CONNECTION_SEND(c, AMQP_CHANNEL_CLOSE_OK_SIZE_MAX, amqp_encode_channel_close_ok(out, ch->number));
}

void
channel_fail_text(struct channel *ch, uint16_t code, uint32_t method, const char *text)
{
    if (ch->state != CHANNEL_OPEN)
        return;
    if (!ch->parked || !ch->parked->first) {
        channel_close_now(ch, code, method, text, false);
        return;
    }
    ch->state = CHANNEL_DOOMED;
    struct channel_doom *doom = ch->parked->doom = calloc(1, sizeof *doom);
    CHECK(doom);
    doom->code = code;
    doom->method = method;
    snprintf(doom->text, sizeof doom->text, "%s", text);
}

void
channel_fail_now(struct channel *ch, uint16_t code, uint32_t method, const char *text)
{
    if (ch->state == CHANNEL_OPEN || ch->state == CHANNEL_DOOMED)
        channel_close_now(ch, code, method, text, false);
}

void
channel_fail_doomed(struct channel *ch)
{
    struct channel_doom doom = *ch->parked->doom;
    channel_close_now(ch, doom.code, doom.method, doom.text, doom.close_received);
}

void
channel_fail(struct channel *ch, uint16_t code, uint32_t method, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    channel_fail_text(ch, code, method, text);
}

bool
channel_decode_failed(struct channel *ch, uint32_t method, enum err err)
{
    if (err == ERR_OK)
        return false;
    if (err == ERR_LIMIT)
        channel_fail(ch, AMQP_REPLY_SYNTAX_ERROR, method, "table nested too deep");
    else if (err == ERR_ENCODING)
        channel_fail(ch, AMQP_REPLY_FRAME_ERROR, method, "Malformed UTF-8 in shortstr");
    else
        channel_fail(ch, AMQP_REPLY_FRAME_ERROR, method, "malformed method: %s", err_text(err));
    return true;
}

/* ---- checks that many methods share ---- */

struct slice
channel_strip_name(struct slice name, char buf[256])
{
    if (!memchr(name.data, '\n', name.len) && !memchr(name.data, '\r', name.len))
        return name;
    size_t n = 0;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] != '\n' && name.data[i] != '\r')
            buf[n++] = (char)name.data[i];
    return slice_of(buf, n);
}

bool
channel_may(struct channel *ch, uint32_t method, enum permission kind, const char *what, struct slice name)
{
    struct connection *c = ch->connection;
    struct node *node = c->home->server->node;
    struct slice user = intern_slice(c->user);
    if (permission_is_granted(node->meta, user, c->vhost, kind, name))
        return true;
    if (name.len == 0)
        name = slice_str("amq.default");
    channel_fail(ch, AMQP_REPLY_ACCESS_REFUSED, method,
                 "access to %s '%.*s' in vhost '%s' refused for user '%.*s'", what, SLICE_FMT(name),
                 c->vhost->name, SLICE_FMT(user));
    return false;
}

bool
channel_may_topic(struct channel *ch, uint32_t method, enum permission kind, const struct exchange *x,
                  struct slice routing_key)
{
    struct connection *c = ch->connection;
    struct slice user = intern_slice(c->user), name = slice_of(x->name, x->name_size);
    if (x->type != EXCHANGE_TOPIC ||
        topic_permission_is_granted(c->home->server->node->meta, user, c->vhost, name, kind, routing_key))
        return true;
    channel_fail(ch, AMQP_REPLY_ACCESS_REFUSED, method,
                 "access to topic '%.*s' in exchange '%s' in vhost '%s' refused for user '%.*s'",
                 SLICE_FMT(routing_key), x->name, c->vhost->name, SLICE_FMT(user));
    return false;
}

bool
channel_queue_name(struct channel *ch, uint32_t method, struct slice *name)
{
    if (name->len > 0)
        return true;
    if (!ch->last_queue) {
        channel_fail(ch, AMQP_REPLY_NOT_FOUND, method, "no previously declared queue");
        return false;
    }
    *name = slice_of(ch->last_queue->bytes, ch->last_queue->len);
    return true;
}

const struct queue_def *
channel_queue(struct channel *ch, uint32_t method, struct slice name)
{
    struct connection *c = ch->connection;
    const struct queue_def *q = queue_def_find(c->vhost, name);
    char text[256];
    if (!q) {
        channel_fail(ch, AMQP_REPLY_NOT_FOUND, method, "no queue '%.*s' in vhost '%s'", SLICE_FMT(name),
                     c->vhost->name);
        return NULL;
    }
    uint16_t code = queue_def_check_exclusive(q, c->id, text);
    if (code) {
        channel_fail_text(ch, code, method, text);
        return NULL;
    }
    return q;
}

void
channel_set_last_queue(struct channel *ch, struct slice name)
{
    free(ch->last_queue);
    ch->last_queue = malloc(sizeof *ch->last_queue + name.len);
    CHECK(ch->last_queue);
    ch->last_queue->len = (uint8_t)name.len;
    memcpy(ch->last_queue->bytes, name.data, name.len);
}

/* ---- frames ---- */

static enum verdict
channel_method(struct channel *ch, uint32_t method, struct slice payload)
{
    switch (AMQP_CLASS_ID(method)) {
    case AMQP_CLASS_BASIC: return class_basic_method(ch, method, payload);
    case AMQP_CLASS_QUEUE: class_queue_method(ch, method, payload); break;
    case AMQP_CLASS_EXCHANGE: class_exchange_method(ch, method, payload); break;
    case AMQP_CLASS_CHANNEL: class_channel_method(ch, method, payload); break;
    case AMQP_CLASS_CONFIRM: class_confirm_method(ch, method, payload); break;
    case AMQP_CLASS_TX: class_tx_method(ch, method, payload); break;
    case AMQP_CLASS_ACCESS: class_access_method(ch, method, payload); break;
    default: channel_fail(ch, AMQP_REPLY_COMMAND_INVALID, method, "unimplemented method"); break;
    }
    return VERDICT_DONE;
}

enum verdict
channel_handle(struct channel *ch, uint8_t type, struct slice payload)
{
    struct channel_draft *draft = ch->draft;
    if (type == AMQP_FRAME_METHOD && !draft)
        return channel_method(ch, amqp_method_id(payload), payload);
    if (!draft) {
        channel_fail(ch, AMQP_REPLY_UNEXPECTED_FRAME, 0,
                     "expected method frame, got non method frame instead");
    } else if (!draft->wants_body && type != AMQP_FRAME_HEADER) {
        channel_fail(ch, AMQP_REPLY_UNEXPECTED_FRAME, AMQP_BASIC_PUBLISH,
                     "expected content header for class 60, got non content header frame instead");
    } else if (draft->wants_body && type != AMQP_FRAME_BODY) {
        channel_fail(ch, AMQP_REPLY_UNEXPECTED_FRAME, AMQP_BASIC_PUBLISH,
                     "expected content body, got non content body frame instead");
    } else {
        return basic_publish_content(ch, type, payload);
    }
    return VERDICT_DONE;
}

/* channel.close has been sent (or will be): only the goodbye counts. */
static void
channel_closing_frame(struct channel *ch, uint8_t type, struct slice payload)
{
    uint32_t method = type == AMQP_FRAME_METHOD ? amqp_method_id(payload) : 0;
    if (ch->state == CHANNEL_DOOMED) {
        if (method == AMQP_CHANNEL_CLOSE)
            ch->parked->doom->close_received = true;
    } else if (method == AMQP_CHANNEL_CLOSE_OK) {
        channel_free(ch);
    } else if (method == AMQP_CHANNEL_CLOSE) {
        CONNECTION_SEND(ch->connection, AMQP_CHANNEL_CLOSE_OK_SIZE_MAX,
                        amqp_encode_channel_close_ok(out, ch->number));
    }
}

/* A frame on a number that is not open. */
static void
channel_open_frame(struct connection *c, const struct frame *frame)
{
    if (frame->type != AMQP_FRAME_METHOD) {
        connection_fail(c, AMQP_REPLY_UNEXPECTED_FRAME, 0,
                        "expected method frame, got non method frame instead");
        return;
    }
    uint32_t method = amqp_method_id(frame->payload);
    if (c->channel_max && connection_channel_count(c) >= c->channel_max) {
        connection_fail(c, AMQP_REPLY_NOT_ALLOWED, 0,
                        "number of channels opened (%u) has reached the negotiated channel_max (%u)",
                        connection_channel_count(c), c->channel_max);
        return;
    }
    if (method != AMQP_CHANNEL_OPEN) {
        connection_fail(c, AMQP_REPLY_CHANNEL_ERROR, method, "expected 'channel.open'");
        return;
    }
    struct server *server = c->home->server;
    uint32_t max = server->config.limits.channels_max;
    if (max && atomic_load_explicit(&server->channels, memory_order_relaxed) >= max) {
        connection_fail(
            c, AMQP_REPLY_NOT_ALLOWED, 0,
            "number of channels opened on node '%s' has reached the maximum allowed limit of (%u)",
            server->node->name, max);
        return;
    }
    if (connection_limit_channel(c))
        class_channel_open(c, frame->channel, frame->payload);
}

enum verdict
channel_frame(struct connection *c, const struct frame *frame)
{
    struct channel *ch = channel_find(c, frame->channel);
    if (__builtin_expect(!ch, 0)) {
        channel_open_frame(c, frame);
        return VERDICT_DONE;
    }
    if (__builtin_expect(ch->state != CHANNEL_OPEN, 0)) {
        channel_closing_frame(ch, frame->type, frame->payload);
        return VERDICT_DONE;
    }
    if (__builtin_expect(ch->parked && !channel_may_run(ch, frame->type, frame->payload), 0)) {
        channel_park(ch, frame->type, frame->payload);
        return VERDICT_DONE;
    }
    return channel_handle(ch, frame->type, frame->payload);
}

struct slice
channel_body_room(struct connection *c)
{
    struct channel *ch = c->flags & CONNECTION_BODY_OPEN && c->body_left > 0 && c->state == CONNECTION_RUNNING
                             ? channel_find(c, c->body_channel)
                             : NULL;
    return ch ? basic_publish_body_room(ch, c->body_left) : slice_of(NULL, 0);
}

void
channel_body_arrived(struct connection *c, size_t n)
{
    basic_publish_body_arrived(channel_find(c, c->body_channel), n);
}
