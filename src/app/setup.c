/* See setup.h. `infinity` becomes 0 where the layers below say "0: no limit". */
#include "app/setup.h"

#include "base/base64url.h"
#include "base/buffer.h"
#include "broker/credential.h"
#include "broker/event.h"
#include "broker/meta.h"
#include "broker/parameter.h"
#include "broker/vhost_defaults.h"
#include "io/random.h"
#include "io/system.h"

#include <stdio.h>

static uint32_t
limit_or_none(int64_t value)
{
    return value == CONFIG_INFINITY ? 0 : (uint32_t)value;
}

/* For timeouts: the longest that fits instead of none. */
static uint32_t
limit_or_long(int64_t value)
{
    return value == CONFIG_INFINITY ? INT32_MAX : (uint32_t)value;
}

struct broker_limits
setup_limits(const struct config *c)
{
    return (struct broker_limits){
        .message_size_max = (uint32_t)c->max_message_size,
        .tx_bytes_max = (uint32_t)c->tx_max,
        .remote_credit_messages = (uint32_t)c->shard_credit_messages,
        .remote_credit_bytes = (uint32_t)c->shard_credit_bytes,
        .publish_window_bytes = (uint32_t)c->shard_publish_window,
        .backlog_messages = (uint32_t)c->queue_backlog_messages,
        .backlog_bytes = (uint32_t)c->queue_backlog_bytes,
        .queue_turn_messages = (uint32_t)c->queue_turn_messages,
        .route_cache_entries = (uint32_t)c->route_cache_entries,
        .consumers_per_channel_max = limit_or_none(c->consumer_max_per_channel),
        .vhosts_max = limit_or_none(c->vhosts_max),
        .queues_max = limit_or_none(c->queues_max),
        .exchanges_max = limit_or_none(c->exchanges_max),
    };
}

static void
set_mechanisms(struct server_config *out, const struct config *c)
{
    out->mechanism_plain = out->mechanism_amqplain = false;
    out->mechanism_external = out->mechanism_anonymous = false;
    for (size_t i = 0; i < c->auth_mechanisms.count; i++) {
        switch (c->auth_mechanisms.items[i].value) {
        case CONFIG_MECHANISM_PLAIN: out->mechanism_plain = true; break;
        case CONFIG_MECHANISM_AMQPLAIN: out->mechanism_amqplain = true; break;
        case CONFIG_MECHANISM_EXTERNAL: out->mechanism_external = true; break;
        default: out->mechanism_anonymous = true; break;
        }
    }
    const char *user = c->anonymous_login_user;
    if (!user || strcmp(user, "none") == 0)
        out->mechanism_anonymous = false;
    else
        out->anonymous_user = slice_str(user);
    out->anonymous_password = slice_str(c->anonymous_login_pass ? c->anonymous_login_pass : "");
}

static void
set_certificate_login(struct server_config *out, const struct config *c)
{
    static const enum server_cert_login sources[] = {
        [CONFIG_LOGIN_DN] = CERT_LOGIN_DISTINGUISHED_NAME,
        [CONFIG_LOGIN_CN] = CERT_LOGIN_COMMON_NAME,
        [CONFIG_LOGIN_SAN] = CERT_LOGIN_ALTERNATIVE_NAME,
        [CONFIG_LOGIN_SAN_SHORT] = CERT_LOGIN_ALTERNATIVE_NAME,
    };
    static const enum tls_san kinds[] = {
        [CONFIG_SAN_DNS] = TLS_SAN_DNS,
        [CONFIG_SAN_IP] = TLS_SAN_IP,
        [CONFIG_SAN_EMAIL] = TLS_SAN_EMAIL,
        [CONFIG_SAN_URI] = TLS_SAN_URI,
        [CONFIG_SAN_OTHER_NAME] = TLS_SAN_OTHER_NAME,
    };
    out->cert_login_from = sources[c->ssl_cert_login_from];
    out->cert_login_san_type = kinds[c->ssl_cert_login_san_type];
    out->cert_login_san_index = (unsigned)c->ssl_cert_login_san_index;
}

void
setup_server(struct server_config *out, const struct config *c)
{
    server_config_init(out);
    struct server_limits *l = &out->limits;
    l->connections_max = limit_or_none(c->max_connections);
    l->initial_frame_max = (uint32_t)c->initial_frame_max;
    l->channels_max = limit_or_none(c->channel_max_per_node);
    l->tls_handshake_timeout_ms = limit_or_long(c->ssl_handshake_timeout_ms);
    l->login_failures_max = limit_or_none(c->login_failures_max);
    l->login_window_ms = limit_or_long(c->login_window_ms);
    out->proxy_protocol = c->proxy_protocol;
    out->socket = (struct net_options){.send_buffer = (uint32_t)c->tcp_sndbuf,
                                       .receive_buffer = (uint32_t)c->tcp_recbuf,
                                       .keepalive = c->tcp_keepalive};
    l->handshake_timeout_ms = limit_or_long(c->handshake_timeout_ms);
    l->consumer_timeout_ms = limit_or_none(c->consumer_timeout_ms);
    l->read_turn_bytes = (uint32_t)c->connection_turn_read;
    l->write_turn_bytes = (uint32_t)c->connection_turn_write;
    l->output_high_bytes = (uint32_t)c->connection_output_high;
    l->output_low_bytes = (uint32_t)c->connection_output_low;
    l->output_max_bytes = (uint32_t)c->connection_output_max;
    l->parked_bytes_max = (uint32_t)c->connection_parked_max;
    out->channel_max = (uint16_t)c->channel_max;
    out->frame_max = (uint32_t)c->frame_max;
    out->heartbeat_s = (uint16_t)c->heartbeat_s;
    out->move_connections = c->connection_moves;
    out->loopback_users_count = 0; /* the default is the configuration's */
    for (size_t i = 0; i < c->loopback_users.count && i < SERVER_LOOPBACK_USERS_MAX; i++)
        out->loopback_users[out->loopback_users_count++] = slice_str(c->loopback_users.items[i].name);
    set_mechanisms(out, c);
    set_certificate_login(out, c);
}

bool
setup_credentials(struct credential_rules **out, const struct config *c, char *why, size_t why_size)
{
    static const enum credential_validator validators[] = {
        [CONFIG_CREDENTIAL_ANY] = CREDENTIAL_ACCEPT_EVERYTHING,
        [CONFIG_CREDENTIAL_LENGTH] = CREDENTIAL_MIN_LENGTH,
        [CONFIG_CREDENTIAL_REGEXP] = CREDENTIAL_REGEXP,
    };
    char text[CREDENTIAL_TEXT_SIZE];
    struct slice pattern = slice_str(c->credential_regexp ? c->credential_regexp : "");
    if (credential_rules_new(validators[c->credential_validator], (unsigned)c->credential_min_length, pattern,
                             out, text) == ERR_OK)
        return true;
    snprintf(why, why_size, "credential_validator.regexp: %s", text);
    return false;
}

/* TLS 1.3's suites are configured apart from the older ones; their names start with "TLS_". */
static void
split_ciphers(const struct config *c, struct buffer *older, struct buffer *suites)
{
    for (size_t i = 0; i < c->ssl_ciphers.count; i++) {
        const char *name = c->ssl_ciphers.items[i].text;
        struct buffer *list = strncmp(name, "TLS_", 4) == 0 ? suites : older;
        buffer_add_fmt(list, "%s%s", list->len ? ":" : "", name);
    }
    buffer_add_u8(older, 0);
    buffer_add_u8(suites, 0);
}

struct tls_context *
setup_tls(const struct config *c, char *why, size_t why_size)
{
    *why = 0;
    if (c->listeners_ssl.count == 0)
        return NULL;
    struct buffer older = {0}, suites = {0};
    split_ciphers(c, &older, &suites);
    struct tls_options options = {
        .is_server = true,
        .certfile = c->ssl_certfile,
        .keyfile = c->ssl_keyfile,
        .password = c->ssl_password,
        .cacertfile = c->ssl_cacertfile,
        .verify_peer = c->ssl_verify == CONFIG_VERIFY_PEER,
        .fail_if_no_peer_cert = c->ssl_fail_if_no_peer_cert,
        .depth = (int)c->ssl_depth,
        .ciphers = older.len > 1 ? (const char *)older.data : NULL,
        .ciphersuites = suites.len > 1 ? (const char *)suites.data : NULL,
        .honor_cipher_order = c->ssl_honor_cipher_order,
    };
    for (size_t i = 0; i < c->ssl_versions.count; i++)
        options.versions |=
            c->ssl_versions.items[i].value == CONFIG_TLS_1_2 ? TLS_VERSION_1_2 : TLS_VERSION_1_3;
    struct tls_context *context = NULL;
    if (tls_context_new(&options, &context, why, why_size))
        context = NULL;
    buffer_fini(&older);
    buffer_fini(&suites);
    return context;
}

static bool
apply(struct meta *m, const struct meta_command *cmd, char *why, size_t why_size)
{
    struct meta_result result;
    vhost_defaults_apply(m, cmd, &result);
    if (result.code)
        snprintf(why, why_size, "%s", result.text);
    return result.code == 0;
}

bool
setup_first_things(struct meta *m, const struct config *c, char *why, size_t why_size)
{
    struct meta_command vhost = {.kind = META_VHOST_ADD, .name = slice_str(c->default_vhost)};
    struct buffer tags = {0};
    for (size_t i = 0; i < c->default_user_tags.count; i++)
        buffer_add_fmt(&tags, "%s%s", i ? "," : "", c->default_user_tags.items[i].name);
    uint8_t salt[4], hash[36];
    random_bytes(NULL, salt, sizeof salt);
    user_password_hash(slice_str(c->default_pass), salt, hash);
    struct meta_command user = {.kind = META_USER_PUT,
                                .name = slice_str(c->default_user),
                                .password_hash = slice_of(hash, sizeof hash),
                                .tags = buffer_slice(&tags)};
    struct meta_command permission = {.kind = META_PERMISSION_SET,
                                      .vhost = slice_str(c->default_vhost),
                                      .user = slice_str(c->default_user),
                                      .configure = slice_str(c->default_permission_configure),
                                      .write = slice_str(c->default_permission_write),
                                      .read = slice_str(c->default_permission_read)};
    bool good = apply(m, &vhost, why, why_size) && apply(m, &user, why, why_size) &&
                apply(m, &permission, why, why_size);
    buffer_fini(&tags);
    return good;
}

/* RabbitMQ's name and form: tools tell clusters apart by it. */
bool
setup_cluster_id(struct meta *m, char *why, size_t why_size)
{
    uint8_t random[16];
    char value[64] = "\"rabbitmq-cluster-id-";
    if (parameter_find_global(m, "internal_cluster_id"))
        return true;
    random_bytes(NULL, random, sizeof random);
    size_t len = strlen(value);
    len += base64url_encode(value + len, slice_of(random, sizeof random));
    value[len++] = '"';
    const struct meta_command set = {
        .kind = META_PARAMETER_SET, .name = slice_str("internal_cluster_id"), .value = slice_of(value, len)};
    return apply(m, &set, why, why_size);
}

/* One that the node publishes to, and nobody else. */
static bool
setup_exchange(struct meta *m, const char *vhost, const char *name, bool is_wanted, char *why,
               size_t why_size)
{
    struct meta_command cmd = {.kind = META_EXCHANGE_DECLARE,
                               .vhost = slice_str(vhost),
                               .name = slice_str(name),
                               .type = slice_str("topic"),
                               .durable = true,
                               .internal = true,
                               .is_judged = true}; /* the name is a reserved one */
    const struct vhost *v = vhost_find(m, cmd.vhost);
    bool is_there = v && exchange_find(v, cmd.name);
    if (!v || is_there == is_wanted)
        return true;
    if (is_there)
        cmd.kind = META_EXCHANGE_DELETE;
    return apply(m, &cmd, why, why_size);
}

bool
setup_exchanges(struct meta *m, const struct config *c, char *why, size_t why_size)
{
    return setup_exchange(m, c->event_vhost, EVENT_EXCHANGE, c->has_event_exchange, why, why_size) &&
           setup_exchange(m, c->default_vhost, LOG_EXCHANGE, c->log_exchange, why, why_size);
}

static double
memory_total(const struct config *c)
{
    return (double)(c->memory_total_override ? c->memory_total_override : system_memory_total(NULL));
}

uint64_t
setup_memory_watermark(const struct config *c)
{
    if (c->memory_watermark_bytes)
        return c->memory_watermark_bytes;
    return (uint64_t)(memory_total(c) * c->memory_watermark_ratio);
}

uint64_t
setup_disk_free_limit(const struct config *c)
{
    return c->disk_free_ratio > 0 ? (uint64_t)(memory_total(c) * c->disk_free_ratio) : c->disk_free_bytes;
}

void
setup_durable(struct durable_config *out, const struct config *c)
{
    static const enum store_sync syncs[] = {
        [CONFIG_SYNC_ALWAYS] = STORE_SYNC_ALWAYS,
        [CONFIG_SYNC_INTERVAL] = STORE_SYNC_INTERVAL,
        [CONFIG_SYNC_NEVER] = STORE_SYNC_NEVER,
    };
    struct store_config *s = &out->store;
    s->dir = c->data_dir;
    s->sync = syncs[c->store_sync];
    s->sync_interval_ms = (uint32_t)c->store_sync_interval_ms;
    s->log_file_bytes = (c->store_log_file + STORE_BLOCK - 1) / STORE_BLOCK * STORE_BLOCK;
    s->log_files_max = (unsigned)c->store_log_files;
    s->segment_bytes = c->store_segment;
    out->resident_bytes = c->queue_memory;
    out->pressure_bytes = c->memory_paging_ratio < 1
                              ? (uint64_t)((double)setup_memory_watermark(c) * c->memory_paging_ratio)
                              : 0; /* never: at the watermark itself publishers are blocked */
}
