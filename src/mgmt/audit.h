/* The audit log: who has changed what through control, and how it ended. */
/* exports: control_audit */
#ifndef LEVERET_MGMT_AUDIT_H
#define LEVERET_MGMT_AUDIT_H

#include <stdbool.h>

struct control_call;

/* At the end of a call whose command is CONTROL_AUDITED. Never a secret. */
void control_audit(struct control_call *call, bool has_failed);

#endif
