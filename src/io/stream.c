/*
 * A TLS stream runs on the same sockets as a plain one: OpenSSL reads and writes through a BIO that calls
 * net_readv() and net_writev(), never blocks, and says what it waits for. A handshake can make a read wait
 * for writability and the reverse; the two flags in struct tls remember that, stream_want() turns the owner's
 * wishes into the socket's, stream_events() turns the answer back.
 *
 * Writing gathers the owner's small pieces into one record of 16 KiB at a time. Which bytes form a record
 * depends only on the bytes, so that a record which is half sent is retried with the same bytes.
 */
#include "io/stream.h"

#include "io/shard_core.h"
#include "io/tls_inside.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

/* What OpenSSL's refusal means; notes what it waits for. */
static ssize_t
tls_refusal(struct tls *t, int result, bool *crosswise, int own, int crossed)
{
    int why = SSL_get_error(t->ssl, result);
    if (why == own || why == crossed) {
        *crosswise = why == crossed;
        return NET_AGAIN;
    }
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    t->is_broken = true;
    unsigned long e = ERR_peek_last_error();
    const char *text = e ? ERR_reason_error_string(e) : NULL;
    t->error = text ? text : err_text(net_error(t->net) ? net_error(t->net) : ERR_CLOSED);
    ERR_clear_error();
    return NET_ERROR;
}

static ssize_t
tls_read(struct tls *t, const struct iovec *iov, int n)
{
    size_t total = 0;
    t->read_wants_write = t->read_blocked = false;
    for (int i = 0; i < n; i++)
        for (size_t done = 0, got = 0; done < iov[i].iov_len; done += got, total += got) {
            ERR_clear_error();
            int ok = SSL_read_ex(t->ssl, (char *)iov[i].iov_base + done, iov[i].iov_len - done, &got);
            if (ok)
                continue;
            ssize_t r = tls_refusal(t, ok, &t->read_wants_write, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE);
            t->read_blocked = r == NET_AGAIN;
            return total > 0 ? (ssize_t)total : r;
        }
    return (ssize_t)total;
}

/* A place in an array of vectors. */
struct cursor {
    const struct iovec *iov;
    int n;
    size_t offset; /* in iov[0] */
};

static void
cursor_advance(struct cursor *c, size_t bytes)
{
    c->offset += bytes;
    while (c->n > 0 && c->offset >= c->iov->iov_len) {
        c->offset -= c->iov->iov_len;
        c->iov++;
        c->n--;
    }
}

/* The bytes of the next record: in place when the first vector holds a full one, else copied together. */
static const uint8_t *
next_record(struct cursor at, uint8_t *scratch, size_t *len)
{
    *len = 0;
    if (at.n > 0 && at.iov->iov_len - at.offset >= SHARD_SCRATCH_SIZE) {
        *len = SHARD_SCRATCH_SIZE;
        return (const uint8_t *)at.iov->iov_base + at.offset;
    }
    while (at.n > 0 && *len < SHARD_SCRATCH_SIZE) {
        size_t take = at.iov->iov_len - at.offset, room = SHARD_SCRATCH_SIZE - *len;
        take = take < room ? take : room;
        memcpy(scratch + *len, (const uint8_t *)at.iov->iov_base + at.offset, take);
        *len += take;
        cursor_advance(&at, take);
    }
    return scratch;
}

static ssize_t
tls_write(struct tls *t, const struct iovec *iov, int n)
{
    struct cursor at = {.iov = iov, .n = n};
    uint8_t *scratch = shard_scratch(net_shard(t->net));
    size_t total = 0;
    cursor_advance(&at, 0);
    t->write_wants_read = false;
    while (at.n > 0) {
        size_t len, written = 0;
        const uint8_t *record = next_record(at, scratch, &len);
        ERR_clear_error();
        int ok = SSL_write_ex(t->ssl, record, len, &written);
        t->write_blocked = !ok;
        if (!ok) {
            ssize_t r = tls_refusal(t, ok, &t->write_wants_read, SSL_ERROR_WANT_WRITE, SSL_ERROR_WANT_READ);
            if (r == 0) { /* the peer has closed the session */
                t->error = err_text(ERR_CLOSED);
                r = NET_ERROR;
            }
            return total > 0 && r == NET_AGAIN ? (ssize_t)total : r;
        }
        total += written;
        cursor_advance(&at, written);
    }
    return (ssize_t)total;
}

ssize_t
stream_readv(struct stream *st, const struct iovec *iov, int n)
{
    if (!st->tls)
        return net_readv(st->net, iov, n);
    st->tls->net = st->net;
    return st->tls->is_broken ? NET_ERROR : tls_read(st->tls, iov, n);
}

ssize_t
stream_writev(struct stream *st, const struct iovec *iov, int n)
{
    if (!st->tls)
        return net_writev(st->net, iov, n);
    st->tls->net = st->net;
    return st->tls->is_broken ? NET_ERROR : tls_write(st->tls, iov, n);
}

void
stream_want(struct stream *st, unsigned events)
{
    const struct tls *t = st->tls;
    unsigned socket_events = events;
    if (t) {
        socket_events = events & NET_HANGUP;
        if (events & NET_READ)
            socket_events |= t->read_wants_write ? NET_WRITE : NET_READ;
        if (events & NET_WRITE)
            socket_events |= t->write_wants_read ? NET_READ : NET_WRITE;
    }
    net_want(st->net, socket_events);
}

unsigned
stream_events(const struct stream *st, unsigned events)
{
    const struct tls *t = st->tls;
    unsigned ready = events;
    if (t && events & NET_READ && t->write_wants_read)
        ready |= NET_WRITE;
    if (t && events & NET_WRITE && t->read_wants_write)
        ready |= NET_READ;
    return ready;
}

bool
stream_has_pending(const struct stream *st)
{
    return st->tls && !st->tls->is_broken && !st->tls->read_blocked && SSL_has_pending(st->tls->ssl);
}

bool
stream_is_movable(const struct stream *st)
{
    return !st->tls || (tls_is_established(st->tls) && !tls_is_mid_record(st->tls));
}

const char *
stream_error_text(const struct stream *st)
{
    if (st->tls && st->tls->error)
        return st->tls->error;
    return st->net ? err_text(net_error(st->net)) : err_text(ERR_CLOSED);
}

void
stream_close(struct stream *st)
{
    if (st->tls) {
        st->tls->net = st->net;
        ERR_clear_error();
        if (!st->tls->is_broken && !st->tls->write_blocked && tls_is_established(st->tls))
            (void)SSL_shutdown(st->tls->ssl); /* our close_notify, if it fits; the peer's is not waited for */
        ERR_clear_error();
        tls_free(st->tls);
    }
    net_close(st->net);
    *st = (struct stream){0};
}

void
stream_abort(struct stream *st)
{
    tls_free(st->tls);
    net_abort(st->net);
    *st = (struct stream){0};
}
