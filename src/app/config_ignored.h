/*
 * Keys that RabbitMQ has and that have no effect here: taken with one warning that names them. X(pattern,
 * text);
 * `**` at the end stands for any rest. What would weaken security if it were left out is not here: it is
 * refused.
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
    X("log.console.stdio", "standard output") \
    X("log.console.use_colors", "no colours") \
    X("log.console.color_esc_seqs.**", "no colours") \
    X("log.console.formatter", "one format") \
    X("log.console.formatter.**", "one format") \
    X("log.file.formatter", "one format") \
    X("log.file.formatter.**", "one format") \
    X("log.file.rotation.**", "rotate with logrotate") \
    X("log.$category.file", "one log") \
    X("log.$category.rotation.**", "rotate with logrotate") \
    X("log.ra.level", "no such category") \
    X("log.ldap.level", "no such category") \
    X("log.user.level", "no such category") \
    X("log.prelaunch.level", "no such category") \
    X("log.exchange", "not in this version") \
    X("log.exchange.**", "not in this version") \
    X("log.syslog", "not in this version") \
    X("log.syslog.**", "not in this version") \
    X("log.journald", "systemd takes standard output") \
    X("log.journald.**", "systemd takes standard output") \
    X("consumer_timeout", "not in this version") \
    X("queue_master_locator", "not in this version") \
    X("queue_leader_locator", "not in this version") \
    X("mirroring_sync_batch_size", "not in this version") \
    X("mirroring_sync_max_throughput", "not in this version") \
    X("cluster_partition_handling", "not in this version") \
    X("cluster_partition_handling.**", "not in this version") \
    X("cluster_keepalive_interval", "not in this version") \
    X("cluster_formation.**", "not in this version") \
    X("net_ticktime", "not in this version") \
    X("distribution.listener.**", "not in this version") \
    X("raft.**", "not in this version") \
    X("quorum_queue.**", "not in this version") \
    X("vhost_restart_strategy", "a vhost never restarts by itself") \
    X("management.**", "not in this version") \
    X("management_agent.**", "not in this version") \
    X("prometheus.**", "not in this version") \
    X("leveret.http_listen", "not in this version")
/* clang-format on */

#endif
