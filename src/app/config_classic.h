/*
 * RabbitMQ's classic configuration, [{rabbit, [{tcp_listeners, [5672]}]}], as settings with rabbitmq.conf's
 * keys: from there on both are one.
 */
#ifndef LEVERET_APP_CONFIG_CLASSIC_H
#define LEVERET_APP_CONFIG_CLASSIC_H

#include "app/config_row.h"
#include "wire/erlang_terms.h"

/* Where it goes. Slices are good during the call. */
struct config_classic_sink {
    void (*setting)(void *arg, unsigned line, struct slice key, struct slice value);
    /* Nothing is known of "application.key": it has no effect. */
    void (*unknown)(void *arg, unsigned line, struct slice name);
    /* "application.key" has a value of the wrong shape; `expected`: "a list of names". */
    void (*wrong)(void *arg, unsigned line, struct slice name, const char *expected);
    void *arg;
};

/* All of a file, which is one list of {application, [{key, value}]}, or empty. */
void config_classic_read(const struct erlang_terms *terms, const struct config_classic_sink *sink);

/* What is kept as it stands in the file: shovels, cluster_nodes. NULL: it is not configured. The latest file
 * wins. It lives as long as the configuration. */
const struct erlang_term *config_classic_kept(const struct config *c, const char *app, const char *key);

#endif
