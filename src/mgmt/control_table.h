/* The commands of control: a table a file. */
#ifndef LEVERET_MGMT_CONTROL_TABLE_H
#define LEVERET_MGMT_CONTROL_TABLE_H

#include "mgmt/control.h"

/* Each ends with a row without a name. */
extern const struct control_command command_access_table[];
extern const struct control_command command_app_table[];
extern const struct control_command command_backup_table[];
extern const struct control_command command_cluster_table[];
extern const struct control_command command_event_table[];
extern const struct control_command command_replica_table[];
extern const struct control_command command_connection_table[];
extern const struct control_command command_definitions_table[];
extern const struct control_command command_log_table[];
extern const struct control_command command_node_table[];
extern const struct control_command command_plugins_table[];
extern const struct control_command command_policy_table[];
extern const struct control_command command_queue_table[];
extern const struct control_command command_resource_table[];
extern const struct control_command info_list_table[];

#endif
