/* Requests about connections: closing them, tracing. */
#include "mgmt/control_table.h"

const struct control_command command_connection_table[] = {
    {0},
};
