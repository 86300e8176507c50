/*
 * TCP. A net_socket is an open connection that belongs to no shard: it may travel in a mail. A net_conn is
 * one that is attached to a shard, which tells its owner when it is ready; reading and writing are direct
 * calls that never block. SIGPIPE is never raised; TCP_NODELAY is always on.
 */
#ifndef LEVERET_IO_NET_H
#define LEVERET_IO_NET_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct shard;
struct io_world;
struct net_socket;
struct net_conn;
struct net_listener;

enum {
    NET_READ = 1,   /* bytes, the end of the stream or an error can be read */
    NET_WRITE = 2,  /* room in the send buffer, or an error */
    NET_HANGUP = 4, /* the peer has ended the stream, even if bytes before that are not read yet */
};

/* Results of net_readv/net_writev besides a count of bytes (0 from net_readv: end of the stream). */
enum {
    NET_AGAIN = -1,
    NET_ERROR = -2, /* the connection is lost: net_error() says why; only net_close/net_abort are left */
};

enum {
    NET_ADDR_TEXT_SIZE = 64,        /* "[ipv6]:port" and the terminator */
    NET_LINGER_MS = 3000,           /* how long net_close() waits for the peer to have read everything */
    NET_LINGER_BYTES_MAX = 4 << 20, /* how much it throws away meanwhile */
    NET_ACCEPTS_PER_TURN_MAX = 64,
};

enum net_family {
    NET_NONE,
    NET_IPV4,
    NET_IPV6,
};

/* An IPv4 client of a dual-stack listener is NET_IPV4. */
struct net_addr {
    uint8_t family; /* enum net_family */
    uint16_t port;
    uint8_t ip[16]; /* network order; IPv4 in the first four */
};

/* "127.0.0.1:5672", "[::1]:5672"; without the port: net_addr_host_text. Both return `text`. */
const char *net_addr_text(const struct net_addr *a, char text[NET_ADDR_TEXT_SIZE]);
const char *net_addr_host_text(const struct net_addr *a, char text[NET_ADDR_TEXT_SIZE]);
bool net_addr_is_loopback(const struct net_addr *a);

/* ---- accepting ---- */

typedef void net_on_accept(void *arg, struct net_socket *socket);
/*
 * Something to log once: ERR_NO_DESCRIPTORS when accepting had to stop (new clients are closed at once; it
 * resumes by itself, which is reported as ERR_OK), another code for an unexpected error.
 */
typedef void net_on_problem(void *arg, enum err e, const char *what);

/*
 * Listens on a numeric address ("0.0.0.0", "::" for both families, "127.0.0.1", ...); port 0 lets the system
 * choose. On failure `why` gets a text that names address and reason. In the simulation a
 * port is one of the shard's node, whatever the address.
 */
ERR_USE enum err net_listen(struct shard *s, const char *addr, uint16_t port, int backlog,
                            net_on_accept *on_accept, net_on_problem *on_problem, void *arg,
                            struct net_listener **listener, char *why, size_t why_size);
uint16_t net_listener_port(const struct net_listener *l);
/* No callback afterwards. On the shard of net_listen(). */
void net_listener_close(struct net_listener *l);

/* ---- connecting ---- */

/* ERR_OK and a socket that the callee owns, or why not: ERR_NOT_FOUND (name), ERR_REFUSED, ERR_TIMEOUT,
 * ERR_IO ... */
typedef void net_on_connected(void *arg, enum err e, struct net_socket *socket);
struct net_connecting;

/*
 * Resolves `host` off the loop and tries its addresses in turn until one answers or the time is over;
 * on_connected runs exactly once, never inside this call.
 */
struct net_connecting *net_connect(struct shard *s, const char *host, uint16_t port, uint64_t timeout_ms,
                                   net_on_connected *on_connected, void *arg);
/* Before on_connected has run: it will not. */
void net_connect_cancel(struct net_connecting *c);

/* ---- a socket of no shard ---- */

void net_socket_peer(const struct net_socket *k, struct net_addr *addr);
void net_socket_local(const struct net_socket *k, struct net_addr *addr);
/* Closes at once, without ceremony. */
void net_socket_free(struct net_socket *k);

struct net_options {
    uint32_t send_buffer;    /* bytes; 0 leaves the system's automatic sizing */
    uint32_t receive_buffer; /* the same */
    bool keepalive;
    uint32_t keepalive_idle_s; /* 0: the system's default */
};
void net_socket_set_options(struct net_socket *k, const struct net_options *options);

/* ---- a connection of a shard ---- */

typedef void net_on_ready(void *owner, unsigned events);

/*
 * Takes the socket. on_ready gets the events that were asked for with net_want(); initially none. An error of
 * the connection comes as NET_READ and NET_WRITE, as far as wanted. ERR_NO_DESCRIPTORS or ERR_MEMORY when the
 * loop cannot watch it: then the socket has been freed.
 */
ERR_USE enum err net_attach(struct shard *s, struct net_socket *socket, net_on_ready *on_ready, void *owner,
                            struct net_conn **conn);
/* The way back: no callback follows, the conn is gone, the socket may be attached elsewhere. */
struct net_socket *net_detach(struct net_conn *c);
void net_set_owner(struct net_conn *c, net_on_ready *on_ready, void *owner);
struct shard *net_shard(const struct net_conn *c);

/* The events wanted from now on (level-triggered). No system call if nothing changes. */
void net_want(struct net_conn *c, unsigned events);
unsigned net_wanted(const struct net_conn *c);

ssize_t net_readv(struct net_conn *c, const struct iovec *iov, int n);
ssize_t net_writev(struct net_conn *c, const struct iovec *iov, int n);
/* Why the last call said NET_ERROR: ERR_CLOSED (reset), ERR_TIMEOUT, ERR_IO ... */
enum err net_error(const struct net_conn *c);

/* The peer sees the end of the stream after what was written; reading goes on. */
void net_shutdown_write(struct net_conn *c);
/*
 * Ends the connection so that what was written still arrives: the peer has NET_LINGER_MS to read it, what it
 * sends meanwhile is thrown away. No callback follows; safe inside the conn's own on_ready.
 */
void net_close(struct net_conn *c);
/* Ends it at once with a reset. Safe inside the conn's own on_ready. */
void net_abort(struct net_conn *c);

/* As of the accept or connect. */
void net_peer(const struct net_conn *c, struct net_addr *addr);
void net_local(const struct net_conn *c, struct net_addr *addr);
/* net_peer() from now on, on other shards, too: the one for whom a proxy has connected. */
void net_set_peer(struct net_conn *c, const struct net_addr *addr);

#endif
