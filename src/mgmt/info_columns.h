/*
 * The columns that can be shown of each kind of thing, once for all: the node has a function for each
 * (info_queue.c, ...), the tools and the HTTP API know names and types from here. Names and order are
 * RabbitMQ's; those behind `type`, `leader`, ... came with later versions.
 *
 * X(name, TYPE). A value that a thing does not have is "", as in RabbitMQ's tools.
 */
#ifndef LEVERET_MGMT_INFO_COLUMNS_H
#define LEVERET_MGMT_INFO_COLUMNS_H

enum info_type {
    INFO_STRING,
    INFO_NUMBER, /* an integer, or a real number */
    INFO_BOOLEAN,
    INFO_TABLE,  /* [[name, type, value], ...] */
    INFO_PID,    /* "<rabbit@host.N.M.S>": info_pid.h */
    INFO_LIST,   /* of strings */
    INFO_MAP,    /* a JSON object */
    INFO_TUPLES, /* [["rabbit@host", "running"], ...] */
};

#define INFO_QUEUE_COLUMNS(X)                                                                                \
    X(name, STRING)                                                                                          \
    X(durable, BOOLEAN)                                                                                      \
    X(auto_delete, BOOLEAN)                                                                                  \
    X(arguments, TABLE)                                                                                      \
    X(policy, STRING)                                                                                        \
    X(pid, PID)                                                                                              \
    X(owner_pid, PID)                                                                                        \
    X(exclusive, BOOLEAN)                                                                                    \
    X(exclusive_consumer_pid, PID)                                                                           \
    X(exclusive_consumer_tag, STRING)                                                                        \
    X(messages_ready, NUMBER)                                                                                \
    X(messages_unacknowledged, NUMBER)                                                                       \
    X(messages, NUMBER)                                                                                      \
    X(messages_ready_ram, NUMBER)                                                                            \
    X(messages_unacknowledged_ram, NUMBER)                                                                   \
    X(messages_ram, NUMBER)                                                                                  \
    X(messages_persistent, NUMBER)                                                                           \
    X(message_bytes, NUMBER)                                                                                 \
    X(message_bytes_ready, NUMBER)                                                                           \
    X(message_bytes_unacknowledged, NUMBER)                                                                  \
    X(message_bytes_ram, NUMBER)                                                                             \
    X(message_bytes_persistent, NUMBER)                                                                      \
    X(head_message_timestamp, NUMBER)                                                                        \
    X(disk_reads, NUMBER)                                                                                    \
    X(disk_writes, NUMBER)                                                                                   \
    X(consumers, NUMBER)                                                                                     \
    X(consumer_utilisation, NUMBER)                                                                          \
    X(consumer_capacity, NUMBER)                                                                             \
    X(memory, NUMBER)                                                                                        \
    X(slave_pids, LIST)                                                                                      \
    X(synchronised_slave_pids, LIST)                                                                         \
    X(state, STRING)                                                                                         \
    X(type, STRING)                                                                                          \
    X(leader, STRING)                                                                                        \
    X(members, LIST)                                                                                         \
    X(online, LIST)                                                                                          \
    X(operator_policy, STRING)                                                                               \
    X(effective_policy_definition, MAP)                                                                      \
    X(mirror_pids, LIST)                                                                                     \
    X(synchronised_mirror_pids, LIST)

#define INFO_EXCHANGE_COLUMNS(X)                                                                             \
    X(name, STRING)                                                                                          \
    X(type, STRING)                                                                                          \
    X(durable, BOOLEAN)                                                                                      \
    X(auto_delete, BOOLEAN)                                                                                  \
    X(internal, BOOLEAN)                                                                                     \
    X(arguments, TABLE)                                                                                      \
    X(policy, STRING)

#define INFO_BINDING_COLUMNS(X)                                                                              \
    X(source_name, STRING)                                                                                   \
    X(source_kind, STRING)                                                                                   \
    X(destination_name, STRING)                                                                              \
    X(destination_kind, STRING)                                                                              \
    X(routing_key, STRING)                                                                                   \
    X(arguments, TABLE)

#define INFO_CONNECTION_COLUMNS(X)                                                                           \
    X(pid, PID)                                                                                              \
    X(name, STRING)                                                                                          \
    X(port, NUMBER)                                                                                          \
    X(host, STRING)                                                                                          \
    X(peer_port, NUMBER)                                                                                     \
    X(peer_host, STRING)                                                                                     \
    X(ssl, BOOLEAN)                                                                                          \
    X(ssl_protocol, STRING)                                                                                  \
    X(ssl_key_exchange, STRING)                                                                              \
    X(ssl_cipher, STRING)                                                                                    \
    X(ssl_hash, STRING)                                                                                      \
    X(peer_cert_subject, STRING)                                                                             \
    X(peer_cert_issuer, STRING)                                                                              \
    X(peer_cert_validity, STRING)                                                                            \
    X(state, STRING)                                                                                         \
    X(channels, NUMBER)                                                                                      \
    X(protocol, STRING)                                                                                      \
    X(auth_mechanism, STRING)                                                                                \
    X(user, STRING)                                                                                          \
    X(vhost, STRING)                                                                                         \
    X(timeout, NUMBER)                                                                                       \
    X(frame_max, NUMBER)                                                                                     \
    X(channel_max, NUMBER)                                                                                   \
    X(client_properties, TABLE)                                                                              \
    X(recv_oct, NUMBER)                                                                                      \
    X(recv_cnt, NUMBER)                                                                                      \
    X(send_oct, NUMBER)                                                                                      \
    X(send_cnt, NUMBER)                                                                                      \
    X(send_pend, NUMBER)                                                                                     \
    X(connected_at, NUMBER)

#define INFO_CHANNEL_COLUMNS(X)                                                                              \
    X(pid, PID)                                                                                              \
    X(connection, PID)                                                                                       \
    X(name, STRING)                                                                                          \
    X(number, NUMBER)                                                                                        \
    X(user, STRING)                                                                                          \
    X(vhost, STRING)                                                                                         \
    X(transactional, BOOLEAN)                                                                                \
    X(confirm, BOOLEAN)                                                                                      \
    X(consumer_count, NUMBER)                                                                                \
    X(messages_unacknowledged, NUMBER)                                                                       \
    X(messages_uncommitted, NUMBER)                                                                          \
    X(acks_uncommitted, NUMBER)                                                                              \
    X(messages_unconfirmed, NUMBER)                                                                          \
    X(prefetch_count, NUMBER)                                                                                \
    X(global_prefetch_count, NUMBER)

#define INFO_CONSUMER_COLUMNS(X)                                                                             \
    X(queue_name, STRING)                                                                                    \
    X(channel_pid, PID)                                                                                      \
    X(consumer_tag, STRING)                                                                                  \
    X(ack_required, BOOLEAN)                                                                                 \
    X(prefetch_count, NUMBER)                                                                                \
    X(active, BOOLEAN)                                                                                       \
    X(activity_status, STRING)                                                                               \
    X(arguments, TABLE)

#define INFO_VHOST_COLUMNS(X)                                                                                \
    X(name, STRING)                                                                                          \
    X(description, STRING)                                                                                   \
    X(tags, LIST)                                                                                            \
    X(default_queue_type, STRING)                                                                            \
    X(tracing, BOOLEAN)                                                                                      \
    X(cluster_state, TUPLES)                                                                                 \
    X(metadata, MAP)                                                                                         \
    X(protected_from_deletion, BOOLEAN)

#define INFO_USER_COLUMNS(X)                                                                                 \
    X(user, STRING)                                                                                          \
    X(tags, LIST)

#define INFO_PERMISSION_COLUMNS(X)                                                                           \
    X(user, STRING)                                                                                          \
    X(vhost, STRING)                                                                                         \
    X(configure, STRING)                                                                                     \
    X(write, STRING)                                                                                         \
    X(read, STRING)

#define INFO_TOPIC_PERMISSION_COLUMNS(X)                                                                     \
    X(user, STRING)                                                                                          \
    X(vhost, STRING)                                                                                         \
    X(exchange, STRING)                                                                                      \
    X(write, STRING)                                                                                         \
    X(read, STRING)

/* Policies have a column that is no C name, "apply-to": info_policy.c. Values and limits are shown as JSON
 * text. */
#define INFO_PARAMETER_COLUMNS(X)                                                                            \
    X(component, STRING)                                                                                     \
    X(name, STRING)                                                                                          \
    X(value, STRING)

#define INFO_GLOBAL_PARAMETER_COLUMNS(X)                                                                     \
    X(name, STRING)                                                                                          \
    X(value, STRING)

#define INFO_VHOST_LIMIT_COLUMNS(X)                                                                          \
    X(vhost, STRING)                                                                                         \
    X(limits, STRING)

#define INFO_USER_LIMIT_COLUMNS(X)                                                                           \
    X(user, STRING)                                                                                          \
    X(limits, STRING)

#endif
