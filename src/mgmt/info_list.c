/*
 * Requests for lists: {"columns": [...], "vhost": "/"}. One slice is asked for at a time, and the next when
 * the client has read so far that there is room: a list is never in memory as a whole, neither here nor on a
 * shard.
 */
#include "mgmt/info.h"

#include "base/check.h"
#include "io/timer.h"
#include "mgmt/argument.h"
#include "mgmt/ask.h"
#include "mgmt/control_table.h"

#include <stdlib.h>

enum { PROBE_TIMEOUT_MS = 15000, PROBE_TIMEOUT_MAX_MS = 3600000 };

struct listing {
    struct info_query query;
    unsigned shard_count;
};

static void
listing_free(void *data)
{
    struct listing *l = data;
    info_query_fini(&l->query);
    free(l);
}

/* ---- the stream ---- */

static void listing_next(struct control_call *call);

static void
listing_run(void *arg, struct server_shard *home)
{
    struct listing *l = arg;
    info_slice(&l->query, home);
}

static void
listing_answered(struct control_call *call, void *arg, bool discarded)
{
    struct listing *l = arg;
    if (discarded || control_is_gone(call))
        return;
    if (l->query.is_vhost_missing || l->query.is_user_missing) {
        if (l->query.is_vhost_missing)
            control_fail(call, CONTROL_NO_SUCH_VHOST, "Virtual host '%s' does not exist", l->query.vhost);
        else
            control_fail(call, CONTROL_NO_SUCH_USER, "User \"%s\" does not exist", l->query.user);
        return;
    }
    control_rows(call, buffer_slice(&l->query.rows));
    buffer_clear(&l->query.rows);
    if (control_has_room(call))
        listing_next(call);
    else
        control_when_room(call, listing_next);
}

static void
listing_next(struct control_call *call)
{
    struct listing *l = control_data(call);
    unsigned shard;
    if (info_query_next(&l->query, l->shard_count, &shard))
        control_ask(call, shard, listing_run, l, listing_answered);
    else
        control_done(call, NULL);
}

/* ---- the request ---- */

/* False: it was answered. */
static bool
listing_columns(struct control_call *call, struct info_query *q)
{
    json_t *columns = control_argument(call, "columns"), *name;
    size_t i;
    if (!columns) {
        info_query_all_columns(q);
        return true;
    }
    if (!json_is_array(columns) || json_array_size(columns) == 0) {
        control_fail(call, CONTROL_BAD_REQUEST, "columns must be an array of names");
        return false;
    }
    json_array_foreach(columns, i, name)
    {
        if (!json_is_string(name)) {
            control_fail(call, CONTROL_BAD_REQUEST, "columns must be an array of names");
            return false;
        }
        switch (info_query_column(q, json_string_value(name))) {
        case ERR_OK: break;
        case ERR_LIMIT:
            control_fail(call, CONTROL_USAGE, "at most %u columns", INFO_COLUMNS_MAX);
            return false;
        default:
            control_fail(call, CONTROL_USAGE, "Info key(s) %s are not supported", json_string_value(name));
            return false;
        }
    }
    return true;
}

static void
listing_begin(struct control_call *call, const struct info_kind *kind)
{
    const char *vhost = control_string(call, "vhost", kind->is_per_vhost ? "/" : "");
    const char *user = vhost ? control_string(call, "user", "") : NULL;
    if (!user)
        return;
    if (strlen(user) >= INFO_VHOST_SIZE || strlen(vhost) >= INFO_VHOST_SIZE) {
        control_fail(call, CONTROL_BAD_ARGUMENT, "a name has at most %d bytes", INFO_VHOST_SIZE - 1);
        return;
    }
    struct listing *l = calloc(1, sizeof *l);
    CHECK(l);
    info_query_init(&l->query, kind);
    info_query_vhost(&l->query, vhost);
    info_query_user(&l->query, user);
    l->shard_count = asker_shard_count(control_asker(control_of(call)));
    control_set_data(call, l, listing_free);
    if (listing_columns(call, &l->query))
        listing_next(call);
}

/* A node alone has every queue that there is, and runs: none is offline. */
static void
list_queues(struct control_call *call)
{
    bool is_offline = false;
    if (!argument_flag(call, "offline", &is_offline))
        return;
    if (is_offline)
        control_done(call, NULL);
    else
        listing_begin(call, &info_queue_kind);
}

/* Lists that have nothing of their own but the kind of thing: X(request, kind). */
/* clang-format off */
#define LIST_TABLE(X) \
    X(list_exchanges, exchange) \
    X(list_bindings, binding) \
    X(list_connections, connection) \
    X(list_channels, channel) \
    X(list_consumers, consumer) \
    X(list_vhosts, vhost) \
    X(list_users, user) \
    X(list_permissions, permission) \
    X(list_user_permissions, user_permission) \
    X(list_topic_permissions, topic_permission) \
    X(list_user_topic_permissions, user_topic_permission) \
    X(list_policies, policy) \
    X(list_operator_policies, operator_policy) \
    X(list_parameters, parameter) \
    X(list_global_parameters, global_parameter) \
    X(list_vhost_limits, vhost_limit) \
    X(list_user_limits, user_limit)
/* clang-format on */

#define X(request, kind)                                                                                     \
    static void request(struct control_call *call)                                                           \
    {                                                                                                        \
        listing_begin(call, &info_##kind##_kind);                                                            \
    }
LIST_TABLE(X)
#undef X

/* ---- queues that do not answer ---- */

/*
 * A queue answers when its shard does: each is asked, and when the deadline has passed, one that has answered
 * lists the queues of those that have not. The questions that are still open hold the call, not the client.
 * Who is silent is then settled: that shard reads it, while answers still come in here.
 */
struct probe {
    struct listing listing; /* first: listing_next() goes on with it */
    struct control_call *call;
    struct wheel_timer deadline;
    unsigned silent_count;
    bool is_silent[SHARDS_COUNT_MAX];
    bool was_silent[SHARDS_COUNT_MAX]; /* at the deadline; not changed any more */
    struct probe_question {
        struct probe *probe;
        unsigned shard;
    } questions[SHARDS_COUNT_MAX];
};

static void
probe_free(void *data)
{
    struct probe *p = data;
    timer_stop(&p->deadline);
    info_query_fini(&p->listing.query);
    free(p);
}

static void
probe_run(void *arg, struct server_shard *home)
{
}

static void
probe_answered(struct control_call *call, void *arg, bool discarded)
{
    const struct probe_question *q = arg;
    struct probe *p = q->probe;
    p->is_silent[q->shard] = false;
    if (--p->silent_count > 0 || !timer_is_active(&p->deadline))
        return;
    timer_stop(&p->deadline);
    if (!discarded)
        control_done(call, NULL);
}

/* Too late for some: the rows come from a shard that has answered. */
static void
probe_late(void *arg)
{
    struct probe *p = arg;
    struct info_query *q = &p->listing.query;
    while (q->first_shard < p->listing.shard_count && p->is_silent[q->first_shard])
        q->first_shard++;
    if (q->first_shard == p->listing.shard_count) {
        control_fail(p->call, CONTROL_TIMEOUT, "no shard of the node answers");
        return;
    }
    memcpy(p->was_silent, p->is_silent, sizeof p->was_silent);
    q->foreign = p->was_silent;
    listing_next(p->call);
}

static void
list_unresponsive_queues(struct control_call *call)
{
    const char *vhost = control_string(call, "vhost", "/");
    int64_t timeout = PROBE_TIMEOUT_MS;
    if (!vhost || !argument_number(call, "timeout_ms", 1, PROBE_TIMEOUT_MAX_MS, &timeout))
        return;
    struct probe *p = calloc(1, sizeof *p);
    CHECK(p);
    info_query_init(&p->listing.query, &info_queue_kind);
    info_query_vhost(&p->listing.query, vhost);
    p->call = call;
    p->listing.shard_count = p->silent_count = asker_shard_count(control_asker(control_of(call)));
    control_set_data(call, p, probe_free);
    if (!listing_columns(call, &p->listing.query))
        return;
    timer_start(control_shard(control_of(call)), &p->deadline, (uint64_t)timeout, probe_late, p);
    for (unsigned i = 0; i < p->listing.shard_count; i++) {
        p->questions[i] = (struct probe_question){p, i};
        p->is_silent[i] = true;
    }
    for (unsigned i = 0, count = p->silent_count; i < count; i++)
        control_ask(call, i, probe_run, &p->questions[i], probe_answered);
}

const struct control_command info_list_table[] = {
    {"list_unresponsive_queues", list_unresponsive_queues, CONTROL_NEEDS_APP},
    {"list_queues", list_queues, CONTROL_NEEDS_APP},
#define X(request, kind) {#request, request, CONTROL_NEEDS_APP},
    LIST_TABLE(X)
#undef X
        {0},
};
