/*
 * Reading the configuration again while the node runs (SIGHUP). What can change does so at once and closes no
 * connection; what cannot is named and waits for a restart; a wrong configuration changes nothing.
 */
#ifndef LEVERET_APP_RELOAD_H
#define LEVERET_APP_RELOAD_H

#include "app/config.h"
#include "base/log.h"

struct alarm_disk;
struct alarm_watch;
struct server;
struct tls_context;
struct tls_slot;

/* A configuration with holders: it stays as long as somebody runs by it. */
struct reload {
    _Atomic uint32_t refs;
    struct config config;
    struct tls_context *tls; /* until it is applied; NULL: no TLS */
    /* What is new in it: the rest stays what commands have made of it meanwhile. */
    bool has_levels, has_offer, has_memory, has_disk;
};

/* As config_load(). */
typedef bool reload_load_fn(void *arg, struct config *c, struct config_report *report);

/*
 * Loads a configuration; what of it cannot change stays as it is in `old`. Says in the log what takes effect,
 * what needs a restart, or what is wrong; NULL then. May block on files.
 */
struct reload *reload_new(const struct config *old, reload_load_fn *load, void *arg, const struct log *log);
struct reload *reload_hold(struct reload *r);
void reload_drop(struct reload *r);

/* What it is applied to. */
struct reload_target {
    struct server *server;
    struct tls_slot *tls;
    struct alarm_watch *memory;
    struct alarm_disk *disk;
};
/* On shard 0, once. The log's levels (has_levels) are the process's to set. */
void reload_apply(struct reload *r, const struct reload_target *target);

/* The rows in which the two differ, as "heartbeat, frame_max": those that can change, and those that cannot,
 * which become in `c` what they are in `old`. */
void reload_compare(struct config *c, const struct config *old, struct buffer *changes, struct buffer *stays);

#endif
