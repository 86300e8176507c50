/*
 * A socket in the file system, for programs on the same machine that may use the directory: one line asks,
 * one line answers. The server belongs to one shard and never blocks; the asking side is for programs that
 * may.
 *
 * In the simulation the socket is port LOCAL_SIM_PORT of the node, whatever its path.
 */
#ifndef LEVERET_IO_LOCAL_H
#define LEVERET_IO_LOCAL_H

#include "base/buffer.h"
#include "base/err.h"
#include "base/slice.h"
#include "io/net.h"

struct local_server;
struct local_peer;
struct local_client;

enum {
    LOCAL_LINE_MAX = 65536, /* of a request; a longer one ends the connection */
    LOCAL_PEERS_MAX = 32,   /* more are closed at once */
    LOCAL_SIM_PORT = 64999,
};

struct local_events {
    /*
     * A request, without its end of line. It is answered with local_answer(), now or later; until then
     * nothing more is read from this peer.
     */
    void (*on_line)(void *arg, struct local_peer *p, struct slice line);
    /* The peer is gone: the last call for it, not inside local_answer(). May be NULL. */
    void (*on_end)(void *arg, struct local_peer *p);
};

/*
 * Makes the socket with mode 0600; a left-over of that name is replaced, so the caller has to be the only one
 * who would serve there. On failure `why` names path and reason. `events` and `arg` stay.
 */
ERR_USE enum err local_serve(struct shard *s, const char *path, const struct local_events *events, void *arg,
                             struct local_server **server, char *why, size_t why_size);
/* The answer's line, without its end. On the server's shard. */
void local_answer(struct local_peer *p, struct slice line);
/* After shards_join(): the socket goes, nothing is called any more. NULL is harmless. */
void local_free(struct local_server *server);

/* ---- the other side: blocks; on the machine only ---- */

/* ERR_NOT_FOUND, ERR_REFUSED: nobody serves there. */
ERR_USE enum err local_connect(const char *path, struct local_client **client);
/* One line there, one back (without its end), in `answer`. ERR_CLOSED: the server has gone. */
ERR_USE enum err local_ask(struct local_client *c, const char *line, struct buffer *answer);
void local_disconnect(struct local_client *c);

#endif
