/*
 * For this folder's tests: a node with a server, and clients that speak frames. session_fixture.c makes the
 * node; session_fixture_sim.c and session_fixture_uv.c are the two worlds in which it and its clients live,
 * so that one test runs over the simulated network and over TCP.
 */
#ifndef LEVERET_SERVER_SESSION_FIXTURE_H
#define LEVERET_SERVER_SESSION_FIXTURE_H

#include "base/buffer.h"
#include "broker/broker.h"
#include "io/net.h"
#include "server/server.h"
#include "wire/amqp.h"
#include "wire/frame.h"

struct session_world;
struct session_client;

struct session_node {
    struct node node;
    struct log log;
    struct server *server;
    uint16_t port;
    _Atomic bool is_listening;
};

/* ---- the node: session_fixture.c ---- */

void session_node_init(struct session_node *n, struct io_world *world, unsigned shards,
                       const struct server_config *config);
/* The shards have ended. */
void session_node_fini(struct session_node *n);

/* fn(node, arg) on shard 0, soon. */
void session_node_run(struct session_node *n, void (*fn)(struct session_node *n, uint64_t arg), uint64_t arg);

/* ---- the world: one of the two ---- */

/* `config` NULL: the defaults, on 127.0.0.1. `seed` is the simulation's; the machine ignores it. */
struct session_world *session_world_new(unsigned shards, const struct server_config *config, unsigned seed);
void session_world_free(struct session_world *w);
struct session_node *session_world_node(struct session_world *w);
/* Lets `ms` of the simulated time pass. The machine's passes by itself. */
void session_world_wait(struct session_world *w, unsigned ms);
/* In the simulated world only: the next thing that happens, which may be a shard's turn. False: nothing will.
 */
bool session_world_step(struct session_world *w);
/* Until the server has no connection any more (at most 5 seconds). */
bool session_world_settle(struct session_world *w);

struct session_client *session_client_open(struct session_world *w);
/* In the simulated world only: from this address instead of a loopback one. */
struct session_client *session_client_open_from(struct session_world *w, const struct net_addr *from);
void session_client_free(struct session_client *c);
void session_client_send(struct session_client *c, const void *data, size_t len);
/* Waits until at least `n` bytes are there (at most 5 seconds): what is there, less if no more comes. */
struct slice session_client_peek(struct session_client *c, size_t n);
void session_client_consume(struct session_client *c, size_t n);
/* Off: what the server sends stays in the network. */
void session_client_set_reading(struct session_client *c, bool reading);
/* The server has ended the connection: waits for it. */
bool session_client_is_ended(struct session_client *c);

/* ---- frames: session_fixture.c ---- */

/* The next frame that is no heartbeat; its payload is copied to `payload`. CHECKs that there is one. */
struct frame session_next_frame(struct session_client *c, struct buffer *payload);
/* The next frame is this method on this channel: decoded into `out` (its struct, may be NULL), whose slices
 * are good until the next call. */
void session_expect(struct session_client *c, uint16_t channel, uint32_t method, void *out);
/* A header frame and all body frames: body and properties are good until the next call. */
struct slice session_expect_content(struct session_client *c, uint16_t channel, struct slice *properties);
/* Any method by its struct; `fields` NULL: the specification's defaults. */
void session_send(struct session_client *c, uint16_t channel, uint32_t method, const void *fields);
void session_publish(struct session_client *c, uint16_t channel, const char *exchange, const char *key,
                     const char *body);
void session_publish_bytes(struct session_client *c, uint16_t channel, const struct amqp_basic_publish *m,
                           struct slice properties, struct slice body, size_t frame_max);
/* Protocol header to open-ok as guest, and channel 1. */
struct session_client *session_login(struct session_world *w);
void session_open_channel(struct session_client *c, uint16_t channel);
/* queue.declare with these flags; returns nothing but the ok. */
void session_declare(struct session_client *c, uint16_t channel, const char *queue);
/* connection.close and its ok. */
void session_logout(struct session_client *c);

/* What session_fixture.c keeps with a client; the first member of both worlds' struct session_client. */
struct session_frames {
    struct buffer payload, content, properties;
};

#endif
