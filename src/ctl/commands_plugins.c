/* rabbitmq-plugins. */
#include "ctl/commands.h"

const struct ctl_command commands_plugins[] = {
    {0},
};
