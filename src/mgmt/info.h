/*
 * What is shown of the things of a running node: rows of columns, as JSON, in slices.
 *
 * A kind of thing (info_queue.c, info_connection.c, ...) is a table of columns and a walk that can stop
 * anywhere: a slice runs on a shard, within one turn, and ends after INFO_SLICE_ROWS rows, INFO_SLICE_BYTES
 * of them or INFO_SLICE_NS of time, whichever comes first. What is there from the first slice to the last
 * appears exactly once, whatever comes, goes or moves to another shard meanwhile.
 *
 *     info_query_init(&q, &info_queue_kind); info_query_column(&q, "name"); ...
 *     while (info_query_next(&q, shard count, &shard))     where to go on; false: that was all
 *         info_slice(&q, home);                            on that shard; rows are in q.rows: take them
 *     info_query_fini(&q);
 */
#ifndef LEVERET_MGMT_INFO_H
#define LEVERET_MGMT_INFO_H

#include "base/buffer.h"
#include "base/err.h"
#include "base/idmap.h"
#include "mgmt/info_columns.h"

#include <stdbool.h>

struct binding;
struct channel;
struct channel_consumer;
struct connection;
struct exchange;
struct info_query;
struct meta;
struct parameter;
struct permission_entry;
struct policy;
struct queue;
struct queue_def;
struct queue_figures;
struct server;
struct server_shard;
struct topic_permission;
struct user;
struct vhost;

enum {
    INFO_COLUMNS_MAX = 64,
    INFO_SLICE_ROWS = 512,
    INFO_SLICE_BYTES = 65536,
    INFO_SLICE_NS = 500000,
    INFO_VHOST_SIZE = 256,
};

/* The thing of a row; which members are set is its kind's business. */
struct info_subject {
    const struct server_shard *home;
    const struct queue_def *queue;
    const struct queue_figures *figures; /* NULL: it was never used */
    const struct exchange *exchange;
    const struct binding *binding; /* NULL: the implicit one of `queue` */
    const struct connection *connection;
    const struct channel *channel;
    const struct channel_consumer *consumer;
    const struct vhost *vhost;
    const struct user *user;
    const struct permission_entry *permission;
    const struct topic_permission *topic_permission;
    const struct policy *policy;
    const struct parameter *parameter;
};

struct info_column {
    const char *name;
    enum info_type type;
    void (*put)(struct buffer *out, const struct info_subject *s); /* one JSON value */
};

struct info_kind {
    const struct info_column *columns; /* ended by a NULL name */
    bool is_per_vhost;                 /* query.vhost is needed; of others it is a filter, or nothing */
    bool is_per_user;                  /* query.user is needed, and must be there */
    bool is_strict;                    /* so must the vhost: else there are simply no rows */
    bool is_sharded;                   /* every shard has its own; else shard 0 tells all */
    unsigned passes;                   /* over all shards */
    /* Goes one step, emits what it finds there (few rows); false: there is no more in this pass on this
     * shard. */
    bool (*step)(struct info_query *q);
};

extern const struct info_kind info_queue_kind, info_exchange_kind, info_binding_kind, info_connection_kind,
    info_channel_kind, info_consumer_kind, info_vhost_kind, info_user_kind, info_permission_kind,
    info_user_permission_kind, info_topic_permission_kind, info_user_topic_permission_kind, info_policy_kind,
    info_operator_policy_kind, info_parameter_kind, info_global_parameter_kind, info_vhost_limit_kind,
    info_user_limit_kind;

struct info_query {
    const struct info_kind *kind;
    const struct info_column *columns[INFO_COLUMNS_MAX];
    unsigned column_count;
    char vhost[INFO_VHOST_SIZE]; /* "": all, where it is a filter */
    char user[INFO_VHOST_SIZE];  /* of kinds that are per user */
    struct buffer rows;          /* what the last slices gathered: "r [...]\n" each */
    uint64_t row_count;          /* in all */
    /* ---- where it stands ---- */
    bool is_vhost_missing, is_user_missing; /* where that is an error: there are no rows then */
    unsigned first_shard;                   /* with `foreign`: the shard that tells of the others */
    bool is_over_here;                      /* the shard has no more in this pass */
    unsigned pass, shard;
    uint64_t position, inner, innermost; /* the kind's, 0 at the start of a shard */
    uint64_t current;                    /* the connection that `inner` is in */
    bool is_current_due;
    uint64_t *channel_bits; /* info_channel.c's: the numbers of its channels */
    const bool *
        foreign; /* queues: show those of these shards, as far as another shard knows them; NULL: one's own */
    struct idmap seen; /* connections that may move: ids of those that were shown before they could */
    /* ---- during a slice ---- */
    struct server_shard *home;
    const struct vhost *found_vhost; /* NULL: there is none of that name */
    struct meta *meta;
};

/* No columns yet; vhost "". */
void info_query_init(struct info_query *q, const struct info_kind *kind);
void info_query_fini(struct info_query *q);
/* ERR_NOT_FOUND: no such column. ERR_LIMIT: more than INFO_COLUMNS_MAX. */
ERR_USE enum err info_query_column(struct info_query *q, const char *name);
void info_query_all_columns(struct info_query *q);
/* Too long a name is that of no vhost. */
void info_query_vhost(struct info_query *q, const char *vhost);
void info_query_user(struct info_query *q, const char *user);
/* The shard of the next slice. */
bool info_query_next(struct info_query *q, unsigned shard_count, unsigned *shard);
void info_slice(struct info_query *q, struct server_shard *home);

/* For the kinds: one row. */
void info_emit(struct info_query *q, struct info_subject *s);
/* info_connection.c: shall it, and what it has, be shown in this pass? Asked once per connection and pass. */
bool info_connection_is_due(struct info_query *q, const struct connection *c);
/* The connection at q->position, with q->inner and q->innermost 0 if it is another than last time; moves the
 * position to it. NULL: none is left. */
const struct connection *info_connection_at(struct info_query *q);
/* Done with that one. */
void info_connection_pass(struct info_query *q);

/* A row of a kind's table: functions are named after their columns. */
#define INFO_COLUMN_ROW(name, type) {#name, INFO_##type, put_##name},

#endif
