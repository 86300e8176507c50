/* The commands: one table a file, and finding one of them. */
#ifndef LEVERET_CTL_COMMANDS_H
#define LEVERET_CTL_COMMANDS_H

#include "ctl/ctl.h"

/* Each ends with a row without name. */
extern const struct ctl_command commands_help[], commands_app[], commands_cluster[], commands_plugins[],
    commands_access[], commands_policy[], commands_list[], commands_queue[], commands_connection[],
    commands_node[], commands_diagnostics[], commands_definitions[], commands_local[], commands_missing[];

extern const struct ctl_command *const commands_tables[]; /* NULL-ended */

/* NULL: none of that name for these tools. */
const struct ctl_command *commands_find(const char *name, unsigned tools);
/* The one whose name is most like a mistyped one; NULL: none is close. */
const struct ctl_command *commands_like(const char *name, unsigned tools);
/* All of a group, in the order of their names, at most `max`: their number. */
size_t commands_of_group(enum ctl_group group, unsigned tools, const struct ctl_command **found, size_t max);

enum { COMMANDS_MAX = 400 };

#endif
