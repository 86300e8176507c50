/*
 * Frames in and out of a transcript's connections.
 *
 * Whatever arrives is cut into frames at once and queued per connection in order; an expectation takes the
 * first frame of its channel. So frames of one channel are strictly ordered, and channels do not disturb each
 * other. Every frame received is checked: its end octet, and that it is not larger than was negotiated.
 */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool
client_connect(struct client *c, const struct transcript_options *options, struct bytes *why)
{
    client_drop(c, options);
    c->handle = options->net->connect(options->net->ctx);
    if (c->handle < 0) {
        bytes_printf(why, "the broker cannot be reached");
        return false;
    }
    c->is_open = true;
    c->frame_max = 131072;
    c->last = &c->first;
    return true;
}

void
client_drop(struct client *c, const struct transcript_options *options)
{
    if (c->is_open) {
        options->net->close(options->net->ctx, c->handle);
    }
    while (c->first != NULL) {
        struct client_frame *frame = c->first;
        c->first = frame->next;
        client_frame_free(frame);
    }
    for (unsigned i = 0; i < c->channel_count; i++) {
        free(c->channels[i]);
    }
    bytes_fini(&c->input);
    *c = (struct client){0};
}

void
client_send(struct client *c, const struct transcript_options *options, const struct bytes *data)
{
    options->net->send(options->net->ctx, c->handle, data->data, data->size);
}

void
client_frame_encode(struct bytes *out, unsigned type, unsigned channel, const struct bytes *payload,
                    unsigned end)
{
    bytes_put(out, type, 1);
    bytes_put(out, channel, 2);
    bytes_put(out, payload->size, 4);
    bytes_append(out, payload->data, payload->size);
    bytes_put(out, end, 1);
}

void
client_frame_free(struct client_frame *frame)
{
    bytes_fini(&frame->payload);
    free(frame);
}

static uint32_t
be(const uint8_t *p, unsigned width)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < width; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static void
frame_queue(struct client *c, unsigned type, unsigned channel, const uint8_t *payload, size_t size)
{
    struct client_frame *frame = calloc(1, sizeof(*frame));
    if (frame == NULL) {
        abort();
    }
    frame->type = type;
    frame->channel = channel;
    bytes_append(&frame->payload, payload, size);
    *c->last = frame;
    c->last = &frame->next;
}

/* Moves complete frames from the input to the queue; false when what arrived is no frame. */
static bool
input_cut(struct client *c, struct bytes *why)
{
    for (;;) {
        const uint8_t *p = c->input.data;
        if (!c->is_started && c->input.size >= 4 && memcmp(p, "AMQP", 4) == 0) {
            if (c->input.size < 8) {
                return true;
            }
            frame_queue(c, CLIENT_FRAME_PROTOCOL, 0, p, 8);
            bytes_consume(&c->input, 8);
            continue;
        }
        if (c->input.size < 7) {
            return true;
        }
        uint32_t size = be(p + 3, 4);
        if (size + 8u > c->frame_max || (p[0] != 8 && (p[0] < 1 || p[0] > 3))) {
            bytes_printf(why, "the broker sent a frame of type %u with %u octets, frame-max being %u", p[0],
                         size, c->frame_max);
            return false;
        }
        if (c->input.size < size + 8u) {
            return true;
        }
        if (p[7 + size] != 0xCE) {
            bytes_printf(why, "the broker sent a frame that does not end with 0xCE but 0x%02x", p[7 + size]);
            return false;
        }
        c->is_started = true;
        frame_queue(c, p[0], be(p + 1, 2), p + 7, size);
        bytes_consume(&c->input, size + 8u);
    }
}

/* Receives once; false when nothing comes in time or what comes is malformed. */
static bool
input_more(struct client *c, const struct transcript_options *options, int timeout_ms, struct bytes *why)
{
    uint8_t buffer[65536];
    ssize_t n = options->net->recv(options->net->ctx, c->handle, buffer, sizeof(buffer), timeout_ms);
    if (n < 0) {
        return false;
    }
    if (n == 0) {
        c->is_ended = true;
        return true;
    }
    bytes_append(&c->input, buffer, (size_t)n);
    return input_cut(c, why);
}

static struct client_frame *
frame_take(struct client *c, unsigned channel, bool heartbeats)
{
    for (struct client_frame **link = &c->first; *link != NULL; link = &(*link)->next) {
        struct client_frame *frame = *link;
        if (frame->channel != channel || (frame->type == CLIENT_FRAME_HEARTBEAT) != heartbeats) {
            continue;
        }
        *link = frame->next;
        if (c->last == &frame->next) {
            c->last = link;
        }
        return frame;
    }
    return NULL;
}

/* A connection.close that was not asked for makes waiting on a channel pointless. */
static bool
is_closing(const struct client *c, unsigned channel)
{
    for (const struct client_frame *f = c->first; f != NULL && channel != 0; f = f->next) {
        if (f->channel == 0 && client_frame_is(f, "connection.close")) {
            return true;
        }
    }
    return false;
}

static void
pending_describe(const struct client *c, struct bytes *why)
{
    for (const struct client_frame *f = c->first; f != NULL; f = f->next) {
        bytes_printf(why, "%s", f == c->first ? "; received and not expected: " : "; ");
        if (f->channel != 0) {
            bytes_printf(why, "[%u] ", f->channel);
        }
        client_frame_describe(f, why);
    }
}

struct client_frame *
client_next(struct client *c, const struct transcript_options *options, unsigned channel, bool heartbeats,
            struct bytes *why)
{
    for (int waited_ms = 0;;) {
        struct client_frame *frame = frame_take(c, channel, heartbeats);
        if (frame != NULL) {
            return frame;
        }
        if (c->is_ended || is_closing(c, channel)) {
            bytes_printf(why, c->is_ended ? "the broker has closed the connection" : "the broker closes");
            break;
        }
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        if (!input_more(c, options, options->timeout_ms - waited_ms, why)) {
            bytes_printf(why, "%s", why->size == 0 ? "nothing came in time" : "");
            break;
        }
        clock_gettime(CLOCK_MONOTONIC, &to);
        waited_ms += (int)((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000);
        if (waited_ms >= options->timeout_ms) {
            bytes_printf(why, "it did not come in time");
            break;
        }
    }
    pending_describe(c, why);
    return NULL;
}

bool
client_expect_end(struct client *c, const struct transcript_options *options, struct bytes *why)
{
    while (!c->is_ended) {
        if (!input_more(c, options, options->timeout_ms, why)) {
            bytes_printf(why, "the broker does not close the connection");
            pending_describe(c, why);
            return false;
        }
        struct client_frame *heartbeat = frame_take(c, 0, true);
        if (heartbeat != NULL) {
            client_frame_free(heartbeat);
        }
        if (c->first != NULL) {
            break;
        }
    }
    if (c->first != NULL) {
        bytes_printf(why, "frames stand before the end");
        pending_describe(c, why);
        return false;
    }
    return true;
}

bool
client_frame_is(const struct client_frame *frame, const char *name)
{
    struct notation_method method;
    return frame->type == CLIENT_FRAME_METHOD && notation_method_by_name(name, &method) &&
           frame->payload.size >= 4 &&
           be(frame->payload.data, 4) == (method.class_id << 16 | method.method_id);
}

static void
field_describe(void *ctx, const char *field, const char *text)
{
    bytes_printf(ctx, " %s=%s", field, text);
}

void
client_frame_describe(const struct client_frame *frame, struct bytes *text)
{
    struct bytes why = {0};
    if (frame->type == CLIENT_FRAME_METHOD && frame->payload.size >= 4) {
        const uint8_t *p = frame->payload.data;
        struct notation_method method;
        if (!notation_method_by_id(be(p, 2), be(p + 2, 2), &method)) {
            bytes_printf(text, "unknown method %u.%u", be(p, 2), be(p + 2, 2));
        } else {
            bytes_printf(text, "%s", method.name);
            notation_method_decode(&method, p + 4, frame->payload.size - 4, field_describe, text, &why);
        }
    } else if (frame->type == CLIENT_FRAME_HEADER && frame->payload.size >= 14) {
        bytes_printf(text, "header body-size=%u", be(frame->payload.data + 8, 4));
        bytes_printf(text, " props=");
        notation_props_decode(frame->payload.data + 12, frame->payload.size - 12, text, &why);
    } else {
        bytes_printf(text, "%s of %zu octets",
                     frame->type == CLIENT_FRAME_BODY        ? "body"
                     : frame->type == CLIENT_FRAME_HEARTBEAT ? "heartbeat"
                     : frame->type == CLIENT_FRAME_PROTOCOL  ? "protocol-header"
                                                             : "frame",
                     frame->payload.size);
    }
    if (why.size > 0) {
        bytes_printf(text, " (%s)", bytes_text(&why));
    }
    bytes_fini(&why);
}

struct client_channel *
client_channel(struct client *c, unsigned number)
{
    for (unsigned i = 0; i < c->channel_count; i++) {
        if (c->channels[i]->number == number) {
            return c->channels[i];
        }
    }
    struct client_channel *channel = calloc(1, sizeof(*channel));
    if (channel == NULL || c->channel_count == CLIENT_CHANNELS_MAX) {
        abort();
    }
    channel->number = number;
    c->channels[c->channel_count++] = channel;
    return channel;
}

void
client_observe(struct client *c, unsigned channel, const char *method)
{
    if (strcmp(method, "connection.open-ok") == 0) {
        c->is_ready = true;
    } else if (strcmp(method, "connection.close") == 0) {
        c->is_ready = false;
    } else if (strcmp(method, "channel.open-ok") == 0) {
        *client_channel(c, channel) = (struct client_channel){.number = channel, .is_open = true};
    } else if (strcmp(method, "channel.close") == 0) {
        client_channel(c, channel)->is_open = false;
    }
}

bool
client_confirm(struct client_channel *channel, uint64_t tag, bool multiple, struct bytes *why)
{
    if (tag >= CLIENT_CONFIRMS_MAX || tag <= channel->covered || channel->is_confirmed[tag]) {
        bytes_printf(why, "publish %llu is confirmed twice, or is none", (unsigned long long)tag);
        return false;
    }
    for (uint64_t i = multiple ? channel->covered + 1 : tag; i <= tag; i++) {
        channel->is_confirmed[i] = true;
    }
    while (channel->covered + 1 < CLIENT_CONFIRMS_MAX && channel->is_confirmed[channel->covered + 1]) {
        channel->covered++;
    }
    return true;
}
