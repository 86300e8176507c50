/* One line for each administrative change, in the category `audit`: what was asked, by whom, from where, and
 * whether it was done. */
#include "mgmt/audit.h"

#include "base/log.h"
#include "mgmt/control.h"

void
control_audit(struct control_call *call, bool has_failed)
{
    const struct control_command *command = control_command_of(call);
    log_info(control_log(control_of(call)), LOG_AUDIT, "%s: %s, by %s (%s)", command->name,
             has_failed ? "failed" : "done", *control_user(call) ? control_user(call) : "somebody",
             control_origin(call));
}
