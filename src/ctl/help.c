/* Headings are bold, as in RabbitMQ's tools, whether a terminal reads or not: scripts have learned to cut
 * them off. */
#include "ctl/help.h"

#include "ctl/commands.h"

#include <string.h>

#define BOLD   "\033[1m"
#define NORMAL "\033[0m"

static const char *const titles[] = {
#define X(name, title) [CTL_GROUP_##name] = title,
    CTL_GROUP_TABLE(X)
#undef X
};

static const char general_options[] =
    "The following options are accepted by most or all commands.\n\n"
    "short            | long          | description\n"
    "-----------------|---------------|--------------------------------\n"
    "-?               | --help        | shows this page\n"
    "-n <node>        | --node <node> | which node to ask, as rabbit@host or rabbit@host:port\n"
    "                 | --data-dir    | the node of this data directory on this machine\n"
    "-l               | --longnames   | the host's name is a full one\n"
    "-t               | --timeout <n> | give up after so many seconds; 0: never\n"
    "-q               | --quiet       | only the result, no remarks\n"
    "-s               | --silent      | the same, and no table header\n"
    "-p               | --vhost       | the virtual host, where a command needs one\n"
    "                 | --formatter   | table, pretty_table, csv, json, json_stream, erlang or string\n"
    "                 | --printer     | stdio, or file: into the file that --file names\n";

const char *
help_group_title(enum ctl_group group)
{
    return titles[group];
}

static void
add_group(struct buffer *out, enum ctl_group group, unsigned tools, int width)
{
    const struct ctl_command *found[COMMANDS_MAX];
    size_t count = commands_of_group(group, tools, found, COMMANDS_MAX);
    if (count == 0)
        return;
    buffer_add_fmt(out, BOLD "%s" NORMAL ":\n\n", titles[group]);
    for (size_t i = 0; i < count; i++)
        buffer_add_fmt(out, "   %-*s  %s\n", width, found[i]->name, found[i]->summary);
    buffer_add_u8(out, '\n');
}

static int
width_of_names(unsigned tools)
{
    size_t width = 0;
    for (size_t t = 0; commands_tables[t]; t++)
        for (const struct ctl_command *row = commands_tables[t]; row->name; row++)
            if ((row->tools & tools) && strlen(row->name) > width)
                width = strlen(row->name);
    return (int)width;
}

void
help_tool(struct buffer *out, const char *tool, unsigned tools)
{
    buffer_add_fmt(out,
                   "\n" BOLD "Usage" NORMAL
                   "\n\n%s [--node <node>] [--timeout <timeout>] [--longnames] [--quiet] "
                   "<command> [<command options>]\n\nAvailable commands:\n\n",
                   tool);
    int width = width_of_names(tools);
    for (enum ctl_group group = 0; group < CTL_GROUP_COUNT; group++)
        add_group(out, group, tools, width);
    buffer_add_fmt(out, "Use '%s help <command>' to learn more about a specific command\n", tool);
}

void
help_usage_line(struct buffer *out, const char *tool, const struct ctl_command *command)
{
    buffer_add_fmt(out, "%s [--node <node>] [--longnames] [--quiet] %s%s%s%s", tool, command->name,
                   command->usage[0] ? " " : "", command->usage,
                   command->flags & CTL_TIMED ? " [--timeout <timeout>]" : "");
}

void
help_usage(struct buffer *out, const char *tool, const struct ctl_command *command)
{
    buffer_add_str(out, "\n" BOLD "Usage" NORMAL "\n\n");
    help_usage_line(out, tool, command);
    buffer_add_u8(out, '\n');
}

/* The columns, in the order of their names, after a comma each. */
static void
add_columns(struct buffer *out, const char *columns)
{
    char names[128][48], swap[48];
    size_t count = 0;
    for (const char *from = columns; *from && count < 128;) {
        size_t len = strcspn(from, " ");
        snprintf(names[count++], sizeof *names, "%.*s", (int)len, from);
        from += len + (from[len] == ' ');
    }
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && strcmp(names[j - 1], names[j]) > 0; j--) {
            memcpy(swap, names[j], sizeof swap);
            memcpy(names[j], names[j - 1], sizeof swap);
            memcpy(names[j - 1], swap, sizeof swap);
        }
    buffer_add_str(out, "<column>\n\tmust be one of ");
    for (size_t i = 0; i < count; i++)
        buffer_add_fmt(out, "%s%s", i ? ", " : "", names[i]);
    buffer_add_str(out, "\n\n");
}

void
help_command(struct buffer *out, const char *tool, const struct ctl_command *command)
{
    help_usage(out, tool, command);
    buffer_add_fmt(out, "\n%s%s\n\n", command->summary,
                   command->summary[strlen(command->summary) - 1] == '.' ? "" : ".");
    if (command->details || command->columns)
        buffer_add_str(out, "\n" BOLD "Arguments and Options" NORMAL "\n\n");
    if (command->columns)
        add_columns(out, command->columns);
    if (command->details)
        buffer_add_fmt(out, "%s\n", command->details);
    buffer_add_fmt(out, "\n" BOLD "General Options" NORMAL "\n\n%s\n", general_options);
}
