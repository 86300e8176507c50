/*
 * Every key that a configuration file may have: the one table that the reader (config.c), `leveret
 * --help-config`, doc/configuration.md and `struct config` come from. Names, values and units are
 * rabbitmq.conf's wherever RabbitMQ has the thing; keys that only Leveret has start with "leveret.".
 *
 *   X(type, member, name, default, least, most, words, text)
 *
 * type: a row of CONFIG_TYPE_TABLE (config.h). `$name` in a name stands for one part of the key that the user
 * chooses: the row is a list, its default is "name=value name=value", and the key without that part takes the
 * value `none`. least and most: of INTEGER, LIMIT and SIZE; of RATIO most alone, it is above 0. words: what
 * an ENUM or ENUMS takes. An empty default: not set.
 */
#ifndef LEVERET_APP_CONFIG_KEYS_H
#define LEVERET_APP_CONFIG_KEYS_H

#include "app/config_ignored.h"
#include "app/config_reloads.h"
#include "app/config_vhost_keys.h"

#define CONFIG_SIZE_MOST   (INT64_C(1) << 50)
#define CONFIG_FRAME_LEAST 4096
#define CONFIG_FRAME_MOST  (INT64_C(1) << 30)

/* clang-format off */
#define CONFIG_LOG_STYLES "plaintext json"
#define CONFIG_LOG_TIMES  "rfc3339_space rfc3339_T epoch_usecs epoch_secs lager_default"
#define CONFIG_LOG_CASES  "lc uc lc3 uc3 lc4 uc4"
/* In the order of syslog's numbers. */
#define CONFIG_SYSLOG_FACILITIES \
    "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock " \
    "local0 local1 local2 local3 local4 local5 local6 local7"

#define CONFIG_KEY_TABLE(X) \
    X(ADDRESSES, listeners_tcp, "listeners.tcp.$name", "default=5672", 0, 0, "", \
      "where clients connect: a port (on all addresses) or address:port; each with a name of your choice") \
    X(ADDRESSES, listeners_ssl, "listeners.ssl.$name", "", 0, 0, "", \
      "where clients connect with TLS, usually 5671; needs ssl_options.certfile and .keyfile") \
    X(BOOL, proxy_protocol, "proxy_protocol", "false", 0, 0, "", \
      "every connection starts with a PROXY header (version 1 or 2) that tells the client's address") \
    X(LIMIT, max_connections, "max_connections", "infinity", 1, 1 << 30, "", \
      "connections to this node, over all listeners") \
    X(LIMIT, handshake_timeout_ms, "handshake_timeout", "10000", 1, 86400000, "", \
      "milliseconds from accepting a connection to the end of its AMQP handshake") \
    X(LIMIT, consumer_timeout_ms, "consumer_timeout", "1800000", 0, 1 << 30, "", "milliseconds to acknowledge; 0: any") \
    X(LIMIT, ssl_handshake_timeout_ms, "ssl_handshake_timeout", "5000", 1, 86400000, "", \
      "milliseconds for the TLS handshake") \
    X(LIMIT, login_failures_max, "leveret.login_failures", "60", 0, 1000000, "", \
      "failed logins of one address (IPv6: one /64) before it is refused without a look at its password; 0: any number") \
    X(LIMIT, login_window_ms, "leveret.login_window", "60000", 16, 86400000, "", \
      "milliseconds in which it gets that budget back, evenly") \
    X(INTEGER, tcp_backlog, "tcp_listen_options.backlog", "128", 1, 65535, "", \
      "connections that the system holds until they are accepted") \
    X(BOOL, tcp_keepalive, "tcp_listen_options.keepalive", "false", 0, 0, "", "TCP keepalive on clients' connections") \
    X(SIZE, tcp_sndbuf, "tcp_listen_options.sndbuf", "0", 0, 1 << 30, "", \
      "send buffer in the kernel per connection; 0 lets the system size it") \
    X(SIZE, tcp_recbuf, "tcp_listen_options.recbuf", "0", 0, 1 << 30, "", \
      "receive buffer in the kernel per connection; 0 lets the system size it") \
    X(ENUM, tcp_nodelay, "tcp_listen_options.nodelay", "true", 0, 0, "true", "TCP_NODELAY is always on") \
    \
    X(FILE, ssl_cacertfile, "ssl_options.cacertfile", "", 0, 0, "", \
      "PEM file with the authorities that clients' certificates are checked against") \
    X(FILE, ssl_certfile, "ssl_options.certfile", "", 0, 0, "", "PEM file with the server's certificate and its chain") \
    X(FILE, ssl_keyfile, "ssl_options.keyfile", "", 0, 0, "", "PEM file with the server's private key") \
    X(SECRET, ssl_password, "ssl_options.password", "", 0, 0, "", "pass phrase of the private key") \
    X(ENUM, ssl_verify, "ssl_options.verify", "verify_none", 0, 0, "verify_none verify_peer", \
      "whether a client's certificate is checked") \
    X(BOOL, ssl_fail_if_no_peer_cert, "ssl_options.fail_if_no_peer_cert", "false", 0, 0, "", \
      "whether a client must have a certificate; needs verify_peer") \
    X(INTEGER, ssl_depth, "ssl_options.depth", "1", 0, 255, "", \
      "intermediate authorities allowed between a client's certificate and a trusted one") \
    X(ENUMS, ssl_versions, "ssl_options.versions.$n", "1=tlsv1.3 2=tlsv1.2", 0, 0, "tlsv1.2 tlsv1.3", "TLS versions") \
    X(STRINGS, ssl_ciphers, "ssl_options.ciphers.$n", "", 0, 0, "", \
      "cipher suites in the order of preference, by their OpenSSL names; none: OpenSSL's choice") \
    X(BOOL, ssl_honor_cipher_order, "ssl_options.honor_cipher_order", "true", 0, 0, "", \
      "the server's order of cipher suites counts, not the client's") \
    X(ENUM, ssl_cert_login_from, "ssl_cert_login_from", "distinguished_name", 0, 0, \
      "distinguished_name common_name subject_alternative_name subject_alt_name", \
      "the part of a client's certificate that is the user name with EXTERNAL") \
    X(ENUM, ssl_cert_login_san_type, "ssl_cert_login_san_type", "dns", 0, 0, "dns ip email uri other_name", \
      "which kind of alternative name, with subject_alternative_name") \
    X(INTEGER, ssl_cert_login_san_index, "ssl_cert_login_san_index", "0", 0, 100, "", \
      "which of the alternative names of that kind, counted from 0") \
    \
    X(ENUMS, auth_mechanisms, "auth_mechanisms.$n", "1=PLAIN 2=AMQPLAIN", 0, 0, "PLAIN AMQPLAIN EXTERNAL ANONYMOUS", \
      "ways to log in, in the order in which they are offered") \
    X(ENUMS, auth_backends, "auth_backends.$n", "1=internal", 0, 0, \
      "internal rabbit_auth_backend_internal cache rabbit_auth_backend_cache", \
      "who knows the users: only the broker itself; cache is the same, looking one up takes no time worth saving") \
    X(ENUM, auth_cached_backend, "auth_cache.cached_backend", "internal", 0, 0, "internal rabbit_auth_backend_internal", \
      "what stands behind auth_backends.N = cache") \
    X(ENUM, password_hashing, "password_hashing_module", "rabbit_password_hashing_sha256", 0, 0, \
      "rabbit_password_hashing_sha256", "how passwords are kept") \
    X(ENUM, credential_validator, "credential_validator.validation_backend", \
      "rabbit_credential_validator_accept_everything", 0, 0, \
      "rabbit_credential_validator_accept_everything rabbit_credential_validator_min_password_length " \
      "rabbit_credential_validator_password_regexp", \
      "what new passwords have to be like: anything, of a least length, or matching a regular expression") \
    X(INTEGER, credential_min_length, "credential_validator.min_length", "5", 0, 4096, "", \
      "bytes that a new password has at least, where that is asked for") \
    X(STRING, credential_regexp, "credential_validator.regexp", "", 0, 0, "", \
      "what a new password matches, where that is asked for") \
    X(STRING, anonymous_login_user, "anonymous_login_user", "guest", 0, 0, "", \
      "the user that ANONYMOUS logs in as; none refuses it") \
    X(SECRET, anonymous_login_pass, "anonymous_login_pass", "guest", 0, 0, "", "that user's password") \
    X(FLAGS, loopback_users, "loopback_users.$user", "guest=true", 0, 0, "", \
      "users that may connect from this machine only; naming one replaces the default") \
    X(STRING, default_vhost, "default_vhost", "/", 0, 0, "", "the vhost that an empty node starts with") \
    X(STRING, event_vhost, "event_exchange.vhost", "/", 0, 0, "", \
      "the vhost of amq.rabbitmq.event, which is there when rabbitmq_event_exchange is enabled") \
    X(STRING, default_user, "default_user", "guest", 0, 0, "", "the user that an empty node starts with") \
    X(SECRET, default_pass, "default_pass", "guest", 0, 0, "", "that user's password") \
    X(FLAGS, default_user_tags, "default_user_tags.$tag", "administrator=true", 0, 0, "", "that user's tags") \
    X(STRING, default_permission_configure, "default_permissions.configure", ".*", 0, 0, "", \
      "what that user may declare and delete in the default vhost: a regular expression") \
    X(STRING, default_permission_read, "default_permissions.read", ".*", 0, 0, "", "what that user may consume from") \
    X(STRING, default_permission_write, "default_permissions.write", ".*", 0, 0, "", "what that user may publish to") \
    CONFIG_VHOST_KEY_TABLE(X) \
    X(INTEGER, heartbeat_s, "heartbeat", "60", 0, 65535, "", \
      "seconds between heartbeats that the server proposes; 0: none") \
    X(SIZE, frame_max, "frame_max", "131072", 0, CONFIG_FRAME_MOST, "", \
      "largest frame that the server proposes, at least 4096; 0: no limit") \
    X(SIZE, initial_frame_max, "initial_frame_max", "8192", CONFIG_FRAME_LEAST, 131072, "", \
      "largest frame until the client has logged in") \
    X(INTEGER, channel_max, "channel_max", "2047", 0, 65535, "", \
      "channels per connection that the server proposes; 0: 65535") \
    X(LIMIT, channel_max_per_node, "channel_max_per_node", "infinity", 1, 1 << 30, "", \
      "channels of all connections to this node") \
    X(LIMIT, consumer_max_per_channel, "consumer_max_per_channel", "infinity", 1, 1 << 30, "", \
      "consumers on one channel") \
    X(SIZE, max_message_size, "max_message_size", "134217728", 1, 536870912, "", "largest body of a message") \
    \
    X(RATIO, memory_watermark_ratio, "vm_memory_high_watermark.relative", "0.6", 0, 1, "", \
      "the part of the available memory above which publishers are blocked") \
    X(SIZE, memory_watermark_bytes, "vm_memory_high_watermark.absolute", "0", 0, CONFIG_SIZE_MOST, "", \
      "the same in bytes; with .relative in the files too, .relative counts") \
    X(RATIO, memory_paging_ratio, "vm_memory_high_watermark_paging_ratio", "0.5", 0, 1, "", \
      "the part of that watermark above which transient messages, too, are paged out to disk; 1: never") \
    X(SIZE, disk_free_bytes, "disk_free_limit.absolute", "50MB", 0, CONFIG_SIZE_MOST, "", \
      "free space on the data directory's disk below which publishers are blocked") \
    X(RATIO, disk_free_ratio, "disk_free_limit.relative", "", 0, 1000, "", \
      "the same as a multiple of the available memory; when it is set, it counts") \
    X(SIZE, memory_total_override, "total_memory_available_override_value", "0", 0, CONFIG_SIZE_MOST, "", \
      "the available memory, instead of what the system says; 0: as the system says") \
    X(STRING, cluster_name, "cluster_name", "", 0, 0, "", "the name told to clients; not set: the node's name") \
    \
    X(STRING, log_dir, "log.dir", "", 0, 0, "", "the directory of a log.file that is no absolute path; not set: the data directory") \
    X(STRING, log_file, "log.file", "false", 0, 0, "", "the log's file; false: none") \
    X(LEVEL, log_file_level, "log.file.level", "", 0, 0, "", "the least level that goes to the file") \
    X(ENUM, log_file_formatter, "log.file.formatter", "plaintext", 0, 0, CONFIG_LOG_STYLES, "how lines of log files look") \
    X(ENUM, log_file_time, "log.file.formatter.time_format", "rfc3339_space", 0, 0, CONFIG_LOG_TIMES, "how their times look") \
    X(ENUM, log_file_case, "log.file.formatter.level_format", "lc", 0, 0, CONFIG_LOG_CASES, "how their levels look: in lower or upper case, whole, or of three or four letters") \
    X(STRING, log_file_rotation_date, "log.file.rotation.date", "", 0, 0, "", "when log files are rotated: $D0 every day at midnight, $W5D16 on Fridays at 16:00, $M1D0 on the first of a month, $ML on its last day") \
    X(SIZE, log_file_rotation_size, "log.file.rotation.size", "0", 0, CONFIG_SIZE_MOST, "", "how large a log file grows before it is rotated; 0: without limit") \
    X(INTEGER, log_file_rotation_count, "log.file.rotation.count", "0", 0, 1000, "", "rotated files that are kept, as NAME.0, NAME.1, ...") \
    X(BOOL, log_console, "log.console", "true", 0, 0, "", "log to standard output") \
    X(ENUM, log_console_stdio, "log.console.stdio", "stdout", 0, 0, "stdout stderr", "or to standard error") \
    X(LEVEL, log_console_level, "log.console.level", "", 0, 0, "", "the least level that goes to standard output") \
    X(ENUM, log_console_formatter, "log.console.formatter", "plaintext", 0, 0, CONFIG_LOG_STYLES, "how its lines look") \
    X(ENUM, log_console_time, "log.console.formatter.time_format", "rfc3339_space", 0, 0, CONFIG_LOG_TIMES, "how its times look") \
    X(ENUM, log_console_case, "log.console.formatter.level_format", "lc", 0, 0, CONFIG_LOG_CASES, "how its levels look") \
    X(BOOL, log_syslog, "log.syslog", "false", 0, 0, "", "log to syslog") \
    X(LEVEL, log_syslog_level, "log.syslog.level", "", 0, 0, "", "the least level that goes to syslog") \
    X(ENUM, log_syslog_formatter, "log.syslog.formatter", "plaintext", 0, 0, CONFIG_LOG_STYLES, "how messages to syslog look") \
    X(STRING, log_syslog_identity, "log.syslog.identity", "rabbitmq", 0, 0, "", "the program's name in syslog and journald") \
    X(ENUM, log_syslog_facility, "log.syslog.facility", "daemon", 0, 0, CONFIG_SYSLOG_FACILITIES, "syslog's facility") \
    X(STRING, log_syslog_ip, "log.syslog.ip", "", 0, 0, "", "another machine's syslog; without it and log.syslog.host: this one's, over leveret.log.syslog_socket") \
    X(STRING, log_syslog_host, "log.syslog.host", "", 0, 0, "", "the same by name; an address never waits for a name server") \
    X(INTEGER, log_syslog_port, "log.syslog.port", "514", 1, 65535, "", "its port") \
    X(ENUM, log_syslog_transport, "log.syslog.transport", "udp", 0, 0, "udp tcp", "how it is reached") \
    X(ENUM, log_syslog_protocol, "log.syslog.protocol", "rfc3164", 0, 0, "rfc3164 rfc5424", "the form of messages") \
    X(STRING, log_syslog_socket, "leveret.log.syslog_socket", "/dev/log", 0, 0, "", "where this machine's syslog listens") \
    X(BOOL, log_journald, "log.journald", "false", 0, 0, "", "log to systemd's journal") \
    X(LEVEL, log_journald_level, "log.journald.level", "", 0, 0, "", "the least level that goes to the journal") \
    X(STRING, log_journald_socket, "leveret.log.journald_socket", "/run/systemd/journal/socket", 0, 0, "", "where it listens") \
    X(BOOL, log_exchange, "log.exchange", "false", 0, 0, "", "publish the log to the exchange amq.rabbitmq.log of the default vhost") \
    X(LEVEL, log_exchange_level, "log.exchange.level", "", 0, 0, "", "the least level that goes there; it is the routing key") \
    X(ENUM, log_exchange_formatter, "log.exchange.formatter", "plaintext", 0, 0, CONFIG_LOG_STYLES, "how the bodies look") \
    X(ENUM, log_exchange_time, "log.exchange.formatter.time_format", "rfc3339_space", 0, 0, CONFIG_LOG_TIMES, "how their times look") \
    X(ENUM, log_exchange_case, "log.exchange.formatter.level_format", "lc", 0, 0, CONFIG_LOG_CASES, "how their levels look") \
    X(STRINGS, log_category_files, "log.$category.file", "", 0, 0, "", "a file of its own for a category (log.audit.file), instead of log.file and with its format and rotation") \
    X(LEVELS, log_levels, "log.$category.level", "default=info", 0, 0, "", "the least level of one category: connection, channel, queue, ...; default: of all others") \
    \
    X(STRING, data_dir, "leveret.data_dir", "/var/lib/leveret", 0, 0, "", "where the node keeps what it must not lose") \
    X(STRING, pid_file, "leveret.pid_file", "", 0, 0, "", \
      "where the process's number stands while it runs; not set: the data directory's name with .pid behind it") \
    X(ADDRESS, peer_listen, "leveret.peer_listen", "", 0, 0, "", \
      "where nodes, and commands from other machines, connect; not set: on all addresses, the first listener's port + 20000; or none") \
    X(STRING, cookie_file, "leveret.cookie_file", "", 0, 0, "", \
      "the secret that nodes and tools share; made when it is not there; not set: .erlang.cookie in the data directory") \
    X(SECRET, cookie, "leveret.cookie", "", 0, 0, "", \
      "what must be in that file; not set: what is there, or a random text in a new one") \
    X(STRING, load_definitions, "load_definitions", "", 0, 0, "", \
      "definitions (JSON) that are imported at the start, before clients are accepted: a file, or a directory of files") \
    X(ENUM, definitions_backend, "definitions.import_backend", "local_filesystem", 0, 0, \
      "local_filesystem rabbit_definitions_import_local_filesystem", "where definitions come from") \
    X(BOOL, definitions_skip, "definitions.skip_if_unchanged", "false", 0, 0, "", \
      "definitions that were imported once are not imported again until they change") \
    X(STRING, node_name, "leveret.node_name", "", 0, 0, "", "the node's name, as rabbit@host; not set: rabbit@ and the host's name") \
    X(ENUM, store_sync, "leveret.store.sync", "always", 0, 0, "always interval never", \
      "what a confirm of a persistent message means: synced to the disk; written, and synced every so often; " \
      "written") \
    X(INTEGER, store_sync_interval_ms, "leveret.store.sync_interval", "100", 1, 60000, "", \
      "milliseconds between syncs with leveret.store.sync = interval: what a power failure may cost") \
    X(SIZE, store_log_file, "leveret.store.log_file_size", "32MiB", 1 << 20, 1 << 30, "", \
      "one file of a shard's write-ahead log; rounded up to 4 KiB") \
    X(INTEGER, store_log_files, "leveret.store.log_files", "3", 1, 1000, "", \
      "full log files of a shard that wait before what is left of the oldest goes into a segment") \
    X(SIZE, store_segment, "leveret.store.segment_size", "64MiB", 1 << 20, 1 << 30, "", \
      "one file of messages that outlived their log file or were paged out") \
    X(SIZE, queue_memory, "leveret.queue_memory", "24MiB", 1 << 20, CONFIG_SIZE_MOST, "", \
      "persistent messages kept in memory, over all shards, before backlogs of durable queues are on disk alone") \
    X(INTEGER, shards, "leveret.shards", "0", 0, 128, "", "event loops; 0: one for each core") \
    X(BOOL, connection_moves, "leveret.connection_moves", "true", 0, 0, "", \
      "a connection moves, once, to the shard of the first queue that it uses") \
    X(SIZE, connection_output_high, "leveret.connection_output_high", "512KiB", 65536, 1 << 30, "", \
      "output waiting for one client at which its consumers get no more deliveries") \
    X(SIZE, connection_output_low, "leveret.connection_output_low", "128KiB", 0, 1 << 30, "", \
      "where it has to fall until they do again; less than connection_output_high") \
    X(SIZE, connection_output_max, "leveret.connection_output_max", "4MiB", 65536, 1 << 30, "", \
      "output waiting for one client at which nothing more is read from it; at least connection_output_high") \
    X(SIZE, connection_parked_max, "leveret.connection_parked_max", "256KiB", 4096, 1 << 30, "", \
      "input kept for channels that wait for an answer; above it the connection is not read") \
    X(SIZE, connection_turn_read, "leveret.connection_turn_read", "256KiB", 4096, 1 << 26, "", \
      "bytes read from one connection before others have their turn") \
    X(SIZE, connection_turn_write, "leveret.connection_turn_write", "1MiB", 4096, 1 << 26, "", \
      "bytes written to one connection before others have their turn") \
    X(INTEGER, queue_backlog_messages, "leveret.queue_backlog_messages", "30000", 1, 1000000000, "", \
      "ready messages in a queue with consumers at which its publishers are slowed") \
    X(SIZE, queue_backlog_bytes, "leveret.queue_backlog_bytes", "64MiB", 65536, 1 << 30, "", "the same in bytes") \
    X(INTEGER, queue_turn_messages, "leveret.queue_turn_messages", "4000", 1, 1000000, "", \
      "deliveries of one queue before other queues have their turn") \
    X(SIZE, tx_max, "leveret.tx_max", "256MiB", 65536, 1 << 30, "", "bytes that one open transaction may hold") \
    X(SIZE, shard_publish_window, "leveret.shard_publish_window", "16MiB", 65536, 1 << 30, "", \
      "message bytes under way from one shard to another before the publisher is not read") \
    X(INTEGER, shard_credit_messages, "leveret.shard_credit_messages", "2000", 1, 1000000, "", \
      "deliveries under way to a consumer on another shard") \
    X(SIZE, shard_credit_bytes, "leveret.shard_credit_bytes", "4MiB", 65536, 1 << 30, "", "the same in bytes") \
    X(INTEGER, route_cache_entries, "leveret.route_cache_entries", "65536", 16, 1 << 24, "", \
      "(exchange, routing key) pairs whose queues each shard remembers")

/* Other names of a key, from older or newer versions of RabbitMQ: X(alias, name). */
#define CONFIG_ALIAS_TABLE(X) \
    X("connection_max", "max_connections") \
    X("management.load_definitions", "load_definitions") \
    X("definitions.local.path", "load_definitions") \
    X("distribution.listener.port_range.min", "leveret.peer_listen") \
    X("max_channels_per_connection", "channel_max")
/* clang-format on */

#endif
