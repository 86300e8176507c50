/*
 * The session layer of a node: listeners, connections, channels.
 *
 *     struct server *server = server_new(&node, &config, count);
 *     node.shards = shards_new(world, count, server_hooks(), server);
 *     ... the broker's node is complete: log, meta, limits ...
 *     shards_start(node.shards);       the hooks make a struct broker and a struct server_shard on each shard
 *     server_listen(server, ...)       on shard 0, from server_config.on_started
 *     server_stop(server, 5000)        on shard 0: polite, then shards_stop()
 *     shards_join(); shards_free(); server_free(server);
 *
 * `struct server` is the node's, read-only while it runs but for its counters. `struct server_shard` is one
 * shard's part, and only that shard touches it.
 */
#ifndef LEVERET_SERVER_SERVER_H
#define LEVERET_SERVER_SERVER_H

#include "base/buffer.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/slots.h"
#include "broker/broker.h"
#include "broker/effects.h"
#include "io/net.h"
#include "io/shard.h"
#include "io/timer.h"
#include "io/tls.h"
#include "server/intern.h"
#include "server/limits.h"
#include "server/outbound.h"

struct connection;
struct login_limit;
struct net_socket;
struct offer;
struct server;
struct server_listener;

enum { SERVER_LOOPBACK_USERS_MAX = 64 };

/* Where EXTERNAL finds the user's name in a client certificate (ssl_cert_login_from). */
enum server_cert_login { CERT_LOGIN_DISTINGUISHED_NAME, CERT_LOGIN_COMMON_NAME, CERT_LOGIN_ALTERNATIVE_NAME };

/* Slices and pointers live as long as the server. server_config_init() fills in the defaults. */
struct server_config {
    struct server_limits limits;
    uint16_t channel_max; /* offered; 0: no limit */
    uint32_t frame_max;   /* offered; 0: no limit */
    uint16_t heartbeat_s; /* offered; 0: none */
    bool mechanism_plain, mechanism_amqplain, mechanism_external, mechanism_anonymous;
    struct slice anonymous_user, anonymous_password;
    struct net_options socket; /* of each connection that is accepted */
    bool proxy_protocol;       /* each begins with a PROXY header */
    enum server_cert_login cert_login_from;
    enum tls_san cert_login_san_type;
    unsigned cert_login_san_index;
    struct slice loopback_users[SERVER_LOOPBACK_USERS_MAX]; /* may log in over loopback addresses only */
    unsigned loopback_users_count;
    const char *product, *product_version; /* what server-properties say: clients look at them (compat.md) */
    uint16_t default_prefetch;             /* of consumers of a channel without basic.qos; 0: no limit */
    bool move_connections; /* to the shard of the queue that they use; a test may want them to stay */
    /* On shard 0, once it runs: the place for server_listen(). May be NULL. */
    void (*on_started)(void *arg);
    /* Mail that is neither the broker's nor ours: for src/app. May be NULL. */
    void (*on_mail)(void *arg, struct shard *s, const struct mail *m);
    void *arg;
};
void server_config_init(struct server_config *config);

/* Copies the config. Of `node` only the names must be set yet. `shard_count` as for shards_new(). */
struct server *server_new(struct node *node, const struct server_config *config, unsigned shard_count);
/* After shards_free(). */
void server_free(struct server *server);
/* For shards_new(), whose owner is the server. */
const struct shard_hooks *server_hooks(void);

/*
 * On shard 0. `tls` NULL: plain TCP; else where each new connection takes its context from (kept by the
 * caller). Port 0 lets the system choose; *port_out (may be NULL) says which. `why`: see net_listen().
 */
ERR_USE enum err server_listen(struct server *server, const char *addr, uint16_t port, int backlog,
                               struct tls_slot *tls, uint16_t *port_out, char *why, size_t why_size);
/* On shard 0: where it listens. `addr` as server_listen() got it. */
void server_listen_each(const struct server *server,
                        void (*fn)(void *arg, const char *addr, uint16_t port, bool is_tls), void *arg);
/* On shard 0: no new connections from now on. */
void server_unlisten(struct server *server);
/* On shard 0: nobody new gets in until server_resume(); who is in stays. Both do nothing where there is
 * nothing to do. A port that somebody else has taken meanwhile: its error and `why`, and the other listeners
 * may be open. */
void server_suspend(struct server *server);
ERR_USE enum err server_resume(struct server *server, char *why, size_t why_size);
/* On shard 0: no new connections; the open ones get 320 CONNECTION_FORCED "broker forced connection closure
 * with reason 'shutdown'"; when all are gone, or after deadline_ms, shards_stop(). */
void server_stop(struct server *server, uint64_t deadline_ms);

/* Any thread, not exact while they come and go. */
uint64_t server_connection_count(const struct server *server);

/* ---- for the other files of this folder ---- */

/* Connections by handle: one that is gone meanwhile is simply not found. */
struct server_handles {
    uint64_t *handles;
    uint32_t count, cap;
};
void server_handles_add(struct server_handles *list, uint64_t handle);

/* Connections that a full data lane holds up: a list for each shard that it leads to. */
struct server_waiting {
    struct server_handles *to;
    uint32_t count; /* in all of them */
};

struct server_counts {
    _Alignas(64) _Atomic uint32_t connections; /* on this shard, or on their way to it */
};

struct server {
    struct node *node;
    struct server_config config;
    struct buffer server_properties; /* the table's fields */
    struct server_counts *counts;    /* a shard each */
    struct login_limit *logins;      /* from shard 0's start on */
    _Atomic uint32_t channels;       /* of all connections; counted only where limits.channels_max is set */
    struct server_shard **parts;     /* a shard each; for tests and views */
    unsigned shard_count;
    struct server_listener *listeners; /* shard 0's */
    struct wheel_timer stop_timer;     /* shard 0's */
    uint64_t stop_deadline_ms;
    uint64_t started_ms; /* since 1970; before any client */
    bool is_stopping;
};

struct server_shard {
    struct server *server;
    struct shard *shard;
    struct broker *broker;
    unsigned index;
    bool is_closing;          /* the node stops: nobody new */
    size_t read_bytes;        /* since the last server_deliver() */
    uint64_t resume_work_end; /* of broker.route_work, for all channels of the connection being resumed */
    uint64_t turn;            /* pointers into declared things are good within one */
    uint64_t connection_last; /* the last one's id, without the shard */
    uint32_t channels_made;   /* for serials */
    struct slots connections; /* all of this shard: the list that a view walks */
    struct offer *offer;      /* to connections that come: offer.h */
    struct intern_table interned;
    struct outbound_pool outputs;
    struct connection
        *flush_first;            /* connections with something to write or to free at the end of the turn */
    struct server_handles again; /* connections to read or resume before the next poll */
    struct list operator_ops;    /* operator.c's, not answered yet */
    uint32_t operator_numbers;   /* given to them */
    struct list confirming;      /* channels with acks or nacks to send at the end of the turn */
    struct server_handles paced; /* connections in a pause: connection_pace() */
    struct wheel_timer pace_timer;
    struct list acknowledging; /* channels that have or had something to acknowledge: ack_timeout.h */
    struct wheel_timer ack_timer;
    struct server_waiting waiting_for_room;
    const char *alarm; /* why publishers are blocked, or NULL; text of the broker's */
};

/* Mail of this layer: MAIL_SERVER + these. */
enum server_mail {
    SERVER_MAIL_SOCKET,         /* p: net_socket; a: the tls_context, held, or 0 */
    SERVER_MAIL_CONNECTION,     /* p: a connection that moves here, a: its net_socket */
    SERVER_MAIL_CLOSE_ALL,      /* no payload */
    SERVER_MAIL_VHOST_DELETED,  /* a: its id */
    SERVER_MAIL_USER_DELETED,   /* p: its name, of a bytes, malloc'ed */
    SERVER_MAIL_REPLY_QUESTION, /* p: direct_reply.c's */
    SERVER_MAIL_OFFER,          /* p: an offer, held */
};

/* Reads and resumes the connection once more before the shard sleeps. */
void server_again(struct server_shard *home, struct connection *c);
/* Queues deliver, confirms and output go out. True: there is more to do. May free any connection. */
bool server_deliver(struct server_shard *home);
/* The pauses of connection_pace() are over. */
void server_unpace(void *home);
/* Closes every connection of this shard with 320 CONNECTION_FORCED, and those that come later. */
void server_close_all(struct server_shard *home);
/* Closes the connection likewise if the node stops, or its vhost or user is deleted: for one that was on its
 * way when all were told. */
void server_close_stale(struct server_shard *home, struct connection *c);
/* listener.c: the shard that a new connection should live on. */
unsigned server_pick_shard(const struct server *server);
/* listener.c: takes a socket and a hold on the context on its shard. */
void server_accept(struct server_shard *home, struct net_socket *socket, struct tls_context *tls);

/* The tables of what the broker asks of us: delivery.c, class files. */
extern const struct effects server_effects;

#endif
