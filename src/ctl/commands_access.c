/* Users, permissions, virtual hosts. */
#include "ctl/commands.h"

static int
list_users(struct ctl *c)
{
    ctl_banner(c, "Listing users ...");
    return ctl_list(c, "list_users", NULL, "user tags", false);
}

static int
delete_user(struct ctl *c)
{
    ctl_banner(c, "Deleting user \"%s\" ...", c->args[0]);
    return ctl_do(c, "delete_user", json_pack("{s:s}", "name", c->args[0]));
}

const struct ctl_command commands_access[] = {
    {
        .name = "delete_user",
        .tools = CTL_CTL,
        .group = CTL_GROUP_USERS,
        .usage = "<username>",
        .summary = "Removes a user, and what the user was permitted",
        .details = "<username>\n\twho is to be removed\n",
        .run = delete_user,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "list_users",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_USERS,
        .usage = "[--no-table-headers]",
        .summary = "Lists users and their tags",
        .run = list_users,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {0},
};
