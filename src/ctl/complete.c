/*
 * The script holds the words themselves: a completion that starts a program for every key pressed is one that
 * people switch off.
 */
#include "ctl/complete.h"

#include "ctl/commands.h"

#include <string.h>

#define GENERAL                                                                                              \
    "--node --vhost --timeout --quiet --silent --longnames --formatter --no-table-headers --data-dir --help"

void
complete_prefix(struct buffer *out, const char *prefix, unsigned tools)
{
    const struct ctl_command *found[COMMANDS_MAX];
    size_t len = strlen(prefix);
    for (enum ctl_group group = 0; group < CTL_GROUP_COUNT; group++) {
        size_t count = commands_of_group(group, tools, found, COMMANDS_MAX);
        for (size_t i = 0; i < count; i++)
            if (strncmp(found[i]->name, prefix, len) == 0)
                buffer_add_fmt(out, "%s\n", found[i]->name);
    }
}

static const struct {
    const char *name;
    unsigned tools;
} programs[] = {
    {"leveretctl", CTL_ALL},           {"rabbitmqctl", CTL_CTL},
    {"rabbitmq-plugins", CTL_PLUGINS}, {"rabbitmq-diagnostics", CTL_DIAGNOSTICS},
    {"rabbitmq-queues", CTL_QUEUES},   {"rabbitmq-upgrade", CTL_UPGRADE},
};

static void
add_commands(struct buffer *out)
{
    for (size_t p = 0; p < sizeof programs / sizeof *programs; p++) {
        buffer_add_fmt(out, "        %s) commands='", programs[p].name);
        for (size_t t = 0; commands_tables[t]; t++)
            for (const struct ctl_command *row = commands_tables[t]; row->name; row++)
                if (row->tools & programs[p].tools)
                    buffer_add_fmt(out, "%s ", row->name);
        buffer_add_str(out, "' ;;\n");
    }
}

static void
add_words(struct buffer *out)
{
    for (size_t t = 0; commands_tables[t]; t++)
        for (const struct ctl_command *row = commands_tables[t]; row->name; row++) {
            if (!row->options && !row->columns)
                continue;
            buffer_add_fmt(out, "        %s) words='", row->name);
            for (const struct ctl_option *o = row->options; o && o->name; o++)
                buffer_add_fmt(out, "--%s ", o->name);
            buffer_add_fmt(out, "%s' ;;\n", row->columns ? row->columns : "");
        }
}

void
complete_script(struct buffer *out, const char *shell)
{
    if (strcmp(shell, "zsh") == 0)
        buffer_add_str(out, "autoload -U +X bashcompinit && bashcompinit\n");
    buffer_add_str(out, "_leveretctl() {\n"
                        "    local word=${COMP_WORDS[COMP_CWORD]} command='' commands='' words='' i\n"
                        "    case ${COMP_WORDS[0]##*/} in\n");
    add_commands(out);
    buffer_add_str(
        out,
        "    esac\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case \" $commands \" in *\" ${COMP_WORDS[i]} \"*) command=${COMP_WORDS[i]}; break ;; esac\n"
        "    done\n"
        "    case $command in\n"
        "        '') words=$commands ;;\n"
        "        help) words=$commands ;;\n");
    add_words(out);
    buffer_add_str(out, "    esac\n"
                        "    case $word in -*) words=\"$words " GENERAL "\" ;; esac\n"
                        "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                        "}\n"
                        "complete -F _leveretctl");
    for (size_t p = 0; p < sizeof programs / sizeof *programs; p++)
        buffer_add_fmt(out, " %s", programs[p].name);
    buffer_add_u8(out, '\n');
}
