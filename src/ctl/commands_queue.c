/* What is done to one queue: purge, delete. */
#include "ctl/commands.h"

static int
check_name(struct ctl *c)
{
    return c->args[0][0] ? 0 : ctl_bad_argument(c, "queue name cannot be an empty string");
}

static int
delete_queue(struct ctl *c)
{
    bool if_empty = ctl_has(c, "if-empty"), if_unused = ctl_has(c, "if-unused");
    ctl_banner(c, "Deleting queue '%s' on vhost '%s' %s%s%s...", c->args[0], c->vhost,
               if_empty ? "if queue is empty " : "", if_empty && if_unused ? "and " : "",
               if_unused ? "if queue is unused " : "");
    json_t *result = ctl_ask(c, "delete_queue",
                             json_pack("{s:s, s:s, s:b, s:b}", "vhost", c->vhost, "name", c->args[0],
                                       "if_empty", if_empty, "if_unused", if_unused));
    if (!result)
        return ctl_failed(c);
    ctl_say(c, "Queue was successfully deleted with %lld ready messages",
            (long long)json_integer_value(json_object_get(result, "messages")));
    json_decref(result);
    return EX_OK;
}

static int
purge_queue(struct ctl *c)
{
    ctl_banner(c, "Purging queue '%s' in vhost '%s' ...", c->args[0], c->vhost);
    return ctl_do(c, "purge_queue", json_pack("{s:s, s:s}", "vhost", c->vhost, "name", c->args[0]));
}

static const struct ctl_option delete_options[] = {
    {"if-empty", 'e', CTL_FLAG}, {"if-unused", 'u', CTL_FLAG}, {"force", 0, CTL_FLAG}, {0}};

const struct ctl_command commands_queue[] = {
    {
        .name = "delete_queue",
        .tools = CTL_CTL,
        .group = CTL_GROUP_QUEUES,
        .usage = "[--vhost <vhost>] <queue_name> [--if-empty|-e] [--if-unused|-u] [--force]",
        .summary = "Deletes a queue",
        .details = "<queue_name>\n\twhich one\n\n--if-empty\n\tonly if it has no "
                   "messages\n\n--if-unused\n\tonly if it has no consumers\n\n--force\n\taccepted: every "
                   "queue here can be deleted in the ordinary way\n",
        .run = delete_queue,
        .check = check_name,
        .options = delete_options,
        .args_min = 1,
        .args_max = 1,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
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
