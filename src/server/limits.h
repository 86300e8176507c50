/*
 * Everything that a peer can size in a session has its limit here: one table, with the defaults. The
 * configuration may change them; nothing in this folder uses a bound that has no name.
 */
#ifndef LEVERET_SERVER_LIMITS_H
#define LEVERET_SERVER_LIMITS_H

#include <stdint.h>

#define SERVER_LIMIT_TABLE(X)                                                                                \
    X(connections_max, 0, "connections of the node; 0: as many as there are descriptors")                    \
    X(channels_max, 0, "channels of all connections of the node; 0: no limit")                               \
    X(initial_frame_max, 4096, "bytes of a frame before connection.tune-ok")                                 \
    X(method_frame_max, 131072, "bytes of a method or header frame, whatever frame_max says")                \
    X(consumer_timeout_ms, 1800000, "from a delivery to its acknowledgement; 0: any time")                   \
    X(handshake_timeout_ms, 10000, "from accept to connection.open-ok, TLS included")                        \
    X(tls_handshake_timeout_ms, 5000, "of that, for TLS")                                                    \
    X(login_failures_max, 60, "failed logins of a source at once (login_limit.h); 0: no limit")              \
    X(login_window_ms, 60000, "in which it gets that budget back")                                           \
    X(close_timeout_ms, 30000, "how long connection.close waits for its close-ok; shorter heartbeats win")   \
    X(silent_close_delay_ms, 3000, "before a failed login's socket is closed")                               \
    X(read_turn_bytes, 65536, "read from one connection in a turn")                                          \
    X(read_small_bytes, 32768, "the same, from one whose messages are small: they stay in the cache")        \
    X(bulk_body_bytes, 8192, "a message body that is not small in this sense")                               \
    X(read_turn_work, 32768, "bindings looked at and queues given, for one connection in a turn")            \
    X(deliver_bytes, 262144, "read from all before what came of it is delivered and written")                \
    X(write_turn_bytes, 1048576, "written to one connection in a turn")                                      \
    X(output_high_bytes, 524288, "unsent output at which a connection's consumers stop")                     \
    X(output_low_bytes, 131072, "unsent output at which they go on")                                         \
    X(output_max_bytes, 4194304, "unsent output at which the connection is not read any more")               \
    X(pace_ms, 1, "pause of a publisher whose queue's consumers are far behind")                             \
    X(parked_bytes_max, 262144, "frames of a connection that wait behind unanswered methods")                \
    X(draft_first_bytes, 1024, "memory that a message body gets at least with its first bytes")              \
    X(pending_ops_max, 1024, "declarations of one channel that are under way at a time")

struct server_limits {
#define X(name, value, what) uint32_t name;
    SERVER_LIMIT_TABLE(X)
#undef X
};

/* Never NULL; valid for ever. */
const struct server_limits *server_limits_default(void);

#endif
