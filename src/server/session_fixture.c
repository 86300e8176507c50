/* The node and the frames of session_fixture.h, whatever the world. */
#include "server/session_fixture.h"

#include "base/check.h"
#include "broker/meta.h"
#include "broker/user.h"
#include "wire/table.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the node ---- */

static void
session_log(void *arg, enum log_category category, enum log_level level, const char *text)
{
    if (getenv("SESSION_LOG"))
        fprintf(stderr, "[%s] %s: %s\n", log_level_name(level), log_category_name(category), text);
}

static void
session_apply(struct meta *meta, const struct meta_command *cmd)
{
    struct meta_result result;
    meta_apply(meta, cmd, &result);
    CHECK(result.code == 0);
}

static void
session_on_started(void *arg)
{
    struct session_node *n = arg;
    char why[256];
    enum err err = server_listen(n->server, "127.0.0.1", 0, 128, NULL, &n->port, why, sizeof why);
    CHECK(err == ERR_OK);
    atomic_store(&n->is_listening, true);
}

enum { SESSION_MAIL_RUN = 1 };

static void
session_on_mail(void *arg, struct shard *s, const struct mail *m)
{
    void (*fn)(struct session_node *, uint64_t);
    memcpy(&fn, &m->b, sizeof fn);
    fn(arg, m->a);
}

void
session_node_run(struct session_node *n, void (*fn)(struct session_node *n, uint64_t arg), uint64_t arg)
{
    struct mail m = {.type = SESSION_MAIL_RUN, .a = arg};
    memcpy(&m.b, &fn, sizeof fn);
    shards_post_external(n->node.shards, 0, &m);
}

void
session_node_init(struct session_node *n, struct io_world *world, unsigned shards,
                  const struct server_config *config)
{
    struct server_config defaults;
    server_config_init(&defaults);
    if (!config)
        config = &defaults;
    struct server_config own = *config;
    own.on_started = session_on_started;
    own.on_mail = session_on_mail;
    own.arg = n;
    *n = (struct session_node){0};
    log_init(&n->log, session_log, NULL, LOG_LEVEL_INFO);
    n->node.log = &n->log;
    n->node.name = "rabbit@test";
    n->node.cluster_name = "rabbit@test";
    n->node.limits = (struct broker_limits){
        .message_size_max = 1 << 24,
        .tx_bytes_max = 1 << 20,
        .remote_credit_messages = 64,
        .remote_credit_bytes = 1 << 18,
        .publish_window_bytes = 1 << 18,
        .backlog_messages = 500,
        .backlog_bytes = 1 << 20,
        .queue_turn_messages = 256,
        .route_cache_entries = 1000,
    };
    n->server = server_new(&n->node, &own, shards);
    n->node.shards = shards_new(world, shards, server_hooks(), n->server);
    n->node.epoch = shards_epoch(n->node.shards);
    struct meta *meta = n->node.meta = meta_new(&n->node);
    static const uint8_t salt[4] = {1, 2, 3, 4};
    uint8_t hash[36];
    user_password_hash(slice_str("guest"), salt, hash);
    session_apply(meta, &(struct meta_command){.kind = META_VHOST_ADD, .name = slice_str("/")});
    session_apply(meta, &(struct meta_command){.kind = META_USER_PUT,
                                               .name = slice_str("guest"),
                                               .tags = slice_str("administrator"),
                                               .password_hash = slice_of(hash, sizeof hash)});
    session_apply(meta, &(struct meta_command){.kind = META_PERMISSION_SET,
                                               .vhost = slice_str("/"),
                                               .user = slice_str("guest"),
                                               .configure = slice_str(".*"),
                                               .write = slice_str(".*"),
                                               .read = slice_str(".*")});
    enum err err = shards_start(n->node.shards);
    CHECK(err == ERR_OK);
}

void
session_node_fini(struct session_node *n)
{
    struct meta *meta = n->node.meta;
    meta_free(meta);
    shards_free(n->node.shards);
    server_free(n->server);
}

/* ---- frames in ---- */

struct frame
session_next_frame(struct session_client *c, struct buffer *payload)
{
    for (;;) {
        struct slice in = session_client_peek(c, FRAME_HEADER_SIZE);
        CHECK(in.len >= FRAME_HEADER_SIZE);
        size_t total = (size_t)be32_get(in.data + 3) + FRAME_OVERHEAD;
        in = session_client_peek(c, total);
        CHECK(in.len >= total);
        struct frame frame;
        size_t used;
        enum err err = frame_parse(in, 0, &frame, &used);
        CHECK(err == ERR_OK);
        buffer_clear(payload);
        buffer_add_slice(payload, frame.payload);
        session_client_consume(c, used);
        frame.payload = buffer_slice(payload);
        if (frame.type != AMQP_FRAME_HEARTBEAT)
            return frame;
    }
}

void
session_expect(struct session_client *c, uint16_t channel, uint32_t method, void *out)
{
    struct session_frames *frames = (struct session_frames *)c;
    struct frame frame = session_next_frame(c, &frames->payload);
    union amqp_any any;
    const struct amqp_method *m;
    CHECK(frame.type == AMQP_FRAME_METHOD);
    enum err err = amqp_method_decode(frame.payload, &m, &any);
    CHECK(err == ERR_OK);
    if (m->id != method || frame.channel != channel) {
        struct buffer text = {0};
        amqp_method_describe(m, &any, &text);
        fprintf(stderr, "expected %s on channel %u, got %.*s on %u\n", amqp_method_by_id(method)->name,
                channel, SLICE_FMT(text), frame.channel);
        CHECK_UNREACHABLE("another method");
    }
    if (out)
        memcpy(out, &any, m->struct_size);
}

struct slice
session_expect_content(struct session_client *c, uint16_t channel, struct slice *properties)
{
    struct session_frames *frames = (struct session_frames *)c;
    struct buffer frame_payload = {0};
    struct frame frame = session_next_frame(c, &frame_payload);
    struct content_header header;
    CHECK(frame.type == AMQP_FRAME_HEADER && frame.channel == channel);
    enum err err = content_header_decode(frame.payload, &header);
    CHECK(err == ERR_OK);
    buffer_clear(&frames->properties);
    buffer_add_slice(&frames->properties, header.properties);
    buffer_clear(&frames->content);
    while (frames->content.len < header.body_size) {
        frame = session_next_frame(c, &frame_payload);
        CHECK(frame.type == AMQP_FRAME_BODY && frame.channel == channel);
        buffer_add_slice(&frames->content, frame.payload);
    }
    CHECK(frames->content.len == header.body_size);
    buffer_fini(&frame_payload);
    if (properties)
        *properties = buffer_slice(&frames->properties);
    return buffer_slice(&frames->content);
}

/* ---- frames out ---- */

void
session_send(struct session_client *c, uint16_t channel, uint32_t method, const void *fields)
{
    const struct amqp_method *m = amqp_method_by_id(method);
    union amqp_any defaults;
    uint8_t out[8192];
    size_t size;
    if (!fields) {
        amqp_method_defaults(m, &defaults);
        fields = &defaults;
    }
    enum err err = amqp_method_encode(m, fields, channel, out, sizeof out, &size);
    CHECK(err == ERR_OK);
    session_client_send(c, out, size);
}

void
session_publish_bytes(struct session_client *c, uint16_t channel, const struct amqp_basic_publish *m,
                      struct slice properties, struct slice body, size_t frame_max)
{
    struct buffer out = {0};
    out.len += amqp_encode_basic_publish(buffer_reserve(&out, amqp_size_basic_publish(m)), channel, m);
    out.len += content_header_encode(buffer_reserve(&out, content_header_size(properties)), channel,
                                     AMQP_CLASS_BASIC, body.len, properties);
    for (size_t at = 0; at < body.len;) {
        size_t part = body.len - at < frame_max - FRAME_OVERHEAD ? body.len - at : frame_max - FRAME_OVERHEAD;
        frame_header_put(buffer_reserve(&out, FRAME_HEADER_SIZE), AMQP_FRAME_BODY, channel, (uint32_t)part);
        out.len += FRAME_HEADER_SIZE;
        buffer_add(&out, body.data + at, part);
        buffer_add_u8(&out, AMQP_FRAME_END);
        at += part;
    }
    session_client_send(c, out.data, out.len);
    buffer_fini(&out);
}

void
session_publish(struct session_client *c, uint16_t channel, const char *exchange, const char *key,
                const char *body)
{
    struct amqp_basic_publish m = {.exchange = slice_str(exchange), .routing_key = slice_str(key)};
    static const uint8_t none[2];
    session_publish_bytes(c, channel, &m, slice_of(none, 2), slice_str(body), 131072);
}

/* ---- steps ---- */

void
session_open_channel(struct session_client *c, uint16_t channel)
{
    session_send(c, channel, AMQP_CHANNEL_OPEN, NULL);
    session_expect(c, channel, AMQP_CHANNEL_OPEN_OK, NULL);
}

struct session_client *
session_login(struct session_world *w)
{
    struct session_client *c = session_client_open(w);
    session_client_send(c, frame_protocol_header, FRAME_PROTOCOL_HEADER_SIZE);
    session_expect(c, 0, AMQP_CONNECTION_START, NULL);
    struct buffer properties = {0};
    size_t at = table_add_table_begin(&properties, "capabilities");
    table_add_bool(&properties, "consumer_cancel_notify", true);
    table_add_bool(&properties, "connection.blocked", true);
    table_add_bool(&properties, "authentication_failure_close", true);
    table_end(&properties, at);
    struct amqp_connection_start_ok start_ok = {.client_properties = buffer_slice(&properties),
                                                .mechanism = slice_str("PLAIN"),
                                                .response = slice_of("\0guest\0guest", 12),
                                                .locale = slice_str("en_US")};
    session_send(c, 0, AMQP_CONNECTION_START_OK, &start_ok);
    buffer_fini(&properties);
    struct amqp_connection_tune tune;
    session_expect(c, 0, AMQP_CONNECTION_TUNE, &tune);
    struct amqp_connection_tune_ok tune_ok = {
        .channel_max = tune.channel_max, .frame_max = tune.frame_max, .heartbeat = tune.heartbeat};
    session_send(c, 0, AMQP_CONNECTION_TUNE_OK, &tune_ok);
    session_send(c, 0, AMQP_CONNECTION_OPEN, NULL);
    session_expect(c, 0, AMQP_CONNECTION_OPEN_OK, NULL);
    session_open_channel(c, 1);
    return c;
}

void
session_declare(struct session_client *c, uint16_t channel, const char *queue)
{
    struct amqp_queue_declare m = {.queue = slice_str(queue)};
    session_send(c, channel, AMQP_QUEUE_DECLARE, &m);
    struct amqp_queue_declare_ok ok;
    session_expect(c, channel, AMQP_QUEUE_DECLARE_OK, &ok);
    CHECK(!*queue || slice_eq_str(ok.queue, queue));
}

void
session_logout(struct session_client *c)
{
    session_send(c, 0, AMQP_CONNECTION_CLOSE, NULL);
    session_expect(c, 0, AMQP_CONNECTION_CLOSE_OK, NULL);
    CHECK(session_client_is_ended(c));
    session_client_free(c);
}
