/*
 * The environment's variables, without their prefix: the one table that config_env.c and doc/configuration.md
 * come from. X(name, use, what, text): use PRESET sets the key `what`; PLACE is a member of struct
 * config_env; OWN is read by a function of config_env.c; NOTHING has no effect here.
 */
#ifndef LEVERET_APP_CONFIG_ENV_KEYS_H
#define LEVERET_APP_CONFIG_ENV_KEYS_H

/* clang-format off */
#define CONFIG_ENV_TABLE(X) \
    X("NODENAME", OWN, NULL, "the node's name; without an `@` the host's name is added") \
    X("USE_LONGNAME", OWN, NULL, "`true`: the host's name with its domain") \
    X("NODE_IP_ADDRESS", OWN, NULL, "where clients connect, unless a file says it; `auto`: all addresses") \
    X("NODE_PORT", OWN, NULL, "the port, likewise") \
    X("MNESIA_BASE", OWN, NULL, "the directory of data directories: that of the node has its name; the cookie is in the home directory then") \
    X("MNESIA_DIR", OWN, NULL, "the data directory itself") \
    X("LOG_BASE", OWN, NULL, "the directory of the log, which has the node's name and `.log`") \
    X("LOGS", OWN, NULL, "the log's file, whatever files say; `-`: standard output") \
    X("LOG", OWN, NULL, "levels, whatever files say: `debug`, or `warning,connection=debug,channel`") \
    X("CONF_ENV_FILE", OWN, NULL, "another `rabbitmq-env.conf`") \
    X("CONFIG_FILE", PLACE, config_file, "the main file, with or without its extension") \
    X("CONFIG_FILES", PLACE, config_files, "in place of `conf.d/*.conf`: a directory, or a pattern in one") \
    X("ADVANCED_CONFIG_FILE", PLACE, advanced_file, "in place of `advanced.config`") \
    X("ENABLED_PLUGINS_FILE", PLACE, plugins_file, "in place of `enabled_plugins`") \
    X("ENABLED_PLUGINS", PLACE, plugins, "names between commas, in place of that file") \
    X("DIST_PORT", PRESET, "leveret.peer_listen", "where other nodes and tools connect, unless a file says it") \
    X("DEFAULT_USER", PRESET, "default_user", "the user that an empty node starts with, unless a file says it") \
    X("DEFAULT_PASS", PRESET, "default_pass", "that user's password, likewise") \
    X("DEFAULT_VHOST", PRESET, "default_vhost", "the vhost that an empty node starts with, likewise") \
    X("ERLANG_COOKIE", PRESET, "leveret.cookie", "the cookie, likewise") \
    X("PID_FILE", PRESET, "leveret.pid_file", "where the process writes its number, likewise") \
    X("ALLOW_INPUT", NOTHING, NULL, "no Erlang shell") \
    X("DISTRIBUTION_BUFFER_SIZE", NOTHING, NULL, "no Erlang distribution") \
    X("FEATURE_FLAGS", NOTHING, NULL, "no feature flags") \
    X("FEATURE_FLAGS_FILE", NOTHING, NULL, "no feature flags") \
    X("IO_THREAD_POOL_SIZE", NOTHING, NULL, "no Erlang") \
    X("KEEP_PID_FILE_ON_EXIT", NOTHING, NULL, "the file goes with the process") \
    X("MAX_NUMBER_OF_PROCESSES", NOTHING, NULL, "no Erlang processes") \
    X("MAX_NUMBER_OF_ATOMS", NOTHING, NULL, "no Erlang") \
    X("MOTD_FILE", NOTHING, NULL, "no banner") \
    X("NODE_ONLY", NOTHING, NULL, "use `rabbitmqctl stop_app`") \
    X("PLUGINS_DIR", NOTHING, NULL, "plugins are built in") \
    X("PLUGINS_EXPAND_DIR", NOTHING, NULL, "plugins are built in") \
    X("PRODUCT_NAME", NOTHING, NULL, "the product's own name is told") \
    X("PRODUCT_VERSION", NOTHING, NULL, "the product's own version is told") \
    X("QUORUM_DIR", NOTHING, NULL, "one data directory") \
    X("SCHEDULER_BIND_TYPE", NOTHING, NULL, "no Erlang") \
    X("SERVER_ADDITIONAL_ERL_ARGS", NOTHING, NULL, "no Erlang") \
    X("SERVER_ERL_ARGS", NOTHING, NULL, "no Erlang") \
    X("SERVER_START_ARGS", NOTHING, NULL, "no Erlang") \
    X("STREAM_DIR", NOTHING, NULL, "no streams") \
    X("UPGRADE_LOG", NOTHING, NULL, "one log")
/* clang-format on */

#endif
