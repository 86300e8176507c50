/*
 * Policies, operator policies, parameters, limits. Definitions and values are sent as the text that was
 * given: the node judges it, so that its errors are the same wherever a policy comes from.
 */
#include "ctl/commands.h"

#include <string.h>

/* ---- policies ---- */

static int
set_any_policy(struct ctl *c, bool is_operator)
{
    long long priority = ctl_number(c, "priority", 0);
    ctl_banner(c,
               "Setting %s \"%s\" for pattern \"%s\" to \"%s\" with priority \"%lld\" for vhost \"%s\" ...",
               is_operator ? "operator policy override" : "policy", c->args[0], c->args[1], c->args[2],
               priority, c->vhost);
    return ctl_do(c, c->command->name,
                  json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "vhost", c->vhost, "name", c->args[0],
                            "pattern", c->args[1], "definition", c->args[2], "priority", (json_int_t)priority,
                            "apply_to", ctl_text(c, "apply-to", "all")));
}

static int
set_policy(struct ctl *c)
{
    return set_any_policy(c, false);
}

static int
set_operator_policy(struct ctl *c)
{
    return set_any_policy(c, true);
}

static int
clear_any_policy(struct ctl *c, const char *what)
{
    ctl_banner(c, "Clearing %s \"%s\" on vhost \"%s\" ...", what, c->args[0], c->vhost);
    return ctl_do(c, c->command->name, json_pack("{s:s, s:s}", "vhost", c->vhost, "name", c->args[0]));
}

static int
clear_policy(struct ctl *c)
{
    return clear_any_policy(c, "policy");
}

static int
clear_operator_policy(struct ctl *c)
{
    return clear_any_policy(c, "operator policy");
}

static int
list_any_policies(struct ctl *c, const char *what)
{
    ctl_banner(c, "Listing %s for vhost \"%s\" ...", what, c->vhost);
    return ctl_list(c, c->command->name, json_pack("{s:s}", "vhost", c->vhost),
                    "vhost name pattern apply-to definition priority", false);
}

static int
list_policies(struct ctl *c)
{
    return list_any_policies(c, "policies");
}

static int
list_operator_policies(struct ctl *c)
{
    return list_any_policies(c, "operator policy overrides");
}

/* ---- parameters ---- */

static int
set_parameter(struct ctl *c)
{
    ctl_banner(c, "Setting runtime parameter \"%s\" for component \"%s\" to \"%s\" in vhost \"%s\" ...",
               c->args[1], c->args[0], c->args[2], c->vhost);
    return ctl_do(c, "set_parameter",
                  json_pack("{s:s, s:s, s:s, s:s}", "vhost", c->vhost, "component", c->args[0], "name",
                            c->args[1], "value", c->args[2]));
}

static int
clear_parameter(struct ctl *c)
{
    ctl_banner(c, "Clearing runtime parameter \"%s\" for component \"%s\" on vhost \"%s\" ...", c->args[1],
               c->args[0], c->vhost);
    return ctl_do(
        c, "clear_parameter",
        json_pack("{s:s, s:s, s:s}", "vhost", c->vhost, "component", c->args[0], "name", c->args[1]));
}

static int
list_parameters(struct ctl *c)
{
    ctl_banner(c, "Listing runtime parameters for vhost \"%s\" ...", c->vhost);
    return ctl_list(c, "list_parameters", json_pack("{s:s}", "vhost", c->vhost), "component name value",
                    false);
}

static int
set_global_parameter(struct ctl *c)
{
    ctl_banner(c, "Setting global runtime parameter \"%s\" to \"%s\" ...", c->args[0], c->args[1]);
    return ctl_do(c, "set_global_parameter",
                  json_pack("{s:s, s:s}", "name", c->args[0], "value", c->args[1]));
}

static int
clear_global_parameter(struct ctl *c)
{
    ctl_banner(c, "Clearing global runtime parameter \"%s\" ...", c->args[0]);
    return ctl_do(c, "clear_global_parameter", json_pack("{s:s}", "name", c->args[0]));
}

static int
list_global_parameters(struct ctl *c)
{
    ctl_banner(c, "Listing global runtime parameters ...");
    return ctl_list(c, "list_global_parameters", NULL, "name value", false);
}

/* ---- limits ---- */

static int
set_vhost_limits(struct ctl *c)
{
    ctl_banner(c, "Setting vhost limits to \"%s\" for vhost \"%s\" ...", c->args[0], c->vhost);
    return ctl_do(c, "set_vhost_limits",
                  json_pack("{s:s, s:s}", "vhost", c->vhost, "definition", c->args[0]));
}

static int
clear_vhost_limits(struct ctl *c)
{
    ctl_banner(c, "Clearing vhost \"%s\" limits ...", c->vhost);
    return ctl_do(c, "clear_vhost_limits", json_pack("{s:s}", "vhost", c->vhost));
}

/* A list that has no rows. */
static void
show_nothing(struct ctl *c)
{
    c->out.column_count = 0;
    c->out.is_streamed = false;
    c->out.rows = 0;
    if (c->out.format->begin)
        c->out.format->begin(&c->out);
    if (c->out.format->end)
        c->out.format->end(&c->out);
}

/* One vhost's limits are shown as an object, and as an empty list when there are none. */
static int
list_vhost_limits(struct ctl *c)
{
    if (ctl_has(c, "global")) {
        ctl_banner(c, "Listing limits for all vhosts ...");
        return ctl_list(c, "list_vhost_limits", NULL, "vhost limits", false);
    }
    ctl_banner(c, "Listing limits for vhost \"%s\" ...", c->vhost);
    json_t *result = ctl_ask(c, "get_vhost_limits", json_pack("{s:s}", "vhost", c->vhost));
    if (!result)
        return ctl_failed(c);
    const char *limits = json_string_value(json_object_get(result, "limits"));
    if (limits && strcmp(limits, "{}") != 0)
        ctl_say(c, "%s", limits);
    else
        show_nothing(c);
    json_decref(result);
    return EX_OK;
}

static int
set_user_limits(struct ctl *c)
{
    ctl_banner(c, "Setting user limits to \"%s\" for user \"%s\" ...", c->args[1], c->args[0]);
    return ctl_do(c, "set_user_limits",
                  json_pack("{s:s, s:s}", "name", c->args[0], "definition", c->args[1]));
}

static int
clear_user_limits(struct ctl *c)
{
    if (strcmp(c->args[1], "all") == 0)
        ctl_banner(c, "Clearing all limits for user \"%s\" ...", c->args[0]);
    else
        ctl_banner(c, "Clearing \"%s\" limit for user \"%s\" ...", c->args[1], c->args[0]);
    return ctl_do(c, "clear_user_limits", json_pack("{s:s, s:s}", "name", c->args[0], "limit", c->args[1]));
}

/* As RabbitMQ does: an object, empty or not. */
static int
list_user_limits(struct ctl *c)
{
    const char *user = ctl_text(c, "user", "guest");
    if (ctl_has(c, "global")) {
        ctl_banner(c, "Listing limits for all users ...");
        return ctl_list(c, "list_user_limits", NULL, "user limits", false);
    }
    ctl_banner(c, "Listing limits for user \"%s\" ...", user);
    json_t *result = ctl_ask(c, "get_user_limits", json_pack("{s:s}", "name", user));
    if (!result)
        return ctl_failed(c);
    ctl_say(c, "%s", json_string_value(json_object_get(result, "limits")));
    json_decref(result);
    return EX_OK;
}

/* ---- the table ---- */

static const struct ctl_option policy_options[] = {
    {"priority", 0, CTL_NUMBER}, {"apply-to", 0, CTL_TEXT}, {0}};
static const struct ctl_option global_options[] = {{"global", 0, CTL_FLAG}, {0}};
static const struct ctl_option user_limit_options[] = {{"global", 0, CTL_FLAG}, {"user", 0, CTL_TEXT}, {0}};

const struct ctl_command commands_policy[] = {
    {
        .name = "set_policy",
        .tools = CTL_CTL,
        .group = CTL_GROUP_POLICIES,
        .usage =
            "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>",
        .summary = "Sets a policy, or changes one",
        .details =
            "<name>\n\tits name\n\n<pattern>\n\ta regular expression: the queues and exchanges that it is "
            "for\n\n<definition>\n\ta JSON object\n\n--priority <priority>\n\tof several that match, the "
            "highest applies\n\n--apply-to <queues | exchanges | all>\n\twhat kind of things it is for\n",
        .run = set_policy,
        .options = policy_options,
        .args_min = 3,
        .args_max = 3,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "clear_policy",
        .tools = CTL_CTL,
        .group = CTL_GROUP_POLICIES,
        .usage = "[--vhost <vhost>] <name>",
        .summary = "Removes a policy",
        .details = "<name>\n\tits name\n",
        .run = clear_policy,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "list_policies",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_POLICIES,
        .usage = "[--vhost <vhost>] [--no-table-headers]",
        .summary = "Lists the policies of a virtual host",
        .run = list_policies,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "set_operator_policy",
        .tools = CTL_CTL,
        .group = CTL_GROUP_POLICIES,
        .usage =
            "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>",
        .summary = "Sets a policy that bounds what users' policies say",
        .details = "<name>\n\tits name\n\n<pattern>\n\ta regular expression: the queues that it is "
                   "for\n\n<definition>\n\ta JSON object\n\n--priority <priority>\n\tof several that match, "
                   "the highest applies\n\n--apply-to <queues>\n\twhat kind of things it is for\n",
        .run = set_operator_policy,
        .options = policy_options,
        .args_min = 3,
        .args_max = 3,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "clear_operator_policy",
        .tools = CTL_CTL,
        .group = CTL_GROUP_POLICIES,
        .usage = "[--vhost <vhost>] <name>",
        .summary = "Removes an operator policy",
        .details = "<name>\n\tits name\n",
        .run = clear_operator_policy,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "list_operator_policies",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_POLICIES,
        .usage = "[--vhost <vhost>] [--no-table-headers]",
        .summary = "Lists the operator policies of a virtual host",
        .run = list_operator_policies,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "set_parameter",
        .tools = CTL_CTL,
        .group = CTL_GROUP_PARAMETERS,
        .usage = "[--vhost <vhost>] <component_name> <name> <value>",
        .summary = "Sets a runtime parameter of a virtual host",
        .details = "<component_name>\n\twhat reads it: shovel, federation-upstream, ...\n\n<name>\n\tits "
                   "name\n\n<value>\n\tJSON\n",
        .run = set_parameter,
        .args_min = 3,
        .args_max = 3,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "clear_parameter",
        .tools = CTL_CTL,
        .group = CTL_GROUP_PARAMETERS,
        .usage = "[--vhost <vhost>] <component_name> <name>",
        .summary = "Removes a runtime parameter",
        .details = "<component_name>\n\twhat reads it\n\n<name>\n\tits name\n",
        .run = clear_parameter,
        .args_min = 2,
        .args_max = 2,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "list_parameters",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_PARAMETERS,
        .usage = "[--vhost <vhost>] [--no-table-headers]",
        .summary = "Lists the runtime parameters of a virtual host",
        .run = list_parameters,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "set_global_parameter",
        .tools = CTL_CTL,
        .group = CTL_GROUP_PARAMETERS,
        .usage = "<name> <value>",
        .summary = "Sets a runtime parameter that belongs to no virtual host",
        .details = "<name>\n\tits name\n\n<value>\n\tJSON\n",
        .run = set_global_parameter,
        .args_min = 2,
        .args_max = 2,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "clear_global_parameter",
        .tools = CTL_CTL,
        .group = CTL_GROUP_PARAMETERS,
        .usage = "<name>",
        .summary = "Removes a global runtime parameter",
        .details = "<name>\n\tits name\n",
        .run = clear_global_parameter,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "list_global_parameters",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_PARAMETERS,
        .usage = "[--no-table-headers]",
        .summary = "Lists global runtime parameters",
        .run = list_global_parameters,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "set_vhost_limits",
        .tools = CTL_CTL,
        .group = CTL_GROUP_VHOSTS,
        .usage = "[--vhost <vhost>] <definition>",
        .summary = "Limits a virtual host's connections and queues",
        .details = "<definition>\n\t{\"max-connections\": 100, \"max-queues\": 1000}; -1: no limit\n",
        .run = set_vhost_limits,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "clear_vhost_limits",
        .tools = CTL_CTL,
        .group = CTL_GROUP_VHOSTS,
        .usage = "[--vhost <vhost>]",
        .summary = "Removes a virtual host's limits",
        .run = clear_vhost_limits,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "list_vhost_limits",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_VHOSTS,
        .usage = "[--vhost <vhost>] [--global] [--no-table-headers]",
        .summary = "Shows a virtual host's limits",
        .details = "--global\n\tof all virtual hosts\n",
        .run = list_vhost_limits,
        .options = global_options,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "set_user_limits",
        .tools = CTL_CTL,
        .group = CTL_GROUP_USERS,
        .usage = "<username> <definition>",
        .summary = "Limits a user's connections and channels",
        .details = "<username>\n\twhich user\n\n<definition>\n\t{\"max-connections\": 10, \"max-channels\": "
                   "100}; -1: no limit\n",
        .run = set_user_limits,
        .args_min = 2,
        .args_max = 2,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "clear_user_limits",
        .tools = CTL_CTL,
        .group = CTL_GROUP_USERS,
        .usage = "<username> <limit_type> | all",
        .summary = "Removes one of a user's limits, or all",
        .details = "<username>\n\twhich user\n\n<limit_type>\n\tmax-connections, max-channels, or all\n",
        .run = clear_user_limits,
        .args_min = 2,
        .args_max = 2,
        .flags = CTL_NEEDS_APP,
    },
    {
        .name = "list_user_limits",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_USERS,
        .usage = "[--user <username>] [--global]",
        .summary = "Shows a user's limits",
        .details = "--user <username>\n\twhose; guest's unless it is given\n\n--global\n\tof all users\n",
        .run = list_user_limits,
        .options = user_limit_options,
        .flags = CTL_NEEDS_APP,
    },
    {0},
};
