/* What is told of connections, channels, consumers and logins: broker/event.h. */
#ifndef LEVERET_SERVER_SESSION_EVENT_H
#define LEVERET_SERVER_SESSION_EVENT_H

#include "base/slice.h"

struct amqp_basic_consume;
struct channel;
struct channel_consumer;
struct connection;

/* `why` NULL: the login is accepted. */
void session_event_login(struct connection *c, struct slice mechanism, struct slice user, const char *why);
/* It is running. */
void session_event_connection_created(struct connection *c);
/* Before its socket is closed. One that never ran is not told of. */
void session_event_connection_closed(struct connection *c);
void session_event_channel_created(struct channel *ch);
void session_event_channel_closed(struct channel *ch);
void session_event_consumer_created(struct channel *ch, const struct channel_consumer *consumer);
void session_event_consumer_deleted(const struct channel_consumer *consumer);

#endif
