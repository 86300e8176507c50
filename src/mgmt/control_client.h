/*
 * The asking side of doc/control.md, for commands: it blocks, until its deadline at most. One request at a
 * time.
 */
#ifndef LEVERET_MGMT_CONTROL_CLIENT_H
#define LEVERET_MGMT_CONTROL_CLIENT_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

struct control_client;

#define CONTROL_SOCKET "control.sock" /* in the data directory */
enum { CONTROL_CLIENT_WHY_SIZE = 512 };

/*
 * `timeout_ms` from now is the deadline of all calls together; 0: none. On failure `why`
 * (CONTROL_CLIENT_WHY_SIZE bytes) has a sentence for people. ERR_NOT_FOUND, ERR_REFUSED: nobody listens
 * there; ERR_PERMISSION: the socket is another user's, or the node has another cookie; ERR_SYNTAX: what
 * listens there is no Leveret node; ERR_TIMEOUT ...
 */
ERR_USE enum err control_client_local(const char *path, uint64_t timeout_ms, struct control_client **client,
                                      char *why);
ERR_USE enum err control_client_tcp(const char *host, uint16_t port, struct slice cookie, uint64_t timeout_ms,
                                    struct control_client **client, char *why);
/* NULL is harmless. */
void control_client_close(struct control_client *c);
void control_client_set_timeout(struct control_client *c, uint64_t timeout_ms);
/* Over TCP the name that the node gave itself, proved by the cookie; else "". */
const char *control_client_node(const struct control_client *c);

/* `line`: the request's JSON without an end of line, which says how long `body` is. A node that refuses the
 * request while its body is being written is no error: its answer can be read. */
ERR_USE enum err control_client_ask(struct control_client *c, struct slice line, struct slice body);
/* The answer's next line: *kind is its letter ('r', 'd', 'o', 'e'), *json what follows, good until the next
 * call. ERR_CLOSED: the node has gone in the middle; ERR_SYNTAX: no such line. */
ERR_USE enum err control_client_next(struct control_client *c, char *kind, struct slice *json);

#endif
