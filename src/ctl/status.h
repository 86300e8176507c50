/* The node's status (request "status") as pages for people: status, report, memory_breakdown, alarms,
 * listeners. */
#ifndef LEVERET_CTL_STATUS_H
#define LEVERET_CTL_STATUS_H

#include "ctl/ctl.h"

/* Units of --unit: "bytes", "kb", "mb", "gb", "tb", and with an i ("kib") those of 1024. */
/* Of a command that has it: 0, or ctl_invalid(). */
int status_check_unit(struct ctl *c);
/* The whole page. */
void status_print(struct ctl *c, const json_t *status, const char *unit);
/* "binary: 0.1266 gb (29.36 %)", the largest first; RabbitMQ's two pages differ in the blank before the sign.
 */
void status_print_memory(struct ctl *c, const json_t *memory, const char *unit, const char *percent);
/* "Memory alarm on node rabbit@host": on one line each, without the last one's end; into `out`. */
void status_alarm_lines(struct buffer *out, const json_t *alarms);
void status_print_listeners(struct ctl *c, const json_t *listeners);

#endif
