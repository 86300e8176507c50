/* The keys that a running node takes anew when its configuration is read again: reload.c does it, and
 * test/app/reload_test.py tries each. X(member). */
#ifndef LEVERET_APP_CONFIG_RELOADS_H
#define LEVERET_APP_CONFIG_RELOADS_H

/* clang-format off */
#define CONFIG_RELOAD_TABLE(X) \
    X(log_file_level) X(log_console_level) X(log_syslog_level) X(log_journald_level) X(log_exchange_level) \
    X(log_levels) \
    X(ssl_cacertfile) X(ssl_certfile) X(ssl_keyfile) X(ssl_password) X(ssl_verify) X(ssl_fail_if_no_peer_cert) \
    X(ssl_depth) X(ssl_versions) X(ssl_ciphers) X(ssl_honor_cipher_order) \
    X(ssl_cert_login_from) X(ssl_cert_login_san_type) X(ssl_cert_login_san_index) \
    X(auth_mechanisms) X(anonymous_login_user) X(anonymous_login_pass) X(loopback_users) \
    X(max_connections) X(heartbeat_s) X(frame_max) X(channel_max) X(handshake_timeout_ms) X(ssl_handshake_timeout_ms) \
    X(memory_watermark_ratio) X(memory_watermark_bytes) X(memory_total_override) \
    X(disk_free_bytes) X(disk_free_ratio)
/* clang-format on */

#endif
