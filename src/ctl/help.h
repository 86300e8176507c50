/* Usage lines and help pages, from the tables. */
#ifndef LEVERET_CTL_HELP_H
#define LEVERET_CTL_HELP_H

#include "base/buffer.h"
#include "ctl/ctl.h"

/* "\nUsage\n\nTOOL ... COMMAND ...\n" and all commands of the tool by group. */
void help_tool(struct buffer *out, const char *tool, unsigned tools);
/* The one line of a command, without an end of line. */
void help_usage_line(struct buffer *out, const char *tool, const struct ctl_command *command);
/* "Usage" as a heading, and that line. */
void help_usage(struct buffer *out, const char *tool, const struct ctl_command *command);
void help_command(struct buffer *out, const char *tool, const struct ctl_command *command);
const char *help_group_title(enum ctl_group group);

#endif
