/* Inside io's real implementation: the libuv loop of a shard. */
#ifndef LEVERET_IO_SHARD_UV_H
#define LEVERET_IO_SHARD_UV_H

#include "io/shard_core.h"

#include <uv.h>

/* Every handle's data points to one of these: how to end it when the shard stops. */
struct uv_kind {
    void (*dispose)(uv_handle_t *handle);
};

struct shard_backend {
    uv_loop_t loop; /* its data is the shard */
    uv_async_t wake;
    uv_timer_t timer; /* ends the sleep when the wheel's next deadline comes */
    uint64_t timer_deadline;
    pthread_t thread;
    bool has_thread;
};

static inline struct shard *
uv_shard(const uv_loop_t *loop)
{
    return loop->data;
}

static inline uv_loop_t *
shard_loop(struct shard *s)
{
    return &s->backend->loop;
}

#endif
