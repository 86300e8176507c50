/* Signals through libuv, which turns them into bytes in a pipe that the shard's loop reads. */
#include "io/signal.h"

#include "base/check.h"
#include "io/oserr.h"
#include "io/shard_uv.h"

#include <signal.h>
#include <stdlib.h>

struct watched {
    uv_signal_t handle; /* first: a handle's address is its watched's */
    struct signal_watch *watch;
    enum signal_kind kind;
};

struct signal_watch {
    struct watched signals[3];
    unsigned open;
    void (*on_signal)(void *arg, enum signal_kind kind);
    void *arg;
};

static void
on_closed(uv_handle_t *handle)
{
    struct signal_watch *w = ((struct watched *)handle)->watch;
    if (--w->open == 0)
        free(w);
}

static void
dispose(uv_handle_t *handle)
{
    uv_close(handle, on_closed);
}

static const struct uv_kind watched_kind = {.dispose = dispose};

static void
on_signal(uv_signal_t *handle, int number)
{
    struct watched *s = (struct watched *)handle;
    shard_enter(uv_shard(handle->loop));
    s->watch->on_signal(s->watch->arg, s->kind);
}

enum err
signal_watch_open(struct shard *s, void (*fn)(void *arg, enum signal_kind kind), void *arg,
                  struct signal_watch **watch)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    struct signal_watch *w = calloc(1, sizeof *w);
    CHECK(w);
    w->on_signal = fn;
    w->arg = arg;
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct watched *one = &w->signals[i];
        CHECK(uv_signal_init(shard_loop(s), &one->handle) == 0);
        one->handle.data = (void *)&watched_kind;
        one->watch = w;
        one->kind = numbers[i] == SIGHUP ? SIGNAL_RELOAD : SIGNAL_TERMINATE;
        w->open++;
        int failed = uv_signal_start(&one->handle, on_signal, numbers[i]);
        if (failed) {
            signal_watch_close(w);
            return oserr_of(-failed);
        }
    }
    *watch = w;
    return ERR_OK;
}

void
signal_watch_close(struct signal_watch *w)
{
    /* The last on_closed frees the watch, and runs later: `w` stays valid here. */
    for (unsigned i = 0, n = w->open; i < n; i++)
        uv_close((uv_handle_t *)&w->signals[i].handle, on_closed);
}
