/*
 * From the first byte to connection.open-ok.
 *
 *   header ─► start / start-ok ─► tune / tune-ok ─► open / open-ok
 *
 * One timer covers all of it, so that a client at one byte a minute is gone after handshake_timeout_ms; TLS
 * must be done after tls_handshake_timeout_ms of that. Frames may have initial_frame_max bytes until tune-ok.
 * Before the login an error is answered with silence for a while (RabbitMQ does, to slow down guessing), a
 * refused login with 403 if the client said that it understands that; afterwards every error is told. A
 * source whose logins have failed too often is refused before its password is looked at (login_limit.h);
 * certificates are no guesses and always are. None of our mechanisms needs a second step: connection.secure
 * is never sent.
 */
#include "server/handshake.h"
#include "broker/parameter.h"
#include "broker/user.h"
#include "broker/vhost.h"
#include "server/class.h"
#include "server/connection_limit.h"
#include "server/heartbeat.h"
#include "server/login_limit.h"
#include "server/offer.h"
#include "server/session_event.h"
#include "wire/sasl.h"
#include "wire/table.h"

#include <inttypes.h>
#include <stdio.h>

enum { HANDSHAKE_CHANNEL_MIN = 1 };

static void
handshake_timed_out(void *arg)
{
    struct connection *c = arg;
    connection_lost(c, c->state <= CONNECTION_HEADER && !c->received_bytes ? NULL : "handshake_timeout");
}

static void
handshake_tls_is_due(void *arg)
{
    struct connection *c = arg;
    const struct offer *o = c->home->offer; /* perhaps not that of the beginning */
    if (!tls_is_established(c->stream.tls)) {
        connection_lost(c, "ssl_handshake_timeout");
        return;
    }
    uint32_t spent_ms = o->tls_handshake_timeout_ms;
    timer_start(c->home->shard, &c->timer,
                o->handshake_timeout_ms > spent_ms ? o->handshake_timeout_ms - spent_ms : 0,
                handshake_timed_out, c);
}

void
handshake_begin(struct connection *c)
{
    const struct offer *o = c->home->offer;
    c->state = c->home->server->config.proxy_protocol ? CONNECTION_PROXY : CONNECTION_HEADER;
    if (c->stream.tls && o->tls_handshake_timeout_ms < o->handshake_timeout_ms)
        timer_start(c->home->shard, &c->timer, o->tls_handshake_timeout_ms, handshake_tls_is_due, c);
    else
        timer_start(c->home->shard, &c->timer, o->handshake_timeout_ms, handshake_timed_out, c);
}

/* ---- start ---- */

static bool
handshake_offers(const struct connection *c, enum sasl_mechanism mechanism)
{
    const struct offer *o = c->home->offer;
    switch (mechanism) {
    case SASL_PLAIN: return o->mechanism_plain;
    case SASL_AMQPLAIN: return o->mechanism_amqplain;
    case SASL_EXTERNAL: return o->mechanism_external && c->stream.tls && tls_has_peer_cert(c->stream.tls);
    case SASL_ANONYMOUS: return o->mechanism_anonymous;
    default: return false;
    }
}

void
handshake_started(struct connection *c)
{
    char mechanisms[64];
    size_t n = 0;
    for (int i = 0; i < SASL_MECHANISM_COUNT; i++)
        if (handshake_offers(c, (enum sasl_mechanism)i))
            n += (size_t)snprintf(mechanisms + n, sizeof mechanisms - n, n ? " %s" : "%s",
                                  sasl_mechanism_name((enum sasl_mechanism)i));
    const struct server *server = c->home->server;
    struct buffer properties = {0};
    table_add_str(&properties, "cluster_name", parameter_cluster_name(server->node->meta));
    buffer_add_slice(&properties, buffer_slice(&server->server_properties));
    struct amqp_connection_start m = {.version_major = 0,
                                      .version_minor = 9,
                                      .server_properties = buffer_slice(&properties),
                                      .mechanisms = slice_of(mechanisms, n),
                                      .locales = slice_str("en_US")};
    CONNECTION_SEND(c, amqp_size_connection_start(&m), amqp_encode_connection_start(out, 0, &m));
    buffer_fini(&properties);
    c->state = CONNECTION_STARTING;
}

static void
handshake_capabilities(struct connection *c, struct slice client_properties)
{
    static const struct {
        const char *name;
        enum connection_flag flag;
    } known[] = {
        {"consumer_cancel_notify", CONNECTION_CANCEL_NOTIFY},
        {"connection.blocked", CONNECTION_BLOCKED_NOTIFY},
        {"authentication_failure_close", CONNECTION_AUTH_CLOSE},
    };
    struct slice capabilities;
    if (table_get_table(client_properties, "capabilities", &capabilities))
        return;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        bool value = false;
        if (!table_get_bool(capabilities, known[i].name, &value) && value)
            c->flags |= (uint16_t)known[i].flag;
    }
}

/* ---- login ---- */

/* What the client learns of it, whatever the reason. */
static void
handshake_refuse_quietly(struct connection *c, struct slice mechanism)
{
    if (!(c->flags & CONNECTION_AUTH_CLOSE)) {
        connection_silence(c);
        return;
    }
    c->state = CONNECTION_TUNING; /* from here on errors are told */
    connection_fail(
        c, AMQP_REPLY_ACCESS_REFUSED, AMQP_CONNECTION_START_OK,
        "Login was refused using authentication mechanism %.*s. For details see the broker logfile.",
        SLICE_FMT(mechanism));
}

/* Says why in the log. */
static void
handshake_refuse(struct connection *c, struct slice mechanism, const char *why)
{
    char name[2 * NET_ADDR_TEXT_SIZE + 8];
    log_error(c->home->server->node->log, LOG_CONNECTION,
              "Error on AMQP connection (%s, state: starting): %.*s login refused: %s",
              connection_name(c, name), SLICE_FMT(mechanism), why);
    handshake_refuse_quietly(c, mechanism);
}

/* A password was wrong. Who has used up the budget of wrong ones is named once; what it tries then is worth
 * no line at the usual levels. */
static void
handshake_count_failure(struct connection *c)
{
    const struct server *server = c->home->server;
    struct net_addr peer;
    char host[NET_ADDR_TEXT_SIZE];
    net_peer(c->stream.net, &peer);
    if (login_limit_failed(server->logins, &peer, shard_now_ms(c->home->shard)))
        log_warning(server->node->log, LOG_CONNECTION,
                    "%" PRIu32
                    " logins from %s have failed: further ones are refused, the right password or not, "
                    "but for one every %" PRIu32 " ms",
                    server->config.limits.login_failures_max, net_addr_host_text(&peer, host),
                    server->config.limits.login_window_ms / server->config.limits.login_failures_max);
}

static bool
handshake_is_limited(struct connection *c)
{
    const struct server *server = c->home->server;
    struct net_addr peer;
    char name[2 * NET_ADDR_TEXT_SIZE + 8];
    net_peer(c->stream.net, &peer);
    uint64_t wait_ms = login_limit_wait_ms(server->logins, &peer, shard_now_ms(c->home->shard));
    if (wait_ms > 0)
        log_debug(server->node->log, LOG_CONNECTION,
                  "connection (%s): login refused for another %" PRIu64
                  " ms: too many from there have failed",
                  connection_name(c, name), wait_ms);
    return wait_ms > 0;
}

/* The user's name in the client's certificate. */
static bool
handshake_certificate_name(const struct connection *c, char *name, size_t size)
{
    const struct offer *o = c->home->offer;
    const struct tls *tls = c->stream.tls;
    switch (o->cert_login_from) {
    case CERT_LOGIN_DISTINGUISHED_NAME: return tls_peer_subject(tls, name, size);
    case CERT_LOGIN_COMMON_NAME: return tls_peer_common_name(tls, name, size);
    default: return tls_peer_alt_name(tls, o->cert_login_san_type, o->cert_login_san_index, name, size);
    }
}

static bool
handshake_is_loopback_only(const struct connection *c, struct slice user)
{
    struct net_addr peer;
    net_peer(c->stream.net, &peer);
    return !net_addr_is_loopback(&peer) && offer_is_loopback_only(c->home->offer, user);
}

/* The connection remembers what it was offered: that may have changed when it answers. */
static void
handshake_tune(struct connection *c, struct slice user)
{
    const struct offer *o = c->home->offer;
    c->user = intern_hold(&c->home->interned, user);
    c->state = CONNECTION_TUNING;
    c->channel_max = o->channel_max;
    c->frame_max = o->frame_max;
    struct amqp_connection_tune m = {
        .channel_max = o->channel_max, .frame_max = o->frame_max, .heartbeat = o->heartbeat_s};
    CONNECTION_SEND(c, AMQP_CONNECTION_TUNE_SIZE_MAX, amqp_encode_connection_tune(out, 0, &m));
}

/* Who is it? `needs_password` false: the mechanism has proved it already. */
static void
handshake_login(struct connection *c, struct slice mechanism, struct slice name, struct slice password,
                bool needs_password)
{
    const struct meta *meta = c->home->server->node->meta;
    char why[USER_WHY_SIZE];
    if (needs_password && handshake_is_limited(c)) {
        handshake_refuse_quietly(c, mechanism);
        return;
    }
    const struct user *user = user_login(meta, name, needs_password ? &password : NULL, why);
    if (user && !handshake_is_loopback_only(c, name)) {
        session_event_login(c, mechanism, name, NULL);
        handshake_tune(c, name);
        return;
    }
    if (user)
        snprintf(why, sizeof why, "user '%.*s' can only connect via localhost", SLICE_FMT(name));
    session_event_login(c, mechanism, name, why);
    handshake_refuse(c, mechanism, why);
    if (needs_password)
        handshake_count_failure(c);
}

static void
handshake_start_ok(struct connection *c, struct slice payload)
{
    struct amqp_connection_start_ok m;
    struct sasl_response response;
    enum sasl_mechanism mechanism;
    char name[TLS_NAME_SIZE];
    enum err err = amqp_decode_connection_start_ok(payload, &m);
    if (err) {
        connection_fail(c, AMQP_REPLY_FRAME_ERROR, AMQP_CONNECTION_START_OK, "%s", err_text(err));
        return;
    }
    handshake_capabilities(c, m.client_properties);
    c->client_properties = intern_hold(&c->home->interned, m.client_properties);
    if (!sasl_mechanism_by_name(m.mechanism, &mechanism) || !handshake_offers(c, mechanism)) {
        connection_fail(c, AMQP_REPLY_COMMAND_INVALID, AMQP_CONNECTION_START_OK,
                        "unknown authentication mechanism '%.*s'", SLICE_FMT(m.mechanism));
        return;
    }
    c->mechanism = (unsigned)mechanism & 7u;
    if ((err = sasl_parse(mechanism, m.response, &response))) {
        connection_fail(c, AMQP_REPLY_SYNTAX_ERROR, AMQP_CONNECTION_START_OK, "invalid response for %.*s: %s",
                        SLICE_FMT(m.mechanism), err_text(err));
    } else if (mechanism == SASL_EXTERNAL) {
        if (handshake_certificate_name(c, name, sizeof name))
            handshake_login(c, m.mechanism, slice_str(name), slice_of(NULL, 0), false);
        else
            handshake_refuse(c, m.mechanism, "no user name in the client's certificate");
    } else if (mechanism == SASL_ANONYMOUS) {
        const struct offer *o = c->home->offer;
        handshake_login(c, m.mechanism, o->anonymous_user, o->anonymous_password, true);
    } else {
        handshake_login(c, m.mechanism, response.user, response.password, true);
    }
}

/* ---- tune ---- */

/* RabbitMQ's rule: 0 stands for "no limit" and is above any. False: failed. */
static bool
handshake_negotiated(struct connection *c, const char *what, uint32_t min, uint32_t ours, uint32_t theirs)
{
    bool too_low = theirs != 0 && theirs < min;
    bool too_high = ours != 0 && (theirs == 0 || theirs > ours);
    if (!too_low && !too_high)
        return true;
    connection_fail(c, AMQP_REPLY_NOT_ALLOWED, AMQP_CONNECTION_TUNE,
                    "negotiated %s = %u%s is %s than the %s allowed value (%u)", what, theirs,
                    theirs == 0 ? " (no limit)" : "", too_low ? "lower" : "higher",
                    too_low ? "minimum" : "maximum", too_low ? min : ours);
    return false;
}

static void
handshake_tune_ok(struct connection *c, struct slice payload)
{
    struct amqp_connection_tune_ok m;
    enum err err = amqp_decode_connection_tune_ok(payload, &m);
    if (err) {
        connection_fail(c, AMQP_REPLY_FRAME_ERROR, AMQP_CONNECTION_TUNE_OK, "%s", err_text(err));
        return;
    }
    if (!handshake_negotiated(c, "frame_max", AMQP_FRAME_MIN_SIZE, c->frame_max, m.frame_max) ||
        !handshake_negotiated(c, "channel_max", HANDSHAKE_CHANNEL_MIN, c->channel_max, m.channel_max))
        return;
    c->frame_max = m.frame_max;
    c->channel_max = m.channel_max;
    c->heartbeat_s = m.heartbeat;
    c->state = CONNECTION_OPENING;
}

/* ---- open ---- */

static void
handshake_open(struct connection *c, struct slice payload)
{
    struct amqp_connection_open m;
    struct meta *meta = c->home->server->node->meta;
    struct slice user = intern_slice(c->user);
    enum err err = amqp_decode_connection_open(payload, &m);
    if (err) {
        connection_fail(c, AMQP_REPLY_FRAME_ERROR, AMQP_CONNECTION_OPEN, "%s", err_text(err));
        return;
    }
    const struct vhost *vhost = vhost_find(meta, m.virtual_host);
    if (!vhost) {
        connection_fail(c, AMQP_REPLY_NOT_ALLOWED, AMQP_CONNECTION_OPEN, "vhost %.*s not found",
                        SLICE_FMT(m.virtual_host));
        return;
    }
    if (!permission_has_vhost(meta, user, vhost)) {
        connection_fail(c, AMQP_REPLY_NOT_ALLOWED, AMQP_CONNECTION_OPEN,
                        "access to vhost '%.*s' refused for user '%.*s'", SLICE_FMT(m.virtual_host),
                        SLICE_FMT(user));
        return;
    }
    uint32_t max = c->home->offer->connections_max;
    if (max && server_connection_count(c->home->server) > max) {
        connection_fail(c, AMQP_REPLY_NOT_ALLOWED, AMQP_CONNECTION_OPEN,
                        "connection refused: node connection limit (%u) is reached", max);
        return;
    }
    if (!connection_limit_open(c, vhost))
        return;
    vhost_hold(vhost);
    c->vhost = vhost;
    c->state = CONNECTION_RUNNING;
    struct amqp_connection_open_ok ok = {0};
    CONNECTION_SEND(c, AMQP_CONNECTION_OPEN_OK_SIZE_MAX, amqp_encode_connection_open_ok(out, 0, &ok));
    heartbeat_start(c);
    session_event_connection_created(c);
    struct log *log = c->home->server->node->log;
    char name[2 * NET_ADDR_TEXT_SIZE + 8];
    if (log_is_on(log, LOG_CONNECTION, LOG_LEVEL_INFO))
        log_info(log, LOG_CONNECTION,
                 "connection (%s): user '%.*s' authenticated and granted access to vhost '%s'",
                 connection_name(c, name), SLICE_FMT(user), vhost->name);
    server_close_stale(c->home, c);
}

void
handshake_method(struct connection *c, uint32_t method, struct slice payload)
{
    if (c->state == CONNECTION_STARTING && method == AMQP_CONNECTION_START_OK)
        handshake_start_ok(c, payload);
    else if (c->state == CONNECTION_TUNING && method == AMQP_CONNECTION_TUNE_OK)
        handshake_tune_ok(c, payload);
    else if (c->state == CONNECTION_OPENING && method == AMQP_CONNECTION_OPEN)
        handshake_open(c, payload);
    else
        connection_fail(c, AMQP_REPLY_CHANNEL_ERROR, method, "unexpected method in connection state %s",
                        connection_state_name(c));
}
