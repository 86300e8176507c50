/*
 * Connections, on the shards where they live.
 *
 * A connection moves to another shard at most once, before it has done anything. So a list goes over the
 * shards twice: first those that have not moved, remembering the ids of those that still may; then those that
 * have moved and are not among these. Each is shown once, whenever it moves.
 */
#include "mgmt/info.h"
#include "mgmt/info_pid.h"
#include "mgmt/info_value.h"
#include "server/channel.h"
#include "server/connection.h"
#include "wire/sasl.h"

#include <ctype.h>

static void
put_pid(struct buffer *out, const struct info_subject *s)
{
    info_pid_put(out, s->home->server,
                 &(struct info_pid){.kind = INFO_PID_CONNECTION, .id = s->connection->id});
}

/* ---- addresses ---- */

static void
put_name(struct buffer *out, const struct info_subject *s)
{
    char name[2 * NET_ADDR_TEXT_SIZE + 8];
    info_value_text(out, connection_name(s->connection, name));
}

static void
put_host_of(struct buffer *out, const struct net_addr *addr)
{
    char text[NET_ADDR_TEXT_SIZE];
    info_value_text(out, net_addr_host_text(addr, text));
}

static void
put_port(struct buffer *out, const struct info_subject *s)
{
    struct net_addr addr;
    net_local(s->connection->stream.net, &addr);
    info_value_number(out, addr.port);
}

static void
put_host(struct buffer *out, const struct info_subject *s)
{
    struct net_addr addr;
    net_local(s->connection->stream.net, &addr);
    put_host_of(out, &addr);
}

static void
put_peer_port(struct buffer *out, const struct info_subject *s)
{
    struct net_addr addr;
    net_peer(s->connection->stream.net, &addr);
    info_value_number(out, addr.port);
}

static void
put_peer_host(struct buffer *out, const struct info_subject *s)
{
    struct net_addr addr;
    net_peer(s->connection->stream.net, &addr);
    put_host_of(out, &addr);
}

/* ---- TLS ---- */

static void
put_ssl(struct buffer *out, const struct info_subject *s)
{
    info_value_boolean(out, s->connection->stream.tls != NULL);
}

static void
put_lower(struct buffer *out, struct slice text)
{
    buffer_add_u8(out, '"');
    for (size_t i = 0; i < text.len; i++)
        buffer_add_u8(out, text.data[i] == '-' ? '_' : (uint8_t)tolower(text.data[i]));
    buffer_add_u8(out, '"');
}

static const struct tls *
tls_of(const struct info_subject *s)
{
    const struct tls *tls = s->connection->stream.tls;
    return tls && tls_is_established(tls) ? tls : NULL;
}

static void
put_ssl_protocol(struct buffer *out, const struct info_subject *s)
{
    const struct tls *tls = tls_of(s);
    put_lower(out, slice_str(tls ? tls_version_text(tls) : ""));
}

/*
 * Cipher suites name key exchange, cipher and hash in one: "ECDHE-RSA-AES256-GCM-SHA384", or, from TLS 1.3
 * on, only the last two: "TLS_AES_256_GCM_SHA384".
 */
struct suite {
    struct slice key_exchange, cipher, hash;
};

static struct suite
suite_of(const struct info_subject *s)
{
    const struct tls *tls = tls_of(s);
    struct suite suite = {0};
    if (!tls)
        return suite;
    struct slice all = slice_str(tls_cipher_text(tls));
    bool is_new = slice_starts_with(all, "TLS_");
    size_t from = 0, to = all.len;
    const char *ciphers[] = {"AES", "CHACHA20", "CAMELLIA", "ARIA"};
    for (size_t i = 0; i < sizeof ciphers / sizeof *ciphers && !from; i++) {
        const void *at = memmem(all.data, all.len, ciphers[i], strlen(ciphers[i]));
        from = at ? (size_t)((const uint8_t *)at - all.data) : 0;
    }
    while (to > from && all.data[to - 1] != '-' && all.data[to - 1] != '_')
        to--;
    suite.key_exchange = is_new ? slice_str("any") : slice_of(all.data, from ? from - 1 : 0);
    suite.cipher = slice_of(all.data + from, to > from ? to - from - 1 : 0);
    suite.hash = slice_of(all.data + to, all.len - to);
    return suite;
}

static void
put_ssl_key_exchange(struct buffer *out, const struct info_subject *s)
{
    put_lower(out, suite_of(s).key_exchange);
}

static void
put_ssl_cipher(struct buffer *out, const struct info_subject *s)
{
    put_lower(out, suite_of(s).cipher);
}

static void
put_ssl_hash(struct buffer *out, const struct info_subject *s)
{
    put_lower(out, suite_of(s).hash);
}

static void
put_certificate(struct buffer *out, const struct info_subject *s,
                bool (*get)(const struct tls *t, char *name, size_t size))
{
    char text[TLS_NAME_SIZE];
    const struct tls *tls = tls_of(s);
    info_value_text(out, tls && get(tls, text, sizeof text) ? text : "");
}

static void
put_peer_cert_subject(struct buffer *out, const struct info_subject *s)
{
    put_certificate(out, s, tls_peer_subject);
}

static void
put_peer_cert_issuer(struct buffer *out, const struct info_subject *s)
{
    put_certificate(out, s, tls_peer_issuer);
}

static void
put_peer_cert_validity(struct buffer *out, const struct info_subject *s)
{
    put_certificate(out, s, tls_peer_validity);
}

/* ---- the session ---- */

/* A publisher that is held back for a moment is in flow control, in RabbitMQ's words. */
static void
put_state(struct buffer *out, const struct info_subject *s)
{
    const struct connection *c = s->connection;
    bool is_slowed = c->state == CONNECTION_RUNNING && c->blocked & (BLOCK_ROOM | BLOCK_PACE);
    info_value_text(out, is_slowed && !(c->blocked & BLOCK_ALARM) ? "flow" : connection_state_name(c));
}

static void
put_channels(struct buffer *out, const struct info_subject *s)
{
    info_value_number(out, connection_channel_count(s->connection));
}

static void
put_protocol(struct buffer *out, const struct info_subject *s)
{
    info_value_text(out, s->connection->state > CONNECTION_HEADER ? "{0,9,1}" : "");
}

static void
put_auth_mechanism(struct buffer *out, const struct info_subject *s)
{
    const struct connection *c = s->connection;
    info_value_text(out, c->user ? sasl_mechanism_name(c->mechanism) : "");
}

static void
put_user(struct buffer *out, const struct info_subject *s)
{
    info_value_string(out, intern_slice(s->connection->user));
}

static void
put_vhost(struct buffer *out, const struct info_subject *s)
{
    const struct vhost *v = s->connection->vhost;
    info_value_string(out, v ? slice_of(v->name, v->name_size) : slice_str(""));
}

static void
put_client_properties(struct buffer *out, const struct info_subject *s)
{
    info_value_table(out, intern_slice(s->connection->client_properties));
}

#define PUT_NUMBER(column, value)                                                                            \
    static void put_##column(struct buffer *out, const struct info_subject *s)                               \
    {                                                                                                        \
        const struct connection *c = s->connection;                                                          \
        info_value_number(out, (value));                                                                     \
    }

PUT_NUMBER(timeout, c->heartbeat_s)
PUT_NUMBER(frame_max, c->frame_max)
PUT_NUMBER(channel_max, c->channel_max)
PUT_NUMBER(recv_oct, c->received_bytes)
PUT_NUMBER(recv_cnt, c->reads)
PUT_NUMBER(send_oct, c->sent_bytes)
PUT_NUMBER(send_cnt, c->writes)
PUT_NUMBER(send_pend, c->out ? c->out->bytes : 0)
PUT_NUMBER(connected_at, connection_id_time(c->id))

/* ---- the walk ---- */

bool
info_connection_is_due(struct info_query *q, const struct connection *c)
{
    if (c->state == CONNECTION_DEAD || !c->stream.net)
        return false;
    if (*q->vhost && (!q->found_vhost || c->vhost != q->found_vhost)) /* one that has none yet is in none */
        return false;
    if (connection_has_moved(c))
        return q->pass == 1 && !idmap_get(&q->seen, c->id);
    if (q->pass == 0 && !(c->flags & CONNECTION_SETTLED))
        idmap_put(&q->seen, c->id, q);
    return q->pass == 0;
}

const struct connection *
info_connection_at(struct info_query *q)
{
    size_t next = q->position;
    const struct connection *c = slots_next(&q->home->connections, &next, NULL);
    q->position = c ? next - 1 : next;
    if (c && c->id != q->current) {
        q->current = c->id;
        q->inner = q->innermost = 0;
        q->is_current_due = info_connection_is_due(q, c);
    }
    return c;
}

void
info_connection_pass(struct info_query *q)
{
    q->position++;
    q->current = 0;
}

static bool
info_connection_step(struct info_query *q)
{
    const struct connection *c = info_connection_at(q);
    if (!c)
        return false;
    if (q->is_current_due)
        info_emit(q, &(struct info_subject){.connection = c});
    info_connection_pass(q);
    return true;
}

static const struct info_column info_connection_columns[] = {INFO_CONNECTION_COLUMNS(INFO_COLUMN_ROW){0}};

const struct info_kind info_connection_kind = {
    .columns = info_connection_columns, .is_sharded = true, .passes = 2, .step = info_connection_step};
