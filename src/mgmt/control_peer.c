/*
 * One connection. Its bytes are, in this order: the challenge (on TCP), then requests. While a call runs
 * nothing is read, so that a client has one request's memory at most; but its going is noticed (NET_HANGUP),
 * for a call may have something to undo. A client that has sent a request and ended its side of the stream is
 * taken as gone, too: nobody who waits for an answer does that.
 *
 * What goes out waits in `out` until the client reads; a call looks at control_has_room() before it adds to
 * that.
 */
#include "mgmt/control_impl.h"

#include "base/check.h"
#include "io/local.h"
#include "io/shard.h"
#include "mgmt/info_value.h"

#include <stdio.h>
#include <stdlib.h>

enum { READ_SIZE = 65536, ROOM_AGAIN = CONTROL_BUFFERED_MAX / 2 };

static void on_ready(void *owner, unsigned events);

void
control_peer_new(struct control *c, struct net_socket *socket, bool is_tcp)
{
    struct control_peer *p = calloc(1, sizeof *p);
    struct local_peer who;
    struct net_addr from;
    CHECK(p);
    *p = (struct control_peer){.control = c, .is_tcp = is_tcp, .is_stranger = is_tcp, .call.peer = p};
    list_init(&p->call.asks);
    if (is_tcp) {
        net_socket_peer(socket, &from);
        net_addr_text(&from, p->origin);
    } else if (local_peer(socket, &who)) {
        snprintf(p->origin, sizeof p->origin, "uid %u, pid %u", who.user_id, who.process_id);
    }
    if (net_attach(c->shard, socket, on_ready, p, &p->conn) != ERR_OK) {
        free(p);
        return;
    }
    list_push_back(&c->peers, &p->in_control);
    *(is_tcp ? &c->tcp_count : &c->local_count) += 1;
    c->stranger_count += is_tcp;
    if (is_tcp)
        control_auth_begin(p);
    control_peer_stir(p);
}

void
control_peer_free(struct control_peer *p)
{
    struct control *c = p->control;
    list_remove(&p->in_control);
    list_remove(&p->in_dirty);
    *(p->is_tcp ? &c->tcp_count : &c->local_count) -= 1;
    c->stranger_count -= p->is_stranger;
    timer_stop(&p->patience);
    budget_give(&c->bodies, p->body_taken);
    control_request_end(&p->request, &p->in);
    if (p->free_kept)
        p->free_kept(p->kept);
    buffer_fini(&p->in);
    buffer_fini(&p->out);
    free(p);
}

void
control_peer_stir(struct control_peer *p)
{
    if (!list_is_linked(&p->in_dirty))
        list_push_back(&p->control->dirty, &p->in_dirty);
}

void
control_peer_drop(struct control_peer *p)
{
    if (p->conn)
        net_abort(p->conn);
    p->conn = NULL;
    control_peer_stir(p);
}

static void
on_late(void *arg)
{
    control_peer_drop(arg);
}

void
control_peer_be_patient(struct control_peer *p, uint64_t ms)
{
    timer_start(p->control->shard, &p->patience, ms, on_late, p);
}

static void
leave(struct control_peer *p)
{
    if (p->conn)
        net_close(p->conn);
    p->conn = NULL;
}

const char *
control_error_word(enum control_error kind)
{
    static const char *const words[] = {
#define X(name, word, exit_code) [CONTROL_##name] = word,
        CONTROL_ERROR_TABLE(X)
#undef X
    };
    return words[kind];
}

void
control_peer_error(struct control_peer *p, enum control_error kind, const char *text)
{
    buffer_add_fmt(&p->out, "e {\"kind\":\"%s\",\"text\":", control_error_word(kind));
    info_value_text(&p->out, text);
    buffer_add_str(&p->out, "}\n");
}

/* ---- in and out ---- */

static bool
is_reading(const struct control_peer *p)
{
    return p->conn && !p->is_ending && !p->call.command && p->out.len == p->out_at;
}

/* False: the connection has ended. */
static bool
read_some(struct control_peer *p)
{
    struct iovec room = {buffer_reserve(&p->in, READ_SIZE), READ_SIZE};
    ssize_t n = net_readv(p->conn, &room, 1);
    if (n > 0)
        p->in.len += (size_t)n;
    return n > 0 || n == NET_AGAIN;
}

static bool
write_some(struct control_peer *p)
{
    while (p->out_at < p->out.len) {
        struct iovec some = {p->out.data + p->out_at, p->out.len - p->out_at};
        ssize_t n = net_writev(p->conn, &some, 1);
        if (n == NET_AGAIN)
            break;
        if (n <= 0)
            return false;
        p->out_at += (size_t)n;
    }
    if (p->out_at == p->out.len || p->out_at > CONTROL_BUFFERED_MAX) {
        buffer_consume(&p->out, p->out_at);
        p->out_at = 0;
    }
    return true;
}

static void
on_ready(void *owner, unsigned events)
{
    struct control_peer *p = owner;
    bool has_gone = events & NET_HANGUP && p->call.command;
    if (has_gone || (events & NET_READ && is_reading(p) && !read_some(p)))
        leave(p);
    control_peer_stir(p);
}

/* ---- requests ---- */

/* Room for the body that a request announces, all requests together. */
static bool
take_body(struct control_peer *p)
{
    if (p->body_taken == p->request.body_len)
        return true;
    if (!budget_take(&p->control->bodies, p->request.body_len))
        return false;
    p->body_taken = p->request.body_len;
    return true;
}

/* The next request, if it is there, begins. */
static void
look_for_request(struct control_peer *p)
{
    const char *why = NULL;
    enum control_error kind = CONTROL_BAD_REQUEST;
    switch (control_request_parse(&p->request, &p->in)) {
    case CONTROL_REQUEST_PART: return;
    case CONTROL_REQUEST_BAD: why = p->request.why; break;
    case CONTROL_REQUEST_LINE:
        if (take_body(p)) {
            control_peer_be_patient(p, CONTROL_BODY_MS);
            return;
        }
        kind = CONTROL_UNAVAILABLE;
        why = "other requests are as large as all together may be; try again later";
        break;
    case CONTROL_REQUEST_WHOLE:
        timer_stop(&p->patience);
        control_call_begin(p);
        return;
    }
    control_peer_error(p, kind, why);
    p->is_ending = true;
}

static void
end_call(struct control_peer *p)
{
    control_request_end(&p->request, &p->in);
    budget_give(&p->control->bodies, p->body_taken);
    p->body_taken = 0;
    if (p->in.len == 0)
        buffer_fini(&p->in); /* a large body's memory goes */
}

/* Runs what can run; true: something did. */
static bool
step(struct control_peer *p)
{
    struct control_call *call = &p->call;
    if (call->command) {
        if (!control_call_settle(call))
            return false;
        end_call(p);
        return true;
    }
    if (!is_reading(p) || p->in.len == 0)
        return false;
    if (p->is_stranger)
        return control_auth_read(p);
    if (p->control->is_quiescing)
        return false;
    look_for_request(p);
    return call->command != NULL;
}

static void
call_on_room(struct control_peer *p)
{
    void (*on_room)(struct control_call *) = p->call.on_room;
    if (!on_room || !p->conn || p->out.len - p->out_at > ROOM_AGAIN)
        return;
    p->call.on_room = NULL;
    on_room(&p->call);
}

void
control_peer_go_on(struct control_peer *p)
{
    do {
        if (p->conn && !write_some(p))
            leave(p);
        call_on_room(p);
    } while (step(p));
    bool is_idle = !p->call.command && p->out.len == p->out_at;
    if (p->conn && is_idle && (p->is_ending || p->control->is_quiescing))
        leave(p);
    if (!p->conn) {
        if (!p->call.command)
            control_peer_free(p);
        return;
    }
    net_want(p->conn, (p->out.len > p->out_at ? NET_WRITE : 0) | (p->call.command ? NET_HANGUP : 0) |
                          (is_reading(p) ? NET_READ : 0));
}
