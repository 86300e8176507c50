/*
 * The node's side of doc/control.md: listens on DIR/control.sock and the peer port, reads requests, runs
 * their commands, writes answers. Everything here runs on the control thread.
 *
 * A command is a row of CONTROL_COMMANDS (control_table.c): its word, and a function that gets the call. It
 * answers the call once, now or later, with control_done() or control_fail(); before that it may write rows.
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

struct asker;
struct control;
struct control_call;
struct control_host;
struct log;
struct shard;

enum {
    CONTROL_LINE_MAX = 65536,     /* of a request */
    CONTROL_BODY_MAX = 256 << 20, /* behind one */
    CONTROL_BUFFERED_MAX =
        262144, /* of an answer that the client has not read: above it control_has_room() is false */
    CONTROL_PEERS_MAX = 64,
    CONTROL_AUTH_MS = 10000,
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

/* What a command sees of its call. */
json_t *control_argument(const struct control_call *call, const char *name); /* borrowed; NULL: not there */
/* The string of that name, or `fallback`; answers the call with bad_request and returns NULL where it is no
 * string or, without a fallback, missing. */
const char *control_string(struct control_call *call, const char *name, const char *fallback);
struct slice control_body(const struct control_call *call);
struct control *control_of(const struct control_call *call);
struct asker *control_asker(const struct control *c);
struct control_host *control_hosts(const struct control *c);
struct log *control_log(const struct control *c);

/* The command's own, and what frees it when the call ends in whatever way. */
void control_set_data(struct control_call *call, void *data, void (*free_data)(void *data));
void *control_data(const struct control_call *call);

/* ---- answering ---- */

/* One row: `text` is a JSON array without its end of line. Or many, each already "r [...]\n". */
void control_row(struct control_call *call, struct slice text);
void control_rows(struct control_call *call, struct slice lines);
void control_text(struct control_call *call, struct slice piece); /* "d", a piece of a long text */
/* False: call `on_room` (control thread) before writing more. A client that has gone has no room, and its
 * call ends (the data is freed) as soon as no question is open: ask between control_hold() and
 * control_release(). */
bool control_has_room(const struct control_call *call);
void control_when_room(struct control_call *call, void (*on_room)(struct control_call *call));
bool control_is_gone(const struct control_call *call);
/* Takes the reference to `result`; NULL: {}. The call is over. */
void control_done(struct control_call *call, json_t *result);
__attribute__((format(printf, 3, 4))) void control_fail(struct control_call *call, enum control_error kind,
                                                        const char *fmt, ...);

/*
 * A change of the declared things: submitted on shard 0; `then` gets the outcome on the control thread
 * (result->code 0: done). The command's slices are copied. When the application ends meanwhile the call fails
 * by itself with not_running, and `then` is not called.
 */
void control_meta(struct control_call *call, const struct meta_command *cmd,
                  void (*then)(struct control_call *call, const struct meta_result *result));

/*
 * Runs `run` on a shard of the node, then `then` on the control thread, with the same `arg`, which stays
 * until then. The call cannot end in between. As above when the application ends: `then` gets discarded =
 * true and only frees.
 */
void control_ask(struct control_call *call, unsigned shard, void (*run)(void *arg, struct server_shard *home),
                 void *arg, void (*then)(struct control_call *call, void *arg, bool discarded));

/* ---- the process's side ---- */

/* What the process does for commands; src/app fills it in. Answers of the two-phase ones come back through
 * control_host_done(). */
struct control_host {
    void *arg;
    const char *node_name, *data_dir, *cookie_path, *pid_file;
    bool (*is_running)(void *arg); /* the application serves */
    bool (*is_booting)(void *arg);
    void (*stop_app)(void *arg,
                     struct control_call *call); /* answers the call when it has stopped; at once if it is */
    void (*start_app)(void *arg, struct control_call *call); /* answers when it runs, or why not */
    void (*reset)(void *arg, struct control_call *call, bool is_forced);
    void (*stop)(void *arg, struct control_call *call); /* the process; answers before it goes */
};

struct control_config {
    const char *socket_path;
    const char *peer_address; /* numeric; NULL: no TCP */
    uint16_t peer_port;
    struct slice cookie;
    struct log *log;
    struct control_host *host;
};

ERR_USE enum err control_open(struct shard *own, struct asker *asker, const struct control_config *config,
                              struct control **control, char *why, size_t why_size);
/* After shards_join() of the control thread. NULL is harmless. */
void control_free(struct control *c);

extern const struct control_command
    *const control_tables[]; /* NULL-ended: control_table.c; each ended by a row without name */

#endif
