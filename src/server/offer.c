/* One block of memory with the texts behind the struct, so that it has no other owner than its holders. */
#include "server/offer.h"

#include "base/check.h"
#include "broker/meta.h"

#include <stdlib.h>

static struct slice
text_move(uint8_t **to, struct slice s)
{
    struct slice moved = slice_of(*to, s.len);
    if (s.len > 0)
        memcpy(*to, s.data, s.len);
    *to += s.len;
    return moved;
}

struct offer *
offer_new(const struct server_config *config)
{
    size_t size = config->anonymous_user.len + config->anonymous_password.len;
    for (unsigned i = 0; i < config->loopback_users_count; i++)
        size += config->loopback_users[i].len;
    struct offer *o = calloc(1, sizeof *o + size);
    CHECK(o);
    atomic_init(&o->refs, 1);
    o->channel_max = config->channel_max;
    o->frame_max = config->frame_max;
    o->heartbeat_s = config->heartbeat_s;
    o->connections_max = config->limits.connections_max;
    o->handshake_timeout_ms = config->limits.handshake_timeout_ms;
    o->tls_handshake_timeout_ms = config->limits.tls_handshake_timeout_ms;
    o->mechanism_plain = config->mechanism_plain;
    o->mechanism_amqplain = config->mechanism_amqplain;
    o->mechanism_external = config->mechanism_external;
    o->mechanism_anonymous = config->mechanism_anonymous;
    o->cert_login_from = config->cert_login_from;
    o->cert_login_san_type = config->cert_login_san_type;
    o->cert_login_san_index = config->cert_login_san_index;
    uint8_t *to = o->texts;
    o->anonymous_user = text_move(&to, config->anonymous_user);
    o->anonymous_password = text_move(&to, config->anonymous_password);
    for (unsigned i = 0; i < config->loopback_users_count; i++)
        o->loopback_users[i] = text_move(&to, config->loopback_users[i]);
    o->loopback_users_count = config->loopback_users_count;
    return o;
}

struct offer *
offer_hold(struct offer *o)
{
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    return o;
}

void
offer_drop(struct offer *o)
{
    if (o && atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1)
        free(o);
}

void
offer_change(struct server *server, const struct server_config *config)
{
    struct shard *first = shards_get(server->node->shards, 0);
    struct offer *o = offer_new(config);
    for (unsigned i = 0; i < server->shard_count; i++)
        shard_post(first, i, SHARD_LANE_RESERVED,
                   &(struct mail){.type = MAIL_SERVER + SERVER_MAIL_OFFER, .p = offer_hold(o)});
    offer_drop(o);
}

void
offer_on_mail(struct server_shard *home, struct offer *o)
{
    offer_drop(home->offer);
    home->offer = o;
}

bool
offer_is_loopback_only(const struct offer *o, struct slice user)
{
    for (unsigned i = 0; i < o->loopback_users_count; i++)
        if (slice_eq(o->loopback_users[i], user))
            return true;
    return false;
}
