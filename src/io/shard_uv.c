/*
 * Shards on libuv: a thread each, a loop each. Sockets are uv_poll handles; the shard's own timing wheel
 * needs a single uv_timer, started only before a sleep. A wake-up is a uv_async, sent only to a shard that
 * said that it sleeps. The async handle outlives the thread, since a late sender may still hold it:
 * shards_free() ends it.
 */
#include "io/shard_uv.h"

#include "base/check.h"
#include "io/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void
nothing(uv_handle_t *handle)
{
}

static const struct uv_kind own_handle = {.dispose = nothing};

static void
on_wake(uv_async_t *handle)
{
    shard_enter(uv_shard(handle->loop));
}

/*
 * uv_run() may call this before it polls, and would then block although the shard is awake and no longer asks
 * for a wake-up: uv_stop() makes that poll return at once.
 */
static void
on_timer(uv_timer_t *handle)
{
    shard_enter(uv_shard(handle->loop));
    uv_stop(handle->loop);
}

void
shard_backend_wake(struct shard *s)
{
    CHECK(uv_async_send(&s->backend->wake) == 0);
}

void
shard_backend_init(struct shard *s)
{
    struct shard_backend *b = calloc(1, sizeof *b);
    CHECK(b);
    s->backend = b;
    CHECK(uv_loop_init(&b->loop) == 0);
    b->loop.data = s;
    CHECK(uv_async_init(&b->loop, &b->wake, on_wake) == 0);
    CHECK(uv_timer_init(&b->loop, &b->timer) == 0);
    b->wake.data = b->timer.data = (void *)&own_handle;
}

static void
dispose(uv_handle_t *handle, void *arg)
{
    const struct uv_kind *kind = handle->data;
    if (!uv_is_closing(handle))
        kind->dispose(handle);
}

/* Ends everything but the async and the timer, and waits for what is on the thread pool. */
static void
close_all(struct shard_backend *b)
{
    uv_timer_stop(&b->timer);
    uv_unref((uv_handle_t *)&b->wake);
    uv_walk(&b->loop, dispose, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
}

void
shard_backend_fini(struct shard *s)
{
    struct shard_backend *b = s->backend;
    CHECK(!b->has_thread);
    close_all(b);
    uv_close((uv_handle_t *)&b->wake, NULL);
    uv_close((uv_handle_t *)&b->timer, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&b->loop) == 0);
    free(b);
    s->backend = NULL;
}

/* The timer that ends the coming sleep. */
static void
arm(struct shard *s)
{
    struct shard_backend *b = s->backend;
    uint64_t deadline = wheel_next_deadline(&s->wheel);
    if (deadline == b->timer_deadline && (deadline == WHEEL_NEVER || uv_is_active((uv_handle_t *)&b->timer)))
        return;
    b->timer_deadline = deadline;
    if (deadline == WHEEL_NEVER) {
        uv_timer_stop(&b->timer);
        return;
    }
    uint64_t now = clock_now_ns(NULL) / 1000000;
    uv_update_time(&b->loop);
    uv_timer_start(&b->timer, on_timer, deadline > now ? deadline - now : 0, 0);
}

static void *
run(void *arg)
{
    struct shard *s = arg;
    struct shard_backend *b = s->backend;
    shard_run_start_hook(s);
    bool work_is_left = true;
    while (!atomic_load_explicit(&s->all->stopping, memory_order_relaxed)) {
        bool may_sleep = !work_is_left;
        if (may_sleep) {
            arm(s);
            may_sleep = shard_try_sleep(s);
        }
        uv_run(&b->loop, may_sleep ? UV_RUN_ONCE : UV_RUN_NOWAIT);
        work_is_left = shard_turn(s);
    }
    shard_run_stop_hook(s);
    close_all(b);
    return NULL;
}

/* Signals are for the thread that started the shards; a crash is for the thread that caused it. */
static int
start_thread(struct shard *s)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&s->backend->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return failed;
    s->backend->has_thread = true;
    char name[16];
    if (s->all->thread_name)
        snprintf(name, sizeof name, "%s", s->all->thread_name);
    else
        snprintf(name, sizeof name, "shard-%u", s->index % 1000);
    pthread_setname_np(s->backend->thread, name);
    return 0;
}

enum err
shards_start(struct shards *all)
{
    CHECK(!all->is_started);
    all->is_started = true;
    for (unsigned i = 0; i < all->count; i++)
        if (start_thread(&all->shards[i]) != 0) {
            shards_stop(all);
            shards_join(all);
            return ERR_LIMIT;
        }
    return ERR_OK;
}

void
shards_join(struct shards *all)
{
    for (unsigned i = 0; i < all->count; i++)
        if (all->shards[i].backend->has_thread) {
            pthread_join(all->shards[i].backend->thread, NULL);
            all->shards[i].backend->has_thread = false;
        }
}
