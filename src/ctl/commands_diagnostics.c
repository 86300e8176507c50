/* rabbitmq-diagnostics: health checks and what else is asked about a node. */
#include "ctl/commands.h"

static int
server_version(struct ctl *c)
{
    ctl_banner(c, "Asking node %s for its RabbitMQ version...", ctl_node(c));
    json_t *result = ctl_ask(c, "version", NULL);
    if (!result)
        return ctl_failed(c);
    ctl_say(c, "%s", json_string_value(json_object_get(result, "version")));
    json_decref(result);
    return EX_OK;
}

const struct ctl_command commands_diagnostics[] = {
    {
        .name = "server_version",
        .tools = CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "",
        .summary = "Prints the node's version",
        .run = server_version,
        .flags = CTL_TIMED,
    },
    {0},
};
