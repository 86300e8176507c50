/*
 * The server's life and the hooks that a shard calls.
 *
 * End of a turn, in this order: connections that were left with something to read or resume; the broker
 * delivers; acks and nacks of publishes are collected into as few methods as possible; output is written.
 * Delivering and writing also happen in the middle of a turn, whenever limits.deliver_bytes have been read:
 * with many connections what was read would otherwise have left the cache before it is written.
 * What is written last may make room for deliveries: then the shard does not sleep.
 */
#include "server/server.h"

#include "base/check.h"
#include "broker/courier.h"
#include "broker/meta.h"
#include "broker/user.h"
#include "broker/vhost.h"
#include "io/random.h"
#include "server/class.h"
#include "server/connection.h"
#include "server/login_limit.h"
#include "server/offer.h"
#include "wire/table.h"

#include <stdlib.h>

enum { SERVER_STOP_POLL_MS = 5 };

void
server_config_init(struct server_config *config)
{
    *config = (struct server_config){
        .limits = *server_limits_default(),
        .channel_max = 2047,
        .frame_max = 131072,
        .heartbeat_s = 60,
        .mechanism_plain = true,
        .mechanism_amqplain = true,
        .anonymous_user = slice_str("guest"),
        .cert_login_from = CERT_LOGIN_DISTINGUISHED_NAME,
        .loopback_users = {slice_str("guest")},
        .loopback_users_count = 1,
        .product = "RabbitMQ",
        .product_version = "3.12.14",
        .move_connections = true,
    };
}

/* The table of connection.start, without cluster_name, which may change: handshake.c adds it. Clients look at
 * product, version and capabilities. */
static void
server_properties_build(struct server *server)
{
    static const char *const capabilities[] = {
        "publisher_confirms",           "exchange_exchange_bindings", "basic.nack",
        "consumer_cancel_notify",       "connection.blocked",         "consumer_priorities",
        "authentication_failure_close", "per_consumer_qos",           "direct_reply_to",
    };
    struct buffer *out = &server->server_properties;
    size_t at = table_add_table_begin(out, "capabilities");
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++)
        table_add_bool(out, capabilities[i], true);
    table_end(out, at);
    table_add_str(out, "copyright", slice_str("The Leveret authors"));
    table_add_str(out, "information", slice_str("Leveret " LEVERET_VERSION ", licensed under Apache-2.0"));
    table_add_str(out, "platform", slice_str("C"));
    table_add_str(out, "product", slice_str(server->config.product));
    table_add_str(out, "version", slice_str(server->config.product_version));
    table_add_str(out, "leveret_version", slice_str(LEVERET_VERSION));
}

struct server *
server_new(struct node *node, const struct server_config *config, unsigned shard_count)
{
    struct server *server = calloc(1, sizeof *server);
    CHECK(server);
    server->node = node;
    server->config = *config;
    server->shard_count = shard_count;
    server->counts = aligned_alloc(_Alignof(struct server_counts), shard_count * sizeof *server->counts);
    server->parts = calloc(shard_count, sizeof *server->parts);
    CHECK(server->counts && server->parts);
    for (unsigned i = 0; i < shard_count; i++)
        atomic_init(&server->counts[i].connections, 0);
    server_properties_build(server);
    return server;
}

/* The shards have stopped; what other shards still refer to lives in the brokers' pools, so those go last. */
static void
server_shard_free(struct server_shard *home)
{
    offer_drop(home->offer);
    outbound_pool_fini(&home->outputs);
    intern_table_fini(&home->interned);
    slots_fini(&home->connections);
    free(home->again.handles);
    free(home->paced.handles);
    for (unsigned i = 0; i < home->server->shard_count; i++)
        free(home->waiting_for_room.to[i].handles);
    free(home->waiting_for_room.to);
    free(home);
}

void
server_free(struct server *server)
{
    for (unsigned i = 0; i < server->shard_count; i++) {
        if (!server->parts[i])
            continue;
        struct broker *broker = server->parts[i]->broker;
        server_shard_free(server->parts[i]);
        broker_free(broker);
    }
    login_limit_free(server->logins);
    buffer_fini(&server->server_properties);
    free(server->counts);
    free(server->parts);
    free(server);
}

uint64_t
server_connection_count(const struct server *server)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < server->shard_count; i++)
        count += atomic_load_explicit(&server->counts[i].connections, memory_order_relaxed);
    return count;
}

void
server_handles_add(struct server_handles *list, uint64_t handle)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        list->handles = realloc(list->handles, list->cap * sizeof *list->handles);
        CHECK(list->handles);
    }
    list->handles[list->count++] = handle;
}

void
server_again(struct server_shard *home, struct connection *c)
{
    if (c->flags & CONNECTION_AGAIN_LISTED)
        return;
    c->flags |= CONNECTION_AGAIN_LISTED;
    server_handles_add(&home->again, c->handle);
}

void
server_unpace(void *arg)
{
    struct server_shard *home = arg;
    struct server_handles list = home->paced;
    home->paced = (struct server_handles){0};
    for (uint32_t i = 0; i < list.count; i++) {
        struct connection *c = connection_find(home, list.handles[i]);
        if (c)
            connection_unblock(c, BLOCK_PACE);
    }
    free(list.handles);
}

/* ---- hooks ---- */

/* From within meta_apply(), on shard 0: the queue's own shard ends it. */
static void
server_on_queue_deleted(void *arg, const struct queue_def *q)
{
    courier_queue_gone(arg, q->shard, q->id);
}

/* Its time begins, though nobody may use it. */
static void
server_on_queue_declared(void *arg, const struct queue_def *q)
{
    courier_queue_declared(arg, q);
}

/* Likewise: every shard closes its connections there. They hold the vhost, so its memory outlives the mail.
 */
static void
server_on_vhost_deleted(void *arg, const struct vhost *v)
{
    struct broker *b = arg;
    for (unsigned i = 0; i < shards_count(b->node->shards); i++)
        shard_post(b->shard, i, SHARD_LANE_RESERVED,
                   &(struct mail){.type = MAIL_SERVER + SERVER_MAIL_VHOST_DELETED, .a = v->id});
}

/* Likewise, by name: it may be there again, another user, when the mail arrives. */
static void
server_on_user_deleted(void *arg, const struct user *u)
{
    struct broker *b = arg;
    for (unsigned i = 0; i < shards_count(b->node->shards); i++) {
        char *name = malloc(u->name_size);
        CHECK(name);
        memcpy(name, u->name, u->name_size);
        shard_post(
            b->shard, i, SHARD_LANE_RESERVED,
            &(struct mail){.type = MAIL_SERVER + SERVER_MAIL_USER_DELETED, .p = name, .a = u->name_size});
    }
}

static void
server_close_user(struct server_shard *home, struct slice user)
{
    size_t cursor = 0;
    for (struct connection *c; (c = slots_next(&home->connections, &cursor, NULL));)
        if (c->user && slice_eq(intern_slice(c->user), user))
            connection_fail(c, AMQP_REPLY_CONNECTION_FORCED, 0, "user '%.*s' is deleted", SLICE_FMT(user));
}

static void
server_close_vhost(struct server_shard *home, uint64_t id)
{
    size_t cursor = 0;
    for (struct connection *c; (c = slots_next(&home->connections, &cursor, NULL));)
        if (c->vhost && c->vhost->id == id)
            server_close_stale(home, c);
}

void
server_close_stale(struct server_shard *home, struct connection *c)
{
    if (home->is_closing && (c->state == CONNECTION_RUNNING || c->state == CONNECTION_OPENING))
        connection_fail(c, AMQP_REPLY_CONNECTION_FORCED, 0,
                        "broker forced connection closure with reason 'shutdown'");
    else if (home->is_closing && (c->state < CONNECTION_CLOSING || c->state == CONNECTION_SILENT))
        connection_lost(c, NULL);
    else if (c->state == CONNECTION_RUNNING && vhost_is_deleted(c->vhost))
        connection_fail(c, AMQP_REPLY_CONNECTION_FORCED, 0, "vhost '%s' is deleted", c->vhost->name);
    else if (c->state == CONNECTION_RUNNING && !user_find(home->server->node->meta, intern_slice(c->user)))
        connection_fail(c, AMQP_REPLY_CONNECTION_FORCED, 0, "user '%.*s' is deleted",
                        SLICE_FMT(intern_slice(c->user)));
}

/* Before anybody listens. */
static struct login_limit *
server_login_limit(const struct server *server)
{
    uint64_t seed;
    random_bytes(shards_world(server->node->shards), &seed, sizeof seed);
    const struct server_limits *limits = &server->config.limits;
    return login_limit_new(limits->login_failures_max, limits->login_window_ms, seed);
}

static void
server_on_start(struct shard *s, void *owner)
{
    struct server *server = owner;
    struct server_shard *home = calloc(1, sizeof *home);
    CHECK(home);
    home->server = server;
    home->shard = s;
    home->index = shard_index(s);
    home->offer = offer_new(&server->config);
    home->broker = broker_new(server->node, s, &server_effects, home);
    outbound_pool_init(&home->outputs, home->broker);
    list_init(&home->confirming);
    list_init(&home->acknowledging);
    list_init(&home->operator_ops);
    home->waiting_for_room.to = calloc(server->shard_count, sizeof *home->waiting_for_room.to);
    CHECK(home->waiting_for_room.to);
    shard_set_data(s, home);
    server->parts[home->index] = home;
    if (home->index == 0) {
        server->logins = server_login_limit(server);
        meta_set_hooks(server->node->meta,
                       &(struct meta_hooks){.queue_deleted = server_on_queue_deleted,
                                            .queue_declared = server_on_queue_declared,
                                            .vhost_deleted = server_on_vhost_deleted,
                                            .user_deleted = server_on_user_deleted},
                       home->broker);
    }
    if (home->index == 0)
        server->started_ms = shard_wall_ms(s);
    if (home->index == 0 && server->config.on_started)
        server->config.on_started(server->config.arg);
}

static void
server_on_mail(struct shard *s, void *owner, const struct mail *m)
{
    struct server *server = owner;
    struct server_shard *home = shard_data(s);
    if (m->type >= MAIL_META && m->type < MAIL_META + MAIL_RANGE_SIZE)
        meta_on_mail(home->broker, m);
    else if (m->type >= MAIL_COURIER && m->type < MAIL_COURIER + MAIL_RANGE_SIZE)
        courier_on_mail(home->broker, m);
    else if (m->type == MAIL_SERVER + SERVER_MAIL_SOCKET)
        server_accept(home, m->p, (struct tls_context *)(uintptr_t)m->a);
    else if (m->type == MAIL_SERVER + SERVER_MAIL_CONNECTION)
        connection_arrive(home, m->p, (struct net_socket *)(uintptr_t)m->a);
    else if (m->type == MAIL_SERVER + SERVER_MAIL_REPLY_QUESTION)
        direct_reply_on_mail(home, m);
    else if (m->type == MAIL_SERVER + SERVER_MAIL_OFFER)
        offer_on_mail(home, m->p);
    else if (m->type == MAIL_SERVER + SERVER_MAIL_CLOSE_ALL)
        server_close_all(home);
    else if (m->type == MAIL_SERVER + SERVER_MAIL_VHOST_DELETED)
        server_close_vhost(home, m->a);
    else if (m->type == MAIL_SERVER + SERVER_MAIL_USER_DELETED) {
        server_close_user(home, slice_of(m->p, m->a));
        free(m->p);
    } else if (server->config.on_mail)
        server->config.on_mail(server->config.arg, s, m);
}

static void
server_on_room(struct shard *s, void *owner, unsigned to)
{
    struct server_shard *home = shard_data(s);
    courier_on_room(home->broker, to);
}

/* Each gets one more turn; who is listed anew meanwhile waits for the next round. */
static void
server_serve_again(struct server_shard *home)
{
    struct server_handles list = home->again;
    if (list.count == 0)
        return;
    home->again = (struct server_handles){0};
    for (uint32_t i = 0; i < list.count; i++) {
        struct connection *c = connection_find(home, list.handles[i]);
        if (!c)
            continue;
        c->flags &= (uint16_t)~CONNECTION_AGAIN_LISTED;
        connection_resume(c);
    }
    free(list.handles);
}

bool
server_deliver(struct server_shard *home)
{
    home->read_bytes = 0;
    bool more = broker_turn(home->broker);
    class_confirm_flush_all(home);
    return connection_flush_all(home) || more;
}

static bool
server_on_turn(struct shard *s, void *owner)
{
    struct server_shard *home = shard_data(s);
    server_serve_again(home);
    bool more = server_deliver(home);
    broker_flush(home->broker);
    home->turn++;
    return more || home->again.count > 0 || !list_is_empty(&home->broker->dirty) ||
           !list_is_empty(&home->confirming) || home->flush_first;
}

static void
server_on_stop(struct shard *s, void *owner)
{
    struct server_shard *home = shard_data(s);
    if (home->index == 0)
        server_unlisten(home->server);
    size_t cursor = 0;
    for (struct connection *c; (c = slots_next(&home->connections, &cursor, NULL));)
        connection_lost(c, NULL);
    connection_flush_all(home);
    broker_stop(home->broker);
}

static void
server_on_discard(void *owner, const struct mail *m)
{
    if (m->type >= MAIL_COURIER && m->type < MAIL_COURIER + MAIL_RANGE_SIZE) {
        courier_discard(m);
    } else if (m->type >= MAIL_META && m->type < MAIL_META + MAIL_RANGE_SIZE) {
        meta_on_discard(m);
    } else if (m->type == MAIL_SERVER + SERVER_MAIL_SOCKET) {
        net_socket_free(m->p);
        if (m->a)
            tls_context_drop((struct tls_context *)(uintptr_t)m->a);
    } else if (m->type == MAIL_SERVER + SERVER_MAIL_REPLY_QUESTION ||
               m->type == MAIL_SERVER + SERVER_MAIL_USER_DELETED) {
        free(m->p);
    } else if (m->type == MAIL_SERVER + SERVER_MAIL_OFFER) {
        offer_drop(m->p);
    } else if (m->type == MAIL_SERVER + SERVER_MAIL_CONNECTION) {
        connection_discard(m->p, (struct net_socket *)(uintptr_t)m->a);
    }
}

const struct shard_hooks *
server_hooks(void)
{
    static const struct shard_hooks hooks = {
        .on_start = server_on_start,
        .on_mail = server_on_mail,
        .on_room = server_on_room,
        .on_turn = server_on_turn,
        .on_stop = server_on_stop,
        .on_discard = server_on_discard,
    };
    return &hooks;
}

/* ---- stopping ---- */

void
server_close_all(struct server_shard *home)
{
    size_t cursor = 0;
    home->is_closing = true;
    for (struct connection *c; (c = slots_next(&home->connections, &cursor, NULL));)
        server_close_stale(home, c);
}

static void
server_stop_check(void *arg)
{
    struct server *server = arg;
    struct shard *s = shards_get(server->node->shards, 0);
    if (server_connection_count(server) == 0 || shard_now_ms(s) >= server->stop_deadline_ms) {
        shards_stop(server->node->shards);
        return;
    }
    timer_start(s, &server->stop_timer, SERVER_STOP_POLL_MS, server_stop_check, server);
}

void
server_stop(struct server *server, uint64_t deadline_ms)
{
    struct shard *s = shards_get(server->node->shards, 0);
    uint64_t deadline = shard_now_ms(s) + deadline_ms;
    if (server->is_stopping) { /* asked again, in more of a hurry */
        server->stop_deadline_ms = deadline < server->stop_deadline_ms ? deadline : server->stop_deadline_ms;
        return;
    }
    server->is_stopping = true;
    server_unlisten(server);
    server->stop_deadline_ms = deadline;
    for (unsigned i = 0; i < server->shard_count; i++)
        shard_post(s, i, SHARD_LANE_RESERVED, &(struct mail){.type = MAIL_SERVER + SERVER_MAIL_CLOSE_ALL});
    timer_start(s, &server->stop_timer, SERVER_STOP_POLL_MS, server_stop_check, server);
}
