/* Policies, operator policies, parameters, limits. */
#include "ctl/commands.h"

static int
list_policies(struct ctl *c)
{
    ctl_banner(c, "Listing policies for vhost \"%s\" ...", c->vhost);
    return ctl_list(c, "list_policies", json_pack("{s:s}", "vhost", c->vhost),
                    "vhost name pattern apply-to definition priority", false);
}

const struct ctl_command commands_policy[] = {
    {
        .name = "list_policies",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_POLICIES,
        .usage = "[--vhost <vhost>] [--no-table-headers]",
        .summary = "Lists the policies of a virtual host",
        .run = list_policies,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {0},
};
