/* The cluster: its status and name, joining and leaving, replicated queues, upgrades, feature flags. */
#include "ctl/commands.h"

const struct ctl_command commands_cluster[] = {
    {0},
};
