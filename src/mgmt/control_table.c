/* Which requests there are. Few enough to be looked through. */
#include "mgmt/control_table.h"

#include "mgmt/control_impl.h"

#include <string.h>

const struct control_command *const control_tables[] = {
    command_access_table,     command_app_table,         command_backup_table, command_cluster_table,
    command_connection_table, command_definitions_table, command_event_table,  command_log_table,
    command_node_table,       command_plugins_table,     command_policy_table, command_queue_table,
    command_replica_table,    command_resource_table,    info_list_table,      NULL,
};

const struct control_command *
control_table_find(const char *name)
{
    for (const struct control_command *const *table = control_tables; *table; table++)
        for (const struct control_command *row = *table; row->name; row++)
            if (strcmp(row->name, name) == 0)
                return row;
    return NULL;
}
