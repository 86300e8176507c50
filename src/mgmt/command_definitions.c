/* Export and import of definitions. */
#include "mgmt/control_table.h"

const struct control_command command_definitions_table[] = {
    {0},
};
