/*
 * Names of running things, in the shape of Erlang's process identifiers, as scripts know them:
 *
 *     <rabbit@host.1795334106.2798.0>      node, when it started, a number, and 0 or a channel's number
 *
 * Stable as long as the thing is there and unique in the life of the node: queues have even numbers,
 * connections odd ones; a channel is its connection's number and its own. (A number that is opened again is
 * the same channel here.)
 */
#ifndef LEVERET_MGMT_INFO_PID_H
#define LEVERET_MGMT_INFO_PID_H

#include "base/buffer.h"
#include "base/err.h"
#include "server/session_pid.h"

#include <stdbool.h>

struct connection;
struct server;

enum info_pid_kind { INFO_PID_QUEUE, INFO_PID_CONNECTION, INFO_PID_CHANNEL };

struct info_pid {
    enum info_pid_kind kind;
    uint64_t id;      /* the queue's, or the connection's */
    uint16_t channel; /* INFO_PID_CHANNEL */
};

enum { INFO_PID_TEXT_SIZE = SESSION_PID_TEXT_SIZE };

/* With its terminating zero; returns `text`. */
const char *info_pid_text(const struct server *server, const struct info_pid *pid,
                          char text[INFO_PID_TEXT_SIZE]);
/* As a JSON value. */
void info_pid_put(struct buffer *out, const struct server *server, const struct info_pid *pid);
/* ERR_SYNTAX: it is no such name at all. ERR_NOT_FOUND: of another node, or of an earlier life of this one.
 */
ERR_USE enum err info_pid_parse(struct slice text, const struct server *server, struct info_pid *pid);

#endif
