/* Closing connections. */
#include "ctl/commands.h"

static int
close_connection(struct ctl *c)
{
    ctl_banner(c, "Closing connection %s, reason: %s...", c->args[0], c->args[1]);
    return ctl_do(c, "close_connection", json_pack("{s:s, s:s}", "pid", c->args[0], "reason", c->args[1]));
}

const struct ctl_command commands_connection[] = {
    {
        .name = "close_connection",
        .tools = CTL_CTL,
        .group = CTL_GROUP_OPERATIONS,
        .usage = "<connection pid> <explanation>",
        .summary = "Closes one client's connection",
        .details = "<connection pid>\n\tas list_connections pid shows it\n\n<explanation>\n\twhat the client "
                   "is told\n",
        .run = close_connection,
        .args_min = 2,
        .args_max = 2,
        .flags = CTL_NEEDS_APP,
    },
    {0},
};
