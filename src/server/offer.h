/*
 * What the node offers to connections that come, and asks of them: limits of connection.tune, mechanisms, who
 * may come from where. It changes as a whole while the node runs; open connections keep what they have
 * negotiated.
 */
#ifndef LEVERET_SERVER_OFFER_H
#define LEVERET_SERVER_OFFER_H

#include "server/server.h"

/* Immutable once it is made; every shard holds the one that it uses. The fields are struct server_config's.
 */
struct offer {
    _Atomic uint32_t refs;
    uint16_t channel_max;
    uint32_t frame_max;
    uint16_t heartbeat_s;
    uint32_t connections_max; /* 0: no limit */
    uint32_t handshake_timeout_ms, tls_handshake_timeout_ms;
    bool mechanism_plain, mechanism_amqplain, mechanism_external, mechanism_anonymous;
    struct slice anonymous_user, anonymous_password;
    enum server_cert_login cert_login_from;
    enum tls_san cert_login_san_type;
    unsigned cert_login_san_index;
    struct slice loopback_users[SERVER_LOOPBACK_USERS_MAX];
    unsigned loopback_users_count;
    uint8_t texts[]; /* that the slices point to */
};

/* A copy of all that it takes from the configuration; the caller's to drop. */
struct offer *offer_new(const struct server_config *config);
struct offer *offer_hold(struct offer *o);
void offer_drop(struct offer *o);

/* On shard 0: all shards offer this from their next turn on. Of the configuration nothing else changes. */
void offer_change(struct server *server, const struct server_config *config);
/* The mail of it: takes over the hold of the mail. */
void offer_on_mail(struct server_shard *home, struct offer *o);

bool offer_is_loopback_only(const struct offer *o, struct slice user);

#endif
