/* Requests about queues: deleting, purging. */
#include "mgmt/control_table.h"

const struct control_command command_queue_table[] = {
    {0},
};
