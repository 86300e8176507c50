/* Lists of what is there now: queues, exchanges, bindings, connections, channels, consumers, vhosts. */
#include "ctl/commands.h"
#include "mgmt/info_columns.h"

#define COLUMN_WORD(name, type) #name " "

static const char queue_columns[] = INFO_QUEUE_COLUMNS(COLUMN_WORD);
static const char exchange_columns[] = INFO_EXCHANGE_COLUMNS(COLUMN_WORD);
static const char binding_columns[] = INFO_BINDING_COLUMNS(COLUMN_WORD);
static const char connection_columns[] = INFO_CONNECTION_COLUMNS(COLUMN_WORD);
static const char channel_columns[] = INFO_CHANNEL_COLUMNS(COLUMN_WORD);
static const char consumer_columns[] = INFO_CONSUMER_COLUMNS(COLUMN_WORD);
static const char vhost_columns[] = INFO_VHOST_COLUMNS(COLUMN_WORD);

static json_t *
in_vhost(const struct ctl *c)
{
    return json_pack("{s:s}", "vhost", c->vhost);
}

static int
list_queues(struct ctl *c)
{
    ctl_banner(c, "Listing queues for vhost %s ...", c->vhost);
    return ctl_list(c, "list_queues",
                    json_pack("{s:s, s:b, s:b, s:b}", "vhost", c->vhost, "online", ctl_has(c, "online"),
                              "offline", ctl_has(c, "offline"), "local", ctl_has(c, "local")),
                    NULL, true);
}

static int
list_exchanges(struct ctl *c)
{
    ctl_banner(c, "Listing exchanges for vhost %s ...", c->vhost);
    return ctl_list(c, "list_exchanges", in_vhost(c), NULL, true);
}

/* RabbitMQ's banner has no blank before the dots. */
static int
list_bindings(struct ctl *c)
{
    ctl_banner(c, "Listing bindings for vhost %s...", c->vhost);
    return ctl_list(c, "list_bindings", in_vhost(c), NULL, true);
}

static int
list_connections(struct ctl *c)
{
    ctl_banner(c, "Listing connections ...");
    return ctl_list(c, "list_connections", NULL, NULL, true);
}

static int
list_channels(struct ctl *c)
{
    ctl_banner(c, "Listing channels ...");
    return ctl_list(c, "list_channels", NULL, NULL, true);
}

static int
list_consumers(struct ctl *c)
{
    ctl_banner(c, "Listing consumers in vhost %s ...", c->vhost);
    return ctl_list(c, "list_consumers", in_vhost(c), NULL, true);
}

static int
list_vhosts(struct ctl *c)
{
    ctl_banner(c, "Listing vhosts ...");
    return ctl_list(c, "list_vhosts", NULL, NULL, true);
}

static int
list_unresponsive_queues(struct ctl *c)
{
    ctl_banner(c, "Listing unresponsive queues for vhost %s ...", c->vhost);
    return ctl_list(c, "list_unresponsive_queues",
                    json_pack("{s:s, s:I}", "vhost", c->vhost, "timeout_ms",
                              (json_int_t)ctl_number(c, "queue-timeout", 15) * 1000),
                    NULL, true);
}

static const struct ctl_option list_queues_options[] = {
    {"online", 0, CTL_FLAG}, {"offline", 0, CTL_FLAG}, {"local", 0, CTL_FLAG}, {0}};
static const struct ctl_option unresponsive_options[] = {
    {"local", 0, CTL_FLAG}, {"queue-timeout", 0, CTL_NUMBER}, {0}};

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
    {
        .name = "list_unresponsive_queues",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "[--local] [--queue-timeout <queue-timeout>] [<column> ...] [--no-table-headers]",
        .summary = "Asks every queue a question and lists those that do not answer in time",
        .details = "--queue-timeout <seconds>\n\thow long a queue may take to answer; 15 by default\n\n"
                   "--local\n\tonly queues of the node that is asked\n",
        .run = list_unresponsive_queues,
        .options = unresponsive_options,
        .columns = queue_columns,
        .columns_default = "name",
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "list_exchanges",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "[--vhost <vhost>] [--no-table-headers] [<column> ...]",
        .summary = "Lists the exchanges of a virtual host",
        .run = list_exchanges,
        .columns = exchange_columns,
        .columns_default = "name type",
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "list_bindings",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "[--vhost <vhost>] [--no-table-headers] [<column> ...]",
        .summary = "Lists the bindings of a virtual host, those of the default exchange included",
        .run = list_bindings,
        .columns = binding_columns,
        .columns_default = binding_columns,
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "list_connections",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "[--no-table-headers] [<column> ...]",
        .summary = "Lists the AMQP connections of the node",
        .run = list_connections,
        .columns = connection_columns,
        .columns_default = "user peer_host peer_port state",
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "list_channels",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "[--no-table-headers] [<column> ...]",
        .summary = "Lists the channels of the node",
        .run = list_channels,
        .columns = channel_columns,
        .columns_default = "pid user consumer_count messages_unacknowledged",
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "list_consumers",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "[--vhost <vhost>] [--no-table-headers] [<column> ...]",
        .summary = "Lists the consumers of a virtual host",
        .run = list_consumers,
        .columns = consumer_columns,
        .columns_default = "queue_name channel_pid consumer_tag ack_required prefetch_count active arguments",
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {
        .name = "list_vhosts",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_ACCESS,
        .usage = "[--no-table-headers] [<column> ...]",
        .summary = "Lists virtual hosts",
        .run = list_vhosts,
        .columns = vhost_columns,
        .columns_default = "name",
        .flags = CTL_NEEDS_APP | CTL_TIMED,
    },
    {0},
};
