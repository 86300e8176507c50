/* help, version, autocomplete: what the tool knows without a node. */
#include "ctl/commands.h"
#include "ctl/complete.h"
#include "ctl/help.h"

#include <string.h>

static int
print(struct ctl *c, struct buffer *text)
{
    ctl_print(c, "%.*s", SLICE_FMT(buffer_slice(text)));
    buffer_fini(text);
    return EX_OK;
}

static int
list_names(struct ctl *c)
{
    const struct ctl_command *found[COMMANDS_MAX];
    for (enum ctl_group group = 0; group < CTL_GROUP_COUNT; group++) {
        size_t count = commands_of_group(group, c->tools, found, COMMANDS_MAX);
        for (size_t i = 0; i < count; i++)
            ctl_print(c, "%s\n", found[i]->name);
    }
    return EX_OK;
}

static int
help(struct ctl *c)
{
    struct buffer text = {0};
    if (ctl_has(c, "list-commands"))
        return list_names(c);
    if (c->arg_count == 0) {
        help_tool(&text, c->tool, c->tools);
        return print(c, &text);
    }
    const struct ctl_command *command = commands_find(c->args[0], c->tools);
    if (!command)
        return ctl_error(c, EX_USAGE, "\nCommand '%s' not found.", c->args[0]);
    help_command(&text, c->tool, command);
    return print(c, &text);
}

static int
version(struct ctl *c)
{
    ctl_say(c, "%s", LEVERET_VERSION);
    return EX_OK;
}

static int
autocomplete(struct ctl *c)
{
    struct buffer text = {0};
    const char *shell = ctl_text(c, "script", NULL);
    if (!shell)
        complete_prefix(&text, c->arg_count ? c->args[c->arg_count - 1] : "", c->tools);
    else if (strcmp(shell, "bash") == 0 || strcmp(shell, "zsh") == 0)
        complete_script(&text, shell);
    else
        return ctl_invalid(c, "there is completion for bash and zsh");
    return print(c, &text);
}

static const struct ctl_option help_options[] = {{"list-commands", 0, CTL_FLAG}, {0}};
static const struct ctl_option autocomplete_options[] = {{"script", 0, CTL_TEXT}, {0}};

const struct ctl_command commands_help[] = {
    {
        .name = "autocomplete",
        .tools = CTL_ALL & ~CTL_UPGRADE,
        .group = CTL_GROUP_HELP,
        .usage = "[prefix] [--script <bash | zsh>]",
        .summary = "Prints the commands that begin with a prefix, or a completion script for the shell",
        .details = "--script <bash | zsh>\n\tprint a script that completes commands and options: source it "
                   "from the shell's "
                   "start-up file\n",
        .run = autocomplete,
        .options = autocomplete_options,
        .args_max = 8,
        .flags = CTL_LOCAL,
    },
    {
        .name = "help",
        .tools = CTL_ALL,
        .group = CTL_GROUP_HELP,
        .usage = "(<command> | [--list-commands])",
        .summary = "Shows how a command is used",
        .details = "<command>\n\twhich one; without it all are listed\n\n--list-commands\n\tprint the names "
                   "and nothing else\n",
        .run = help,
        .options = help_options,
        .args_max = 1,
        .flags = CTL_LOCAL,
    },
    {
        .name = "version",
        .tools = CTL_ALL & ~(CTL_QUEUES | CTL_UPGRADE),
        .group = CTL_GROUP_HELP,
        .usage = "",
        .summary = "Prints the version of this tool",
        .run = version,
        .flags = CTL_LOCAL,
    },
    {0},
};
