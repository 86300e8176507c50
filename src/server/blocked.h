/* Connections that may not publish while an alarm is on. */
#ifndef LEVERET_SERVER_BLOCKED_H
#define LEVERET_SERVER_BLOCKED_H

#include "server/connection.h"

/* After a publish: blocks the connection if an alarm is on. */
void blocked_on_publish(struct connection *c);
/* effects.alarm */
void blocked_alarm(void *server, const char *reason);

#endif
