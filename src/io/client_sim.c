/*
 * Clients in the hands of a test: they send what they were given as fast as buffers allow, and keep what
 * arrives until the test consumes it. They belong to no node and run no code of the broker.
 */
#include "base/check.h"
#include "io/sim_inside.h"

#include <stdlib.h>
#include <string.h>

struct sim_client {
    struct sim *sim;
    struct sim_end *end; /* NULL: closed, or lost */
    struct io_world *node;
    uint16_t port;
    struct sim_event syn;
    bool is_connected, is_reset, is_ended, is_stalled;
    bool ends_after_sending, closes_after_sending;
    uint8_t *out, *in;
    size_t out_len, out_capacity, in_start, in_len, in_capacity;
};

static uint8_t *
grow(uint8_t *data, size_t *capacity, size_t needed)
{
    if (needed <= *capacity)
        return data;
    *capacity = needed * 2;
    data = realloc(data, *capacity);
    CHECK(data);
    return data;
}

static void
lose(struct sim_client *c)
{
    c->is_reset = true;
    if (c->end)
        sim_end_abort(c->end);
}

static void
send_out(struct sim_client *c)
{
    while (c->out_len > 0) {
        struct iovec iov = {.iov_base = c->out, .iov_len = c->out_len};
        ssize_t n = sim_end_write(c->end, &iov, 1);
        if (n == NET_AGAIN)
            return;
        if (n < 0) {
            c->out_len = 0;
            return;
        }
        c->out_len -= (size_t)n;
        memmove(c->out, c->out + n, c->out_len);
    }
    if (c->ends_after_sending || c->closes_after_sending)
        sim_end_shutdown(c->end);
}

static void
take_in(struct sim_client *c)
{
    while (!c->is_stalled) {
        if (c->in_start > 0 && c->in_len == 0)
            c->in_start = 0;
        c->in = grow(c->in, &c->in_capacity, c->in_start + c->in_len + 4096);
        struct iovec iov = {.iov_base = c->in + c->in_start + c->in_len, .iov_len = 4096};
        ssize_t n = sim_end_read(c->end, &iov, 1);
        if (n == NET_AGAIN)
            return;
        if (n == NET_ERROR) {
            lose(c);
            return;
        }
        if (n == 0) {
            c->is_ended = true;
            return;
        }
        c->in_len += (size_t)n;
    }
}

static void
on_change(void *arg)
{
    struct sim_client *c = arg;
    if (!c->is_connected || !c->end)
        return;
    send_out(c);
    take_in(c);
    if (c->end && c->closes_after_sending && c->out_len == 0)
        sim_end_close(c->end);
}

/* Back at the client: the node has answered. */
static void
on_established(void *arg)
{
    struct sim_client *c = arg;
    c->is_connected = true;
    on_change(c);
}

static void
on_syn(void *arg)
{
    struct sim_client *c = arg;
    struct sim_end *end = c->end;
    if (!end)
        return;
    if (sim_is_cut(c->sim, NULL, c->node)) {
        sim_schedule(c->sim, &c->syn, c->sim->now_ns + 1000000000); /* tried again, as kernels do */
        return;
    }
    if (!sim_net_offer(c->node, c->port, end->peer)) {
        lose(c);
        return;
    }
    c->syn = (struct sim_event){.name = "established", .fn = on_established, .arg = c};
    sim_schedule(c->sim, &c->syn, c->sim->now_ns + sim_latency(c->sim));
}

struct sim_client *
sim_client_open_from(struct sim *sim, struct io_world *node, uint16_t port, const struct net_addr *from)
{
    struct sim_client *c = calloc(1, sizeof *c);
    CHECK(c);
    c->sim = sim;
    c->node = node;
    c->port = port;
    struct sim_link *l = sim_link_new(sim, NULL, node, port);
    if (from)
        sim_link_end(l, 0)->addr = *from;
    sim_end_own(sim_link_end(l, 0), &c->end, on_change, c);
    c->syn = (struct sim_event){.name = "syn", .fn = on_syn, .arg = c};
    sim_schedule(sim, &c->syn, sim->now_ns + sim_latency(sim));
    return c;
}

struct sim_client *
sim_client_open(struct sim *sim, struct io_world *node, uint16_t port)
{
    return sim_client_open_from(sim, node, port, NULL);
}

void
sim_client_free(struct sim_client *c)
{
    if (!c)
        return;
    sim_cancel(c->sim, &c->syn);
    if (c->end)
        sim_end_abort(c->end);
    free(c->out);
    free(c->in);
    free(c);
}

void
sim_client_send(struct sim_client *c, const void *data, size_t len)
{
    if (!c->end || len == 0)
        return;
    c->out = grow(c->out, &c->out_capacity, c->out_len + len);
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
    on_change(c);
}

size_t
sim_client_unsent(const struct sim_client *c)
{
    return c->out_len;
}

struct slice
sim_client_received(const struct sim_client *c)
{
    return slice_of(c->in ? c->in + c->in_start : NULL, c->in_len);
}

void
sim_client_consume(struct sim_client *c, size_t n)
{
    CHECK(n <= c->in_len);
    c->in_start += n;
    c->in_len -= n;
    if (c->in_start > c->in_capacity / 2) {
        memmove(c->in, c->in + c->in_start, c->in_len);
        c->in_start = 0;
    }
}

void
sim_client_set_reading(struct sim_client *c, bool reading)
{
    c->is_stalled = !reading;
    on_change(c);
}

void
sim_client_shutdown(struct sim_client *c)
{
    c->ends_after_sending = true;
    on_change(c);
}

void
sim_client_close(struct sim_client *c)
{
    c->closes_after_sending = true;
    on_change(c);
}

void
sim_client_abort(struct sim_client *c)
{
    if (c->end)
        sim_end_abort(c->end);
}

bool
sim_client_is_connected(const struct sim_client *c)
{
    return c->is_connected && c->end && !c->is_ended && !c->is_reset && !c->ends_after_sending;
}

bool
sim_client_is_ended(const struct sim_client *c)
{
    return c->is_ended;
}

bool
sim_client_is_reset(const struct sim_client *c)
{
    return c->is_reset;
}
