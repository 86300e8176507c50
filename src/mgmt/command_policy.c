/* Requests about policies, operator policies, parameters, limits. */
#include "mgmt/control_table.h"

const struct control_command command_policy_table[] = {
    {0},
};
