/*
 * A question to a shard of the node from a thread that is none (control, HTTP): it runs on that shard, within
 * one turn, and comes back. The asking thread is a shard of other shards (`shards_new()` of its own).
 *
 * A question that the application's end overtakes comes back with `discarded`: then `run` did not run, or
 * what it waited for will not happen.
 */
/* exports: asker_ */
#ifndef LEVERET_MGMT_ASK_H
#define LEVERET_MGMT_ASK_H

#include "base/list.h"
#include "io/shard.h"

#include <stdbool.h>
#include <stdint.h>

struct asker;
struct server;
struct server_shard;

/* Part of the asker's own memory, which stays until `done`. */
struct ask {
    /* On the asked shard. Bounded work: others wait. True: the answer goes back now. False: ask_answer()
     * sends it, later on this shard or already in here. */
    bool (*run)(struct ask *a, struct server_shard *home);
    void (*done)(struct ask *a); /* on the asking thread, exactly once, never inside ask_post() */
    bool discarded;
    /* Which application is to be asked; 0: whichever there is, and then it is set. They are counted up, never
     * the same again in this process. */
    uint64_t boot;
    /* ---- ask.c's ---- */
    struct asker *asker;
    struct list open;
};

/* `own`: the asking thread's shard. No application yet. */
struct asker *asker_new(struct shard *own);
/* The asking thread has ended, and the application: what is open is forgotten. NULL is harmless. */
void asker_free(struct asker *k);
/* From the main thread, while the application's shards do not run: `server` is there to be asked from now on;
 * NULL (after shards_join(), before shards_free()): there is nobody to ask, what is open comes back
 * discarded. */
void asker_set_server(struct asker *k, struct server *server);
/* Any thread: is there an application to ask, and how many shards has it? 0: none. */
unsigned asker_shard_count(const struct asker *k);

/* On the asking thread: nothing is open. */
bool asker_is_idle(const struct asker *k);
/* On the asking thread. Without an application, or when it is another than the one that was asked for, or for
 * a shard that it has not, `done` comes discarded. */
void ask_post(struct asker *k, unsigned shard, struct ask *a);
/* On the asked shard, once, where `run` says false. `a` may be gone when it returns. */
void ask_answer(struct ask *a);

/* Mail of ask.c, for both sides' hooks: true when it was. On the asked side `k` is not looked at. */
bool ask_on_mail(struct asker *k, struct shard *s, const struct mail *m);

#endif
