/* Simulated signals: sim_node_signal() is delivered in the watching shard's next turn. */
#include "base/check.h"
#include "io/sim_inside.h"

#include <stdlib.h>

enum { KINDS = 2 };

struct signal_watch {
    struct shard *shard;
    struct sim_call call;
    bool is_pending[KINDS];
    void (*on_signal)(void *arg, enum signal_kind kind);
    void *arg;
};

static void
deliver(void *arg)
{
    struct signal_watch *w = arg;
    for (int kind = KINDS - 1; kind >= 0; kind--)
        if (w->is_pending[kind]) {
            w->is_pending[kind] = false;
            if (w->is_pending[KINDS - 1 - kind])
                sim_shard_call(w->shard, &w->call); /* the other one in another turn */
            w->on_signal(w->arg, (enum signal_kind)kind);
            return;
        }
}

enum err
signal_watch_open(struct shard *s, void (*on_signal)(void *arg, enum signal_kind kind), void *arg,
                  struct signal_watch **watch)
{
    struct io_world *node = s->backend->node;
    CHECK(!node->watch);
    struct signal_watch *w = calloc(1, sizeof *w);
    CHECK(w);
    *w = (struct signal_watch){
        .shard = s, .call = {.fn = deliver, .arg = w}, .on_signal = on_signal, .arg = arg};
    list_init(&w->call.link);
    node->watch = s->backend->watch = w;
    *watch = w;
    return ERR_OK;
}

void
signal_watch_close(struct signal_watch *w)
{
    struct io_world *node = w->shard->backend->node;
    if (node->watch == w)
        node->watch = NULL;
    w->shard->backend->watch = NULL;
    list_remove(&w->call.link);
    free(w);
}

void
sim_signal_end(struct shard_backend *b)
{
    if (b->watch)
        signal_watch_close(b->watch);
}

void
sim_node_signal(struct io_world *node, enum signal_kind kind)
{
    struct signal_watch *w = node->watch;
    if (!w)
        return;
    w->is_pending[kind] = true;
    sim_shard_call(w->shard, &w->call);
}
