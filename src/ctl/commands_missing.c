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
no_suspending(struct ctl *c)
{
    return ctl_missing(
        c, "this version cannot suspend its listeners: stop_app closes them, and the connections with them");
}

static int
no_statistics(struct ctl *c)
{
    return ctl_missing(c, "this version keeps no statistics database");
}

static const struct ctl_option down_options[] = {{"only-down", 0, CTL_FLAG}, {0}};
static const struct ctl_option force_options[] = {{"force", 0, CTL_FLAG}, {0}};
static const struct ctl_option all_options[] = {{"all", 0, CTL_FLAG}, {0}};
static const struct ctl_option tracking_options[] = {{"tracking", 0, CTL_FLAG}, {0}};
static const struct ctl_option super_options[] = {
    {"partitions", 0, CTL_NUMBER}, {"binding-keys", 0, CTL_TEXT}, {0}};

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
    {ROW("suspend_listeners", CTL_CTL, OPERATIONS, "", "Stops accepting new connections", no_suspending, 0,
         0)},
    {ROW("resume_listeners", CTL_CTL, OPERATIONS, "", "Accepts new connections again", no_suspending, 0, 0)},
    {ROW("reset_stats_db", CTL_CTL, OPERATIONS, "[--all]", "Forgets statistics", no_statistics, 0, 0),
     .options = all_options},
    {0},
};
