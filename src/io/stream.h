/*
 * A connection's byte stream, plain or through TLS: the same calls for both, with net.h's results. The owner
 * holds one by value; `tls` is NULL for plain TCP. TLS handshakes happen inside reads and writes.
 *
 * The owner calls stream_want() instead of net_want() after each round of reads and writes, and passes what
 * its on_ready gets through stream_events().
 */
#ifndef LEVERET_IO_STREAM_H
#define LEVERET_IO_STREAM_H

#include "io/net.h"

struct tls;

struct stream {
    struct net_conn *net;
    struct tls *tls;
};

/* Fills the vectors as far as bytes are there. Bytes, 0 at the end, NET_AGAIN, NET_ERROR. */
ssize_t stream_readv(struct stream *st, const struct iovec *iov, int n);
/*
 * Bytes taken (perhaps fewer than given), NET_AGAIN, NET_ERROR. With TLS the vectors are gathered into full
 * records of 16 KiB; after NET_AGAIN or a part, the next call must start with the bytes that were not taken.
 */
ssize_t stream_writev(struct stream *st, const struct iovec *iov, int n);

/* Wants NET_READ / NET_WRITE / NET_HANGUP of the stream; during a TLS handshake the socket may be asked for
 * another. */
void stream_want(struct stream *st, unsigned events);
/* What the socket's events mean for the stream: which of reading and writing to try. */
unsigned stream_events(const struct stream *st, unsigned events);
/*
 * Decrypted or received bytes wait inside the TLS layer: the socket will not announce them, so an owner that
 * stops reading before NET_AGAIN (its budget is used up) must come back by itself.
 */
bool stream_has_pending(const struct stream *st);
/* Whether nothing of the stream is half-way in this process, so that the connection may move (always, for
 * plain TCP). */
bool stream_is_movable(const struct stream *st);

/* TLS: sends close_notify. Then net_close / net_abort; frees the TLS state. The stream is zeroed. */
void stream_close(struct stream *st);
void stream_abort(struct stream *st);
/* net_error(), or what TLS has to say: a text for the log, valid until the stream is closed. */
const char *stream_error_text(const struct stream *st);

#endif
