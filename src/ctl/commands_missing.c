/*
 * Commands of RabbitMQ's for what this version has not: shovels, federation, streams, other protocols,
 * suspended listeners. They are known, so that a script learns what is missing (exit code 69) and not that it
 * mistyped something (64).
 */
#include "ctl/commands.h"

static int
no_shovels(struct ctl *c)
{
    return ctl_missing(c, "this version has no shovels");
}

static int
no_federation(struct ctl *c)
{
    return ctl_missing(c, "this version has no federation");
}

static int
no_streams(struct ctl *c)
{
    return ctl_missing(c, "this version has no streams");
}

static int
no_protocol(struct ctl *c)
{
    return ctl_missing(c, "this version speaks AMQP 0-9-1 and no other protocol");
}

static int
no_statistics(struct ctl *c)
{
    return ctl_missing(c, "this version keeps no statistics database");
}

static int
no_erlang(struct ctl *c)
{
    return ctl_missing(c, "there is no Erlang runtime here to look into");
}

static int
no_attempts(struct ctl *c)
{
    return ctl_missing(c, "this version does not count login attempts by their source: the log has them");
}

static int
no_discovery(struct ctl *c)
{
    return ctl_missing(c, "this version knows no clusters of several nodes");
}

/* Nothing to compile: a script that asks for it goes on. */
static int
hipe_compile(struct ctl *c)
{
    ctl_note(c, "This command does nothing: there is no Erlang code to compile.");
    return EX_OK;
}

static const struct ctl_option down_options[] = {{"only-down", 0, CTL_FLAG}, {0}};
static const struct ctl_option force_options[] = {{"force", 0, CTL_FLAG}, {0}};
static const struct ctl_option all_options[] = {{"all", 0, CTL_FLAG}, {0}};
static const struct ctl_option tracking_options[] = {{"tracking", 0, CTL_FLAG}, {0}};
static const struct ctl_option super_options[] = {
    {"partitions", 0, CTL_NUMBER}, {"binding-keys", 0, CTL_TEXT}, {0}};

static const struct ctl_option offline_options[] = {{"offline", 0, CTL_FLAG}, {0}};
static const struct ctl_option source_options[] = {{"by-source", 0, CTL_FLAG}, {0}};
static const struct ctl_option interval_options[] = {
    {"interval", 0, CTL_NUMBER}, {"sample-interval", 0, CTL_NUMBER}, {0}};

#define ROW(name_, tools_, group_, usage_, summary_, run_, min_, max_)                                       \
    .name = name_, .tools = tools_, .group = CTL_GROUP_##group_, .usage = usage_, .summary = summary_,       \
    .run = run_, .args_min = min_, .args_max = max_

const struct ctl_command commands_missing[] = {
    {ROW("shovel_status", CTL_CTL | CTL_DIAGNOSTICS, MONITORING, "", "Lists shovels and their states",
         no_shovels, 0, 0)},
    {ROW("restart_shovel", CTL_CTL, OPERATIONS, "[--vhost <vhost>] <name>", "Restarts a shovel", no_shovels,
         1, 1)},
    {ROW("delete_shovel", CTL_CTL, OPERATIONS, "[--vhost <vhost>] [--force] <name>", "Deletes a shovel",
         no_shovels, 1, 1),
     .options = force_options},
    {ROW("federation_status", CTL_CTL | CTL_DIAGNOSTICS, MONITORING, "[--only-down]",
         "Lists federation links", no_federation, 0, 0),
     .options = down_options},
    {ROW("restart_federation_link", CTL_CTL, OPERATIONS, "<link_id>", "Restarts a federation link",
         no_federation, 1, 1)},
    {ROW("stream_status", CTL_DIAGNOSTICS | CTL_QUEUES, MONITORING, "[--vhost <vhost>] [--tracking] <stream>",
         "Shows the replicas of a stream", no_streams, 1, 1),
     .options = tracking_options},
    {ROW("list_stream_consumers", CTL_CTL, MONITORING, "[--vhost <vhost>] [<column> ...]",
         "Lists the consumers of streams", no_streams, 0, 0),
     .flags = CTL_ANY_ARGS},
    {ROW("add_super_stream", CTL_CTL, QUEUES,
         "<name> [--vhost <vhost>] [--partitions <partitions>] [--binding-keys <binding-keys>]",
         "Declares a super stream", no_streams, 1, 1),
     .options = super_options},
    {ROW("delete_super_stream", CTL_CTL, QUEUES, "<name> [--vhost <vhost>]", "Deletes a super stream",
         no_streams, 1, 1)},
    {ROW("list_mqtt_connections", CTL_CTL, MONITORING, "[<column> ...]", "Lists MQTT connections",
         no_protocol, 0, 0),
     .flags = CTL_ANY_ARGS},
    {ROW("list_stomp_connections", CTL_CTL, MONITORING, "[<column> ...]", "Lists STOMP connections",
         no_protocol, 0, 0),
     .flags = CTL_ANY_ARGS},
    {ROW("reset_stats_db", CTL_CTL, OPERATIONS, "[--all]", "Forgets statistics", no_statistics, 0, 0),
     .options = all_options},
    {ROW("list_node_auth_attempt_stats", CTL_CTL | CTL_DIAGNOSTICS, MONITORING, "[--by-source]",
         "Counts login attempts by their source", no_attempts, 0, 0),
     .options = source_options},
    {ROW("enable_auth_attempt_source_tracking", CTL_DIAGNOSTICS, CONFIGURATION, "",
         "Counts login attempts by their source from now on", no_attempts, 0, 0)},
    {ROW("disable_auth_attempt_source_tracking", CTL_DIAGNOSTICS, CONFIGURATION, "",
         "Counts login attempts by their source no more", no_attempts, 0, 0)},
    {ROW("reset_node_auth_attempt_metrics", CTL_DIAGNOSTICS, CONFIGURATION, "",
         "Counts login attempts from zero", no_attempts, 0, 0)},
    {ROW("discover_peers", CTL_DIAGNOSTICS, MONITORING, "", "Looks for other nodes", no_discovery, 0, 0)},
    {ROW("remote_shell", CTL_DIAGNOSTICS, MONITORING, "", "Opens an Erlang shell in the node", no_erlang, 0,
         0)},
    {ROW("observer", CTL_DIAGNOSTICS, MONITORING, "[--interval <seconds>]", "Watches Erlang's processes",
         no_erlang, 0, 0),
     .options = interval_options},
    {ROW("runtime_thread_stats", CTL_DIAGNOSTICS, MONITORING, "[--sample-interval <interval>]",
         "Shows what Erlang's threads do", no_erlang, 0, 0),
     .options = interval_options},
    {ROW("schema_info", CTL_CTL | CTL_DIAGNOSTICS, MONITORING, "[--no-table-headers] [<column> ...]",
         "Lists the tables of Erlang's database", no_erlang, 0, 0),
     .flags = CTL_ANY_ARGS},
    {ROW("exec", CTL_CTL, OPERATIONS, "<expression> [--offline]", "Evaluates Elixir code", no_erlang, 1, 1),
     .options = offline_options},
    {ROW("eval_file", CTL_CTL, OPERATIONS, "<file path>", "Evaluates a file of Erlang code in the node",
         no_erlang, 1, 1)},
    {ROW("hipe_compile", CTL_CTL, DEPRECATED, "<directory>", "Does nothing", hipe_compile, 1, 1)},
    {0},
};
