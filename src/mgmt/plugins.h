/*
 * RabbitMQ's plugins: their names, what needs what, and the file that says which are enabled.
 *
 * Nothing is loaded here: what a plugin brings in RabbitMQ is built in, or not there at all. What an operator
 * enables is kept all the same, in RabbitMQ's own file, so that scripts find again what they wrote.
 */
#ifndef LEVERET_MGMT_PLUGINS_H
#define LEVERET_MGMT_PLUGINS_H

#include "base/err.h"
#include "base/slice.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control_host;

enum { PLUGINS_FILE_MAX = 65536, PLUGINS_PATH_SIZE = 4096 };

struct plugins_row {
    const char *name;
    const char *needs; /* names between blanks */
    const char *summary;
    bool is_built_in; /* can be enabled */
    bool is_library;  /* RabbitMQ's list does not show it */
};

extern const struct plugins_row plugins_rows[];
extern const unsigned plugins_row_count; /* at most 64 */

/* A set of plugins: bit i is plugins_rows[i]. */
typedef uint64_t plugins_set;

/* ["rabbitmq_shovel", ...]: a new reference. */
json_t *plugins_names(plugins_set set);
/* -1: no such plugin. */
int plugins_find(struct slice name);
/* With everything that they need. */
plugins_set plugins_with_needs(plugins_set set);
/* Without these and whatever needs one of them. */
plugins_set plugins_without(plugins_set set, plugins_set gone);
#define PLUGINS_ACTION_TABLE(X)                                                                              \
    X(LIST, "list")                                                                                          \
    X(ENABLE, "enable")                                                                                      \
    X(DISABLE, "disable")                                                                                    \
    X(SET, "set")
enum plugins_action {
#define X(name, word) PLUGINS_##name,
    PLUGINS_ACTION_TABLE(X)
#undef X
        PLUGINS_ACTIONS
};
extern const char *const plugins_actions[PLUGINS_ACTIONS]; /* their words in requests */
/* What is enabled explicitly after the action. Enabling what something enabled needs anyway adds nothing. */
plugins_set plugins_after(plugins_set before, enum plugins_action action, plugins_set named);
/* Those that RabbitMQ's tools show. */
plugins_set plugins_shown(plugins_set set);

/* Where the file stands: RABBITMQ_ENABLED_PLUGINS_FILE; /etc/rabbitmq where the data directory is the
 * packages'; else in the data directory. */
void plugins_path(const char *data_dir, char *path, size_t size);
/* The one that the node goes by: its configuration names it, else plugins_path(). */
void plugins_path_of(const struct control_host *host, char *path, size_t size);
/* wire/enabled_plugins.h. No file is an empty set; a name that nobody knows is passed over. ERR_SYNTAX: it is
 * something else. */
ERR_USE enum err plugins_parse(struct slice text, plugins_set *set);
ERR_USE enum err plugins_load(const char *path, plugins_set *set);
/* As a whole or not at all. */
ERR_USE enum err plugins_save(const char *path, plugins_set set);

#endif
