/*
 * What reads as roff in the tables' texts is escaped: backslashes, dashes (which would become hyphens that
 * nobody can copy), dots and quotes at the start of a line.
 */
#include "ctl/manual.h"

#include "ctl/commands.h"
#include "ctl/help.h"

#include <string.h>

static void
add_text(struct buffer *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool is_first = i == 0 || text[i - 1] == '\n';
        if (is_first && (text[i] == '.' || text[i] == '\''))
            buffer_add_str(out, "\\&");
        if (text[i] == '\\')
            buffer_add_str(out, "\\e");
        else if (text[i] == '-')
            buffer_add_str(out, "\\-");
        else
            buffer_add_u8(out, (uint8_t)text[i]);
    }
}

static void
add_line(struct buffer *out, const char *text)
{
    add_text(out, text, strlen(text));
    buffer_add_u8(out, '\n');
}

/* "<name>\n\twhat it is\n\n" becomes a tagged paragraph each. */
static void
add_details(struct buffer *out, const char *details)
{
    buffer_add_str(out, ".RS\n");
    while (*details) {
        size_t len = strcspn(details, "\n");
        if (len > 0 && details[0] == '\t') {
            add_text(out, details + 1, len - 1);
            buffer_add_u8(out, '\n');
        } else if (len > 0) {
            buffer_add_str(out, ".TP\n.B ");
            add_text(out, details, len);
            buffer_add_u8(out, '\n');
        }
        details += len + (details[len] == '\n');
    }
    buffer_add_str(out, ".RE\n");
}

static void
add_command(struct buffer *out, const struct ctl_command *command)
{
    buffer_add_str(out, ".TP\n.B ");
    add_text(out, command->name, strlen(command->name));
    buffer_add_u8(out, '\n');
    if (command->usage[0]) {
        add_line(out, command->usage);
        buffer_add_str(out, ".br\n");
    }
    add_text(out, command->summary, strlen(command->summary));
    buffer_add_str(out, ".\n");
    if (command->columns) {
        buffer_add_str(out, "Columns: ");
        add_text(out, command->columns, strlen(command->columns));
        buffer_add_str(out, "; unless said otherwise ");
        add_text(out, command->columns_default, strlen(command->columns_default));
        buffer_add_str(out, ".\n");
    }
    if (command->details)
        add_details(out, command->details);
}

static void
add_commands(struct buffer *out, unsigned tools)
{
    const struct ctl_command *found[COMMANDS_MAX];
    buffer_add_str(out, ".SH COMMANDS\n");
    for (enum ctl_group group = 0; group < CTL_GROUP_COUNT; group++) {
        size_t count = commands_of_group(group, tools, found, COMMANDS_MAX);
        if (count == 0)
            continue;
        buffer_add_str(out, ".SS ");
        add_line(out, help_group_title(group));
        for (size_t i = 0; i < count; i++)
            add_command(out, found[i]);
    }
}

static const char options[] =
    ".SH OPTIONS\n"
    ".TP\n.BR \\-n ,\\  \\-\\-node \" NAME\"\n"
    "The node to ask: rabbit@host, or rabbit@host:port for a peer port other than 25672. Without it the node "
    "of this machine.\n"
    ".TP\n.BR \\-\\-data\\-dir \" DIR\"\nThe node whose data directory this is, through the socket in it.\n"
    ".TP\n.BR \\-\\-erlang\\-cookie \" TEXT\"\nThe secret that a node on another machine wants to see "
    "proved. Better left in a file.\n"
    ".TP\n.BR \\-p ,\\  \\-\\-vhost \" NAME\"\nThe virtual host, / unless said otherwise.\n"
    ".TP\n.BR \\-t ,\\  \\-\\-timeout \" SECONDS\"\nWhen to give up; 0 is never.\n"
    ".TP\n.BR \\-q ,\\  \\-\\-quiet\nNo remarks, only the result.\n"
    ".TP\n.BR \\-s ,\\  \\-\\-silent\nThe same, and no table header.\n"
    ".TP\n.BR \\-\\-formatter \" NAME\"\ntable, pretty_table, csv, json, json_stream, erlang or string.\n"
    ".TP\n.BR \\-\\-no\\-table\\-headers\nTables without their first line.\n"
    ".TP\n.BR \\-\\-printer \" file \" \\-\\-file \" PATH\"\nThe result goes into a file.\n"
    ".TP\n.BR \\-\\-dry\\-run\nThe command line is checked, and nothing is done.\n";

static const char rest[] =
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\nDone.\n"
    ".TP\n.B 64\nThe command line is wrong, or the node's application is not in the state that the command "
    "needs.\n"
    ".TP\n.B 65\nAn argument's value is wrong, or what it names does not exist.\n"
    ".TP\n.B 67\nThere is no such user.\n"
    ".TP\n.B 69\nThe node cannot be reached, or refuses.\n"
    ".TP\n.B 70\nIt failed.\n"
    ".TP\n.B 75\nIt took too long.\n"
    ".SH ENVIRONMENT\n"
    "Each is also read with LEVERET_ before its name, which wins, and without RABBITMQ_ from the file "
    "rabbitmq\\-env.conf.\n"
    ".TP\n.B RABBITMQ_NODENAME\nThe node, where \\-\\-node does not say it.\n"
    ".TP\n.B LEVERET_DATA_DIR, RABBITMQ_MNESIA_DIR, RABBITMQ_MNESIA_BASE\nIts data directory, or the one "
    "above it.\n"
    ".TP\n.B RABBITMQ_DIST_PORT, RABBITMQ_NODE_PORT\nThe peer port, or the AMQP port 20000 below it.\n"
    ".TP\n.B RABBITMQ_ERLANG_COOKIE\nThe cookie.\n"
    ".TP\n.B RABBITMQ_CONF_ENV_FILE\nThe file to read instead of /etc/rabbitmq/rabbitmq\\-env.conf.\n"
    ".SH FILES\n"
    ".TP\n.I DIR/control.sock\nWhere a node of this machine listens: who may open it may command.\n"
    ".TP\n.I ~/.erlang.cookie, /var/lib/rabbitmq/.erlang.cookie, DIR/.erlang.cookie\nThe cookie, for nodes "
    "of other machines.\n"
    ".SH SEE ALSO\n.BR leveret (8),\n.BR leveret.conf (5)\n";

void
manual_page(struct buffer *out, const char *tool, unsigned tools)
{
    buffer_add_fmt(out, ".TH %s 1 \"\" \"Leveret %s\" \"Leveret\"\n.SH NAME\n", tool, LEVERET_VERSION);
    add_text(out, tool, strlen(tool));
    buffer_add_str(out, " \\- asks a Leveret node, and tells it what to do\n.SH SYNOPSIS\n.B ");
    add_line(out, tool);
    buffer_add_str(
        out,
        "[\\-n NODE] [\\-t SECONDS] [\\-q] COMMAND [ARGUMENT ...]\n.SH DESCRIPTION\n"
        "The commands are RabbitMQ's, with their options, columns, output and exit codes. Called as "
        "rabbitmqctl, rabbitmq\\-plugins, rabbitmq\\-diagnostics, rabbitmq\\-queues or rabbitmq\\-upgrade "
        "the program has the commands of that tool; as leveretctl it has all of them.\n.PP\n"
        "\\fBhelp COMMAND\\fP describes one of them. Completion for bash comes from \\fBautocomplete "
        "\\-\\-script bash\\fP.\n");
    buffer_add_str(out, options);
    add_commands(out, tools);
    buffer_add_str(out, rest);
}
