/* Inside control: what its files share. control.c has the listeners, control_peer.c a connection,
 * control_auth.c its challenge, control_call.c what commands call. */
/* exports: control_ */
#ifndef LEVERET_MGMT_CONTROL_IMPL_H
#define LEVERET_MGMT_CONTROL_IMPL_H

#include "base/budget.h"
#include "base/list.h"
#include "io/net.h"
#include "io/timer.h"
#include "mgmt/control.h"
#include "mgmt/control_proof.h"
#include "mgmt/control_request.h"

struct control_call {
    struct control_peer *peer;
    const struct control_command *command; /* NULL: there is no call */
    unsigned holds;
    bool is_answered;
    bool is_discarded; /* the application has ended under it: what it is told now counts for nothing */
    enum control_error failed_with;
    bool has_failed;
    void (*on_room)(struct control_call *call);
    void *data;
    void (*free_data)(void *data);
    struct list asks; /* control_call.c's, on their way */
    uint64_t boot;    /* the application that it has asked (struct ask's), and no other; 0: none yet */
};

/* A connection. It outlives its socket while something holds its call. */
struct control_peer {
    struct control *control;
    struct list in_control, in_dirty;
    struct net_conn *conn; /* NULL: the client has gone */
    bool is_tcp, is_stranger;
    bool is_ending; /* nothing more is read; it ends when what is written has gone out */
    char origin[NET_ADDR_TEXT_SIZE];
    struct wheel_timer patience; /* with a stranger; with a body that does not come */
    char nonce[CONTROL_NONCE_SIZE];
    struct buffer in, out;
    size_t out_at; /* of `out`: written */
    struct control_request request;
    size_t body_taken; /* of the budget */
    struct control_call call;
    void *kept;
    void (*free_kept)(void *data);
};

struct control {
    struct shard *shard;
    struct asker *asker;
    struct control_config config;
    struct net_listener *local, *tcp;
    struct list peers, dirty; /* all, the oldest first; those to look at at the end of the turn */
    unsigned local_count, tcp_count, stranger_count;
    struct budget bodies; /* of all requests together */
    uint64_t refusal_ms;  /* when the log last told of one; since then there were so many */
    unsigned refusals;
    bool is_quiescing;
};

/* ---- control_peer.c ---- */

/* Takes the socket. */
void control_peer_new(struct control *c, struct net_socket *socket, bool is_tcp);
/* At the end of the turn: reads what is there, runs, writes, ends. */
void control_peer_stir(struct control_peer *p);
void control_peer_go_on(struct control_peer *p);
/* Drops it after so long, unless p->patience is stopped before. */
void control_peer_be_patient(struct control_peer *p, uint64_t ms);
/* Its socket goes at once. */
void control_peer_drop(struct control_peer *p);
void control_peer_free(struct control_peer *p);
/* "no_such_user", as it goes over the wire. */
const char *control_error_word(enum control_error kind);
/* "e {...}" */
void control_peer_error(struct control_peer *p, enum control_error kind, const char *text);

/* ---- control_auth.c ---- */

void control_auth_begin(struct control_peer *p);
/* With what has come in: false when it is not all there. */
bool control_auth_read(struct control_peer *p);

/* ---- control_call.c ---- */

void control_call_begin(struct control_peer *p);
/* Answered or gone, and nothing holds it: its data is freed, and true. */
bool control_call_settle(struct control_call *call);
/* After the threads' end: what it had asked is forgotten. */
void control_call_abandon(struct control_call *call);

/* ---- control_table.c ---- */

const struct control_command *control_table_find(const char *name);

#endif
