/* Closing connections, and keeping new ones out. */
#include "ctl/commands.h"

static int
close_connection(struct ctl *c)
{
    ctl_banner(c, "Closing connection %s, reason: %s...", c->args[0], c->args[1]);
    return ctl_do(c, "close_connection", json_pack("{s:s, s:s}", "pid", c->args[0], "reason", c->args[1]));
}

static int
say_closed(struct ctl *c, json_t *result)
{
    if (!result)
        return ctl_failed(c);
    ctl_say(c, "Closed %lld connections", (long long)json_integer_value(json_object_get(result, "closed")));
    json_decref(result);
    return EX_OK;
}

static int
close_all_connections(struct ctl *c)
{
    long long limit = ctl_number(c, "limit", 0);
    bool is_global = ctl_has(c, "global");
    if (is_global)
        ctl_banner(c, "Closing all connections to node %s (across all vhosts), reason: %s...", ctl_node(c),
                   c->args[0]);
    else if (limit > 0)
        ctl_banner(c, "Closing %lld connections in vhost %s, reason: %s...", limit, c->vhost, c->args[0]);
    else
        ctl_banner(c, "Closing all connections in vhost %s, reason: %s...", c->vhost, c->args[0]);
    return say_closed(c,
                      ctl_ask(c, "close_all_connections",
                              json_pack("{s:s, s:s, s:b, s:I, s:I}", "vhost", c->vhost, "reason", c->args[0],
                                        "global", is_global, "limit", (json_int_t)limit, "delay_ms",
                                        (json_int_t)ctl_number(c, "per-connection-delay", 0))));
}

static int
close_all_user_connections(struct ctl *c)
{
    ctl_banner(c, "Closing connections of user %s, reason: %s...", c->args[0], c->args[1]);
    return ctl_do(c, "close_all_user_connections",
                  json_pack("{s:s, s:s}", "user", c->args[0], "reason", c->args[1]));
}

static int
suspend_listeners(struct ctl *c)
{
    ctl_banner(c,
               "Will suspend client connection listeners on node %s. The node will no longer accept client "
               "connections!",
               ctl_node(c));
    return ctl_do(c, "suspend_listeners", NULL);
}

static int
resume_listeners(struct ctl *c)
{
    ctl_banner(
        c, "Will resume client connection listeners on node %s. The node will now accept client connections",
        ctl_node(c));
    return ctl_do(c, "resume_listeners", NULL);
}

static const struct ctl_option close_all_options[] = {
    {"limit", 0, CTL_NUMBER}, {"global", 0, CTL_FLAG}, {"per-connection-delay", 0, CTL_NUMBER}, {0}};

const struct ctl_command commands_connection[] = {
    {
        .name = "close_connection",
        .tools = CTL_CTL,
        .group = CTL_GROUP_OPERATIONS,
        .usage = "<connection pid> <explanation>",
        .summary = "Closes one client's connection",
        .details = "<connection pid>\n\tas list_connections pid shows it\n\n<explanation>\n\twhat the client "
                   "is told, and the log\n",
        .run = close_connection,
        .args_min = 2,
        .args_max = 2,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "close_all_connections",
        .tools = CTL_CTL,
        .group = CTL_GROUP_OPERATIONS,
        .usage = "[--vhost <vhost> --limit <limit>] [-n <node> --global] [--per-connection-delay <delay>] "
                 "<explanation>",
        .summary = "Closes the connections of a virtual host, or all of the node",
        .details = "<explanation>\n\twhat the clients are told, and the log\n\n--limit <limit>\n\tat most so "
                   "many\n\n--global\n\tof all virtual hosts\n\n--per-connection-delay "
                   "<delay>\n\tmilliseconds between one and the next\n",
        .run = close_all_connections,
        .options = close_all_options,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP | CTL_PATIENT,
    },
    {
        .name = "close_all_user_connections",
        .tools = CTL_CTL,
        .group = CTL_GROUP_OPERATIONS,
        .usage = "<username> <explanation>",
        .summary = "Closes the connections of a user",
        .details = "<username>\n\twhose\n\n<explanation>\n\twhat the clients are told, and the log\n",
        .run = close_all_user_connections,
        .args_min = 2,
        .args_max = 2,
        .flags = CTL_NEEDS_APP | CTL_PATIENT,
    },
    {
        .name = "suspend_listeners",
        .tools = CTL_CTL,
        .group = CTL_GROUP_OPERATIONS,
        .usage = "",
        .summary = "Lets no new client connect; those that are connected stay",
        .run = suspend_listeners,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "resume_listeners",
        .tools = CTL_CTL,
        .group = CTL_GROUP_OPERATIONS,
        .usage = "",
        .summary = "Lets clients connect again",
        .run = resume_listeners,
        .flags = CTL_NEEDS_APP,
    },
    {0},
};
