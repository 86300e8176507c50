/* The node as a whole: ping, status, environment, report, watermarks, alarms. */
#include "ctl/commands.h"

static int
ping(struct ctl *c)
{
    ctl_banner(c,
               "Will ping %s. This only checks if the OS process is running and registered with epmd. "
               "Timeout: %d ms.",
               ctl_node(c), (c->timeout_s ? c->timeout_s : 60) * 1000);
    int code = ctl_do(c, "ping", NULL);
    if (code == EX_OK)
        ctl_say(c, "Ping succeeded");
    return code;
}

const struct ctl_command commands_node[] = {
    {
        .name = "ping",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "",
        .summary = "Checks that the node's process runs and answers, whatever its application does",
        .run = ping,
        .flags = CTL_TIMED,
    },
    {0},
};
