/*
 * The ways in which a connection ends.
 *
 *   the client's connection.close   channels end, exclusive queues are deleted, close-ok, the socket is
 * closed connection_fail()               the same, then connection.close, and its close-ok is awaited for a
 * while connection_lost()               the socket is gone: the same without words and without waiting
 *   connection_silence()            an error before the login: nothing is said, the socket stays for a moment
 *
 * Exclusive queues are deleted before the goodbye is sent, so that the client may declare them again at once.
 * Their deletions are answered like any operation, to channel 0.
 */
#include "base/check.h"
#include "broker/courier.h"
#include "broker/vhost.h"
#include "server/class.h"
#include "server/session_event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void
connection_timer(struct connection *c, uint64_t delay_ms, void (*fn)(void *))
{
    timer_start(c->home->shard, &c->timer, delay_ms, fn, c);
}

static void
connection_log(const struct connection *c, enum log_level level, const char *what)
{
    struct log *log = c->home->server->node->log;
    char name[2 * NET_ADDR_TEXT_SIZE + 8];
    if (!log_is_on(log, LOG_CONNECTION, level))
        return;
    if (c->vhost)
        log_write(log, LOG_CONNECTION, level, "closing AMQP connection (%s, vhost: '%s', user: '%.*s'): %s",
                  connection_name(c, name), c->vhost->name, SLICE_FMT(intern_slice(c->user)), what);
    else
        log_write(log, LOG_CONNECTION, level, "closing AMQP connection (%s): %s", connection_name(c, name),
                  what);
}

/* ---- exclusive queues ---- */

/* Some have gone by themselves (auto-delete, expiry), and nobody tells us. */
static void
connection_queues_sweep(struct connection *c, struct connection_queues *q)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < q->count; i++)
        if (queue_def_find_id(c->home->server->node->meta, q->queues[i].id))
            q->queues[kept++] = q->queues[i];
    q->count = kept;
}

void
connection_queue_add(struct connection *c, uint64_t id, unsigned shard)
{
    struct connection_queues *q = c->queues;
    bool is_full = q && q->count == q->cap;
    if (is_full)
        connection_queues_sweep(c, q);
    if (!q || (is_full && q->count > q->cap / 2)) {
        uint32_t cap = q ? q->cap * 2 : 4, count = q ? q->count : 0;
        q = realloc(q, sizeof *q + cap * sizeof *q->queues);
        CHECK(q);
        q->cap = cap;
        q->count = count;
        c->queues = q;
    }
    q->queues[q->count++] = (struct connection_queue){.id = id, .shard = (uint16_t)shard};
}

void
connection_queue_remove(struct connection *c, uint64_t id)
{
    struct connection_queues *q = c->state < CONNECTION_CLOSING ? c->queues : NULL;
    for (uint32_t i = 0; q && i < q->count; i++) {
        if (q->queues[i].id == id) {
            q->queues[i] = q->queues[--q->count];
            return;
        }
    }
}

/* Asks for the deletion of all of them, which are taken off the connection before. Some may be answered at
 * once. */
static void
connection_queues_delete(struct connection *c, struct connection_queues *q)
{
    if (!q)
        return;
    struct channel_ref ref = {.connection = c->handle, .shard = (uint16_t)c->home->index};
    for (uint32_t i = 0; i < q->count; i++)
        courier_delete_id(c->home->broker, q->queues[i].id, q->queues[i].shard, ref, 0);
    free(q);
}

/* ---- closing ---- */

static void
connection_close_timeout(void *arg)
{
    connection_lost(arg, NULL);
}

/* Everything of ours is gone: the goodbye. */
static void
connection_say_goodbye(struct connection *c)
{
    struct connection_closing *closing = c->closing;
    if (closing->code == 0) {
        CONNECTION_SEND(c, AMQP_CONNECTION_CLOSE_OK_SIZE_MAX, amqp_encode_connection_close_ok(out, 0));
        connection_drain(c);
        return;
    }
    struct amqp_connection_close m = {.reply_code = closing->code,
                                      .reply_text = slice_str(closing->text),
                                      .class_id = AMQP_CLASS_ID(closing->method),
                                      .method_id = AMQP_METHOD_ID(closing->method)};
    CONNECTION_SEND(c, AMQP_CONNECTION_CLOSE_SIZE_MAX, amqp_encode_connection_close(out, 0, &m));
    if (c->blocked & BLOCK_DEAF) {
        connection_drain(c);
        return;
    }
    c->state = CONNECTION_CLOSED;
    uint64_t wait_ms = c->home->server->config.limits.close_timeout_ms;
    if (c->heartbeat_s && c->heartbeat_s * 1000u < wait_ms)
        wait_ms = c->heartbeat_s * 1000u;
    connection_timer(c, wait_ms, connection_close_timeout);
}

/* From RUNNING (or before) to the goodbye; at once when there is no exclusive queue. */
static void
connection_begin_close(struct connection *c, uint16_t code, uint32_t method, const char *text)
{
    struct connection_queues *queues = c->queues;
    channel_each(c, channel_release);
    c->state = CONNECTION_CLOSING;
    c->closing = calloc(1, sizeof *c->closing);
    CHECK(c->closing);
    c->closing->code = code;
    c->closing->method = method;
    if (code)
        amqp_reply_text(c->closing->text, code, "%s", text);
    c->closing->waiting = 1 + (queues ? queues->count : 0); /* and ours: answers may come while we ask */
    connection_timer(c, c->home->server->config.limits.close_timeout_ms, connection_close_timeout);
    connection_queues_delete(c, queues);
    connection_unblock(c, BLOCK_ALARM);
    connection_unblock(c, BLOCK_ROOM);
    connection_unblock(c, BLOCK_BY_PARKED);
    connection_queue_deleted(c);
}

void
connection_queue_deleted(struct connection *c)
{
    if (c->state == CONNECTION_CLOSING && --c->closing->waiting == 0)
        connection_say_goodbye(c);
}

void
connection_close_requested(struct connection *c)
{
    if (c->state >= CONNECTION_CLOSING) { /* it crossed ours */
        CONNECTION_SEND(c, AMQP_CONNECTION_CLOSE_OK_SIZE_MAX, amqp_encode_connection_close_ok(out, 0));
        return;
    }
    if (log_is_on(c->home->server->node->log, LOG_CONNECTION, LOG_LEVEL_INFO))
        connection_log(c, LOG_LEVEL_INFO, "the client closes it");
    connection_begin_close(c, 0, 0, NULL);
}

void
connection_close_confirmed(struct connection *c)
{
    if (c->state == CONNECTION_CLOSED)
        connection_drain(c);
}

void
connection_fail(struct connection *c, uint16_t code, uint32_t method, const char *format, ...)
{
    if (c->state >= CONNECTION_CLOSING)
        return;
    char text[1024], line[1400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const struct amqp_method *m = amqp_method_by_id(method);
    snprintf(line, sizeof line, "operation %s caused a connection exception %s: %s", m ? m->name : "none",
             amqp_reply_name(code), text);
    connection_log(c, LOG_LEVEL_ERROR, line);
    if (c->state < CONNECTION_TUNING)
        connection_silence(c);
    else
        connection_begin_close(c, code, method, text);
}

/* RabbitMQ's "type 1, first 16 octets = <<...>>: what". */
static void
connection_describe(const struct frame *frame, char *out, size_t size)
{
    bool is_long = frame->payload.len > 16;
    size_t n =
        (size_t)snprintf(out, size, "type %u, %s octets = <<", frame->type, is_long ? "first 16" : "all");
    for (size_t i = 0; frame->payload.data && i < frame->payload.len && i < 16; i++)
        n += (size_t)snprintf(out + n, size - n, i ? ",%u" : "%u", frame->payload.data[i]);
    snprintf(out + n, size - n, ">>");
}

void
connection_fail_framing(struct connection *c, const struct frame *frame, const char *what)
{
    char text[160];
    connection_describe(frame, text, sizeof text);
    if (c->state >= CONNECTION_CLOSING) {
        connection_lost(c, NULL);
        return;
    }
    connection_block(c, BLOCK_DEAF);
    if (strcmp(what, "frame_too_large") == 0)
        connection_fail(c, AMQP_REPLY_FRAME_ERROR, 0, "%s: {%s,%zu,%u}", text, what, frame->payload.len,
                        c->frame_max ? c->frame_max - FRAME_OVERHEAD : 0);
    else
        connection_fail(c, AMQP_REPLY_FRAME_ERROR, 0, "%s: %s", text, what);
}

void
connection_fail_unexpected(struct connection *c, const struct frame *frame)
{
    char text[160];
    connection_describe(frame, text, sizeof text);
    connection_fail(c, AMQP_REPLY_UNEXPECTED_FRAME, 0, "%s", text);
}

/* ---- without words ---- */

void
connection_lost(struct connection *c, const char *why)
{
    if (c->state == CONNECTION_DEAD)
        return;
    if (why && c->state < CONNECTION_CLOSING)
        connection_log(c, LOG_LEVEL_WARNING, why);
    channel_each(c, channel_release);
    if (c->state < CONNECTION_CLOSING) {
        connection_queues_delete(c, c->queues);
        c->queues = NULL;
    }
    session_event_connection_closed(c);
    stream_abort(&c->stream);
    connection_die(c);
}

void
connection_drain(struct connection *c)
{
    c->state = CONNECTION_DRAINING;
    connection_block(c, BLOCK_DEAF);
    connection_timer(c, c->home->server->config.limits.close_timeout_ms, connection_close_timeout);
    if (!(c->flags & CONNECTION_FLUSH_LISTED))
        connection_mark_flush(c);
}

static void
connection_silence_over(void *arg)
{
    struct connection *c = arg;
    c->state = CONNECTION_DRAINING;
    if (!(c->flags & CONNECTION_FLUSH_LISTED))
        connection_mark_flush(c);
}

void
connection_silence(struct connection *c)
{
    c->state = CONNECTION_SILENT;
    connection_block(c, BLOCK_DEAF);
    connection_timer(c, c->home->server->config.limits.silent_close_delay_ms, connection_silence_over);
}
