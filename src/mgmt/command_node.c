/* Requests about the node: status, environment, alarms, memory. */
#include "mgmt/control_table.h"

const struct control_command command_node_table[] = {
    {0},
};
