/*
 * The handshake: header ─► start ─► start-ok ─► tune ─► tune-ok, open ─► open-ok. Then frames: a method with
 * content opens an assembly on its channel, which its header and body frames fill; only a whole one becomes
 * an event. Channels may be interleaved.
 */
#include "sim/sim_session.h"

#include "base/check.h"
#include "sim/sim_broker.h"
#include "wire/frame.h"
#include "wire/properties.h"
#include "wire/table.h"

#include <stdlib.h>

/* Content on its way in, on one channel. */
struct assembly {
    struct assembly *next;
    uint16_t channel;
    bool is_open, has_header;
    uint64_t body_size;
    struct buffer method, properties, body;
};

struct sim_session {
    struct sim *sim;
    struct sim_client *client;
    struct sim_session_options options;
    sim_session_on_event *on_event;
    void *arg;
    enum sim_session_state state;
    uint32_t frame_max;
    uint16_t channel_max;
    bool is_corked, is_tuned;
    struct assembly *assemblies;
    struct buffer out;
};

void
sim_session_options_init(struct sim_session_options *options)
{
    *options = (struct sim_session_options){.user = "guest", .password = "guest", .vhost = "/"};
}

struct sim_session *
sim_session_new(struct sim *sim, struct io_world *node, const struct sim_session_options *options,
                sim_session_on_event *on_event, void *arg)
{
    struct sim_session *s = calloc(1, sizeof *s);
    CHECK(s);
    s->sim = sim;
    s->options = *options;
    s->on_event = on_event;
    s->arg = arg;
    s->frame_max = AMQP_FRAME_MIN_SIZE;
    s->client = sim_client_open(sim, node, SIM_BROKER_PORT);
    sim_client_send(s->client, frame_protocol_header, FRAME_PROTOCOL_HEADER_SIZE);
    return s;
}

void
sim_session_free(struct sim_session *s)
{
    if (!s)
        return;
    while (s->assemblies) {
        struct assembly *a = s->assemblies;
        s->assemblies = a->next;
        buffer_fini(&a->method);
        buffer_fini(&a->properties);
        buffer_fini(&a->body);
        free(a);
    }
    sim_client_free(s->client);
    buffer_fini(&s->out);
    free(s);
}

enum sim_session_state
sim_session_state(const struct sim_session *s)
{
    return s->state;
}

bool
sim_session_is_connected(const struct sim_session *s)
{
    return s->state != SIM_SESSION_ENDED && sim_client_is_connected(s->client);
}

uint32_t
sim_session_frame_max(const struct sim_session *s)
{
    return s->frame_max;
}

uint16_t
sim_session_channel_max(const struct sim_session *s)
{
    return s->channel_max;
}

struct sim_client *
sim_session_client(struct sim_session *s)
{
    return s->client;
}

/* ---- sending ---- */

void
sim_session_set_corked(struct sim_session *s, bool corked)
{
    s->is_corked = corked;
    if (!corked)
        sim_session_flush(s, SIZE_MAX);
}

void
sim_session_flush(struct sim_session *s, size_t most)
{
    size_t n = most < s->out.len ? most : s->out.len;
    if (n == 0)
        return;
    sim_client_send(s->client, s->out.data, n);
    buffer_consume(&s->out, n);
}

size_t
sim_session_corked_bytes(const struct sim_session *s)
{
    return s->out.len;
}

static void
sent(struct sim_session *s)
{
    if (!s->is_corked || s->state == SIM_SESSION_HANDSHAKE)
        sim_session_flush(s, SIZE_MAX);
}

void
sim_session_send_raw(struct sim_session *s, const void *data, size_t len)
{
    buffer_add(&s->out, data, len);
    sent(s);
}

static void
encode(struct sim_session *s, uint16_t channel, uint32_t id, const void *fields)
{
    static const union amqp_any none;
    const struct amqp_method *method = amqp_method_by_id(id);
    size_t size, cap = s->frame_max ? s->frame_max : 131072;
    CHECK(method);
    uint8_t *out = buffer_reserve(&s->out, cap);
    CHECK(amqp_method_encode(method, fields ? fields : &none, channel, out, cap, &size) == ERR_OK);
    s->out.len += size;
}

void
sim_session_send(struct sim_session *s, uint16_t channel, uint32_t method, const void *fields)
{
    encode(s, channel, method, fields);
    sent(s);
}

static void
encode_body(struct sim_session *s, uint16_t channel, struct slice body, uint32_t payload_max)
{
    uint32_t most = (s->frame_max ? s->frame_max : 131072) - FRAME_OVERHEAD;
    if (payload_max == 0 || payload_max > most)
        payload_max = most;
    for (size_t done = 0, n; done < body.len; done += n) {
        n = body.len - done < payload_max ? body.len - done : payload_max;
        uint8_t *out = buffer_reserve(&s->out, n + FRAME_OVERHEAD);
        frame_header_put(out, AMQP_FRAME_BODY, channel, (uint32_t)n);
        memcpy(out + FRAME_HEADER_SIZE, body.data + done, n);
        out[FRAME_HEADER_SIZE + n] = AMQP_FRAME_END;
        s->out.len += n + FRAME_OVERHEAD;
    }
}

void
sim_session_publish(struct sim_session *s, uint16_t channel, const struct amqp_basic_publish *m,
                    struct slice properties, struct slice body, uint32_t payload_max)
{
    static const uint8_t no_flags[2];
    if (properties.len == 0)
        properties = slice_of(no_flags, sizeof no_flags);
    encode(s, channel, AMQP_BASIC_PUBLISH, m);
    uint8_t *out = buffer_reserve(&s->out, content_header_size(properties));
    s->out.len +=
        content_header_encode(out, channel, AMQP_CLASS_ID(AMQP_BASIC_PUBLISH), body.len, properties);
    encode_body(s, channel, body, payload_max);
    sent(s);
}

void
sim_session_close(struct sim_session *s)
{
    struct amqp_connection_close m = {.reply_code = AMQP_REPLY_SUCCESS, .reply_text = slice_str("bye")};
    if (s->state != SIM_SESSION_OPEN)
        return;
    s->state = SIM_SESSION_CLOSING;
    encode(s, 0, AMQP_CONNECTION_CLOSE, &m);
    sim_session_flush(s, SIZE_MAX);
}

void
sim_session_abort(struct sim_session *s)
{
    s->state = SIM_SESSION_ENDED;
    sim_client_abort(s->client);
}

/* ---- receiving ---- */

static void
tell(struct sim_session *s, enum sim_session_event_kind kind, const char *text)
{
    s->on_event(s->arg, s, &(struct sim_session_event){.kind = kind, .text = text});
}

static void
broken(struct sim_session *s, const char *text)
{
    if (s->state == SIM_SESSION_ENDED)
        return;
    sim_session_abort(s);
    tell(s, SIM_SESSION_BROKEN, text);
}

static void
send_start_ok(struct sim_session *s)
{
    static const char *const capabilities[] = {
        "publisher_confirms",     "exchange_exchange_bindings", "basic.nack",
        "consumer_cancel_notify", "connection.blocked",         "authentication_failure_close",
    };
    struct buffer properties = {0}, response = {0};
    table_add_str(&properties, "product", slice_str("sim"));
    if (!s->options.is_plain) {
        size_t at = table_add_table_begin(&properties, "capabilities");
        for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++)
            table_add_bool(&properties, capabilities[i], true);
        table_end(&properties, at);
    }
    buffer_add_u8(&response, 0);
    buffer_add_str(&response, s->options.user);
    buffer_add_u8(&response, 0);
    buffer_add_str(&response, s->options.password);
    struct amqp_connection_start_ok m = {.client_properties = buffer_slice(&properties),
                                         .mechanism = slice_str("PLAIN"),
                                         .response = buffer_slice(&response),
                                         .locale = slice_str("en_US")};
    sim_session_send(s, 0, AMQP_CONNECTION_START_OK, &m);
    buffer_fini(&properties);
    buffer_fini(&response);
}

static void
send_tune_ok(struct sim_session *s, const struct amqp_connection_tune *tune)
{
    struct amqp_connection_tune_ok m = {
        .channel_max = s->options.channel_max ? s->options.channel_max : tune->channel_max,
        .frame_max = s->options.frame_max ? s->options.frame_max : tune->frame_max,
        .heartbeat = s->options.heartbeat_s,
    };
    s->is_tuned = true;
    sim_session_send(s, 0, AMQP_CONNECTION_TUNE_OK, &m);
    s->frame_max = m.frame_max;
    s->channel_max = m.channel_max;
    struct amqp_connection_open open = {.virtual_host = slice_str(s->options.vhost)};
    sim_session_send(s, 0, AMQP_CONNECTION_OPEN, &open);
}

static void
end(struct sim_session *s, enum sim_session_event_kind kind)
{
    s->state = SIM_SESSION_ENDED;
    tell(s, kind, NULL);
}

static void
on_connection_method(struct sim_session *s, uint32_t id, const union amqp_any *fields)
{
    bool in_handshake = s->state == SIM_SESSION_HANDSHAKE;
    if (id == AMQP_CONNECTION_CLOSE) {
        encode(s, 0, AMQP_CONNECTION_CLOSE_OK, NULL);
        sim_session_flush(s, SIZE_MAX);
        sim_client_shutdown(s->client);
        end(s, SIM_SESSION_CLOSED);
    } else if (id == AMQP_CONNECTION_CLOSE_OK && s->state == SIM_SESSION_CLOSING) {
        sim_client_close(s->client);
        end(s, SIM_SESSION_CLOSED);
    } else if (id == AMQP_CONNECTION_START && in_handshake && !s->is_tuned) {
        send_start_ok(s);
    } else if (id == AMQP_CONNECTION_TUNE && in_handshake && !s->is_tuned) {
        send_tune_ok(s, &fields->connection_tune);
    } else if (id == AMQP_CONNECTION_OPEN_OK && in_handshake && s->is_tuned) {
        s->state = SIM_SESSION_OPEN;
        tell(s, SIM_SESSION_OPENED, NULL);
    } else if (in_handshake) {
        broken(s, "a connection method out of order");
    }
}

static void
on_method(struct sim_session *s, uint16_t channel, struct slice payload, struct slice properties,
          struct slice body)
{
    union amqp_any fields;
    const struct amqp_method *method;
    if (amqp_method_decode(payload, &method, &fields) != ERR_OK) {
        broken(s, "a method that cannot be decoded");
        return;
    }
    if (!(method->sender & AMQP_FROM_SERVER)) {
        broken(s, "a method that only clients send");
        return;
    }
    struct sim_session_event e = {.kind = SIM_SESSION_METHOD,
                                  .channel = channel,
                                  .id = method->id,
                                  .method = method,
                                  .fields = &fields,
                                  .properties = properties,
                                  .body = body};
    s->on_event(s->arg, s, &e);
    if (s->state == SIM_SESSION_ENDED)
        return;
    if (channel == 0)
        on_connection_method(s, method->id, &fields);
    else if (method->id == AMQP_CHANNEL_CLOSE)
        sim_session_send(s, channel, AMQP_CHANNEL_CLOSE_OK, NULL);
}

static struct assembly *
assembly_of(struct sim_session *s, uint16_t channel)
{
    for (struct assembly *a = s->assemblies; a; a = a->next)
        if (a->channel == channel)
            return a;
    struct assembly *a = calloc(1, sizeof *a);
    CHECK(a);
    a->channel = channel;
    a->next = s->assemblies;
    s->assemblies = a;
    return a;
}

static void
complete(struct sim_session *s, struct assembly *a)
{
    if (a->body.len < a->body_size)
        return;
    a->is_open = a->has_header = false;
    on_method(s, a->channel, buffer_slice(&a->method), buffer_slice(&a->properties), buffer_slice(&a->body));
}

static void
on_header(struct sim_session *s, struct assembly *a, struct slice payload)
{
    struct content_header h;
    if (!a->is_open || a->has_header || content_header_decode(payload, &h) != ERR_OK ||
        properties_validate(h.properties) != ERR_OK) {
        broken(s, "a content header out of place");
        return;
    }
    a->has_header = true;
    a->body_size = h.body_size;
    buffer_clear(&a->body);
    buffer_clear(&a->properties);
    buffer_add_slice(&a->properties, h.properties);
    complete(s, a);
}

static void
on_body(struct sim_session *s, struct assembly *a, struct slice payload)
{
    if (!a->is_open || !a->has_header || payload.len == 0 || a->body.len + payload.len > a->body_size) {
        broken(s, "a body frame out of place");
        return;
    }
    buffer_add_slice(&a->body, payload);
    complete(s, a);
}

static void
on_frame(struct sim_session *s, const struct frame *f)
{
    if (f->type == AMQP_FRAME_HEARTBEAT) {
        if (f->channel || f->payload.len)
            broken(s, "a malformed heartbeat");
        return;
    }
    struct assembly *a = assembly_of(s, f->channel);
    if (f->type == AMQP_FRAME_HEADER) {
        on_header(s, a, f->payload);
        return;
    }
    if (f->type == AMQP_FRAME_BODY) {
        on_body(s, a, f->payload);
        return;
    }
    const struct amqp_method *method = amqp_method_by_id(amqp_method_id(f->payload));
    if (a->is_open) {
        broken(s, "a method in the middle of content");
    } else if (method && method->has_content) {
        a->is_open = true;
        buffer_clear(&a->method);
        buffer_add_slice(&a->method, f->payload);
    } else {
        on_method(s, f->channel, f->payload, slice_of(NULL, 0), slice_of(NULL, 0));
    }
}

/* The first whole frame is handled and consumed; false when there is none. */
static bool
poll_frame(struct sim_session *s)
{
    struct frame f;
    size_t used;
    struct slice in = sim_client_received(s->client);
    if (s->state == SIM_SESSION_ENDED || in.len == 0)
        return false;
    uint32_t most = s->is_tuned ? s->frame_max : 0;
    enum err err = frame_parse(in, most, &f, &used);
    if (err == ERR_TRUNCATED)
        return false;
    if (err) {
        broken(s, err == ERR_LIMIT ? "a frame larger than frame_max" : "bytes that are no frame");
        return false;
    }
    /* Sending from the callback may let more arrive, which moves the buffer. */
    struct buffer copy = {0};
    buffer_add_slice(&copy, f.payload);
    f.payload = buffer_slice(&copy);
    sim_client_consume(s->client, used);
    on_frame(s, &f);
    buffer_fini(&copy);
    return true;
}

bool
sim_session_poll(struct sim_session *s)
{
    bool any = false;
    while (poll_frame(s))
        any = true;
    if (s->state == SIM_SESSION_ENDED)
        return any;
    bool is_over = sim_client_is_ended(s->client) || sim_client_is_reset(s->client);
    if (is_over) {
        end(s, SIM_SESSION_LOST);
        return true;
    }
    return any;
}
