/*
 * The node's side of doc/control.md: listens on DIR/control.sock and the peer port, reads requests, runs
 * their commands, writes answers. Everything here runs on the control thread.
 *
 * A command is a row of a table of control_tables (control_table.c): its word, and a function that gets the
 * call. It answers the call once, now or later, with control_done() or control_fail(); before that it may
 * write rows.
 */
#ifndef LEVERET_MGMT_CONTROL_H
#define LEVERET_MGMT_CONTROL_H

#include "base/buffer.h"
#include "base/err.h"
#include "base/slice.h"
#include "broker/meta.h"
#include "mgmt/control_error.h"

#include <jansson.h>
#include <stdbool.h>

struct ask;
struct asker;
struct credential_rules;
struct event_streams;
struct control;
struct control_call;
struct control_host;
struct log;
struct node_host;
struct server_shard;
struct shard;

enum {
    CONTROL_BUFFERED_MAX =
        262144, /* of an answer that the client has not read: above it control_has_room() is false */
    CONTROL_PEERS_MAX = 32,     /* connections on the socket, and as many on the peer port */
    CONTROL_STRANGERS_MAX = 16, /* of the peer port's, who have not proved themselves: the oldest has to go */
    CONTROL_AUTH_MS = 10000,    /* how long they have */
    CONTROL_BODY_MS = 60000,    /* how long a body may pause: others wait for its room */
};

enum control_flags {
    CONTROL_NEEDS_APP = 1, /* refused with not_running while the application is stopped */
    CONTROL_AUDITED = 2,   /* a change: who and what go into the audit log (never a secret) when it is done */
};

struct control_command {
    const char *name;
    void (*run)(struct control_call *call);
    unsigned flags;
};

/* ---- what a command sees of its call ---- */

const struct control_command *control_command_of(const struct control_call *call);
json_t *control_argument(const struct control_call *call, const char *name); /* borrowed; NULL: not there */
/* The string of that name, or `fallback`; answers the call with bad_request and returns NULL where it is no
 * string or, without a fallback, missing. */
const char *control_string(struct control_call *call, const char *name, const char *fallback);
/* All of them: an object, or NULL. */
json_t *control_arguments(const struct control_call *call);
/* Valid until the call is over. */
struct slice control_body(const struct control_call *call);
/* Who asks, in his own words ("" when he did not say), and as we see him: "uid 1000, pid 12" or
 * "10.0.0.1:4711". */
const char *control_user(const struct control_call *call);
const char *control_origin(const struct control_call *call);
struct control *control_of(const struct control_call *call);
struct asker *control_asker(const struct control *c);
struct control_host *control_hosts(const struct control *c);
struct log *control_log(const struct control *c);
struct shard *control_shard(const struct control *c); /* the control thread's: for timers and its clock */

/* The command's own, and what frees it when the call ends in whatever way. */
void control_set_data(struct control_call *call, void *data, void (*free_data)(void *data));
void *control_data(const struct control_call *call);
/* The same for the connection, over all its calls: one thing at a time; what was there before is freed. */
void control_keep(struct control_call *call, void *data, void (*free_data)(void *data));
void *control_kept(const struct control_call *call);
/* The caller has it back, unfreed. */
void control_unkeep(struct control_call *call);

/* ---- answering ---- */

/* One row: `text` is a JSON array without its end of line. Or many, each already "r [...]\n". */
void control_row(struct control_call *call, struct slice text);
void control_rows(struct control_call *call, struct slice lines);
/* "d", a piece of a long text. What is not UTF-8 in it becomes U+FFFD. */
void control_text(struct control_call *call, struct slice piece);
/* False: call control_when_room() before writing more. A client that has gone has no room. */
bool control_has_room(const struct control_call *call);
/* on_room (control thread, later, once) when there is; not when the client goes: then the call ends by
 * itself, its data is freed, as soon as nothing holds it. */
void control_when_room(struct control_call *call, void (*on_room)(struct control_call *call));
bool control_is_gone(const struct control_call *call);
/* Takes the reference to `result`; NULL: {}. The call is over; nothing but the end of its holds is left. */
void control_done(struct control_call *call, json_t *result);
__attribute__((format(printf, 3, 4))) void control_fail(struct control_call *call, enum control_error kind,
                                                        const char *fmt, ...);
/* In between the call stays, whatever the client does: for whoever has a pointer to it elsewhere. */
void control_hold(struct control_call *call);
void control_release(struct control_call *call);

/* ---- asking the application ---- */

/*
 * A change of the declared things: submitted on shard 0; `then` gets the outcome on the control thread
 * (result->code 0: done). The command's slices are copied. When the application ends meanwhile the call fails
 * by itself with not_running, and `then` is not called.
 */
void control_meta(struct control_call *call, const struct meta_command *cmd,
                  void (*then)(struct control_call *call, const struct meta_result *result));

/*
 * Runs `run` on a shard of the node, then `then` on the control thread, with the same `arg`, which stays
 * until then. The call holds in between. When the application ends meanwhile, `then` gets discarded = true
 * and only frees what is `arg`'s: the call fails by itself with not_running, and what it is told afterwards
 * counts for nothing. So it is when a later question of the same call finds another application.
 */
void control_ask(struct control_call *call, unsigned shard, void (*run)(void *arg, struct server_shard *home),
                 void *arg, void (*then)(struct control_call *call, void *arg, bool discarded));
/* The same, where the answer comes later: ask_answer(answer), once, on that shard. */
void control_ask_late(struct control_call *call, unsigned shard,
                      void (*run)(void *arg, struct server_shard *home, struct ask *answer), void *arg,
                      void (*then)(struct control_call *call, void *arg, bool discarded));

/* ---- the process's side ---- */

/* What the process does for commands; src/app fills it in. Those with a call hold it and answer it, now or
 * later. */
struct control_host {
    void *arg;
    const struct credential_rules *credentials; /* what new passwords have to be like; NULL: anything */
    const char *node_name, *data_dir, *cookie_path, *pid_file; /* pid_file: NULL: none */
    bool (*is_running)(void *arg);                             /* the application serves */
    bool (*is_booting)(void *arg);
    void (*stop_app)(void *arg,
                     struct control_call *call); /* answers the call when it has stopped; at once if it is */
    void (*start_app)(void *arg, struct control_call *call); /* answers when it runs, or why not */
    void (*await_app)(void *arg, struct control_call *call); /* likewise, without starting it */
    void (*reset)(void *arg, struct control_call *call, bool is_forced);
    void (*stop)(void *arg, struct control_call *call); /* the process; answers before it goes */
    const struct node_host *node;                       /* node_host.h; NULL: nothing is known */
    struct event_streams *events;                       /* event_stream.h */
};

struct control_config {
    const char *socket_path;
    const char *peer_address; /* numeric; NULL: no TCP */
    uint16_t peer_port;
    bool peer_may_fail; /* where nobody has asked for this port: a warning then */
    struct slice cookie;
    struct log *log;
    struct control_host *host;
};

/* On the control thread; what the configuration points to stays. */
ERR_USE enum err control_open(struct shard *own, struct asker *asker, const struct control_config *config,
                              struct control **control, char *why, size_t why_size);
/* 0: no TCP. */
uint16_t control_peer_port(const struct control *c);
/* The end of every turn of the control thread. */
void control_turn(struct control *c);
/* No request begins any more; what is open ends with its answer. Then control_is_idle(). */
void control_quiesce(struct control *c);
bool control_is_idle(const struct control *c);
/* After shards_join() of the control thread, before its shards_free(). NULL is harmless. */
void control_free(struct control *c);

extern const struct control_command
    *const control_tables[]; /* NULL-ended: control_table.c; each ended by a row without name */

#endif
