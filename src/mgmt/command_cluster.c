/*
 * Requests about the cluster, which is this node alone: its name, and what it can do (feature flags).
 */
#include "base/check.h"
#include "broker/meta_view.h"
#include "broker/parameter.h"
#include "mgmt/argument.h"
#include "mgmt/control_table.h"
#include "mgmt/info_value.h"
#include "server/server.h"

#include <stdlib.h>

/* RabbitMQ 3.10's, and whether what it stands for is here. */
static const struct {
    const char *name, *state, *text;
} flags[] = {
    {"classic_mirrored_queue_version", "unavailable", "Mirrored queues of version 2"},
    {"drop_unroutable_metric", "unavailable", "Counts of dropped messages"},
    {"empty_basic_get_metric", "unavailable", "Counts of basic.get on empty queues"},
    {"implicit_default_bindings", "enabled", "Bindings to the default exchange are not stored"},
    {"maintenance_mode_status", "unavailable", "Maintenance mode"},
    {"quorum_queue", "enabled", "Queues of type quorum"},
    {"stream_queue", "unavailable", "Queues of type stream"},
    {"user_limits", "enabled", "Limits of a user's connections and channels"},
    {"virtual_host_metadata", "enabled", "Virtual hosts have a description and tags"},
};
enum { FLAG_COUNT = sizeof flags / sizeof *flags };

static json_t *
flag_value(unsigned i)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "name", flags[i].name, "state", flags[i].state,
                     "stability", "stable", "provided_by", "rabbit", "desc", flags[i].text, "doc_url", "");
}

/* ---- cluster_status, set_cluster_name ---- */

struct cluster_facts {
    struct buffer name;
    size_t quorum_queues;
};

static void
facts_free(void *data)
{
    struct cluster_facts *f = data;
    buffer_fini(&f->name);
    free(f);
}

static void
facts_find(void *arg, struct server_shard *home)
{
    struct cluster_facts *f = arg;
    const struct meta *m = home->broker->node->meta;
    buffer_add_slice(&f->name, parameter_cluster_name(m));
    f->quorum_queues = meta_view_counts(m).quorum_queues;
}

static void
then_status(struct control_call *call, void *arg, bool discarded)
{
    const struct cluster_facts *f = arg;
    if (discarded)
        return;
    json_t *list = json_array();
    for (unsigned i = 0; i < FLAG_COUNT; i++)
        json_array_append_new(list, flag_value(i));
    control_done(call, json_pack("{s:s%, s:s, s:I, s:o}", "cluster_name", f->name.data, f->name.len, "node",
                                 control_hosts(control_of(call))->node_name, "quorum_queues",
                                 (json_int_t)f->quorum_queues, "feature_flags", list));
}

static void
run_cluster_status(struct control_call *call)
{
    struct cluster_facts *f = calloc(1, sizeof *f);
    CHECK(f);
    control_set_data(call, f, facts_free);
    control_ask(call, 0, facts_find, f, then_status);
}

static void
then_named(struct control_call *call, const struct meta_result *result)
{
    if (result->code)
        control_fail(call, CONTROL_BAD_ARGUMENT, "%s", result->text);
    else
        control_done(call, NULL);
}

/* The name is read from the parameter's JSON as it stands (parameter_cluster_name()), so nothing in it may
 * need an escape. */
static void
run_set_cluster_name(struct control_call *call)
{
    struct slice name;
    if (!argument_name(call, "name", NULL, &name))
        return;
    struct buffer json = {0};
    info_value_string(&json, name);
    if (name.len == 0 || memchr(json.data, '\\', json.len))
        control_fail(call, CONTROL_BAD_ARGUMENT,
                     "a cluster's name is not empty, and has no quotes, backslashes and control characters");
    else
        control_meta(call,
                     &(struct meta_command){.kind = META_PARAMETER_SET,
                                            .name = slice_str("cluster_name"),
                                            .value = buffer_slice(&json)},
                     then_named);
    buffer_fini(&json);
}

/* ---- feature flags ---- */

/* One row: of `value` the asked columns. */
static void
write_row(struct control_call *call, json_t *value)
{
    size_t i;
    json_t *column, *row = json_array();
    json_array_foreach(control_argument(call, "columns"), i, column)
    {
        json_t *cell = json_object_get(value, json_is_string(column) ? json_string_value(column) : "");
        json_array_append(row, cell ? cell : json_null());
    }
    char *text = json_dumps(row, JSON_COMPACT);
    CHECK(text);
    control_row(call, slice_str(text));
    free(text);
    json_decref(row);
    json_decref(value);
}

static void
run_list_feature_flags(struct control_call *call)
{
    for (unsigned i = 0; i < FLAG_COUNT; i++)
        write_row(call, flag_value(i));
    control_done(call, NULL);
}

static void
run_list_deprecated_features(struct control_call *call)
{
    control_done(call, NULL);
}

static void
run_enable_feature_flag(struct control_call *call)
{
    const char *name = control_string(call, "name", NULL);
    if (!name)
        return;
    bool is_known = strcmp(name, "all") == 0;
    for (unsigned i = 0; i < FLAG_COUNT; i++)
        is_known = is_known || (strcmp(flags[i].name, name) == 0 && strcmp(flags[i].state, "enabled") == 0);
    if (is_known)
        control_done(call, NULL);
    else
        control_fail(call, CONTROL_NOT_FOUND, "there is no feature flag %s", name);
}

const struct control_command command_cluster_table[] = {
    {"cluster_status", run_cluster_status, CONTROL_NEEDS_APP},
    {"set_cluster_name", run_set_cluster_name, CONTROL_NEEDS_APP | CONTROL_AUDITED},
    {"list_feature_flags", run_list_feature_flags, CONTROL_NEEDS_APP},
    {"list_deprecated_features", run_list_deprecated_features, CONTROL_NEEDS_APP},
    {"enable_feature_flag", run_enable_feature_flag, CONTROL_NEEDS_APP},
    {0},
};
