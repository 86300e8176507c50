/* Lists of what is there now: queues, exchanges, bindings, connections, channels, consumers. */
#include "ctl/commands.h"

static const char queue_columns[] =
    "name durable auto_delete arguments policy pid owner_pid exclusive exclusive_consumer_pid "
    "exclusive_consumer_tag "
    "messages_ready messages_unacknowledged messages messages_ready_ram messages_unacknowledged_ram "
    "messages_ram "
    "messages_persistent message_bytes message_bytes_ready message_bytes_unacknowledged message_bytes_ram "
    "message_bytes_persistent head_message_timestamp disk_reads disk_writes consumers consumer_utilisation "
    "consumer_capacity memory slave_pids synchronised_slave_pids state type leader members online";

static int
list_queues(struct ctl *c)
{
    ctl_banner(c, "Listing queues for vhost %s ...", c->vhost);
    return ctl_list(c, "list_queues",
                    json_pack("{s:s, s:b, s:b, s:b}", "vhost", c->vhost, "online", ctl_has(c, "online"),
                              "offline", ctl_has(c, "offline"), "local", ctl_has(c, "local")),
                    NULL, true);
}

static const struct ctl_option list_queues_options[] = {
    {"online", 0, CTL_FLAG}, {"offline", 0, CTL_FLAG}, {"local", 0, CTL_FLAG}, {0}};

const struct ctl_command commands_list[] = {
    {
        .name = "list_queues",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "[--vhost <vhost>] [--online] [--offline] [--local] [--no-table-headers] [<column>, ...]",
        .summary = "Lists the queues of a virtual host, with what is asked for of each",
        .details =
            "--online\n\tonly queues whose node runs\n\n--offline\n\tonly queues whose node does not\n\n"
            "--local\n\tonly queues of the node that is asked\n",
        .run = list_queues,
        .options = list_queues_options,
        .columns = queue_columns,
        .columns_default = "name messages",
        .flags = CTL_NEEDS_APP | CTL_TIMED | CTL_TIMEOUT_60,
    },
    {0},
};
