/*
 * The process and the application in it: stop_app, start_app, reset, force_reset, stop, shutdown,
 * await_startup, wait.
 */
#include "ctl/commands.h"

static int
stop_app(struct ctl *c)
{
    ctl_banner(c, "Stopping rabbit application on node %s ...", ctl_node(c));
    return ctl_do(c, "stop_app", NULL);
}

static int
start_app(struct ctl *c)
{
    ctl_banner(c, "Starting node %s ...", ctl_node(c));
    return ctl_do(c, "start_app", NULL);
}

const struct ctl_command commands_app[] = {
    {
        .name = "start_app",
        .tools = CTL_CTL,
        .group = CTL_GROUP_NODES,
        .usage = "",
        .summary = "Starts the application in a node's process where stop_app had stopped it",
        .run = start_app,
        .flags = CTL_PATIENT,
    },
    {
        .name = "stop_app",
        .tools = CTL_CTL,
        .group = CTL_GROUP_NODES,
        .usage = "",
        .summary = "Stops the application and leaves the node's process running",
        .run = stop_app,
        .flags = CTL_PATIENT,
    },
    {0},
};
