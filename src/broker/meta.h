/*
 * Declared things: vhosts, users, permissions, policies, parameters, exchanges, queues, bindings. They change
 * in one place only: meta_apply(), a deterministic function of the present state and one command. It runs on
 * shard 0; shards submit commands by mail and get them back with the outcome, after the change is visible to
 * all shards of this node.
 *
 * A change is published with single release stores (cmap.h, and the routers' own copied leaves); what it
 * replaced is freed when every shard has ended its turn or sleeps (epoch.h). Readers take no lock and no
 * reference: what they find is valid until the end of their turn.
 */
#ifndef LEVERET_BROKER_META_H
#define LEVERET_BROKER_META_H

#include "base/buffer.h"
#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "broker/broker.h"
#include "broker/exchange.h"
#include "broker/queue_def.h"
#include "broker/user.h"
#include "broker/vhost.h"

struct recent_histories;
struct vhost_defaults;

enum meta_kind {
    META_VHOST_ADD,
    META_VHOST_DELETE,
    META_USER_PUT, /* add, or change password hash and tags */
    META_USER_DELETE,
    META_PERMISSION_SET,
    META_PERMISSION_CLEAR,
    META_EXCHANGE_DECLARE,
    META_EXCHANGE_DELETE, /* if_unused; missing is fine */
    META_EXCHANGE_BIND,
    META_EXCHANGE_UNBIND,
    META_QUEUE_DECLARE, /* an empty name is answered with a made-up one */
    META_QUEUE_DELETE,  /* by queue_id */
    META_QUEUE_BIND,
    META_QUEUE_UNBIND,
    META_NODE_STARTED, /* what does not outlive a node goes; ids continue above forced_id */
    META_VHOST_SET,    /* name: what `changes` names of its metadata */
    META_VHOST_LIMITS, /* vhost: `value`, {"max-connections":5,"max-queues":-1}, in place of the old ones */
    META_USER_LIMITS,  /* name: `value`, {"max-connections":5,"max-channels":100}, beside the others; -1: none
                        */
    META_USER_LIMITS_CLEAR,      /* user, name: one limit, or "all" */
    META_TOPIC_PERMISSION_SET,   /* user, vhost, name: a topic exchange; write, read */
    META_TOPIC_PERMISSION_CLEAR, /* without a name: of all exchanges of the vhost */
    META_POLICY_SET,             /* vhost, name, is_operator, pattern, apply_to ("all"), priority, value */
    META_POLICY_CLEAR,           /* vhost, name, is_operator */
    META_PARAMETER_SET, /* component, vhost, name, value; without a component: global, without vhost */
    META_PARAMETER_CLEAR,
    META_USER_SET, /* name: what `changes` (enum user_change) names, of a user that exists; or a new one */
    META_KINDS
};

/* One command. Slices are copied into the request by meta_request_new(). Unused fields are zero. */
struct meta_command {
    enum meta_kind kind;
    struct slice vhost, name; /* the thing itself: vhost, user, exchange or queue name */
    struct slice type;        /* exchange type name */
    bool durable, auto_delete, internal, exclusive, if_unused;
    struct slice arguments; /* table payload */
    struct slice source;    /* bindings: exchange name */
    struct slice routing_key;
    struct slice user, configure, write, read; /* permissions */
    struct slice password_hash, tags;          /* users; tags: vhosts, too; both "a,b" */
    /* JSON text as given (it is stored sorted and compact): a policy's definition, a parameter's value,
     * limits. META_VHOST_ADD and META_USER_PUT take limits too (empty: none; those of a user that exists
     * stay). */
    struct slice value;
    struct slice component, pattern, apply_to; /* parameters, policies */
    int64_t priority;
    struct slice actor;                           /* a user, or event.h; it is told, and not kept */
    bool is_operator;                             /* an operator policy */
    struct slice description, default_queue_type; /* vhosts */
    bool is_protected, is_tracing;
    uint64_t changes;       /* enum vhost_change, of META_VHOST_SET; enum user_change, of META_USER_SET */
    uint64_t connection_id; /* exclusive owner; checked on bind, unbind and redeclare of exclusive queues (on
                               delete too unless 0) */
    uint64_t queue_id;
    uint16_t shard_hint;      /* the declaring connection's shard: local placement, not part of the replicated
                                 command */
    uint64_t placed;          /* a queue's shard + 1, as the log or a snapshot says; 0: it is chosen now */
    bool first_of_connection; /* the connection's first queue lives on its shard, like an exclusive one;
                                 others where fewest are */
    uint64_t random; /* for made-up names: chosen by the submitter, so that applying is deterministic */
    /* 0: the thing gets the next id. Else it comes out of a snapshot: it has this id, and its name and
     * arguments were judged when it was declared. */
    uint64_t forced_id;
    bool is_judged; /* it comes out of the log: meta_is_refused() said no when it was logged */
};

struct meta_result {
    uint16_t code;  /* 0, or the AMQP reply code */
    char text[256]; /* with code: RabbitMQ's explanation, without the code's name */
    bool no_vhost;  /* with code: for want of the virtual host */
    bool existed;   /* declare: it was there already, equivalent */
    bool unchanged; /* a policy or parameter is what it was */
    uint64_t queue_id;
    uint16_t queue_shard;
    char name[256]; /* queue declare: its name */
};

/* Empty: the caller adds the default vhost and user by commands. Needs node->epoch (node->shards NULL: one
 * shard). */
struct meta *meta_new(struct node *node);
/* No reader is left. Frees every declared thing; what was replaced before is the epoch's. */
void meta_free(struct meta *m);

/* Called on shard 0 from within meta_apply(), after the thing can no longer be found and before it is freed.
 * Any may be NULL. */
struct meta_hooks {
    void (*queue_deleted)(void *arg, const struct queue_def *q);
    void (*queue_declared)(void *arg, const struct queue_def *q); /* this one: it can be found now */
    void (*vhost_deleted)(void *arg, const struct vhost *v);
    void (*user_deleted)(void *arg, const struct user *u);
};
void meta_set_hooks(struct meta *m, const struct meta_hooks *hooks, void *arg);

/* Shard 0 only (or before the shards start, for the default vhost and user). */
void meta_apply(struct meta *m, const struct meta_command *cmd, struct meta_result *result);

/* Shard 0, once a turn: a bounded part of what changes of policies make of the things that are there. True:
 * more is left. */
bool meta_turn(struct meta *m);

/* Chooses the shard of a queue that is to be declared: a value for meta_command.placed. meta_queue_unplace()
 * once that command was applied, or never will be. Writer only. */
uint64_t meta_queue_place(struct meta *m, const struct meta_command *cmd);
void meta_queue_unplace(struct meta *m, uint64_t placed);

/* Everything declared as sorted text, for tests and the simulator: equal states give equal text. Writer only.
 */
void meta_dump(const struct meta *m, struct buffer *out);

/*
 * Every declared thing as a command that makes it, with its id forced: applied to an empty meta in this
 * order, they and meta_set_id_last() give an equal one. Writer only; slices are good during the call. Where
 * queues are placed is not part of it.
 */
void meta_walk(const struct meta *m, void (*fn)(void *arg, const struct meta_command *cmd), void *arg);
/* The id that was given last: the next one is above it. */
uint64_t meta_id_last(const struct meta *m);
void meta_set_id_last(struct meta *m, uint64_t id);

/*
 * Would applying it now change something that outlives the node? Durable queues and exchanges, what binds two
 * of them, users, permissions, vhosts. If so, it is kept before it is applied. Writer only.
 */
bool meta_is_lasting(const struct meta *m, const struct meta_command *cmd);

/*
 * Would it be refused whatever there is, for its own words: a type that nobody knows, an argument that makes
 * no sense? Versions differ in what they know. So such a command is never logged, and one that was logged is
 * not judged again when it is replayed (is_judged): else a new version would give other identities to all
 * that was declared behind a command that it judges otherwise.
 */
bool meta_is_refused(const struct meta_command *cmd);

/* Of its node. */
const struct vhost_defaults *meta_vhost_defaults(const struct meta *m);

/* In no particular order; writer only. Exchanges and queues: cmap_foreach() over the vhost's tables, from any
 * shard. */
void meta_each_vhost(const struct meta *m, void (*fn)(void *arg, const struct vhost *v), void *arg);
/* Of all vhosts; any shard, until the end of the turn. */
void meta_each_queue(const struct meta *m, void (*fn)(void *arg, void *queue_def), void *arg);
void meta_each_user(const struct meta *m, void (*fn)(void *arg, const struct user *u), void *arg);

/* What exchanges of the type x-recent-history keep: recent_history.h. Shard 0 only. */
struct recent_histories *meta_histories(const struct meta *m);

/* ---- submitting from any shard ---- */

/* Of what the node's configuration limits the number (meta_limit.c). */
enum meta_limited { META_LIMITED_NOTHING, META_LIMITED_VHOST, META_LIMITED_QUEUE, META_LIMITED_EXCHANGE };

struct meta_request {
    struct meta_command command;
    struct meta_result result; /* with a code before it is applied: it is not, and waits to be answered */
    unsigned origin;           /* shard */
    enum meta_limited limited; /* shard 0: counts as under way */
    struct list node;          /* shard 0: among the answers that wait */
    uint32_t awaited;          /* for so many shards */
    void (*on_done)(struct broker *b, struct meta_request *r); /* on the origin shard; the callee frees r */
    uint64_t cookie[4];                                        /* the submitter's */
};
/* A heap copy of the command with its slices. */
struct meta_request *meta_request_new(const struct meta_command *cmd);
void meta_request_free(struct meta_request *r);
/* Commands of one shard are applied in the order of their submission. on_done always comes later, never from
 * within this call. */
void meta_submit(struct broker *b, struct meta_request *r);
/* Shard 0, once for each request that durability.submit() took: applies and answers it; or answers it with
 * the result that was filled in. */
void meta_commit(struct broker *b, struct meta_request *r);
void meta_answer(struct broker *b, struct meta_request *r);
/* Shard 0: one shard more has handled what the answer to this request waits for. */
void meta_fenced(struct broker *b, struct meta_request *r);
/* Shard hook for mail in the metadata's range. */
void meta_on_mail(struct broker *b, const struct mail *mail);
/* Mail in the metadata's range that is never delivered (shards_free()): frees the request; what its cookie
 * holds is lost. */
void meta_on_discard(const struct mail *mail);

/* ---- checks that need no change: a session asks these first and submits only what is new ---- */

/* 403 for names that begin with "amq.", of queues that exist too; redeclaring checks it as well. */
uint16_t queue_def_check_name(struct slice name, char text[256]);
/* 0 if declaring again is fine, else the reply code with RabbitMQ's text in `text` ("inequivalent arg
 * 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'", "cannot obtain exclusive
 * access ..."). */
uint16_t queue_def_check_redeclare(const struct queue_def *q, const struct meta_command *cmd, char text[256]);
uint16_t exchange_check_redeclare(const struct exchange *x, const struct meta_command *cmd, char text[256]);
/* 405 with RabbitMQ's text if the queue is another connection's. */
uint16_t queue_def_check_exclusive(const struct queue_def *q, uint64_t connection_id, char text[256]);

/* Mail types, one table for the whole broker: `struct mail.type`. */
enum mail_range {
    MAIL_META = 100,
    MAIL_COURIER = 200,
    MAIL_SERVER = 300,
    MAIL_MGMT = 400, /* ask.c */
    MAIL_APP = 500,
    MAIL_RANGE_SIZE = 100
};

#endif
