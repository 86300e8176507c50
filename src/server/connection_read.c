/*
 * From bytes to frames. The socket is read into the shard's one buffer and frames are handled in place; what
 * is left over (an incomplete frame, or everything behind a frame that cannot be handled yet) is copied to
 * the connection's tail.
 *
 *    | headroom ... tail | what readv got |          the tail is put before the new bytes, so that a frame
 * that was ^ shard_read_buffer()     cut in two is whole again
 *
 * Body frames need not be whole: their payload is handed on in pieces, and while a large body is under way
 * the rest of its frame is read straight into the message (readv: the message's room first, the shared buffer
 * behind it). So the tail holds at most a method or header frame, which limits bound; or, of a blocked
 * connection, what one read brought. The latter may be longer than the headroom: then it is handled where it
 * is.
 *
 * What the frames of one read cost in routing has a limit, too: behind it the rest waits in the tail for the
 * next turn, in the list of those that are served again, and nothing is read on top of it.
 */
#include "base/check.h"
#include "server/class.h"
#include "server/connection.h"
#include "server/handshake.h"

#include <stdlib.h>

enum { METHOD_ID_SIZE = 4 };

void
connection_keep(struct connection *c, struct slice rest)
{
    if (rest.len == 0) {
        free(c->tail);
        c->tail = NULL;
        return;
    }
    if (!c->tail || c->tail->cap < rest.len) {
        struct connection_tail *tail = malloc(sizeof *tail + rest.len);
        CHECK(tail);
        tail->cap = (uint32_t)rest.len;
        free(c->tail);
        c->tail = tail;
    }
    memcpy(c->tail->bytes, rest.data, rest.len);
    c->tail->len = (uint32_t)rest.len;
}

uint64_t
connection_work_end(const struct connection *c)
{
    return c->home->broker->route_work + c->home->server->config.limits.read_turn_work;
}

/* ---- protocol header ---- */

/* Bytes used; 0: more must come (or the connection is over). */
static size_t
connection_header(struct connection *c, const uint8_t *p, size_t size)
{
    enum err err = frame_protocol_header_check(slice_of(p, size));
    if (err == ERR_TRUNCATED)
        return 0;
    if (err == ERR_OK) {
        handshake_started(c);
        return FRAME_PROTOCOL_HEADER_SIZE;
    }
    char name[2 * NET_ADDR_TEXT_SIZE + 8];
    log_error(c->home->server->node->log, LOG_CONNECTION,
              "closing AMQP connection (%s): it does not begin with AMQP 0-9-1's protocol header",
              connection_name(c, name));
    memcpy(connection_reserve(c, FRAME_PROTOCOL_HEADER_SIZE), frame_protocol_header,
           FRAME_PROTOCOL_HEADER_SIZE);
    connection_commit(c, FRAME_PROTOCOL_HEADER_SIZE);
    connection_drain(c);
    return 0;
}

/* ---- bodies in pieces ---- */

/* The next piece of the open body frame, or its end octet. Bytes used; 0: blocked, or nothing came. */
static size_t
connection_body(struct connection *c, const uint8_t *p, size_t size)
{
    if (c->body_left > 0) {
        size_t n = size < c->body_left ? size : c->body_left;
        struct frame piece = {AMQP_FRAME_BODY, c->body_channel, slice_of(p, n)};
        c->body_left -= (uint32_t)n;
        enum verdict verdict = c->state == CONNECTION_RUNNING ? channel_frame(c, &piece) : VERDICT_DONE;
        CHECK(verdict == VERDICT_DONE); /* a piece of a body is always taken */
        return n;
    }
    c->flags &= (uint16_t)~CONNECTION_BODY_OPEN;
    if (*p != AMQP_FRAME_END) {
        struct frame frame = {AMQP_FRAME_BODY, c->body_channel, {0}};
        connection_fail_framing(c, &frame, "invalid_frame_end_marker");
    }
    return 1;
}

/* A body frame that is not whole: from here on it comes in pieces. */
static size_t
connection_body_open(struct connection *c, const uint8_t *p)
{
    c->body_channel = be16_get(p + 1);
    c->body_left = be32_get(p + 3);
    c->flags |= CONNECTION_BODY_OPEN;
    return FRAME_HEADER_SIZE;
}

/* ---- frames ---- */

static enum verdict
connection_frame(struct connection *c, const struct frame *frame)
{
    bool stopping = c->state >= CONNECTION_CLOSING;
    if (frame->type == AMQP_FRAME_METHOD && frame->payload.len < METHOD_ID_SIZE) {
        connection_fail_framing(c, frame, "no_method");
        return VERDICT_DONE;
    }
    if (frame->channel != 0) {
        if (c->state == CONNECTION_RUNNING && frame->type != AMQP_FRAME_HEARTBEAT)
            return channel_frame(c, frame);
        if (!stopping)
            connection_fail_unexpected(c, frame);
        return VERDICT_DONE;
    }
    if (frame->type == AMQP_FRAME_HEARTBEAT)
        return VERDICT_DONE;
    if (frame->type == AMQP_FRAME_METHOD && amqp_method_id(frame->payload) == AMQP_CONNECTION_CLOSE &&
        c->parked_bytes > 0 && !stopping) { /* what was sent before it counts, as with RabbitMQ */
        connection_block(c, BLOCK_CLOSE);
        return VERDICT_NOT_YET;
    }
    if (frame->type == AMQP_FRAME_METHOD)
        class_connection_method(c, frame->payload);
    else if (!stopping)
        connection_fail_unexpected(c, frame);
    return VERDICT_DONE;
}

static uint32_t
connection_frame_limit(const struct connection *c, uint8_t type)
{
    const struct server_limits *limits = &c->home->server->config.limits;
    if (c->state < CONNECTION_OPENING)
        return (limits->initial_frame_max < limits->method_frame_max ? limits->initial_frame_max
                                                                     : limits->method_frame_max) +
               FRAME_OVERHEAD;
    /* RabbitMQ lets clients be wrong by the eight octets around the payload */
    uint32_t max = c->frame_max ? c->frame_max + FRAME_OVERHEAD : 0;
    if (type != AMQP_FRAME_BODY && (!max || max > limits->method_frame_max))
        max = limits->method_frame_max + FRAME_OVERHEAD;
    return max;
}

/* The rest of a frame must come, unless its head says enough: a body is taken in pieces, and before
 * connection.open-ok there is no content. Bytes used. */
static size_t
connection_frame_head(struct connection *c, const struct frame *frame, const uint8_t *p)
{
    bool is_body = frame->type == AMQP_FRAME_BODY;
    if (c->state < CONNECTION_RUNNING && (is_body || frame->type == AMQP_FRAME_HEADER))
        connection_fail_unexpected(c, frame);
    return is_body && c->state >= CONNECTION_RUNNING ? connection_body_open(c, p) : 0;
}

/* One frame at most. Bytes used; 0: more must come, or not now. */
static size_t
connection_step(struct connection *c, const uint8_t *p, size_t size)
{
    struct frame frame;
    size_t used;
    enum err err = frame_parse(slice_of(p, size), connection_frame_limit(c, p[0]), &frame, &used);
    switch (err) {
    case ERR_OK: return connection_frame(c, &frame) == VERDICT_DONE ? used : 0;
    case ERR_TRUNCATED: return size < FRAME_HEADER_SIZE ? 0 : connection_frame_head(c, &frame, p);
    case ERR_LIMIT: connection_fail_framing(c, &frame, "frame_too_large"); return size;
    case ERR_CORRUPT: connection_fail_framing(c, &frame, "invalid_frame_end_marker"); return size;
    default: connection_fail_framing(c, &frame, "unknown_frame"); return size;
    }
}

/* Handles what it can, up to a turn's work; returns how much that was. */
static size_t
connection_parse(struct connection *c, const uint8_t *start, size_t size)
{
    const uint8_t *p = start, *end = start + size;
    const struct broker *broker = c->home->broker;
    uint64_t work_end = connection_work_end(c);
    while (p < end && !c->blocked && c->state != CONNECTION_DEAD && !(c->flags & CONNECTION_MOVING) &&
           broker->route_work < work_end) {
        size_t left = (size_t)(end - p), used;
        if (__builtin_expect(c->flags & CONNECTION_BODY_OPEN, 0)) {
            used = connection_body(c, p, left);
        } else if (c->state == CONNECTION_RUNNING) {
            ssize_t fast = basic_publish_fast(c, p, left);
            if (fast < 0)
                break;
            used = fast ? (size_t)fast : connection_step(c, p, left);
        } else if (c->state == CONNECTION_HEADER) {
            used = connection_header(c, p, left);
        } else {
            used = connection_step(c, p, left);
        }
        if (used == 0)
            break;
        p += used;
    }
    if (__builtin_expect(broker->route_work >= work_end, 0) && c->state != CONNECTION_DEAD)
        server_again(c->home, c);
    return (size_t)(p - start);
}

static void
connection_consume(struct connection *c, const uint8_t *p, size_t size)
{
    size_t used = connection_parse(c, p, size);
    if (c->state == CONNECTION_DEAD)
        return;
    if (c->blocked & BLOCK_DEAF)
        used = size;
    struct slice rest = slice_of(p + used, size - used);
    if (c->flags & CONNECTION_MOVING)
        connection_move_now(c, rest);
    else
        connection_keep(c, rest);
}

/* ---- reading ---- */

void
connection_ended(struct connection *c, ssize_t got)
{
    if (got == NET_ERROR)
        connection_lost(c, stream_error_text(&c->stream));
    else if (c->state == CONNECTION_CLOSING)
        connection_block(c, BLOCK_ENDED);
    else if (c->state >= CONNECTION_CLOSED)
        connection_lost(c, NULL);
    else
        connection_lost(c, c->state <= CONNECTION_HEADER && !c->tail
                               ? NULL
                               : "client unexpectedly closed TCP connection");
}

/*
 * Small messages are read in smaller bites: their blobs are still in the cache when they are delivered, and a
 * consumer that acks each message comes in between often enough to keep up with its publisher.
 */
static size_t
connection_read_budget(struct connection *c)
{
    const struct server_limits *limits = &c->home->server->config.limits;
    size_t budget = limits->read_turn_bytes;
    if (!(c->flags & CONNECTION_BULK) && budget > limits->read_small_bytes)
        budget = limits->read_small_bytes;
    c->flags &= (uint16_t)~CONNECTION_BULK;
    return budget;
}

void
connection_read(struct connection *c)
{
    if (__builtin_expect(c->state == CONNECTION_PROXY, 0) && !connection_read_proxy(c))
        return;
    if (c->flags & CONNECTION_AGAIN_LISTED)
        return; /* what was left undone comes before what is new: connection_resume(), in this turn */
    uint8_t *base = shard_read_buffer(c->home->shard);
    size_t before = c->tail ? c->tail->len : 0;
    if (before > SHARD_READ_HEADROOM) {
        connection_resume(c);
        return;
    }
    if (before)
        memcpy(base - before, c->tail->bytes, before);
    size_t budget = connection_read_budget(c);
    struct iovec iov[2];
    int n = 0;
    struct slice room = before ? slice_of(NULL, 0) : channel_body_room(c);
    if (room.len > 0)
        iov[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)room.data, .iov_len = room.len};
    iov[n++] =
        (struct iovec){.iov_base = base, .iov_len = budget < SHARD_READ_SIZE ? budget : SHARD_READ_SIZE};
    ssize_t got = stream_readv(&c->stream, iov, n);
    if (got == NET_AGAIN) {
        connection_want(c);
        return;
    }
    if (got <= 0) {
        connection_ended(c, got);
        return;
    }
    c->received_bytes += (uint64_t)got;
    c->reads++;
    c->home->read_bytes += (size_t)got;
    c->flags |= CONNECTION_HEARD;
    if (room.len > 0) {
        size_t direct = (size_t)got < room.len ? (size_t)got : room.len;
        c->body_left -= (uint32_t)direct;
        channel_body_arrived(c, direct);
        got -= (ssize_t)direct;
    }
    uint64_t handle = c->handle;
    struct server_shard *home = c->home;
    home->broker->has_backlog = false;
    if (c->state != CONNECTION_DEAD && (size_t)got + before > 0)
        connection_consume(c, base - before, (size_t)got + before);
    if (connection_find(home, handle) != c)
        return;
    if (home->broker->has_backlog)
        connection_pace(c);
    if (!c->blocked && stream_has_pending(&c->stream))
        server_again(home, c);
}

/* The tail, where it is: it is too long for the headroom, or nothing new is to be read. */
static void
connection_consume_tail(struct connection *c)
{
    struct connection_tail *tail = c->tail;
    if (!tail && !(c->flags & CONNECTION_MOVING))
        return;
    c->tail = NULL;
    connection_consume(c, tail ? tail->bytes : NULL, tail ? tail->len : 0);
    free(tail);
}

void
connection_resume(struct connection *c)
{
    struct server_shard *home = c->home;
    uint64_t handle = c->handle;
    if (!(c->blocked & ~BLOCK_BY_PARKED) && !(c->flags & CONNECTION_MOVING))
        channel_replay_all(c);
    if ((!c->blocked || c->flags & CONNECTION_MOVING) && c->state != CONNECTION_DEAD)
        connection_consume_tail(c);
    if (connection_find(home, handle) == c && !c->blocked && stream_has_pending(&c->stream))
        connection_read(c);
}
