/*
 * The cluster: its status and name, feature flags; and what takes a cluster of several nodes, which this
 * version has not: joining and leaving, mirrors, members of quorum queues. Those check their arguments and
 * the node's state as RabbitMQ's do, answer what one node can answer, and otherwise say what is missing (exit
 * code 69).
 */
#include "base/text.h"
#include "ctl/commands.h"
#include "ctl/node.h"
#include "ctl/status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALONE    "seems to be the only one in a single node cluster, the check does not apply"
#define ONE_NODE "this version knows no clusters of several nodes"

enum { AWAIT_NODES_S = 300, AWAIT_UPGRADE_S = 120 };

/* 0, or the exit code with the words for it, when the node's application is not in that state. */
static int
require_app(struct ctl *c, bool must_run)
{
    json_t *result = ctl_ask(c, "is_running", NULL);
    if (!result)
        return ctl_failed(c);
    bool is_running = json_is_true(json_object_get(result, "running"));
    json_decref(result);
    return is_running == must_run ? EX_OK : ctl_wrong_state(c, must_run);
}

/* ---- cluster_status ---- */

static json_t *
listeners_of(json_t *status)
{
    json_t *list = json_object_get(status, "listeners");
    return json_is_array(list) ? json_incref(list) : json_array();
}

/* RabbitMQ's keys, for a cluster of one. `status` is the node's, NULL where there was none. */
static json_t *
cluster_value(const char *node, json_t *cluster, json_t *status)
{
    json_t *alarms = json_object_get(status, "alarms");
    return json_pack("{s:o?, s:O, s:[s], s:O, s:{s:o}, s:{s:s}, s:{}, s:[], s:[s], s:{s:{s:s, s:s, s:s}}}",
                     "alarms", json_is_array(alarms) ? json_incref(alarms) : json_array(), "cluster_name",
                     json_object_get(cluster, "cluster_name"), "disk_nodes", node, "feature_flags",
                     json_object_get(cluster, "feature_flags"), "listeners", node, listeners_of(status),
                     "maintenance_status", node, "not under maintenance", "partitions", "ram_nodes",
                     "running_nodes", node, "versions", node, "erlang_version", "", "rabbitmq_name",
                     "Leveret", "rabbitmq_version", LEVERET_VERSION);
}

static void
print_list(struct ctl *c, const char *title, const json_t *names)
{
    size_t i;
    json_t *name;
    if (json_array_size(names) == 0)
        return;
    ctl_print(c, "\n");
    ctl_heading(c, title);
    json_array_foreach(names, i, name) ctl_print(c, "%s\n", json_string_value(name));
}

static void
print_alarms(struct ctl *c, const json_t *alarms)
{
    struct buffer lines = {0};
    status_alarm_lines(&lines, alarms);
    if (lines.len == 0)
        buffer_add_str(&lines, "(none)");
    ctl_print(c, "\n");
    ctl_heading(c, "Alarms");
    ctl_print(c, "%.*s\n", SLICE_FMT(buffer_slice(&lines)));
    buffer_fini(&lines);
}

static void
print_listeners(struct ctl *c, const char *node, const json_t *listeners)
{
    size_t i;
    json_t *l;
    ctl_print(c, "\n");
    ctl_heading(c, "Listeners");
    json_array_foreach(listeners, i, l)
        ctl_print(c, "Node: %s, interface: %s, port: %lld, protocol: %s, purpose: %s\n", node,
                  ctl_member(l, "interface"), (long long)json_integer_value(json_object_get(l, "port")),
                  ctl_member(l, "protocol"), ctl_member(l, "purpose"));
}

static void
print_status(struct ctl *c, const char *node, const json_t *value)
{
    size_t i;
    json_t *flag;
    ctl_heading(c, "Basics");
    ctl_print(c, "Cluster name: %s\n", ctl_member(value, "cluster_name"));
    print_list(c, "Disk Nodes", json_object_get(value, "disk_nodes"));
    print_list(c, "RAM Nodes", json_object_get(value, "ram_nodes"));
    print_list(c, "Running Nodes", json_object_get(value, "running_nodes"));
    ctl_print(c, "\n");
    ctl_heading(c, "Versions");
    ctl_print(c, "%s: Leveret %s\n\n", node, LEVERET_VERSION);
    ctl_heading(c, "Maintenance status");
    ctl_print(c, "Node: %s, status: not under maintenance\n", node);
    print_alarms(c, json_object_get(value, "alarms"));
    ctl_print(c, "\n");
    ctl_heading(c, "Network Partitions");
    ctl_print(c, "(none)\n");
    print_listeners(c, node, json_object_get(json_object_get(value, "listeners"), node));
    ctl_print(c, "\n");
    ctl_heading(c, "Feature flags");
    json_array_foreach(json_object_get(value, "feature_flags"), i, flag)
        ctl_print(c, "Flag: %s, state: %s\n", ctl_member(flag, "name"), ctl_member(flag, "state"));
}

static int
cluster_status(struct ctl *c)
{
    const char *node = ctl_node(c);
    ctl_banner(c, "Cluster status of node %s ...", node);
    json_t *cluster = ctl_ask(c, "cluster_status", NULL);
    if (!cluster)
        return ctl_failed(c);
    json_t *status = ctl_ask(c, "status", NULL);
    json_t *value = cluster_value(node, cluster, status);
    json_decref(cluster);
    json_decref(status);
    if (!ctl_is_for_people(c))
        return ctl_show(c, value);
    print_status(c, node, value);
    json_decref(value);
    return EX_OK;
}

static int
set_cluster_name(struct ctl *c)
{
    ctl_banner(c, "Setting cluster name to %s ...", c->args[0]);
    return ctl_do(c, "set_cluster_name", json_pack("{s:s}", "name", c->args[0]));
}

/* ---- members ---- */

static int
check_ram_or_disc(struct ctl *c)
{
    return ctl_has(c, "ram") && ctl_has(c, "disc")
               ? ctl_bad_argument(c, "The node type must be either disc or ram.")
               : EX_OK;
}

static int
join_cluster(struct ctl *c)
{
    int code = require_app(c, false);
    if (code != EX_OK)
        return code;
    ctl_banner(c, "Clustering node %s with %s", ctl_node(c), c->args[0]);
    if (strcmp(ctl_node(c), c->args[0]) == 0)
        return ctl_error(c, EX_SOFTWARE, "Error: cannot cluster node with itself: %s", c->args[0]);
    return ctl_missing(c, ONE_NODE);
}

static int
forget_cluster_node(struct ctl *c)
{
    bool is_offline = ctl_has(c, "offline");
    const char *own = ctl_node(c);
    ctl_banner(c, "Removing node %s from the cluster%s", c->args[0],
               is_offline ? ". Warning: quorum queues cannot be shrunk in offline mode" : "");
    if (!is_offline) {
        json_t *result = ctl_ask(c, "is_running", NULL);
        if (!result)
            return ctl_failed(c);
        json_decref(result);
    }
    if (strcmp(own, c->args[0]) == 0)
        return ctl_error(
            c, EX_UNAVAILABLE,
            "RabbitMQ on node %s must be stopped with 'rabbitmqctl -n %s stop_app' before it can be removed",
            own, own);
    return ctl_error(c, EX_UNAVAILABLE, "{:not_a_cluster_node, 'The node selected is not in the cluster.'}");
}

static int
check_node_type(struct ctl *c)
{
    const char *type = c->args[0];
    return strcmp(type, "disc") == 0 || strcmp(type, "disk") == 0 || strcmp(type, "ram") == 0
               ? EX_OK
               : ctl_bad_argument(c, "The node type must be either disc or ram.");
}

static int
change_cluster_node_type(struct ctl *c)
{
    int code = require_app(c, false);
    if (code != EX_OK)
        return code;
    ctl_banner(c, "Turning %s into a %s node", ctl_node(c), strcmp(c->args[0], "ram") == 0 ? "ram" : "disc");
    return ctl_error(c, EX_UNAVAILABLE, "{:not_clustered, 'Non-clustered nodes can only be disc nodes.'}");
}

static int
update_cluster_nodes(struct ctl *c)
{
    ctl_banner(c, "Will seed %s from %s on next start", ctl_node(c), c->args[0]);
    return ctl_missing(c, ONE_NODE);
}

static int
rename_cluster_node(struct ctl *c)
{
    return ctl_missing(c, "a node's name is leveret.node_name in its configuration (--node); " ONE_NODE);
}

/* Nothing holds a node alone back: it starts without being forced. */
static int
force_boot(struct ctl *c)
{
    json_t *result = ctl_ask(c, "is_running", NULL);
    bool is_running = json_is_true(json_object_get(result, "running"));
    json_decref(result);
    if (!result)
        return access(c->at->data_dir, F_OK) == 0 ? EX_OK : ctl_failed(c);
    return is_running ? ctl_wrong_state(c, false) : EX_OK;
}

static int
check_count(struct ctl *c)
{
    uint64_t count;
    return text_to_u64_within(slice_str(c->args[0]), 1, UINT32_MAX, &count) == ERR_OK
               ? EX_OK
               : ctl_bad_argument(c, "Argument must be a positive integer");
}

static int
await_online_nodes(struct ctl *c)
{
    uint64_t count = 0;
    int code = require_app(c, true);
    if (code != EX_OK || text_to_u64(slice_str(c->args[0]), &count) != ERR_OK)
        return code;
    ctl_banner(c, "Will wait for at least %s nodes to join the cluster of %s. Timeout: %d seconds.",
               c->args[0], ctl_node(c), c->timeout_s ? c->timeout_s : AWAIT_NODES_S);
    ctl_print(c, "%s", "");
    return count <= 1 ? EX_OK : ctl_missing(c, ONE_NODE);
}

/* ---- replication ---- */

static int
sync_queue(struct ctl *c)
{
    ctl_banner(c, "Synchronising queue '%s' in vhost '%s' ...", c->args[0], c->vhost);
    return ctl_do(c, "sync_queue", json_pack("{s:s, s:s}", "vhost", c->vhost, "name", c->args[0]));
}

static int
cancel_sync_queue(struct ctl *c)
{
    ctl_banner(c, "Stopping synchronising queue '%s' in vhost '%s' ...", c->args[0], c->vhost);
    json_t *result =
        ctl_ask(c, "cancel_sync_queue", json_pack("{s:s, s:s}", "vhost", c->vhost, "name", c->args[0]));
    if (!result)
        return ctl_failed(c);
    if (*ctl_member(result, "state"))
        ctl_say(c, "%s", ctl_member(result, "state"));
    json_decref(result);
    return EX_OK;
}

static int
needs_members(struct ctl *c)
{
    int code = require_app(c, true);
    return code == EX_OK ? ctl_missing(c, ONE_NODE) : code;
}

static int
change_member(struct ctl *c, const char *request)
{
    return ctl_do(c, request,
                  json_pack("{s:s, s:s, s:s}", "vhost", c->vhost, "name", c->args[0], "node", c->args[1]));
}

static int
add_member(struct ctl *c)
{
    ctl_banner(c, "Adding a replica for queue %s on node %s...", c->args[0], c->args[1]);
    return change_member(c, "add_member");
}

static int
delete_member(struct ctl *c)
{
    ctl_banner(c, "Removing a replica of queue %s on node %s...", c->args[0], c->args[1]);
    return change_member(c, "delete_member");
}

static int
check_strategy(struct ctl *c)
{
    if (strcmp(c->args[1], "all") == 0 || strcmp(c->args[1], "even") == 0)
        return EX_OK;
    return ctl_invalid(c, "\"strategy '%s' is not recognised.\"", c->args[1]);
}

/* Every quorum queue has its member on the only node already; on others nothing can be added. */
static int
grow(struct ctl *c)
{
    int code = require_app(c, true);
    if (code != EX_OK)
        return code;
    ctl_banner(c, "Growing %s quorum queues on %s...", c->args[1], c->args[0]);
    return ctl_rows(c, "vhost\tname\tsize\tresult", json_array());
}

/* Adds the vhost's quorum queues, each with what becomes of it. False: the node has failed. */
static bool
add_last_members(struct ctl *c, const char *vhost, json_t *rows)
{
    size_t i;
    json_t *row;
    json_t *queues = ctl_ask_rows(c, "list_queues",
                                  json_pack("{s:s, s:[s, s]}", "vhost", vhost, "columns", "name", "type"));
    if (!queues)
        return false;
    json_array_foreach(queues, i, row)
    {
        const char *type = json_string_value(json_array_get(row, 1));
        if (type && strcmp(type, "quorum") == 0)
            json_array_append_new(rows, json_pack("[s, O, i, s]", vhost, json_array_get(row, 0), 1,
                                                  "error: the last node cannot be removed"));
    }
    json_decref(queues);
    return true;
}

/* The only node has every queue's last member; others have none. */
static int
shrink(struct ctl *c)
{
    size_t i;
    json_t *vhost, *rows = json_array();
    int code = require_app(c, true);
    ctl_banner(c, "Shrinking quorum queues on %s...", c->args[0]);
    bool is_own = strcmp(c->args[0], ctl_node(c)) == 0;
    json_t *vhosts = code == EX_OK && is_own
                         ? ctl_ask_rows(c, "list_vhosts", json_pack("{s:[s]}", "columns", "name"))
                         : json_array();
    if (!vhosts)
        code = ctl_failed(c);
    json_array_foreach(vhosts, i, vhost) if (code == EX_OK) code =
        add_last_members(c, json_string_value(json_array_get(vhost, 0)), rows) ? EX_OK : ctl_failed(c);
    json_decref(vhosts);
    if (code == EX_OK)
        return ctl_rows(c, "vhost\tname\tsize\tresult", rows);
    json_decref(rows);
    return code;
}

static int
check_position(struct ctl *c)
{
    uint64_t position;
    return text_to_u64_within(slice_str(c->args[1]), 1, UINT32_MAX, &position) == ERR_OK
               ? EX_OK
               : ctl_invalid(c, "\"position value must be a positive integer\"");
}

/* Several routing keys stand one behind the other, as RabbitMQ prints them. */
static json_t *
joined(json_t *value)
{
    size_t i;
    json_t *item;
    struct buffer text = {0};
    if (!json_is_array(value))
        return json_incref(value);
    json_array_foreach(value, i, item) buffer_add_str(&text, json_string_value(item));
    json_t *whole = json_stringn((const char *)text.data, text.len);
    buffer_fini(&text);
    return whole;
}

static int
peek(struct ctl *c)
{
    size_t i;
    json_t *field, *rows = json_array(), *object = json_object();
    ctl_banner(c, "Peeking at quorum queue %s at position %s on node %s ...", c->args[0], c->args[1],
               ctl_node(c));
    json_t *result = ctl_ask(c, "peek",
                             json_pack("{s:s, s:s, s:I}", "vhost", c->vhost, "name", c->args[0], "position",
                                       (json_int_t)strtoll(c->args[1], NULL, 10)));
    json_array_foreach(json_object_get(result, "message"), i, field)
    {
        json_t *name = json_array_get(field, 0), *value = json_array_get(field, 1);
        json_array_append_new(rows, json_pack("[O, o]", name, joined(value)));
        json_object_set(object, json_string_value(name), value);
    }
    int code = !result ? ctl_failed(c)
               : ctl_is_for_people(c)
                   ? ctl_rows(c, "keys\tvalues", json_incref(rows))
                   : ctl_show(c, json_pack("{s:O, s:s}", "message", object, "result", "ok"));
    json_decref(rows);
    json_decref(object);
    json_decref(result);
    return code;
}

static int
reclaim_quorum_memory(struct ctl *c)
{
    ctl_banner(c, "Will flush Raft WAL of quorum queue %s ...", c->args[0]);
    return ctl_do(c, "reclaim_quorum_memory", json_pack("{s:s, s:s}", "vhost", c->vhost, "name", c->args[0]));
}

/* One member, which leads; without a Raft log it has no places in one. */
static int
quorum_status(struct ctl *c)
{
    ctl_banner(c, "Status of quorum queue %s on node %s ...", c->args[0], ctl_node(c));
    json_t *result =
        ctl_ask(c, "quorum_status", json_pack("{s:s, s:s}", "vhost", c->vhost, "name", c->args[0]));
    if (!result)
        return ctl_failed(c);
    json_t *rows = json_pack("[[s, s, s, s, s, i, i]]", ctl_member(result, "leader"), "leader", "undefined",
                             "undefined", "undefined", 1, 0);
    json_decref(result);
    return ctl_rows(
        c, "Node Name\tRaft State\tLog Index\tCommit Index\tSnapshot Index\tTerm\tMachine Version", rows);
}

static int
check_rebalance(struct ctl *c)
{
    static const char *const types[] = {"all", "classic", "quorum"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i], c->args[0]) == 0)
            return EX_OK;
    return ctl_error(c, EX_USAGE, "type %s is not supported. Try one of all, classic, quorum.", c->args[0]);
}

/* Every leader is on the only node already: what it has is how they are spread. */
static int
show_balance(struct ctl *c)
{
    json_t *cluster = ctl_ask(c, "cluster_status", NULL);
    if (!cluster)
        return ctl_failed(c);
    json_int_t quorum = json_integer_value(json_object_get(cluster, "quorum_queues"));
    json_decref(cluster);
    return ctl_rows(c, "Node name\tNumber of quorum queues\tNumber of replicated classic queues",
                    json_pack("[[s, I, i]]", ctl_node(c), quorum, 0));
}

static int
rebalance(struct ctl *c)
{
    int code = require_app(c, true);
    if (code != EX_OK)
        return code;
    ctl_banner(c, "Re-balancing leaders of %s queues...", c->args[0]);
    return show_balance(c);
}

/* The only node cannot hand over to anybody, and RabbitMQ does not look any further. */
static int
check_critical(struct ctl *c, const char *for_what)
{
    int code = require_app(c, true);
    if (code != EX_OK)
        return code;
    ctl_banner(c, "Checking if node %s is critical for %s ...", ctl_node(c), for_what);
    if (!ctl_is_for_people(c))
        return ctl_show(c, json_pack("{s:s, s:s}", "message", "Target node " ALONE, "result", "ok"));
    ctl_note(c, "Node %s " ALONE, ctl_node(c));
    return EX_OK;
}

static int
check_quorum_critical(struct ctl *c)
{
    return check_critical(c, "quorum of any quorum queues");
}

static int
check_mirror_critical(struct ctl *c)
{
    return check_critical(c, "data safety of any classic mirrored queues");
}

/* ---- upgrades ---- */

static int
await_alone(struct ctl *c, const char *what)
{
    int code = require_app(c, true);
    if (code != EX_OK)
        return code;
    ctl_banner(c, "Will wait for %s for %d seconds...", what, c->timeout_s ? c->timeout_s : AWAIT_UPGRADE_S);
    ctl_note(c, "Target node seems to be the only one in a single node cluster, the command does not apply");
    return EX_OK;
}

static int
await_online_quorum_plus_one(struct ctl *c)
{
    return await_alone(c, "a quorum + 1 of nodes to be online for all quorum queues");
}

static int
await_online_synchronized_mirror(struct ctl *c)
{
    return await_alone(c, "a synchronised mirror be online for all classic mirrored queues");
}

static int
post_upgrade(struct ctl *c)
{
    int code = require_app(c, true);
    if (code != EX_OK)
        return code;
    ctl_banner(c, "Executing post upgrade tasks...\nRebalancing queue masters...");
    return show_balance(c);
}

static int
drain(struct ctl *c)
{
    int code = require_app(c, true);
    return code == EX_OK
               ? ctl_missing(c,
                             "this version has no maintenance mode: another node that takes over is missing")
               : code;
}

/* ---- feature flags ---- */

static int
list_feature_flags(struct ctl *c)
{
    ctl_banner(c, "Listing feature flags ...");
    return ctl_list(c, "list_feature_flags", NULL, NULL, false);
}

static int
list_deprecated_features(struct ctl *c)
{
    ctl_banner(c, ctl_has(c, "used") ? "Listing deprecated features in use ..."
                                     : "Listing deprecated features ...");
    return ctl_list(c, "list_deprecated_features", NULL, NULL, false);
}

static int
check_feature_flag(struct ctl *c)
{
    return *c->args[0] ? EX_OK : ctl_bad_argument(c, "feature_flag cannot be an empty string.");
}

static int
enable_feature_flag(struct ctl *c)
{
    if (strcmp(c->args[0], "all") == 0)
        ctl_banner(c, "Enabling all feature flags ...");
    else
        ctl_banner(c, "Enabling feature flag \"%s\" ...", c->args[0]);
    json_t *result = ctl_ask(c, "enable_feature_flag", json_pack("{s:s}", "name", c->args[0]));
    if (!result && strcmp(ctl_failure(c), "not_found") == 0)
        return ctl_error(c, EX_USAGE, "This feature flag is not supported by node %s", ctl_node(c));
    if (!result)
        return ctl_failed(c);
    json_decref(result);
    return EX_OK;
}

static const struct ctl_option join_options[] = {{"ram", 0, CTL_FLAG}, {"disc", 0, CTL_FLAG}, {0}};
static const struct ctl_option forget_options[] = {{"offline", 0, CTL_FLAG}, {0}};
static const struct ctl_option used_options[] = {{"used", 0, CTL_FLAG}, {0}};
static const struct ctl_option flag_options[] = {{"opt-in", 0, CTL_FLAG}, {0}};
static const struct ctl_option pattern_options[] = {
    {"vhost-pattern", 0, CTL_TEXT}, {"queue-pattern", 0, CTL_TEXT}, {"membership", 0, CTL_TEXT}, {0}};
static const struct ctl_option membership_options[] = {{"membership", 0, CTL_TEXT}, {0}};
static const struct ctl_option shrink_options[] = {{"errors-only", 0, CTL_FLAG}, {0}};

/* A row in short: name, tools, group, usage, summary, run, fewest and most arguments. */
#define ROW(name_, tools_, group_, usage_, summary_, run_, min_, max_)                                       \
    .name = name_, .tools = tools_, .group = group_, .usage = usage_, .summary = summary_, .run = run_,      \
    .args_min = min_, .args_max = max_

const struct ctl_command commands_cluster[] = {
    {ROW("cluster_status", CTL_CTL | CTL_DIAGNOSTICS, CTL_GROUP_CLUSTER, "",
         "Shows the cluster's name, its nodes and their listeners", cluster_status, 0, 0),
     .flags = CTL_NEEDS_APP | CTL_TIMED},
    {ROW("set_cluster_name", CTL_CTL, CTL_GROUP_CONFIGURATION, "<name>",
         "Names the cluster, as clients and other clusters see it", set_cluster_name, 1, 1),
     .details = "<name>\n\tthe new name\n", .flags = CTL_NEEDS_APP},
    {ROW("join_cluster", CTL_CTL, CTL_GROUP_CLUSTER, "[--disc|--ram] <existing_cluster_member>",
         "Makes a stopped node a member of another node's cluster", join_cluster, 1, 1),
     .details = "<existing_cluster_member>\n\tany node of that cluster\n\n--disc, --ram\n\twhat the node is "
                "labelled as: disc "
                "unless said otherwise\n",
     .check = check_ram_or_disc, .options = join_options},
    {ROW("forget_cluster_node", CTL_CTL, CTL_GROUP_CLUSTER, "[--offline] <existing_cluster_member_node>",
         "Takes a stopped node out of the cluster", forget_cluster_node, 1, 1),
     .details = "--offline\n\tthe node that is asked does not run either\n", .options = forget_options},
    {ROW("change_cluster_node_type", CTL_CTL, CTL_GROUP_CLUSTER, "<disc | ram>",
         "Changes what a stopped node is labelled as", change_cluster_node_type, 1, 1),
     .check = check_node_type},
    {ROW("update_cluster_nodes", CTL_CTL, CTL_GROUP_CLUSTER, "<seed_node>",
         "Has a stopped node ask another one who the cluster's members are", update_cluster_nodes, 1, 1)},
    {ROW("rename_cluster_node", CTL_CTL, CTL_GROUP_CLUSTER, "<oldnode1> <newnode1> [oldnode2] [newnode2] ...",
         "Renames members of a cluster", rename_cluster_node, 2, 0),
     .flags = CTL_ANY_ARGS},
    {ROW("force_boot", CTL_CTL, CTL_GROUP_CLUSTER, "", "Lets a node start next time without the others",
         force_boot, 0, 0)},
    {ROW("await_online_nodes", CTL_CTL, CTL_GROUP_CLUSTER, "<count>",
         "Waits until so many nodes of the cluster run", await_online_nodes, 1, 1),
     .check = check_count, .flags = CTL_TIMED},
    {ROW("sync_queue", CTL_CTL, CTL_GROUP_REPLICATION, "[--vhost <vhost>] <queue>",
         "Brings the mirrors of a queue up to date", sync_queue, 1, 1),
     .flags = CTL_NEEDS_APP | CTL_PATIENT},
    {ROW("cancel_sync_queue", CTL_CTL, CTL_GROUP_REPLICATION, "[--vhost <vhost>] <queue>",
         "Stops bringing the mirrors of a queue up to date", cancel_sync_queue, 1, 1),
     .flags = CTL_NEEDS_APP},
    {ROW("list_feature_flags", CTL_CTL | CTL_DIAGNOSTICS, CTL_GROUP_FEATURE_FLAGS, "[<column> ...]",
         "Lists feature flags and whether they are enabled", list_feature_flags, 0, 0),
     .columns = "name state stability provided_by desc doc_url", .columns_default = "name state",
     .flags = CTL_NEEDS_APP | CTL_TIMED},
    {ROW("list_deprecated_features", CTL_CTL | CTL_DIAGNOSTICS, CTL_GROUP_FEATURE_FLAGS,
         "[--used] [<column> ...]", "Lists features that will go: none", list_deprecated_features, 0, 0),
     .details = "--used\n\tonly those that are used here\n", .options = used_options,
     .columns = "name deprecation_phase provided_by desc doc_url",
     .columns_default = "name deprecation_phase", .flags = CTL_NEEDS_APP | CTL_TIMED},
    {ROW("enable_feature_flag", CTL_CTL, CTL_GROUP_FEATURE_FLAGS, "<all | feature_flag>",
         "Enables a feature flag: all that there are always are", enable_feature_flag, 1, 1),
     .check = check_feature_flag, .options = flag_options, .flags = CTL_NEEDS_APP},
    {ROW("rebalance", CTL_QUEUES, CTL_GROUP_CLUSTER,
         "< all | classic | quorum > [--vhost-pattern <pattern>] [--queue-pattern <pattern>]",
         "Spreads the leaders of replicated queues over the cluster's nodes", rebalance, 1, 1),
     .check = check_rebalance, .options = pattern_options, .formatter = "pretty_table"},
    {ROW("grow", CTL_QUEUES, CTL_GROUP_CLUSTER,
         "<node> <all | even> [--vhost-pattern <pattern>] [--queue-pattern <pattern>]",
         "Adds a member on a node to many quorum queues", grow, 2, 2),
     .check = check_strategy, .options = pattern_options},
    {ROW("shrink", CTL_QUEUES, CTL_GROUP_CLUSTER, "<node> [--errors-only]",
         "Removes a node's members from all quorum queues", shrink, 1, 1),
     .options = shrink_options},
    {ROW("add_member", CTL_QUEUES, CTL_GROUP_REPLICATION, "[--vhost <vhost>] <queue> <node>",
         "Adds a member to a quorum queue", add_member, 2, 2),
     .options = membership_options, .flags = CTL_NEEDS_APP},
    {ROW("delete_member", CTL_QUEUES, CTL_GROUP_REPLICATION, "[--vhost <vhost>] <queue> <node>",
         "Removes a member from a quorum queue", delete_member, 2, 2),
     .flags = CTL_NEEDS_APP},
    {ROW("transfer_leadership", CTL_QUEUES, CTL_GROUP_REPLICATION, "[--vhost <vhost>] <queue> <node>",
         "Makes another member of a quorum queue its leader", needs_members, 2, 2)},
    {ROW("quorum_status", CTL_QUEUES | CTL_DIAGNOSTICS, CTL_GROUP_MONITORING, "[--vhost <vhost>] <queue>",
         "Shows the members of a quorum queue", quorum_status, 1, 1),
     .formatter = "pretty_table", .flags = CTL_NEEDS_APP},
    {ROW("peek", CTL_QUEUES, CTL_GROUP_MONITORING, "[--vhost <vhost>] <queue> <position>",
         "Shows a message of a quorum queue without taking it", peek, 2, 2),
     .check = check_position, .formatter = "pretty_table", .flags = CTL_NEEDS_APP | CTL_TIMED},
    {ROW("reclaim_quorum_memory", CTL_QUEUES | CTL_DIAGNOSTICS, CTL_GROUP_OPERATIONS,
         "[--vhost <vhost>] <quorum queue>", "Frees what a quorum queue's log holds", reclaim_quorum_memory,
         1, 1),
     .flags = CTL_NEEDS_APP},
    {ROW("check_if_node_is_quorum_critical", CTL_QUEUES | CTL_DIAGNOSTICS, CTL_GROUP_MONITORING, "",
         "Health check: fails when a quorum queue would lose its majority without this node",
         check_quorum_critical, 0, 0)},
    {ROW("check_if_node_is_mirror_sync_critical", CTL_QUEUES | CTL_DIAGNOSTICS, CTL_GROUP_MONITORING, "",
         "Health check: fails when a mirrored queue has no other mirror in sync", check_mirror_critical, 0,
         0)},
    {ROW("await_online_quorum_plus_one", CTL_UPGRADE, CTL_GROUP_UPGRADE, "",
         "Waits until no quorum queue needs this node", await_online_quorum_plus_one, 0, 0)},
    {ROW("await_online_synchronized_mirror", CTL_UPGRADE, CTL_GROUP_UPGRADE, "",
         "Waits until every mirrored queue of this node has another mirror in sync",
         await_online_synchronized_mirror, 0, 0)},
    {ROW("post_upgrade", CTL_UPGRADE, CTL_GROUP_UPGRADE, "",
         "What is to be done after an upgrade: spreads the leaders", post_upgrade, 0, 0),
     .formatter = "pretty_table"},
    {ROW("drain", CTL_UPGRADE, CTL_GROUP_UPGRADE, "",
         "Puts a node into maintenance mode: no clients, no leaders", drain, 0, 0)},
    {ROW("revive", CTL_UPGRADE, CTL_GROUP_UPGRADE, "", "Takes a node out of maintenance mode", drain, 0, 0)},
    {0},
};
