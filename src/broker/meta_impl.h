/*
 * The inside of the metadata, shared by meta_*.c and the look-ups. Nobody else includes it.
 *
 * The functions here are the writer's: shard 0, within meta_apply(). All tables but `bindings` are read by
 * everyone.
 */
#ifndef LEVERET_BROKER_META_IMPL_H
#define LEVERET_BROKER_META_IMPL_H

#include "base/cmap.h"
#include "base/epoch.h"
#include "broker/binding.h"
#include "broker/meta.h"
#include "broker/router.h"

struct meta {
    struct node *node;
    struct epoch *epoch;
    struct cmap vhosts;            /* by name */
    struct cmap users;             /* by name */
    struct cmap permissions;       /* by (user name, vhost id) */
    struct cmap topic_permissions; /* by (user name, vhost id, exchange name) */
    struct cmap parameters;        /* by (component, vhost, name) */
    struct cmap queues;            /* by id, of all vhosts */
    struct cmap bindings;          /* writer only: by identity (binding.h) */
    uint64_t id_last;              /* of vhosts, users, exchanges and queues: never reused */
    uint64_t generation_last;      /* of exchanges */
    uint64_t walk_last;            /* over the graph of exchanges */
    _Atomic uint64_t permission_generation;
    unsigned shard_count;
    _Atomic size_t quorum_queues;                  /* of the queues */
    uint32_t *shard_queues;                        /* how many queues live on each shard */
    size_t exchange_count;                         /* of all vhosts */
    uint32_t under_way[META_LIMITED_EXCHANGE + 1]; /* commands that will make one: meta_limit.c */
    uint32_t *shard_placed;    /* how many were placed there, and their commands are not applied yet */
    struct list policy_sweeps; /* vhosts whose policies changed, and not everything there knows yet */
    struct list doomed;        /* auto-delete exchanges that lost their last binding */
    struct list stale;         /* exchanges that lost bindings, and their routers are not settled */
    struct list answers;       /* struct meta_request: applied, and not answered yet: meta_submit.c */
    struct recent_histories *histories;
    struct slice actor; /* whose command is being applied; empty: what follows from others */
    bool is_ending;     /* within meta_free() */
    bool has_told;      /* the command being applied has sent what an exchange keeps */
    struct meta_hooks hooks;
    void *hooks_arg;
};

/* For all cmaps here: tables that were outgrown go through the epoch. */
void meta_cmap_init(struct meta *m, struct cmap *map, cmap_hash_fn *hash_of);
/* A copy in memory of its own; empty slices stay empty. */
struct slice meta_slice_copy(struct slice s);

uint16_t meta_fail(struct meta_result *r, uint16_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* 404 "no vhost 'NAME'". */
uint16_t meta_fail_vhost(struct meta_result *r, struct slice name);
/* The next id, or the one that the command forces. */
uint64_t meta_take_id(struct meta *m, const struct meta_command *cmd);
static inline void
meta_raise_id_last(struct meta *m, uint64_t id)
{
    if (id > m->id_last)
        m->id_last = id;
}
/* Its words were judged before: they are taken as they are. */
static inline bool
meta_is_trusted(const struct meta_command *cmd)
{
    return cmd->forced_id || cmd->is_judged;
}
/* NULL, and the result says so, if there is none. */
struct vhost *meta_vhost_of(struct meta *m, const struct meta_command *cmd, struct meta_result *r);
/* The same for operators' commands: 404 if there is none. */
struct vhost *meta_vhost_known(struct meta *m, const struct meta_command *cmd, struct meta_result *r);

/* One function per kind of command. */
typedef void meta_apply_fn(struct meta *m, const struct meta_command *cmd, struct meta_result *r);
meta_apply_fn meta_vhost_add, meta_vhost_delete, meta_vhost_set, meta_vhost_limits;
meta_apply_fn meta_user_limits, meta_user_limits_clear;
meta_apply_fn meta_topic_permission_set, meta_topic_permission_clear;
meta_apply_fn meta_policy_set, meta_policy_clear, meta_parameter_set, meta_parameter_clear;
meta_apply_fn meta_user_set, meta_user_put, meta_user_delete, meta_permission_set, meta_permission_clear;
meta_apply_fn meta_exchange_declare, meta_exchange_delete;
meta_apply_fn meta_queue_declare, meta_queue_delete;
meta_apply_fn meta_queue_bind, meta_queue_unbind, meta_exchange_bind, meta_exchange_unbind;
meta_apply_fn meta_node_started;

/* Each kind's part of meta_is_refused(). */
bool meta_vhost_is_refused(const struct meta_command *cmd);
bool meta_user_is_refused(const struct meta_command *cmd);
bool meta_policy_is_refused(const struct meta_command *cmd);
bool meta_exchange_is_refused(const struct meta_command *cmd);
bool meta_queue_is_refused(const struct meta_command *cmd);

/* --- meta_exchange.c --- */

void meta_exchanges_init(struct meta *m, struct vhost *v);
/* What every new vhost has. */
void meta_exchanges_predeclare(struct meta *m, struct vhost *v);
/* With all bindings from and to it, and every auto-delete exchange that thereby loses its last binding. */
void meta_exchange_remove(struct meta *m, struct exchange *x);
/* Routes from `x` may have changed: a new generation for it and for every exchange from which it can be
 * reached. */
void meta_exchange_touch(struct meta *m, struct exchange *x);
/* `x` now leads to `to`, by a binding or as alternate: passes needs_message on. */
void meta_exchange_leads_to(struct meta *m, struct exchange *x, const struct exchange *to);
/* Deletes the exchanges in m->doomed, then settles the routers of those in m->stale. */
void meta_exchanges_sweep(struct meta *m);
/* No reader is left, and no binding in it. */
void meta_exchange_free(void *exchange);

/* Its vhost's policies changed: what they come to for it. */
void meta_exchange_policy(struct meta *m, struct exchange *x);

/* --- meta_binding.c --- */

uint64_t meta_binding_hash(const void *item);
/* What the bind or unbind command is about. */
bool meta_binding_is_there(struct meta *m, const struct meta_command *cmd);
/* Out of the router, the lists and the table; touches the source and dooms it if it is auto-delete and was
 * its last. */
void meta_binding_remove(struct meta *m, struct binding *b);

/* --- meta_queue.c --- */

void meta_queues_init(struct meta *m, struct vhost *v);
void meta_queue_remove(struct meta *m, struct queue_def *q);
uint64_t meta_queue_hash(const void *item);

/* --- meta_user.c --- */

uint64_t meta_user_hash(const void *item);
void meta_user_free(void *user);
void meta_permissions_of_vhost_remove(struct meta *m, const struct vhost *v);
/* After a change of users or permissions is visible. */
void meta_permissions_changed(struct meta *m);

/* --- meta_topic_permission.c --- */

uint64_t meta_topic_permission_hash(const void *item);
/* Those of a user, of a vhost, or of both; NULL, or without a name: any. */
void meta_topic_permissions_remove(struct meta *m, struct slice user, const struct vhost *v);

/* --- meta_parameter.c --- */

uint64_t meta_parameter_hash(const void *item);
/* v NULL: the global ones. */
void meta_parameters_remove(struct meta *m, const struct vhost *v);

/* --- meta_policy.c --- */

/* The table of the vhost's queues or exchanges was built anew: a walk over it that is under way starts again.
 */
void meta_policy_restart(struct vhost *v);
/* Nothing waits any more to learn of a change. Takes as long as it takes. */
void meta_policy_settle(struct meta *m);
void meta_policies_remove(struct meta *m, struct vhost *v);

/* --- meta_event.c --- */

/* Tell of what came or is going; of a command that was applied. */
void meta_event_queue(const struct meta *m, const struct queue_def *q, bool is_created);
void meta_event_exchange(const struct meta *m, const struct exchange *x, bool is_created);
void meta_event_binding(const struct meta *m, const struct binding *b, bool is_created);
/* Of a queue that another policy applies to since the vhost's last change of policies. */
void meta_event_queue_policy(const struct meta *m, const struct queue_def *q);
/* Of what goes with a vhost and has no function of its own: policies, parameters, limits. */
void meta_event_vhost_ends(const struct meta *m, const struct vhost *v);
void meta_event_applied(const struct meta *m, const struct meta_command *cmd, const struct meta_result *r);

/* --- meta_limit.c --- */

/* Fills in the result if the command would make more than the node takes; else it counts until it is given.
 */
void meta_limit_take(struct meta *m, struct meta_request *r);
void meta_limit_give(struct meta *m, struct meta_request *r);

/* --- meta_submit.c --- */

/* Requests that were applied and not answered. */
void meta_answers_free(struct meta *m);
/* Tells the queue's shard that its policy changed. */
void meta_tell_policy(struct meta *m, const struct queue_def *q);

/* --- meta_vhost.c --- */

uint64_t meta_vhost_hash(const void *item);

#endif
