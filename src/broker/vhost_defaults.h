/*
 * What a new virtual host starts with, by the node's configuration: limits, operator policies, users and
 * their permissions, each for the vhosts whose names match a pattern. They are commands like an operator's,
 * which follow the one that makes the vhost: what is logged says them in full, whatever the configuration is
 * when it is read back.
 */
#ifndef LEVERET_BROKER_VHOST_DEFAULTS_H
#define LEVERET_BROKER_VHOST_DEFAULTS_H

#include "base/slice.h"

struct meta;
struct meta_command;
struct meta_result;
struct vhost_defaults;

/* `queue_type` for vhosts that are made without one; NULL: none. */
struct vhost_defaults *vhost_defaults_new(const char *queue_type);
void vhost_defaults_free(struct vhost_defaults *d);
/*
 * For vhosts whose names match `pattern`, which is a regular expression: META_VHOST_LIMITS (of several that
 * match the first one counts), META_POLICY_SET, META_PERMISSION_SET, or META_USER_PUT, for a user that is not
 * there already. The command is copied, its vhost filled in later.
 */
void vhost_defaults_add(struct vhost_defaults *d, const char *pattern, const struct meta_command *cmd);

/* Is it a META_VHOST_ADD that makes a vhost? Then its queue type is filled in where it has none. d may be
 * NULL. Writer only, as the next ones. */
bool vhost_defaults_begin(const struct vhost_defaults *d, const struct meta *m, struct meta_command *cmd);
/* The commands that follow it, in their order. */
void vhost_defaults_each(const struct vhost_defaults *d, const struct meta *m, const struct meta_command *add,
                         void (*fn)(void *arg, const struct meta_command *cmd), void *arg);
/* meta_apply() before the shards run, with what follows. The result is the first one that failed. */
void vhost_defaults_apply(struct meta *m, const struct meta_command *cmd, struct meta_result *result);

/* The queue type of a vhost: its own, else the node's; empty: none. */
struct slice vhost_defaults_queue_type(const struct vhost_defaults *d, struct slice own);

#endif
