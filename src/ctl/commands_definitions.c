/* Definitions: export and import. */
#include "ctl/commands.h"

const struct ctl_command commands_definitions[] = {
    {0},
};
