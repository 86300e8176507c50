/* Lists: queues, exchanges, bindings, connections, channels, consumers ... */
#include "mgmt/control_table.h"

const struct control_command info_table[] = {
    {0},
};
