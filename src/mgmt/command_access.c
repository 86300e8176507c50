/* Requests about users, passwords, permissions, vhosts. */
#include "mgmt/control_table.h"

const struct control_command command_access_table[] = {
    {0},
};
