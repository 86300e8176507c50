/*
 * A client's connection, from accept to the last byte written. It lives on one shard and moves at most once
 * (connection_move.c).
 *
 *   HEADER ─► STARTING ─► TUNING ─► OPENING ─► RUNNING ─► CLOSING ─► CLOSED ─► DRAINING ─► DEAD
 *
 * CLOSING: the channels are gone, exclusive queues are being deleted. CLOSED: connection.close is sent, its
 * close-ok awaited. DRAINING: nothing is read any more, what is unsent still goes out. SILENT: a failed login
 * waits out its delay. DEAD: off the socket and out of the shard's table; freed at the end of the turn, so
 * that nobody up the stack meets freed memory.
 *
 * An idle connection must be small: everything that not every connection needs at every time hangs off a
 * pointer that is NULL otherwise.
 */
#ifndef LEVERET_SERVER_CONNECTION_H
#define LEVERET_SERVER_CONNECTION_H

#include "base/wheel.h"
#include "io/stream.h"
#include "server/connection_id.h"
#include "server/server.h"
#include "wire/amqp.h"
#include "wire/frame.h"

struct channel;
struct vhost;

enum connection_state {
    CONNECTION_PROXY, /* the PROXY header is to come, where proxy_protocol is on */
    CONNECTION_HEADER,
    CONNECTION_STARTING,
    CONNECTION_TUNING,
    CONNECTION_OPENING,
    CONNECTION_RUNNING,
    CONNECTION_CLOSING,
    CONNECTION_CLOSED,
    CONNECTION_DRAINING,
    CONNECTION_SILENT,
    CONNECTION_DEAD,
};

/* Why a connection is not read at the moment; any one is enough. */
enum connection_block {
    BLOCK_ALARM = 1 << 0,  /* the node is low on memory or disk, and this one publishes */
    BLOCK_ROOM = 1 << 1,   /* a publish waits for room towards another shard */
    BLOCK_PARKED = 1 << 2, /* too many frames wait behind unanswered methods */
    BLOCK_OUTPUT = 1 << 3, /* the client does not take the answers that it asked for */
    BLOCK_DEAF = 1 << 4,   /* whatever comes is of no interest any more */
    BLOCK_ENDED = 1 << 5,  /* the client has ended its side while its connection.close is being served */
    BLOCK_CLOSE = 1 << 6,  /* its connection.close waits until what is parked before it has been handled */
    BLOCK_PACE = 1 << 7,   /* it fills a queue faster than the consumers empty it: read again in a moment */
    /* What is parked ends these, so they must not hold it up. */
    BLOCK_BY_PARKED = BLOCK_PARKED | BLOCK_CLOSE,
};

enum connection_flag {
    CONNECTION_CANCEL_NOTIFY = 1 << 0, /* client capabilities */
    CONNECTION_BLOCKED_NOTIFY = 1 << 1,
    CONNECTION_AUTH_CLOSE = 1 << 2,
    CONNECTION_BLOCKED_SENT = 1 << 3, /* connection.blocked, and no unblocked yet */
    CONNECTION_FLUSH_LISTED = 1 << 4,
    CONNECTION_AGAIN_LISTED = 1 << 5,
    CONNECTION_WANTS_WRITE = 1 << 6, /* the socket did not take everything */
    CONNECTION_OUTPUT_FULL = 1 << 7, /* has_room() said no; resume at the low mark */
    CONNECTION_SETTLED = 1 << 8,     /* will not move (any more) */
    CONNECTION_BODY_OPEN = 1 << 9,   /* in the middle of a body frame: body_left bytes and the end octet */
    CONNECTION_DECLARED_QUEUE = 1 << 10, /* has made a queue: further ones may live anywhere */
    CONNECTION_BULK = 1 << 11,           /* the last read brought a large body: the next may be longer */
    CONNECTION_HEARD = 1 << 12,          /* something was received since the last heartbeat tick */
    CONNECTION_MOVING = 1 << 13,         /* goes to another shard as soon as the parser lets go of it */
    CONNECTION_SPOKE = 1 << 14,          /* something was sent since the last heartbeat tick */
    CONNECTION_ROOM_AWAITED = 1 << 15,   /* a publish or commit of a channel waits for room, or its turn */
};

/* Bytes that came and could not be handled yet: an incomplete frame, or what a blocked connection sent
 * before. */
struct connection_tail {
    uint32_t len, cap;
    uint8_t bytes[];
};

struct connection_queue {
    uint64_t id;
    uint16_t shard;
};

/* The exclusive queues of this connection. */
struct connection_queues {
    uint32_t count, cap;
    struct connection_queue queues[];
};

/* What connection.close will say when the exclusive queues are gone. Code 0: the client closes; it is
 * close-ok. */
struct connection_closing {
    uint16_t code;
    uint32_t method;
    uint32_t waiting; /* queues whose deletion was not answered yet */
    char text[AMQP_REPLY_TEXT_SIZE];
};

struct connection {
    struct server_shard *home;
    uint64_t id;     /* unique on the node for ever: connection_id_make() */
    uint64_t handle; /* in home->connections */
    struct stream stream;
    struct wheel_timer timer; /* the handshake's, then the heartbeats', then the close's */
    struct intern *user;      /* once logged in */
    struct intern *client_properties;
    const struct vhost *vhost; /* from OPENING on */
    struct user_usage
        *usage;              /* of its user, held; it is counted there and in the vhost: connection_limit.h */
    struct channel *channel; /* the one used last; with a single channel, that one */
    struct idmap *channels;  /* by number, once there is a second one */
    struct connection_tail *tail;
    struct outbound *out; /* NULL: nothing to write */
    union {
        struct connection_queues *queues;   /* before CLOSING */
        struct connection_closing *closing; /* from then on */
    };
    struct connection *flush_next;
    uint64_t received_bytes, sent_bytes;
    uint32_t reads, writes; /* of the socket, modulo 2^32: for views */
    uint32_t frame_max;
    uint32_t body_left; /* of the body frame in progress */
    uint32_t parked_bytes;
    uint16_t channel_max;
    uint16_t heartbeat_s;
    uint16_t body_channel; /* whose body frame is in progress */
    uint16_t flags;        /* enum connection_flag */
    uint8_t move_to;       /* shard; with CONNECTION_MOVING */
    uint8_t state : 5;
    uint8_t mechanism : 3; /* enum sasl_mechanism, once it is known */
    uint8_t blocked;       /* enum connection_block */
    uint8_t missed;        /* heartbeat ticks without a byte */
};

/* ---- connection.c ---- */

/* Takes socket and hold; freed by itself. May fail quietly (no descriptors): then all is released. */
void connection_accept(struct server_shard *home, struct net_socket *socket, struct tls_context *tls);
struct connection *connection_find(struct server_shard *home, uint64_t handle);
uint32_t connection_channel_count(const struct connection *c);
bool connection_has_moved(const struct connection *c); /* from another shard: it will not move again */
/* As RabbitMQ names it: "127.0.0.1:40000 -> 127.0.0.1:5672". */
const char *connection_name(const struct connection *c, char out[2 * NET_ADDR_TEXT_SIZE + 8]);
/* RabbitMQ's word for the state, for reply texts and views. */
const char *connection_state_name(const struct connection *c);
void connection_on_ready(void *owner, unsigned events);
/* Asks the socket for what this connection can use now. */
void connection_want(struct connection *c);
void connection_block(struct connection *c, enum connection_block why);
/* It published to a queue whose consumers are far behind: one read, then a pause of limits.pace_ms. */
void connection_pace(struct connection *c);
/* The last reason gone: what was left unread is handled, in the next turn at the latest. */
void connection_unblock(struct connection *c, enum connection_block why);
/* Off the socket, out of the table; freed at the end of the turn. */
void connection_die(struct connection *c);
void connection_free(struct connection *c);
/* On its way between shards that have stopped. */
void connection_discard(struct connection *c, struct net_socket *socket);

/* Bytes towards the client: reserve, write, commit. Never fails. */
void connection_mark_flush(struct connection *c);
static inline uint8_t *
connection_reserve(struct connection *c, size_t n)
{
    if (__builtin_expect(!c->out, 0))
        c->out = outbound_new(&c->home->outputs);
    return outbound_reserve(&c->home->outputs, c->out, n);
}
static inline void
connection_commit(struct connection *c, size_t n)
{
    outbound_commit(c->out, n);
    if (!(c->flags & CONNECTION_FLUSH_LISTED))
        connection_mark_flush(c);
}
/* Writes what there is; see limits write_turn_bytes. True: there is more that the socket might take. */
bool connection_flush(struct connection *c);
/* All connections with output; frees the dead ones. True: not done. */
bool connection_flush_all(struct server_shard *home);
/* Is there room for another delivery? A no is remembered: the consumers are resumed at the low mark. */
bool connection_has_room(struct connection *c);

/* A method without arguments, or any encoder: CONNECTION_SEND(c, SIZE_MAX, encode(out, ...)). */
#define CONNECTION_SEND(c, size_max, encode_call)                                                            \
    do {                                                                                                     \
        uint8_t *out = connection_reserve((c), (size_max));                                                  \
        connection_commit((c), (encode_call));                                                               \
    } while (0)

/* ---- connection_read.c ---- */

/* Where the broker's route_work will be when this connection has had its part of a turn. */
uint64_t connection_work_end(const struct connection *c);
/* One read from the socket, at most read_turn_bytes, and the whole frames in it, up to read_turn_work. */
void connection_read(struct connection *c);
/* What is not consumed stays for later. */
void connection_keep(struct connection *c, struct slice rest);
/* read() has given `got`, which is 0 or NET_ERROR. */
void connection_ended(struct connection *c, ssize_t got);
/* Frames that were left unhandled: it was blocked, or had had its part. */
void connection_resume(struct connection *c);
/* connection_proxy.c. In CONNECTION_PROXY. True: the header is complete, the state is CONNECTION_HEADER. */
bool connection_read_proxy(struct connection *c);

/* ---- class_connection.c: methods on channel 0 ---- */

void class_connection_method(struct connection *c, struct slice payload);

/* ---- connection_close.c ---- */

/* A hard error: logs, ends the channels, deletes exclusive queues, sends connection.close. `method` (0: none)
 * caused it. */
void connection_fail(struct connection *c, uint16_t code, uint32_t method, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, and the frames that follow cannot be read any more. */
void connection_fail_framing(struct connection *c, const struct frame *frame, const char *what);
/* 505: a frame of a type or on a channel where it has no business. */
void connection_fail_unexpected(struct connection *c, const struct frame *frame);
/* The client's connection.close. */
void connection_close_requested(struct connection *c);
/* The client's connection.close-ok. */
void connection_close_confirmed(struct connection *c);
/* The socket is gone or useless: no goodbye. `why` is for the log; NULL: not worth a line. */
void connection_lost(struct connection *c, const char *why);
/* Output still goes out, then the socket is closed. */
void connection_drain(struct connection *c);
/* A failed login: nothing is said, and the socket stays for a while. */
void connection_silence(struct connection *c);
/* An exclusive queue of ours exists / was deleted. */
void connection_queue_add(struct connection *c, uint64_t id, unsigned shard);
void connection_queue_remove(struct connection *c, uint64_t id);
/* One of the deletions that CLOSING waits for was answered. */
void connection_queue_deleted(struct connection *c);

/* ---- connection_move.c ---- */

/* Should it go to `shard`, and can it now? True: the move is arranged and the present frame must not be
 * consumed. */
bool connection_move(struct connection *c, unsigned shard);
/* The parser has let go: `rest` is what was not consumed. The connection is gone from this shard when this
 * returns. */
void connection_move_now(struct connection *c, struct slice rest);
/* It comes: the other end of the mail. */
void connection_arrive(struct server_shard *home, struct connection *c, struct net_socket *socket);

#endif
