/*
 * Keys that RabbitMQ has and that have no effect here: taken with one warning that names them. X(pattern,
 * text); `**` at the end stands for any rest. What would weaken security if it were left out is in the second
 * table: it is refused, and the text says why.
 */
#ifndef LEVERET_APP_CONFIG_IGNORED_H
#define LEVERET_APP_CONFIG_IGNORED_H

/* clang-format off */
#define CONFIG_IGNORED_TABLE(X) \
    X("num_acceptors.$listener", "accepting is the shards' work") \
    X("socket_writer.gc_threshold", "no garbage collector") \
    X("erlang.**", "no Erlang") \
    X("hipe_compile", "no Erlang") \
    X("delegate_count", "no Erlang processes") \
    X("default_worker_pool_size", "no Erlang processes") \
    X("background_gc_enabled", "no garbage collector") \
    X("background_gc_target_interval", "no garbage collector") \
    X("sysmon_handler.**", "no Erlang processes") \
    X("vm_memory_calculation_strategy", "memory is what the process has resident") \
    X("memory_monitor_interval", "memory is looked at continually") \
    X("collect_statistics", "statistics are always there") \
    X("collect_statistics_interval", "statistics are always there") \
    X("auth_cache.cache_ttl", "nothing is cached: a change of a user takes effect at once") \
    X("auth_cache.cache_refusals", "nothing is cached: a change of a user takes effect at once") \
    X("auth_cache.cache_module", "nothing is cached: a change of a user takes effect at once") \
    X("reverse_dns_lookups", "addresses are shown as numbers") \
    X("ssl_allow_poodle_attack", "TLS 1.2 and 1.3 only") \
    X("ssl_options.client_renegotiation", "never allowed") \
    X("ssl_options.secure_renegotiate", "TLS 1.2 and 1.3 only") \
    X("ssl_options.reuse_sessions", "always possible") \
    X("ssl_options.bypass_pem_cache", "no such cache") \
    X("ssl_options.honor_ecc_order", "OpenSSL's choice") \
    X("ssl_options.log_level", "use log.connection.level") \
    X("ssl_options.log_alert", "use log.connection.level") \
    X("tcp_listen_options.linger.**", "output is always flushed before a close") \
    X("tcp_listen_options.exit_on_close", "no such process") \
    X("tcp_listen_options.buffer", "one buffer per shard") \
    X("tcp_listen_options.delay_send", "output is always gathered") \
    X("tcp_listen_options.high_watermark", "use leveret.connection_output_high") \
    X("tcp_listen_options.low_watermark", "use leveret.connection_output_low") \
    X("tcp_listen_options.high_msgq_watermark", "no Erlang processes") \
    X("tcp_listen_options.low_msgq_watermark", "no Erlang processes") \
    X("tcp_listen_options.send_timeout", "heartbeats find dead clients") \
    X("tcp_listen_options.send_timeout_close", "heartbeats find dead clients") \
    X("message_store_shutdown_timeout", "no such store") \
    X("queue_index_embed_msgs_below", "no such index") \
    X("classic_queue.default_version", "one kind of storage") \
    X("mnesia_table_loading_retry_timeout", "no Mnesia") \
    X("mnesia_table_loading_retry_limit", "no Mnesia") \
    X("product.name", "the product's own name is told") \
    X("product.version", "the product's own version is told") \
    X("motd_file", "no banner") \
    X("log.console.use_colors", "no colours") \
    X("log.console.color_esc_seqs.**", "no colours") \
    X("log.console.formatter.**", "one layout") \
    X("log.exchange.formatter.**", "one layout") \
    X("log.file.formatter.**", "one layout") \
    X("log.syslog.formatter.**", "one layout") \
    X("log.syslog.ssl_options.**", "udp or tcp") \
    X("log.syslog.multiline_mode", "a message is one line") \
    X("log.journald.fields", "one set of fields") \
    X("log.$category.rotation.**", "as log.file.rotation") \
    X("log.ra.level", "no such category") \
    X("log.ldap.level", "no such category") \
    X("log.user.level", "no such category") \
    X("log.prelaunch.level", "no such category") \
    X("queue_master_locator", "not in this version") \
    X("queue_leader_locator", "not in this version") \
    X("mirroring_sync_batch_size", "not in this version") \
    X("mirroring_sync_max_throughput", "not in this version") \
    X("cluster_partition_handling", "not in this version") \
    X("cluster_partition_handling.**", "not in this version") \
    X("cluster_keepalive_interval", "not in this version") \
    X("cluster_formation.**", "not in this version") \
    X("net_ticktime", "not in this version") \
    X("distribution.listener.port_range.max", "one port for other nodes") \
    X("distribution.listener.interface", "not in this version") \
    X("raft.**", "not in this version") \
    X("quorum_queue.**", "not in this version") \
    X("vhost_restart_strategy", "a vhost never restarts by itself") \
    X("management.**", "not in this version") \
    X("management_agent.**", "not in this version") \
    X("prometheus.**", "not in this version") \
    X("leveret.http_listen", "not in this version") \
    X("log.file.rotation", "rotate with logrotate") \
    X("cluster_tags.**", "not in this version") \
    X("node_tags.**", "not in this version") \
    X("message_interceptors.**", "not in this version") \
    X("deprecated_features.**", "nothing is deprecated here") \
    X("metadata_store.**", "one kind of metadata store") \
    X("session_max_per_connection", "no AMQP 1.0") \
    X("link_max_per_session", "no AMQP 1.0") \
    X("channel_interceptor.**", "no interceptors") \
    X("channel_operation_timeout", "channels do not block") \
    X("channel_tick_interval", "channels need no tick") \
    X("queue_explicit_gc_run_operation_threshold", "no garbage collector") \
    X("lazy_queue_explicit_gc_run_operation_threshold", "no garbage collector") \
    X("track_auth_attempt_source", "failed logins are always counted by source") \
    X("proxy_protocol_unix_socket", "no listeners on Unix sockets") \
    X("config_entry_decoder.**", "encrypted values are not read") \
    X("trace_vhosts.$name", "use rabbitmqctl trace_on") \
    X("direct_exchange_routing_v2", "always fast") \
    X("raft_data_dir", "one data directory") \
    X("amqp1_0.**", "no AMQP 1.0") \
    X("http_dispatch.**", "not in this version") \
    X("shovel.**", "not in this version") \
    X("federation.**", "not in this version") \
    X("stream.**", "no streams") \
    X("mqtt.**", "no MQTT") \
    X("web_mqtt.**", "no MQTT") \
    X("stomp.**", "no STOMP") \
    X("web_stomp.**", "no STOMP") \
    X("web_dispatch.**", "not in this version") \
    X("trust_store.**", "no trust store; use ssl_options.cacertfile") \
    X("auth_ldap.**", "no LDAP: auth_backends would refuse it") \
    X("auth_http.**", "no HTTP backend: auth_backends would refuse it") \
    X("auth_oauth2.**", "no OAuth 2: auth_backends would refuse it") \
    X("oauth2.**", "no OAuth 2: auth_backends would refuse it") \
    X("aws.**", "no such plugin") \
    X("ssl_options.sni", "for clients only") \
    X("ssl_options.reuse_session", "OpenSSL's choice") \
    X("ssl_options.dhfile", "OpenSSL's choice of groups") \
    X("ssl_options.dh", "OpenSSL's choice of groups") \
    X("ssl_options.hibernate_after", "no Erlang processes") \
    X("ssl_options.padding_check", "TLS 1.2 and 1.3 only") \
    X("ssl_options.beast_mitigation", "TLS 1.2 and 1.3 only")

#define CONFIG_REFUSED_TABLE(X) \
    X("auth_backends.$n.authn", "only the broker itself knows the users: auth_backends.1 = internal") \
    X("auth_backends.$n.authz", "only the broker itself knows the users: auth_backends.1 = internal") \
    X("ssl_options.crl_check", "revocation lists are not looked at") \
    X("ssl_options.cert", "name a file: ssl_options.certfile") \
    X("ssl_options.key.**", "name a file: ssl_options.keyfile") \
    X("ssl_options.psk_identity", "there are no pre-shared keys")
/* clang-format on */

#endif
