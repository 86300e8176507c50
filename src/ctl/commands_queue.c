/* What is done to one queue: purge, delete. */
#include "ctl/commands.h"

static int
purge_queue(struct ctl *c)
{
    ctl_banner(c, "Purging queue '%s' in vhost '%s' ...", c->args[0], c->vhost);
    return ctl_do(c, "purge_queue", json_pack("{s:s, s:s}", "vhost", c->vhost, "name", c->args[0]));
}

const struct ctl_command commands_queue[] = {
    {
        .name = "purge_queue",
        .tools = CTL_CTL,
        .group = CTL_GROUP_QUEUES,
        .usage = "[--vhost <vhost>] <queue>",
        .summary = "Removes every message from a queue that no consumer holds",
        .details = "<queue>\n\twhich one\n",
        .run = purge_queue,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {0},
};
