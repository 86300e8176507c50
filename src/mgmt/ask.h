/*
 * A question to a shard of the node from a thread that is none (control, HTTP): it runs on that shard, within
 * one turn, and comes back. The asking thread is a shard of other shards (`shards_new()` of its own).
 *
 * A question that the application's end overtakes comes back with `discarded`: then `run` did not run, or
 * what it waited for will not happen.
 */
#ifndef LEVERET_MGMT_ASK_H
#define LEVERET_MGMT_ASK_H

#include "io/shard.h"

#include <stdbool.h>

struct asker;
struct server;
struct server_shard;

/* Part of the asker's own memory, which stays until `done`. */
struct ask {
    /* On the asked shard. Bounded work: others wait. The answer goes back when it returns, or, if it set
     * `is_late`, at ask_answer(). */
    void (*run)(struct ask *a, struct server_shard *home);
    void (*done)(struct ask *a); /* on the asking thread, exactly once, never inside ask_post() */
    bool is_late;
    bool discarded;
    /* ---- ask.c's ---- */
    struct asker *asker;
    struct ask *next;
};

/* `own`: the asking thread's shard. No application yet. */
struct asker *asker_new(struct shard *own);
/* No question is open. */
void asker_free(struct asker *k);
/* From the main thread, while the application's shards do not run: `server` is there to be asked from now on;
 * NULL: there is nobody to ask, what is open comes back discarded. */
void asker_set_server(struct asker *k, struct server *server);
/* On the asking thread: is there an application to ask, and how many shards has it? 0: none. */
unsigned asker_shard_count(const struct asker *k);

/* On the asking thread. Without an application, or for a shard that it has not, `done` comes discarded. */
void ask_post(struct asker *k, unsigned shard, struct ask *a);
/* On the asked shard, once, after `run` had set is_late. */
void ask_answer(struct ask *a);

/* Mail: in the server's hooks (server_config.on_mail, on_discard). */
void ask_on_mail(void *arg, struct shard *s, const struct mail *m);
void ask_on_discard(const struct mail *m);

#endif
