/*
 * Byte pipes. What one end writes is cut into segments of random length, each of which arrives after a random
 * latency, never before the one that was sent earlier. A direction holds at most buffer_bytes between the
 * writer and the reading application, so writes come short or not at all when the reader is slow.
 *
 * A link lives until both ends were given up. Whatever arrives at an end that was given up is answered by a
 * reset, as a kernel does, but for the time after a graceful close, when it is thrown away.
 */
#include "io/sim_inside.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum segment_kind { SEGMENT_DATA, SEGMENT_END, SEGMENT_RESET };

struct segment {
    struct list link;
    uint64_t time;
    enum segment_kind kind;
    size_t len;
    uint8_t data[];
};

struct sim_link {
    struct sim *sim;
    struct list in_sim;
    struct sim_end ends[2];
};

/* ---- sending ---- */

static void
notify(struct sim_end *e)
{
    if (e->holder && e->on_change)
        e->on_change(e->arg);
}

static void
drop_arriving(struct sim_end *e)
{
    LIST_FOREACH_SAFE (node, tmp, &e->arriving) {
        list_remove(node);
        free(LIST_ENTRY(node, struct segment, link));
    }
    sim_cancel(e->link->sim, &e->arrival);
}

static void
send_segment(struct sim_end *to, enum segment_kind kind, const uint8_t *data, size_t len)
{
    struct sim *sim = to->link->sim;
    struct segment *s = malloc(sizeof *s + len);
    CHECK(s);
    uint64_t time = sim->now_ns + sim_latency(sim);
    if (time < to->last_arrival)
        time = to->last_arrival;
    to->last_arrival = time;
    s->time = time;
    s->kind = kind;
    s->len = len;
    if (len > 0)
        memcpy(s->data, data, len);
    list_push_back(&to->arriving, &s->link);
    sim_schedule_by(sim, &to->arrival, time);
}

/* A short count now and then, where the network is told to be awkward. */
static size_t
shorten(struct sim *sim, size_t len)
{
    if (sim->net.chunk_max == 0 || len < 2 || sim_random(sim, 4) != 0)
        return len;
    return 1 + sim_random(sim, len);
}

ssize_t
sim_end_write(struct sim_end *e, const struct iovec *iov, int n)
{
    struct sim *sim = e->link->sim;
    size_t total = 0;
    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    if (e->is_reset || e->is_shut)
        return NET_ERROR;
    if (total == 0)
        return 0;
    size_t room = e->outstanding < sim->net.buffer_bytes ? sim->net.buffer_bytes - e->outstanding : 0;
    if (room == 0)
        return NET_AGAIN;
    size_t taken = shorten(sim, total < room ? total : room), left = taken;
    for (int i = 0; left > 0; i++) {
        const uint8_t *data = iov[i].iov_base;
        size_t len = iov[i].iov_len < left ? iov[i].iov_len : left;
        left -= len;
        while (len > 0) {
            size_t piece = len;
            if (sim->net.chunk_max && piece > sim->net.chunk_max)
                piece = sim->net.chunk_max;
            if (sim->net.chunk_max)
                piece = 1 + sim_random(sim, piece);
            send_segment(e->peer, SEGMENT_DATA, data, piece);
            data += piece;
            len -= piece;
        }
    }
    e->outstanding += taken;
    return (ssize_t)taken;
}

/* ---- arriving ---- */

static void
append(struct sim_end *e, const uint8_t *data, size_t len)
{
    if (e->start + e->len + len > e->capacity) {
        if (e->len > 0)
            memmove(e->received, e->received + e->start, e->len);
        e->start = 0;
        if (e->len + len > e->capacity) {
            e->capacity = e->len + len > 4096 ? (e->len + len) * 2 : 4096;
            e->received = realloc(e->received, e->capacity);
            CHECK(e->received);
        }
    }
    memcpy(e->received + e->start + e->len, data, len);
    e->len += len;
}

static void
take_data(struct sim_end *e, const struct segment *s)
{
    struct sim *sim = e->link->sim;
    sim_note(sim, "data", s->len, XXH64(s->data, s->len, 0));
    if (e->holder) {
        append(e, s->data, s->len);
        return;
    }
    e->peer->outstanding -= s->len;
    if (sim->now_ns >= e->linger_until && e->peer->holder && !e->peer->is_reset)
        send_segment(e->peer, SEGMENT_RESET, NULL, 0);
}

static void
on_arrival(void *arg)
{
    struct sim_end *e = arg;
    struct sim *sim = e->link->sim;
    if (sim_is_cut(sim, e->node, e->peer->node))
        return; /* sim_links_resume() goes on */
    while (!list_is_empty(&e->arriving)) {
        struct segment *s = LIST_ENTRY(e->arriving.next, struct segment, link);
        if (s->time > sim->now_ns) {
            sim_schedule(sim, &e->arrival, s->time);
            break;
        }
        list_remove(&s->link);
        if (s->kind == SEGMENT_DATA)
            take_data(e, s);
        else if (s->kind == SEGMENT_END)
            e->is_ended = true;
        else
            e->is_reset = true;
        free(s);
    }
    notify(e->holder ? e : e->peer); /* may free the link */
}

void
sim_links_resume(struct sim *sim)
{
    LIST_FOREACH (node, &sim->links) {
        struct sim_link *l = LIST_ENTRY(node, struct sim_link, in_sim);
        for (int i = 0; i < 2; i++)
            if (!list_is_empty(&l->ends[i].arriving))
                sim_schedule_by(sim, &l->ends[i].arrival, sim->now_ns + sim_latency(sim));
    }
}

ssize_t
sim_end_read(struct sim_end *e, const struct iovec *iov, int n)
{
    struct sim *sim = e->link->sim;
    size_t want = 0, done = 0;
    for (int i = 0; i < n; i++)
        want += iov[i].iov_len;
    if (e->len == 0)
        return e->is_reset ? NET_ERROR : e->is_ended ? 0 : NET_AGAIN;
    size_t take = shorten(sim, want < e->len ? want : e->len);
    for (int i = 0; done < take; i++) {
        size_t len = iov[i].iov_len < take - done ? iov[i].iov_len : take - done;
        memcpy(iov[i].iov_base, e->received + e->start, len);
        e->start += len;
        e->len -= len;
        done += len;
    }
    if (e->len == 0) { /* an idle connection holds no buffer */
        free(e->received);
        e->received = NULL;
        e->start = e->capacity = 0;
    }
    e->peer->outstanding -= done;
    notify(e->peer);
    return (ssize_t)done;
}

unsigned
sim_end_ready(const struct sim_end *e)
{
    bool is_over = e->is_reset || e->is_ended;
    bool has_room = e->outstanding < e->link->sim->net.buffer_bytes;
    return (e->len > 0 || is_over ? NET_READ : 0u) | (e->is_reset || has_room ? NET_WRITE : 0u) |
           (is_over ? NET_HANGUP : 0u);
}

/* ---- life ---- */

static void
end_init(struct sim_link *l, unsigned i, struct io_world *node, uint16_t port, bool is_local)
{
    struct sim_end *e = &l->ends[i];
    e->link = l;
    e->peer = &l->ends[1 - i];
    e->node = node;
    e->addr = (struct net_addr){.family = NET_IPV4, .port = port, .ip = {127, 0, 0, 1}};
    if (!is_local) {
        e->addr.ip[0] = 10;
        e->addr.ip[3] = (uint8_t)(node->index + 1);
    }
    e->arrival = (struct sim_event){.name = "arrival", .fn = on_arrival, .arg = e};
    list_init(&e->arriving);
}

/* Within a node, and from a client outside, addresses are loopback ones; between nodes 10.0.0.N. */
struct sim_link *
sim_link_new(struct sim *sim, struct io_world *from, struct io_world *to, uint16_t port)
{
    struct sim_link *l = calloc(1, sizeof *l);
    CHECK(l);
    l->sim = sim;
    bool is_local = !from || from == to;
    uint16_t own_port = (uint16_t)(32768 + sim->client_count++ % 28000);
    end_init(l, 0, from, own_port, is_local);
    end_init(l, 1, to, port, is_local);
    list_push_back(&sim->links, &l->in_sim);
    return l;
}

struct sim_end *
sim_link_end(struct sim_link *l, unsigned i)
{
    return &l->ends[i];
}

void
sim_end_own(struct sim_end *e, struct sim_end **holder, void (*on_change)(void *arg), void *arg)
{
    e->holder = holder;
    e->on_change = on_change;
    e->arg = arg;
    *holder = e;
}

void
sim_end_shutdown(struct sim_end *e)
{
    if (e->is_shut || e->is_reset)
        return;
    e->is_shut = true;
    send_segment(e->peer, SEGMENT_END, NULL, 0);
}

static void
give_up(struct sim_end *e)
{
    struct sim_link *l = e->link;
    if (e->holder)
        *e->holder = NULL;
    e->holder = NULL;
    e->peer->outstanding -= e->len;
    e->len = 0;
    free(e->received);
    e->received = NULL;
    if (e->peer->holder) {
        notify(e->peer);
        return;
    }
    drop_arriving(e);
    drop_arriving(e->peer);
    list_remove(&l->in_sim);
    free(l);
}

void
sim_end_close(struct sim_end *e)
{
    sim_end_shutdown(e);
    e->linger_until = e->link->sim->now_ns + (uint64_t)NET_LINGER_MS * 1000000;
    give_up(e);
}

void
sim_end_abort(struct sim_end *e)
{
    if (!e->is_reset)
        send_segment(e->peer, SEGMENT_RESET, NULL, 0);
    give_up(e);
}

void
sim_links_crash(struct io_world *node)
{
    struct sim *sim = node->sim;
    LIST_FOREACH_SAFE (entry, tmp, &sim->links) {
        struct sim_link *l = LIST_ENTRY(entry, struct sim_link, in_sim);
        /* Both ends may be the node's: then giving the second one up frees the link. */
        bool has[2] = {l->ends[0].node == node && l->ends[0].holder,
                       l->ends[1].node == node && l->ends[1].holder};
        for (int i = 0; i < 2; i++) {
            if (!has[i])
                continue;
            if (sim_random(sim, 2) == 0)
                sim_end_abort(&l->ends[i]);
            else
                give_up(&l->ends[i]);
        }
    }
}
