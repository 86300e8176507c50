/*
 * The part of the configuration's keys (config_keys.h) that says what a new virtual host starts with, and how
 * many things a node takes. `$id` and `$user` are the operator's choice, and the same one names the keys that
 * belong together: config_vhost.c.
 */
#ifndef LEVERET_APP_CONFIG_VHOST_KEYS_H
#define LEVERET_APP_CONFIG_VHOST_KEYS_H

#define CONFIG_DURATION_MOST (INT64_C(1) << 40) /* milliseconds */

/* clang-format off */
#define CONFIG_VHOST_KEY_TABLE(X) \
    X(ENUM, default_queue_type, "default_queue_type", "classic", 0, 0, \
      "classic quorum rabbit_classic_queue rabbit_quorum_queue", \
      "the type of queues that are declared without one and can be of it, where the vhost does not say") \
    X(LIMIT, vhosts_max, "vhost_max", "infinity", 1, 1 << 30, "", "virtual hosts") \
    X(LIMIT, queues_max, "cluster_queue_limit", "infinity", 1, 1 << 30, "", "queues, over all vhosts") \
    X(LIMIT, exchanges_max, "cluster_exchange_limit", "infinity", 1, 1 << 30, "", \
      "exchanges, over all vhosts, with the seven that each vhost has") \
    X(PATTERNS, vhost_limit_patterns, "default_limits.vhosts.$id.pattern", "", 0, 0, "", \
      "the names of new vhosts that these limits are for; not set: all. Of several that match the first one counts, in the order of $id") \
    X(NUMBERS, vhost_limit_connections, "default_limits.vhosts.$id.max_connections", "", -1, 1 << 30, "", \
      "connections to such a vhost; -1: any number") \
    X(NUMBERS, vhost_limit_queues, "default_limits.vhosts.$id.max_queues", "", -1, 1 << 30, "", "its queues; -1: any number") \
    X(PATTERNS, vhost_policy_vhosts, "default_policies.operator.$id.vhost_pattern", "", 0, 0, "", \
      "the names of new vhosts that get an operator policy $id; not set: all") \
    X(PATTERNS, vhost_policy_patterns, "default_policies.operator.$id.queue_pattern", "", 0, 0, "", \
      "its pattern; not set: .*") \
    X(ENUMS, vhost_policy_applies, "default_policies.operator.$id.apply_to", "", 0, 0, \
      "all queues exchanges classic_queues quorum_queues streams", "what it applies to; not set: all") \
    X(DURATIONS, vhost_policy_expires, "default_policies.operator.$id.expires", "", 1, CONFIG_DURATION_MOST, "", \
      "its key expires") \
    X(DURATIONS, vhost_policy_message_ttl, "default_policies.operator.$id.message_ttl", "", 0, CONFIG_DURATION_MOST, "", \
      "its key message-ttl") \
    X(NUMBERS, vhost_policy_max_length, "default_policies.operator.$id.max_length", "", 1, CONFIG_SIZE_MOST, "", \
      "its key max-length") \
    X(SIZES, vhost_policy_max_length_bytes, "default_policies.operator.$id.max_length_bytes", "", 1, CONFIG_SIZE_MOST, "", \
      "its key max-length-bytes") \
    X(NUMBERS, vhost_policy_max_in_memory_length, "default_policies.operator.$id.max_in_memory_length", "", 1, CONFIG_SIZE_MOST, "", \
      "its key max-in-memory-length") \
    X(SIZES, vhost_policy_max_in_memory_bytes, "default_policies.operator.$id.max_in_memory_bytes", "", 1, CONFIG_SIZE_MOST, "", \
      "its key max-in-memory-bytes") \
    X(NUMBERS, vhost_policy_delivery_limit, "default_policies.operator.$id.delivery_limit", "", 1, 1 << 30, "", \
      "its key delivery-limit") \
    X(STRINGS, vhost_policy_ha_mode, "default_policies.operator.$id.classic_queues.ha_mode", "", 0, 0, "", \
      "its key ha-mode") \
    X(STRINGS, vhost_policy_ha_params, "default_policies.operator.$id.classic_queues.ha_params", "", 0, 0, "", \
      "its key ha-params: a number, or nodes' names between commas") \
    X(STRINGS, vhost_policy_ha_sync_mode, "default_policies.operator.$id.classic_queues.ha_sync_mode", "", 0, 0, "", \
      "its key ha-sync-mode") \
    X(NUMBERS, vhost_policy_queue_version, "default_policies.operator.$id.classic_queues.queue_version", "", 1, 2, "", \
      "its key queue-version") \
    X(PATTERNS, vhost_user_vhosts, "default_users.$user.vhost_pattern", "", 0, 0, "", \
      "the names of new vhosts that this user gets permissions in; not set: all. A user that is not there yet is made") \
    X(SECRETS, vhost_user_passwords, "default_users.$user.password", "", 0, 0, "", \
      "a new user's password; not set: none, it cannot log in with one") \
    X(STRINGS, vhost_user_tags, "default_users.$user.tags", "", 0, 0, "", "a new user's tags, between commas") \
    X(PATTERNS, vhost_user_configure, "default_users.$user.configure", "", 0, 0, "", \
      "what the user may declare and delete; not set: .*") \
    X(PATTERNS, vhost_user_read, "default_users.$user.read", "", 0, 0, "", "what it may consume from; not set: .*") \
    X(PATTERNS, vhost_user_write, "default_users.$user.write", "", 0, 0, "", "what it may publish to; not set: .*")
/* clang-format on */

#endif
